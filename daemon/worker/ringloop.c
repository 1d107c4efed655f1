/* The ring loop and the blocks that it holds. */
#include "ringloop.h"

#include "../base/clock.h"
#include "../base/crash.h"
#include "../base/linktype.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define IDLE_WAIT_NS	  INT64_C(1000000000)
#define PROBE_WAIT_NS	  INT64_C(250000000) /* interval of probes while the disk is full */
#define ROTATION_PAUSE_NS 50000
#define ROTATION_PAUSES	  400
#define FLUSH_BYTES	  (512u << 10) /* copied, which the cache should hold */
#define BATCH_BYTES	  (4u << 20)   /* converted in place; more gains nothing */
#define RING_PART	  8	       /* of the ring */
#define FILE_PART	  4	       /* of a file */
/* Slot bytes per packet: what takes less CPU, measured with `make bench` --layouts; while the disk
 * is behind the smaller files count for more, which compact ones are (by 13 % at 400 bytes). */
#define INPLACE_MEAN	    384
#define INPLACE_MEAN_BEHIND 512

static bool writes(const struct ringloop *loop)
{
	return loop->what->group.output == OUTPUT_PCAPNG;
}

/* So many bytes are written together, as long as most of the ring stays free and the file ends near
 * its size: between two commits no more than one file can end, as the next one is made then. */
static uint32_t together(const struct message_worker *what, uint32_t maximum)
{
	uint64_t ring = what->group.block_bytes * what->blocks / RING_PART;
	uint64_t file = what->config.file_bytes / FILE_PART;
	uint64_t part = ring < file ? ring : file;

	return part < maximum ? (uint32_t)part : maximum;
}

int ringloop_init(struct ringloop *loop, struct afcap *ring, struct ledger *ledger,
		  const struct message_worker *what, struct crossing *crossing)
{
	*loop = (struct ringloop){
		.ring = ring, .ledger = ledger, .what = what, .crossing = crossing
	};
	loop->totals = ledger_totals(ledger);
	loop->flush_bytes = together(what, FLUSH_BYTES);
	/* The kernel may drop single packets while less than a quarter of the ring is free */
	loop->held_max = what->blocks / 4 ? what->blocks / 4 : 1;
	loop->batch_bytes = together(what, BATCH_BYTES);
	loop->held = calloc(loop->held_max, sizeof(*loop->held));
	loop->chunks = calloc(loop->held_max, sizeof(*loop->chunks));
	/* A chunk below flush_bytes takes one more block. */
	if (!loop->held || !loop->chunks ||
	    writer_init(&loop->writer, what, ledger, crossing,
			what->group.block_bytes + loop->flush_bytes)) {
		free(loop->held);
		free(loop->chunks);
		return -ENOMEM;
	}
	return 0;
}

/* The commit point. After a kill before it, the next worker makes the same bytes again and writes
 * them to the same offset. After a later kill, the blocks' sequences are below next_sequence, and
 * they are only released. */
static void commit(struct ringloop *loop, const struct ledger_totals *t)
{
	bool news = t->current.serial != loop->totals.current.serial ||
		    (t->current.since_ns != 0) != (loop->totals.current.since_ns != 0);

	if (crash_protocol_off() && !news &&
	    !atomic_load_explicit(&loop->crossing->draining, memory_order_relaxed) &&
	    crash_commit_skipped()) {
		loop->totals = *t;
		return;
	}
	ledger_commit(loop->ledger, t);
	crash_step(CRASH_COMMITTED);
	loop->totals = *t;
	if (news)
		crossing_notify(loop->crossing);
}

/* Moves the position past this block: all blocks up to it are handled. */
static void cursor_move(const struct ringloop *loop, struct ledger_totals *t,
			const struct afcap_block *last)
{
	t->next_sequence = last->sequence + 1;
	t->next_block = last->index + 1 == loop->what->blocks ? 0 : last->index + 1;
}

/* Whether half of the blocks wait for the disk, held or not taken yet. */
static bool ring_fills(const struct ringloop *loop)
{
	uint32_t half = loop->what->blocks - loop->what->blocks / 2;

	return loop->held_count > half || afcap_block_waiting(loop->ring, half - loop->held_count);
}

