/* The ring thread. */
#include "ringloop.h"
#include "pcapng.h"

#include "../base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FILE_HEAD_BYTES 4096u
#define IDLE_WAIT_NS	1000000000
#define STAGING_ALIGN	4096u

struct ringloop_file {
	uint64_t serial;
	int fd;
	uint32_t align;
};

struct ringloop {
	struct afcap *ring;
	struct ledger *ledger;
	const struct message_worker *what;
	int notify;
	pthread_t thread;
	bool running;
	atomic_bool draining;
	atomic_int link, write_error, fatal; /* the news */

	struct ringloop_file current; /* the ring thread's once it runs */
	struct ringloop_file
		spare; /* handed over by spare_ready: the main thread fills it while false */
	atomic_bool spare_ready;

	struct ledger_totals totals; /* as committed last */
	struct pcapng_chunk chunk;
	uint8_t *staging;
	size_t staging_bytes;
	uint32_t flush_bytes;	  /* a chunk of this size is written at once */
	struct afcap_block *held; /* blocks in the chunk, not yet committed */
	uint32_t held_count, held_max;
	uint64_t held_since;
	struct { /* what output = none counts while a block is held */
		uint32_t packets, truncated;
		uint64_t bytes;
	} counted;
};

static bool writes(const struct ringloop *loop)
{
	return loop->what->output == OUTPUT_PCAPNG;
}

