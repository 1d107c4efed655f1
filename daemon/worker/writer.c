/* Appending, rotating, errors. */
#include "writer.h"

#include "../base/clock.h"
#include "../base/crash.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAD_MAX	       (OUTFILE_ALIGN_MAX + CHUNK_PAD_MIN)
#define PADDING_PART   16 /* at most 1/PADDING_PART of a chunk, else written plain */
#define PROBE_BYTES    65536
#define AGAIN_NS       UINT64_C(1000000000)
#define FAILURES_MAX   6
#define SPACE_TRIES    40
#define SPACE_AGAIN_NS UINT64_C(10000000000) /* after one second without space */
#define SPACE_PAUSE_NS 25000000
#define WRITER_PIECES  64 /* of one write */
#define HUGE_BYTES     ((size_t)2 << 20)

/* In huge pages, if available: the disk gets writes in fewer and larger pieces. NULL: out of
 * memory. */
static uint8_t *staging_make(size_t bytes)
{
	size_t size = (bytes + HUGE_BYTES - 1) / HUGE_BYTES * HUGE_BYTES;
	uint8_t *p = mmap(NULL, size + HUGE_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	p += -(uintptr_t)p & (HUGE_BYTES - 1);
	madvise(p, size, MADV_HUGEPAGE);
	memset(p, 0, bytes); /* no page faults while capturing */
	return p;
}

/* Chunks in a row: one, compact, or some made in place. */
struct chunks {
	const struct pcapng_chunk *first;
	uint32_t count;
};

static void chunk_begin(struct writer *w)
{
	pcapng_chunk_begin(&w->chunk, w->staging, w->chunk_bytes);
}

int writer_init(struct writer *w, const struct message_worker *what, struct ledger *ledger,
		struct crossing *crossing, uint32_t bytes)
{
	*w = (struct writer){ .what = what,
			      .ledger = ledger,
			      .crossing = crossing,
			      .current.fd = -1,
			      .period = period_new(what) };
	w->chunk_bytes = pcapng_chunk_bytes_max(bytes);
	w->staging = staging_make(w->chunk_bytes + 2 * PAD_MAX);
	if (!w->staging)
		return -ENOMEM;
	w->lead = w->staging + w->chunk_bytes + PAD_MAX;
	if (burst_init(&w->burst,
		       what->group.output == OUTPUT_PCAPNG ? what->config.burst_bytes : 0,
		       crossing))
		return -ENOMEM;
	chunk_begin(w);
	return 0;
}

void writer_begin(struct writer *w, const struct crossing_file *file)
{
	w->current = (struct outfile){ .serial = file->serial,
				       .fd = file->fd,
				       .align = file->align,
				       .mode = OUTFILE_UNKNOWN };
}

static bool writing(const struct writer *w)
{
	return w->current.fd >= 0 &&
	       !atomic_load_explicit(&w->crossing->suspended, memory_order_relaxed);
}

/* While a burst waits the file should not end, unless it has an error already: the archive would
 * wait for the disk when it finishes it. */
static bool file_ends(struct writer *w, const struct ledger_totals *t)
{
	return t->current.error || !burst_waits(&w->burst, t->current.end);
}

/* Takes the spare file into use if it is there; never waits for the archive, nor for the disk. */
static bool file_next(struct writer *w, struct ledger_totals *t)
{
	struct crossing_file next;
	struct ledger_kernel k;

	if (!crossing_spare_take(w->crossing, t->current.serial + 1, &next))
		return false;
	writer_behind(w, t); /* nothing waits any more, but the last piece may have failed */
	if (w->current.fd >= 0)
		burst_next_file(&w->burst, w->current.fd);
	writer_begin(w, &next);
	atomic_store_explicit(&w->crossing->rotate, false, memory_order_relaxed);
	k = ledger_kernel(w->ledger);
	t->previous = t->current;
	/* Unread packets in the ring belong to the next file. */
	t->previous.finish = (struct ledger_mark){ t->received + k.drops, k.drops, t->written };
	t->current = (struct ledger_file){ .serial = w->current.serial,
					   .end = LEDGER_FILE_BEGIN,
					   .begin = t->previous.finish };
	if (!t->previous.since_ns) /* never used: the new file takes over its counts */
		t->current.begin = t->previous.begin;
	crash_step(CRASH_NEXT_FILE);
	return true;
}

/* Pads the last unit of a plain chunk, so that the next chunk can be written with O_DIRECT. */
static int lead_put(struct writer *w, struct ledger_totals *t)
{
	uint32_t pad = pcapng_pad_bytes(t->current.end, w->current.align);
	int error;

	if (!pad)
		return 0;
	pcapng_pad(w->lead, pad);
	error = outfile_plain(&w->current, w->lead, pad, t->current.end);
	if (!error)
		t->current.end += pad;
	return error;
}

/* In a burst, into the page cache; else whole units, at a multiple of the alignment. */
static int pieces_put(struct writer *w, struct ledger_totals *t, struct iovec *pieces, int count)
{
	uint64_t bytes = 0;
	int error;

	for (int i = 0; i < count; i++)
		bytes += pieces[i].iov_len;
	if (burst_wanted(&w->burst, &w->current, t->current.end, bytes)) {
		error = burst_write(&w->burst, &w->current, pieces, count, t->current.end);
	} else {
		burst_passed(&w->burst);
		error = lead_put(w, t);
		if (!error)
			error = outfile_direct(&w->current, pieces, count, t->current.end);
		if (!error)
			burst_disk_works(&w->burst);
	}
	if (!error)
		t->current.end += bytes;
	return error;
}

static int compact_put(struct writer *w, struct ledger_totals *t)
{
	uint32_t used = w->chunk.used, align = w->current.align,
		 lead = pcapng_pad_bytes(t->current.end, align),
		 pad = pcapng_pad_bytes(used, align);
	struct iovec piece = { .iov_base = w->chunk.buffer, .iov_len = used };
	int error;

	if ((uint64_t)(lead + pad) * PADDING_PART <= used) {
		pcapng_pad(w->chunk.buffer + used, pad);
		piece.iov_len += pad;
		return pieces_put(w, t, &piece, 1);
	}
	if (burst_wanted(&w->burst, &w->current, t->current.end, used))
		return pieces_put(w, t, &piece, 1);
	error = outfile_plain(&w->current, w->chunk.buffer, used, t->current.end);
	if (error)
		return error;
	burst_disk_works(&w->burst);
	t->current.end += used;
	return 0;
}

static int inplace_put(struct writer *w, struct ledger_totals *t, const struct chunks *chunks)
{
	struct iovec pieces[WRITER_PIECES];

	for (uint32_t i = 0; i < chunks->count; i++)
		pieces[i] = (struct iovec){ .iov_base = chunks->first[i].buffer,
					    .iov_len = chunks->first[i].used };
	return pieces_put(w, t, pieces, (int)chunks->count);
}

/* All or none. */
static int chunks_put(struct writer *w, struct ledger_totals *t, const struct chunks *chunks)
{
	const struct pcapng_chunk *first = chunks->first;
	uint64_t before = t->current.end;
	int error;

	w->current.unsynced = false;
	error = first == &w->chunk ? compact_put(w, t) : inplace_put(w, t, chunks);
	if (w->current.unsynced && burst_blames(&w->burst))
		error = EIO;
	t->written_bytes += t->current.end - before; /* or its lead pad, which stays */
	if (error) {
		/* No torn chunk, even if the file is never finished */
		if (ftruncate(w->current.fd, (off_t)t->current.end))
			t->current.error = (uint64_t)errno;
		return error;
	}
	crash_step(CRASH_WRITTEN);
	w->failures = 0;
	t->current.until_ns = clock_real_ns();
	if (!t->current.since_ns) {
		t->current.since_ns = t->current.until_ns;
		t->current.first_ns = first->first_ns;
	}
	for (uint32_t i = 0; i < chunks->count; i++) {
		t->written += first[i].packets;
		t->drops_noted += first[i].drops_noted;
	}
	atomic_store_explicit(&w->crossing->no_space, 0, memory_order_relaxed);
	return 0;
}

/* An exceeded quota is EDQUOT, on some file systems ENOSPC. */
static bool is_refusal(int error)
{
	return error == ENOSPC || error == EDQUOT;
}

static void write_failed(struct writer *w, struct ledger_totals *t, int error)
{
	t->write_errors++;
	if (is_refusal(error)) /* reported by space_await(), if retrying fails */
		return;
	atomic_store(&w->crossing->error, error);
	if (error != EFBIG) /* nothing more is written to it; its name will say so */
		t->current.error = (uint64_t)error;
	if (t->current.end > LEDGER_FILE_BEGIN)
		return;
	/* Its first write: the disk is at fault, or a limit of all files. Do not use up file after
	 * file. */
	if (error != EFBIG)
		t->current.since_ns = t->current.until_ns = clock_real_ns();
	w->again_ns = clock_mono_ns() + (AGAIN_NS << w->failures);
	w->failures += w->failures < FAILURES_MAX;
}

/* The first write that finds no space is retried for a second: the archive, which is notified, may
 * free some. The ring buffers packets meanwhile. Returns 0 or errno. */
static int space_await(struct writer *w, struct ledger_totals *t, const struct chunks *chunk,
		       int error)
{
	const struct timespec pause = { .tv_nsec = SPACE_PAUSE_NS };
	unsigned tries = clock_mono_ns() < w->patient_ns ? 0 : SPACE_TRIES;

	atomic_store(&w->crossing->refused, error);
	crossing_notify(w->crossing);
	for (unsigned i = 0; i < tries && is_refusal(error) && !t->current.error &&
			     !atomic_load_explicit(&w->crossing->suspended, memory_order_relaxed);
	     i++) {
		nanosleep(&pause, NULL);
		error = chunks_put(w, t, chunk);
	}
	atomic_store(&w->crossing->refused, 0);
	if (is_refusal(error)) {
		atomic_store_explicit(&w->crossing->no_space, error, memory_order_relaxed);
		atomic_store(&w->crossing->error, error);
		if (tries)
			w->patient_ns = clock_mono_ns() + SPACE_AGAIN_NS;
	} else if (error) {
		write_failed(w, t, error);
	}
	crossing_notify(w->crossing);
	return error;
}

/* Whether the chunk must go to the next file, after `before` bytes of others go to this one. */
static bool file_over(struct writer *w, const struct ledger_totals *t,
		      const struct pcapng_chunk *chunk, uint64_t before)
{
	return t->current.end + before > LEDGER_FILE_BEGIN &&
	       !atomic_load_explicit(&w->crossing->no_space, memory_order_relaxed) &&
	       (t->current.end + before + chunk->used + 2 * (w->current.align + CHUNK_PAD_MIN) >
			w->what->config.file_bytes ||
		period_over(&w->period, &t->current, chunk->first_ns));
}

/* Those of `chunks`, which are in place, that one write may append: at least one. */
static struct chunks chunks_together(struct writer *w, const struct ledger_totals *t,
				     const struct chunks *chunks)
{
	struct chunks n = { chunks->first, 1 };
	uint64_t bytes = chunks->first->used;

	while (n.count < chunks->count && n.count < WRITER_PIECES && n.first[n.count].packets &&
	       !file_over(w, t, &n.first[n.count], bytes))
		bytes += n.first[n.count++].used;
	return n;
}

/* Appends a chunk. If the disk is full, the chunk is discarded, and the file is complete up to the
 * previous chunk. If the file is spoiled or may not grow, the chunk goes into the spare file, if
 * there is one. */
static void chunk_append(struct writer *w, struct ledger_totals *t,
			 const struct pcapng_chunk *chunk)
{
	const struct chunks one = { chunk, 1 };
	bool refused = atomic_load_explicit(&w->crossing->no_space, memory_order_relaxed);
	int error = ENOSPC;

	if (writing(w)) {
		if (file_over(w, t, chunk, 0) && file_ends(w, t))
			file_next(w, t);
		do {
			error = (int)t->current.error;
			if (error)
				continue;
			error = chunks_put(w, t, &one);
			if (!error)
				return;
			write_failed(w, t, error);
			if (is_refusal(error) && !refused)
				error = space_await(w, t, &one, error);
			if (!error)
				return;
		} while (!is_refusal(error) && clock_mono_ns() >= w->again_ns &&
			 (error == EFBIG || file_ends(w, t)) && file_next(w, t));
	}
	*(is_refusal(error) || error == EFBIG ? &t->discarded_no_space : &t->discarded_io_error) +=
		chunk->packets;
}

/* Appends some of the chunks, the first ones, by one write; returns how many. 0: that was not
 * possible, and nothing is done. A file's first chunk is written alone: its period is known then.
 */
static uint32_t chunks_append(struct writer *w, struct ledger_totals *t,
			      const struct chunks *chunks)
{
	struct chunks some;
	int error;

	if (!chunks->first->packets || !writing(w) ||
	    atomic_load_explicit(&w->crossing->no_space, memory_order_relaxed))
		return 0;
	if (file_over(w, t, chunks->first, 0) && file_ends(w, t))
		file_next(w, t);
	if (t->current.error || !t->current.since_ns)
		return 0;
	some = chunks_together(w, t, chunks);
	if (some.count < 2)
		return 0;
	error = chunks_put(w, t, &some);
	if (!error)
		return some.count;
	if (!is_refusal(error) && error != EFBIG)
		write_failed(w, t, error);
	return 0;
}

static void chunk_count(struct ledger_totals *t, const struct pcapng_chunk *chunk)
{
	t->discarded_abandoned += chunk->unreadable;
	t->received += (uint64_t)chunk->packets + chunk->unreadable;
	t->received_bytes += chunk->received_bytes;
	t->truncated += chunk->truncated;
}

void writer_compact(struct writer *w, struct ledger_totals *t)
{
	struct ledger_kernel k = ledger_kernel(w->ledger);
	const struct pcapng_context context = { .worker = w->what->worker,
						.drops = k.drops,
						.freezes = k.freezes };

	if (pcapng_chunk_end(&w->chunk, &context))
		chunk_append(w, t, &w->chunk);
	chunk_count(t, &w->chunk);
	chunk_begin(w);
}

void writer_quarantine(struct writer *w, struct ledger_totals *t, const struct afcap_block *block)
{
	struct pcapng_chunk *chunk = &w->chunk;
	struct ledger_kernel k = ledger_kernel(w->ledger);
	const struct pcapng_context context = { .worker = w->what->worker,
						.drops = k.drops,
						.freezes = k.freezes,
						.now_ns = clock_real_ns() };

	pcapng_quarantine(chunk, block, w->what->group.block_bytes, &context);
	chunk_append(w, t, chunk);
	chunk_count(t, chunk);
	chunk_begin(w);
}

/* What cannot be written together is written, or counted as lost, one by one. */
void writer_inplace(struct writer *w, struct ledger_totals *t, const struct pcapng_chunk *chunks,
		    uint32_t count)
{
	struct chunks rest = { chunks, count };

	while (rest.count) {
		uint32_t done = chunks_append(w, t, &rest);

		if (!done && rest.first->packets)
			chunk_append(w, t, rest.first);
		for (done += !done; done; done--, rest.count--)
			chunk_count(t, rest.first++);
	}
}

static int64_t file_due(struct writer *w, const struct ledger_totals *t)
{
	if (!atomic_load_explicit(&w->crossing->spare_ready, memory_order_acquire))
		return INT64_MAX;
	if (t->current.error)
		return clock_mono_ns() < w->again_ns ? INT64_MAX : 0;
	if (!t->current.since_ns)
		return INT64_MAX;
	if (atomic_load_explicit(&w->crossing->rotate, memory_order_relaxed))
		return 0;
	/* The next file could not be written to either: it would have no packets, only counted
	 * losses. */
	if (atomic_load_explicit(&w->crossing->suspended, memory_order_relaxed) ||
	    atomic_load_explicit(&w->crossing->no_space, memory_order_relaxed))
		return INT64_MAX;
	return period_left(&w->period, &t->current);
}

int64_t writer_due(struct writer *w, const struct ledger_totals *t)
{
	int64_t due = file_due(w, t);

	return due == 0 && !file_ends(w, t) ? INT64_MAX /* woken when nothing waits any more */
					    : due;
}

bool writer_late(const struct writer *w, const struct ledger_totals *t, int64_t due_ns)
{
	return period_late(&w->period, &t->current, due_ns);
}

bool writer_rotate(struct writer *w, struct ledger_totals *t)
{
	if (!file_ends(w, t) || !file_next(w, t))
		return false;
	chunk_begin(w);
	return true;
}

void writer_look(struct writer *w, const struct ledger_totals *t)
{
	struct crossing_file late;

	if (w->current.fd < 0 && crossing_late_take(w->crossing, &late))
		writer_begin(w, &late);
	if (!t->current.since_ns) /* nothing to rotate */
		atomic_store_explicit(&w->crossing->rotate, false, memory_order_relaxed);
}

bool writer_behind(struct writer *w, struct ledger_totals *t)
{
	int error = burst_error(&w->burst);

	if (!error)
		return false;
	t->write_errors++;
	atomic_store(&w->crossing->error, error);
	crossing_notify(w->crossing);
	/* Nothing more is written to it; the next file shows at once whether the disk works
	 * (burst.h). A file that found no space in the end has lost packets, and waiting for space
	 * does not bring them back. */
	if (!t->current.error)
		t->current.error = (uint64_t)(is_refusal(error) ? EIO : error);
	return true;
}

void writer_probe(struct writer *w, const struct ledger_totals *t)
{
	if (w->current.fd < 0 ||
	    !atomic_load_explicit(&w->crossing->no_space, memory_order_relaxed))
		return;
	if (fallocate(w->current.fd, FALLOC_FL_KEEP_SIZE, (off_t)t->current.end, PROBE_BYTES) ==
		    0 ||
	    errno == EOPNOTSUPP)
		atomic_store_explicit(&w->crossing->no_space, 0, memory_order_relaxed);
}