/* Writes, commits and releases the held blocks. */
static void held_flush(struct ringloop *loop)
{
	struct ledger_totals t = loop->totals;

	if (!loop->held_count)
		return;
	loop->writer.burst.ring_fills = loop->writer.burst.writeback && ring_fills(loop);
	if (loop->held_inplace) {
		writer_inplace(&loop->writer, &t, loop->chunks, loop->held_count);
	} else if (writes(loop)) {
		writer_compact(&loop->writer, &t);
	} else {
		t.received += loop->counted.packets;
		t.received_bytes += loop->counted.bytes;
		t.truncated += loop->counted.truncated;
		memset(&loop->counted, 0, sizeof(loop->counted));
	}
	for (uint32_t i = 0; i < loop->held_count; i++)
		*(loop->held[i].status & TP_STATUS_BLK_TMO ? &t.blocks_timeout : &t.blocks_full) +=
			1;
	cursor_move(loop, &t, &loop->held[loop->held_count - 1]);
	commit(loop, &t);
	for (uint32_t i = 0; i < loop->held_count; i++) {
		afcap_block_release(loop->ring, &loop->held[i]);
		crash_step(CRASH_RELEASED);
	}
	loop->held_count = 0;
	loop->held_inplace = false;
	loop->held_drops_noted = 0;
	loop->batch_used = 0;
}

/* Records the sequence of the block being encoded, for the case that the worker dies in it; 0:
 * none. */
static void in_progress(const struct ringloop *loop, uint64_t sequence)
{
	if (crash_protocol_off())
		return;
	atomic_signal_fence(memory_order_seq_cst);
	__atomic_store_n(&loop->ledger->in_progress, sequence, __ATOMIC_RELAXED);
	atomic_signal_fence(memory_order_seq_cst);
	crash_block(sequence);
}

static struct pcapng_context context_of(const struct ringloop *loop)
{
	struct ledger_kernel k = ledger_kernel(loop->ledger);

	return (struct pcapng_context){
		.worker = loop->what->worker,
		.snaplen = loop->what->group.snaplen,
		.vlan_keep = loop->what->group.vlan_keep,
		.cooked = IS_COOKED(loop->what->link_type) ? loop->what->link_type : 0,
		.drops = k.drops,
		.freezes = k.freezes,
		.drops_noted = loop->totals.drops_noted + loop->held_drops_noted
	};
}

/* If the packets are large, and enough of them that the padding in the chunk's last page is
 * negligible. */
static bool inplace_wanted(const struct ringloop *loop, const struct afcap_block *block)
{
	if (loop->what->link_type != LINKTYPE_ETHERNET || !block->packets)
		return false;
	if (loop->what->config.layout != LAYOUT_AUTO)
		return loop->what->config.layout == LAYOUT_INPLACE;
	return block->bytes / block->packets >=
		       (ring_fills(loop) ? INPLACE_MEAN_BEHIND : INPLACE_MEAN) &&
	       block->bytes >= loop->what->group.block_bytes / 2;
}

/* Adds a block to the held ones; the first one's arrival counts. */
static void held_add(struct ringloop *loop, const struct afcap_block *block)
{
	if (loop->held_count == 0)
		loop->held_since = clock_mono_ns();
	loop->held[loop->held_count++] = *block;
}

/* So many that they are written at once, whatever they contain. */
static bool held_enough(const struct ringloop *loop)
{
	return loop->held_count == loop->held_max ||
	       atomic_load_explicit(&loop->crossing->draining, memory_order_relaxed);
}

/* Converts the block in place and holds it. False: it must be copied. */
static bool block_inplace(struct ringloop *loop, struct afcap_block *block)
{
	struct pcapng_context context;
	struct pcapng_chunk *chunk;
	bool made;

	if (!pcapng_inplace_begun(block) && !inplace_wanted(loop, block))
		return false;
	if (!loop->held_inplace)
		held_flush(loop);
	context = context_of(loop);
	chunk = &loop->chunks[loop->held_count];
	in_progress(loop, block->sequence);
	made = pcapng_inplace(chunk, block, loop->what->group.block_bytes, &context);
	in_progress(loop, 0);
	if (!made)
		return false;
	crash_step(CRASH_ENCODED);
	/* The chunk's header is where the kernel's status was. */
	block->status = chunk->by_timeout ? TP_STATUS_BLK_TMO : 0;
	loop->held_inplace = true;
	loop->held_drops_noted += chunk->drops_noted;
	loop->batch_used += chunk->used;
	held_add(loop, block);
	if (loop->batch_used >= loop->batch_bytes || held_enough(loop))
		held_flush(loop);
	return true;
}

/* Two workers died in this block: its packets are counted as unreadable, its raw bytes are
 * written. */
static void block_quarantine(struct ringloop *loop, const struct afcap_block *block)
{
	struct ledger_totals t;

	held_flush(loop);
	t = loop->totals;
	if (writes(loop)) {
		writer_quarantine(&loop->writer, &t, block);
	} else {
		t.received += block->packets;
		t.discarded_abandoned += block->packets;
	}
	cursor_move(loop, &t, block);
	commit(loop, &t);
	afcap_block_release(loop->ring, block);
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
	struct pcapng_context context;

	crash_step(CRASH_ACQUIRED);
	if (block->sequence == loop->what->quarantine) {
		block_quarantine(loop, block);
		return;
	}
	if (writes(loop) && block_inplace(loop, block))
		return;
	if (loop->held_inplace)
		held_flush(loop);
	context = context_of(loop);
	in_progress(loop, block->sequence);
	if (writes(loop))
		pcapng_chunk_add(&loop->writer.chunk, block, &context);
	else
		block_count(loop, block);
	in_progress(loop, 0);
	crash_step(CRASH_ENCODED);
	held_add(loop, block);
	if (!writes(loop) || loop->writer.chunk.used >= loop->flush_bytes || held_enough(loop))
		held_flush(loop);
}