int ringloop_new(struct ringloop **out, struct afcap *ring, struct ledger *ledger,
		 const struct message_worker *what, int notify)
{
	struct ringloop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return -ENOMEM;
	*loop = (struct ringloop){ .ring = ring,
				   .ledger = ledger,
				   .what = what,
				   .notify = notify,
				   .current.fd = -1,
				   .spare.fd = -1 };
	loop->totals = ledger_totals(ledger);
	loop->flush_bytes = what->block_bytes / 2;
	loop->held_max = what->blocks / 2 ? what->blocks / 2 : 1;
	loop->held = calloc(loop->held_max, sizeof(*loop->held));
	/* A chunk below flush_bytes takes one more block. */
	loop->staging_bytes =
		pcapng_chunk_bytes_max(what->block_bytes + loop->flush_bytes, STAGING_ALIGN);
	loop->staging = mmap(NULL, loop->staging_bytes, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (!loop->held || loop->staging == MAP_FAILED) {
		free(loop->held);
		free(loop);
		return -ENOMEM;
	}
	pcapng_chunk_begin(&loop->chunk, loop->staging, (uint32_t)loop->staging_bytes);
	*out = loop;
	return 0;
}

int ringloop_file(struct ringloop *loop, const struct message_file *file, int fd)
{
	struct ringloop_file f = { file->serial, fd, file->align };

	if (fd < 0 || f.align < 4 || f.align > STAGING_ALIGN || (f.align & (f.align - 1)))
		return -EINVAL;
	if (!loop->running && loop->current.fd < 0 && f.serial == loop->totals.current.serial) {
		loop->current = f;
		return 0;
	}
	if (loop->current.fd < 0 || atomic_load_explicit(&loop->spare_ready, memory_order_acquire))
		return -EINVAL;
	loop->spare = f;
	/* Pairs with the acquire in file_rotate(). */
	atomic_store_explicit(&loop->spare_ready, true, memory_order_release);
	return 0;
}

bool ringloop_ready(const struct ringloop *loop)
{
	return !writes(loop) || loop->current.fd >= 0;
}

static void loop_notify(struct ringloop *loop)
{
	uint64_t one = 1;
	ssize_t n = write(loop->notify, &one, sizeof(one));

	(void)n; /* full: the main thread has been told */
}

/* The next file, if it is there; else the current one grows over its size: nothing waits for the
 * archive. */
static void file_rotate(struct ringloop *loop, struct ledger_totals *t)
{
	struct ledger_kernel k;

	if (!atomic_load_explicit(&loop->spare_ready, memory_order_acquire) ||
	    loop->spare.serial != t->current.serial + 1)
		return;
	close(loop->current.fd);
	loop->current = loop->spare;
	atomic_store_explicit(&loop->spare_ready, false, memory_order_release);
	k = ledger_kernel(loop->ledger);
	t->previous = t->current;
	t->previous.finish = (struct ledger_mark){ k.packets, k.drops, t->written };
	t->current = (struct ledger_file){ .serial = loop->current.serial,
					   .end = FILE_HEAD_BYTES,
					   .begin = t->previous.finish };
}

/* Returns 0 or errno. */
static int write_all(int fd, const uint8_t *data, uint32_t bytes, uint64_t offset)
{
	while (bytes) {
		ssize_t n = pwrite(fd, data, bytes, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		if (n == 0)
			return EIO;
		data += n;
		bytes -= (uint32_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

static bool no_space(int error)
{
	return error == ENOSPC || error == EDQUOT || error == EFBIG;
}

/* The chunk to the file. What cannot be written is counted, and the file stays whole up to the
 * chunk before. */
static void chunk_write(struct ringloop *loop, struct ledger_totals *t)
{
	struct ledger_kernel k = ledger_kernel(loop->ledger);
	struct pcapng_context context = { .worker = loop->what->worker,
					  .drops = k.drops,
					  .freezes = k.freezes };
	uint32_t bytes;
	int error;

	if (t->current.end > FILE_HEAD_BYTES &&
	    t->current.end + loop->chunk.used + loop->current.align > loop->what->file_bytes)
		file_rotate(loop, t);
	context.align = loop->current.align;
	bytes = pcapng_chunk_end(&loop->chunk, &context);
	if (!bytes)
		return;
	error = write_all(loop->current.fd, loop->staging, bytes, t->current.end);
	if (error) {
		t->write_errors++;
		*(no_space(error) ? &t->discarded_no_space : &t->discarded_io_error) +=
			loop->chunk.packets;
		atomic_store(&loop->write_error, error);
		return;
	}
	t->current.end += bytes;
	t->current.until_ns = clock_real_ns();
	if (!t->current.since_ns) {
		t->current.since_ns = t->current.until_ns;
		t->current.first_ns = loop->chunk.first_ns;
	}
	t->written += loop->chunk.packets;
	t->written_bytes += bytes;
}

/* Writes, commits, releases what is held. A kill before the commit: the next worker makes the same
 * bytes again and writes them to the same place. After it: the blocks' sequences are below
 * next_sequence, and are only released. */
static void held_flush(struct ringloop *loop)
{
	struct ledger_totals t = loop->totals;
	const struct afcap_block *last = &loop->held[loop->held_count - 1];
	bool news;

	if (writes(loop)) {
		chunk_write(loop, &t);
		t.discarded_abandoned += loop->chunk.unreadable;
		t.received += loop->chunk.packets + loop->chunk.unreadable;
		t.received_bytes += loop->chunk.received_bytes;
		t.truncated += loop->chunk.truncated;
		pcapng_chunk_begin(&loop->chunk, loop->staging, (uint32_t)loop->staging_bytes);
	} else {
		t.received += loop->counted.packets;
		t.received_bytes += loop->counted.bytes;
		t.truncated += loop->counted.truncated;
		memset(&loop->counted, 0, sizeof(loop->counted));
	}
	for (uint32_t i = 0; i < loop->held_count; i++)
		*(loop->held[i].status & TP_STATUS_BLK_TMO ? &t.blocks_timeout : &t.blocks_full) +=
			1;
	t.next_sequence = last->sequence + 1;
	t.next_block = last->index + 1 == loop->what->blocks ? 0 : last->index + 1;
	ledger_commit(loop->ledger, &t);
	for (uint32_t i = 0; i < loop->held_count; i++)
		afcap_block_release(loop->ring, &loop->held[i]);
	loop->held_count = 0;
	news = t.current.serial != loop->totals.current.serial ||
	       (t.current.since_ns != 0) != (loop->totals.current.since_ns != 0);
	loop->totals = t;
	if (news)
		loop_notify(loop);
}

static void block_count(struct ringloop *loop, struct afcap_block *block)
{
	struct afcap_packet packet = { 0 };

	loop->counted.packets += block->packets;
	while (afcap_packet_next(block, &packet)) {
		loop->counted.bytes += packet.capture_length;
		loop->counted.truncated += packet.length > packet.capture_length;
	}
}

static void block_take(struct ringloop *loop, struct afcap_block *block)
{
	const struct pcapng_context context = { .align = STAGING_ALIGN,
						.snaplen = loop->what->snaplen,
						.vlan_keep = loop->what->vlan_keep };

	if (loop->held_count == 0)
		loop->held_since = clock_mono_ns();
	loop->held[loop->held_count++] = *block;
	if (writes(loop))
		pcapng_chunk_add(&loop->chunk, block, &context);
	else
		block_count(loop, block);
	if (!writes(loop) || loop->chunk.used >= loop->flush_bytes ||
	    loop->held_count == loop->held_max ||
	    atomic_load_explicit(&loop->draining, memory_order_relaxed))
		held_flush(loop);
}

/* How long the ring thread may wait: until what it holds must be written. */
static int64_t wait_time(const struct ringloop *loop)
{
	uint64_t now, due = loop->held_since + loop->what->write_delay_ns;

	if (!loop->held_count)
		return IDLE_WAIT_NS;
	if (atomic_load_explicit(&loop->draining, memory_order_relaxed))
		return 0;
	now = clock_mono_ns();
	return due > now ? (int64_t)(due - now) : 0;
}

/* Single writer: plain arithmetic, stored so that the main thread never reads half of it. */
static void count(uint64_t *counter)
{
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

static int ring_wait(struct ringloop *loop, int64_t timeout_ns)
{
	int rc = afcap_wait(loop->ring, timeout_ns);

	count(&loop->ledger->polls);
	if (rc != AFCAP_READY)
		count(&loop->ledger->poll_timeouts);
	if (rc == AFCAP_DOWN || rc == AFCAP_GONE) {
		atomic_store(&loop->link, rc);
		loop_notify(loop);
	}
	return rc;
}

static void *ringloop_run(void *arg)
{
	struct ringloop *loop = arg;
	struct afcap_block block;
	int rc = 0;

	pthread_setname_np(pthread_self(), "afcap-ring");
	while (rc >= 0 && rc != AFCAP_STOPPED) {
		int64_t timeout_ns;

		if (afcap_block_acquire(loop->ring, &block) == 0) {
			block_take(loop, &block);
			continue;
		}
		timeout_ns = wait_time(loop);
		if (timeout_ns == 0)
			held_flush(loop);
		else
			rc = ring_wait(loop, timeout_ns);
	}
	if (rc < 0) {
		atomic_store(&loop->fatal, -rc);
		loop_notify(loop);
	} else if (loop->held_count) {
		held_flush(loop);
	}
	return NULL;
}

int ringloop_start(struct ringloop *loop)
{
	int rc = pthread_create(&loop->thread, NULL, ringloop_run, loop);

	loop->running = rc == 0;
	return -rc;
}

void ringloop_drain(struct ringloop *loop)
{
	atomic_store(&loop->draining, true);
	afcap_wake(loop->ring);
}

void ringloop_stop(struct ringloop *loop)
{
	if (!loop->running)
		return;
	afcap_stop(loop->ring);
	pthread_join(loop->thread, NULL);
	loop->running = false;
}

void ringloop_news(struct ringloop *loop, struct ringloop_news *news)
{
	*news = (struct ringloop_news){
		.link = atomic_exchange(&loop->link, 0),
		.error = atomic_exchange(&loop->write_error, 0),
		.fatal = atomic_load(&loop->fatal),
	};
}