/* Requests the kernel's statistics for a rotation; false until the main thread has read them. Drops
 * until now must be counted in the current file, as the next one is discarded if it stays empty. */
static bool statistics_fresh(struct ringloop *loop)
{
	if (!loop->statistics_requested) {
		atomic_store(&loop->crossing->statistics_wanted, true);
		loop->statistics_requested = true;
		crossing_notify(loop->crossing);
	}
	if (atomic_load(&loop->crossing->statistics_wanted))
		return false;
	loop->statistics_requested = false;
	return true;
}

/* Rotates a file that is due, after the blocks received before are written to it. True while this
 * waits for the statistics. */
static bool file_rotate(struct ringloop *loop)
{
	struct ledger_totals t;
	int64_t due;

	writer_look(&loop->writer, &loop->totals);
	t = loop->totals;
	if (writer_behind(&loop->writer, &t))
		commit(loop, &t);
	due = writer_due(&loop->writer, &loop->totals);
	if (due != 0) {
		loop->statistics_requested = false;
		if (writer_late(&loop->writer, &loop->totals, due))
			held_flush(loop);
		return false;
	}
	if (!statistics_fresh(loop))
		return true;
	held_flush(loop);
	if (writer_due(&loop->writer, &loop->totals) != 0)
		return false; /* rotated by its size meanwhile */
	t = loop->totals;
	if (writer_rotate(&loop->writer, &t))
		commit(loop, &t);
	return false;
}

/* Packets that arrive meanwhile belong to the next file. The main thread takes some microseconds;
 * if it takes longer than ROTATION_PAUSES sleeps, emptying the ring has priority. */
static bool rotation_waits(struct ringloop *loop)
{
	const struct timespec pause = { .tv_nsec = ROTATION_PAUSE_NS };

	if (!file_rotate(loop)) {
		loop->pauses = 0;
		return false;
	}
	if (loop->pauses == ROTATION_PAUSES)
		return false;
	loop->pauses++;
	nanosleep(&pause, NULL);
	return true;
}

static int64_t minimum(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* How long the ring thread may wait: until held blocks must be written or a rotation is due. */
static int64_t wait_time(struct ringloop *loop)
{
	int64_t maximum = IDLE_WAIT_NS;
	uint64_t now, due = loop->held_since + loop->what->config.write_delay_ns;

	if (writes(loop) && !loop->statistics_requested)
		maximum = minimum(maximum, writer_due(&loop->writer, &loop->totals));
	if (atomic_load_explicit(&loop->crossing->no_space, memory_order_relaxed))
		maximum = minimum(maximum, PROBE_WAIT_NS);
	if (!loop->held_count)
		return maximum;
	if (atomic_load_explicit(&loop->crossing->draining, memory_order_relaxed))
		return 0;
	now = clock_mono_ns();
	return minimum(maximum, due > now ? (int64_t)(due - now) : 0);
}

/* Single writer: plain arithmetic, stored atomically so that the main thread reads no torn
 * value. */
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
		atomic_store(&loop->crossing->link, rc);
		crossing_notify(loop->crossing);
	}
	return rc;
}

void ringloop_run(struct ringloop *loop)
{
	struct ledger_totals t;
	struct afcap_block block;
	int rc = 0;

	while (rc >= 0 && rc != AFCAP_STOPPED &&
	       !atomic_load_explicit(&loop->crossing->stopping, memory_order_relaxed)) {
		int64_t timeout_ns;

		if (writes(loop) && rotation_waits(loop))
			continue;
		if (afcap_block_acquire(loop->ring, &block) == 0) {
			block_take(loop, &block);
			continue;
		}
		timeout_ns = wait_time(loop);
		if (timeout_ns == 0)
			held_flush(loop);
		else
			rc = ring_wait(loop, timeout_ns);
		writer_probe(&loop->writer, &loop->totals);
		if (crash_protocol_off() && atomic_load(&loop->crossing->draining))
			ledger_commit(loop->ledger, &loop->totals); /* commits that were skipped */
	}
	if (rc < 0) {
		atomic_store(&loop->crossing->fatal, -rc);
		crossing_notify(loop->crossing);
		return;
	}
	held_flush(loop);
	t = loop->totals;
	burst_stop(&loop->writer.burst);
	if (writer_behind(&loop->writer, &t))
		commit(loop, &t);
}
