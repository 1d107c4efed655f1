/* Ledger records: two slots each, version last. */
#include "ledger.h"
#include "crash.h"
#include "memfd.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LOOKS	     100
#define LEDGER_MAGIC 0x52474c5041434641u /* "AFCAPLGR" */

_Static_assert(sizeof(struct ledger) <= LEDGER_BYTES, "a ledger is one page");

static struct ledger *ledger_pages(int fd)
{
	void *p =
		mmap(NULL, LEDGER_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

int ledger_create(void)
{
	int fd = memfd_create("afcap-ledger", MFD_CLOEXEC | MFD_ALLOW_SEALING), saved;
	struct ledger *l = NULL;

	if (fd >= 0 && ftruncate(fd, LEDGER_BYTES) == 0 && memfd_seal(fd) == 0)
		l = ledger_pages(fd);
	if (!l) {
		saved = errno;
		if (fd >= 0)
			close(fd);
		return -saved;
	}
	*l = (struct ledger){ .magic = LEDGER_MAGIC,
			      .layout = LEDGER_VERSION,
			      .bytes = sizeof(*l) };
	l->totals[0].generation = l->totals[0].next_sequence = 1;
	l->totals[0].current.end = LEDGER_FILE_BEGIN;
	ledger_unmap(l);
	return fd;
}

struct ledger *ledger_map(int fd)
{
	int rc = memfd_check(fd, LEDGER_BYTES);
	struct ledger *l = rc ? NULL : ledger_pages(fd);

	if (rc)
		errno = -rc;
	if (!l)
		return NULL;
	if (l->magic == LEDGER_MAGIC && l->layout == LEDGER_VERSION && l->bytes == sizeof(*l))
		return l;
	munmap(l, LEDGER_BYTES);
	errno = EPROTO;
	return NULL;
}

int ledger_lock(struct ledger *ledger)
{
	return mlock(ledger, LEDGER_BYTES) ? -errno : 0;
}

void ledger_unmap(struct ledger *ledger)
{
	if (ledger)
		munmap(ledger, LEDGER_BYTES);
}

/* A reader copies the valid slot; it is torn only if the writer committed twice meanwhile, and then
 * the version has moved. Pairs with the release store in ledger_publish(). */
#define RECORD_READ(ledger, record, result)                                                        \
	do {                                                                                       \
		uint64_t version_;                                                                 \
		do {                                                                               \
			version_ = __atomic_load_n(&(ledger)->record##_version, __ATOMIC_ACQUIRE); \
			(result) = (ledger)->record[version_ & 1];                                 \
			atomic_thread_fence(memory_order_acquire);                                 \
		} while (version_ !=                                                               \
			 __atomic_load_n(&(ledger)->record##_version, __ATOMIC_RELAXED));          \
	} while (0)

/* Release: the slot's bytes are there before the version says so, for readers and for a successor
 * alike. */
static void ledger_publish(uint64_t *version)
{
	__atomic_store_n(version, *version + 1, __ATOMIC_RELEASE);
}

struct ledger_totals ledger_totals(const struct ledger *ledger)
{
	struct ledger_totals t;

	RECORD_READ(ledger, totals, t);
	return t;
}

struct ledger_kernel ledger_kernel(const struct ledger *ledger)
{
	struct ledger_kernel k;

	RECORD_READ(ledger, kernel, k);
	return k;
}

bool ledger_look(const struct ledger *ledger, struct ledger_totals *totals)
{
	for (unsigned i = 0; i < LOOKS; i++) {
		uint64_t version = __atomic_load_n(&ledger->totals_version, __ATOMIC_ACQUIRE);

		*totals = ledger->totals[version & 1];
		atomic_thread_fence(memory_order_acquire);
		if (version == __atomic_load_n(&ledger->totals_version, __ATOMIC_RELAXED))
			return true;
	}
	return false;
}

void ledger_commit(struct ledger *ledger, const struct ledger_totals *totals)
{
	/* For readers: the slot is not written before the version that retired it is visible. */
	atomic_thread_fence(memory_order_release);
	ledger->totals[(ledger->totals_version + 1) & 1] = *totals;
	crash_step(CRASH_FILLED);
	ledger_publish(&ledger->totals_version);
}

void ledger_next_ring(struct ledger *ledger)
{
	struct ledger_totals t = ledger_totals(ledger);

	t.generation++;
	t.next_sequence = 1;
	t.next_block = 0;
	t.previous = (struct ledger_file){ 0 };
	if (t.current.finish.packets < t.current.begin.packets) /* no worker has used it since */
		t.current.finish = t.current.begin;
	/* The number after the current one was the spare file's, which is gone. */
	t.current = (struct ledger_file){ .serial = t.current.serial + 2,
					  .end = LEDGER_FILE_BEGIN,
					  .begin = t.current.finish };
	ledger_commit(ledger, &t);
}

void ledger_next_file(struct ledger *ledger)
{
	struct ledger_totals t = ledger_totals(ledger);
	struct ledger_kernel k = ledger_kernel(ledger);
	bool since = t.current.since_ns != 0;

	t.previous = (struct ledger_file){ 0 };
	t.current = (struct ledger_file){ .serial = t.current.serial + 2,
					  .end = LEDGER_FILE_BEGIN,
					  .begin = t.current.begin };
	if (since) /* else it was never used: its counters carry over */
		t.current.begin = (struct ledger_mark){ t.received + k.drops, k.drops, t.written };
	ledger_commit(ledger, &t);
}

/* Whether one of the totals that are not counters is above the maximum */
static bool beyond(const struct ledger_totals *t)
{
	return t->generation > COUNTER_MAX || t->next_sequence > COUNTER_MAX ||
	       t->current.serial > COUNTER_MAX || t->current.end > COUNTER_MAX;
}

const char *ledger_problem(const struct ledger *l, const struct ledger_bounds *b)
{
	struct ledger_totals t;
	struct counters now;

	if (l->magic != LEDGER_MAGIC || l->layout != LEDGER_VERSION || l->bytes != sizeof(*l))
		return "its header is overwritten";
	t = ledger_totals(l);
	ledger_counters(l, &t, &now);
	if (beyond(&t) || counters_beyond(&now))
		return "its counters are out of range";
	if (t.generation != b->generation || t.next_block >= b->blocks || t.next_sequence == 0)
		return "it belongs to another ring";
	if (t.current.serial < b->serial_min || t.current.serial > b->serial_max ||
	    t.current.end < LEDGER_FILE_BEGIN)
		return "it names a file that does not exist";
	if (now.drops > now.packets || (b->taken && now.received > now.packets - now.drops))
		return "more packets were received than the kernel has seen";
	if (b->writes && now.received != now.written + counters_discarded(&now))
		return "received does not equal written plus discarded";
	return counters_fell(&now, b->reported) ? "counters decreased" : NULL;
}

void ledger_restore(struct ledger *l, const struct counters *c, const struct ledger_file *current,
		    uint64_t generation)
{
	const struct ledger_totals t = {
		.generation = generation,
		.next_sequence = 1,
		.current = *current,
		.received = c->received,
		.received_bytes = c->received_bytes,
		.truncated = c->truncated,
		.blocks_full = c->blocks_full,
		.blocks_timeout = c->blocks_timeout,
		.written = c->written,
		.written_bytes = c->written_bytes,
		.write_errors = c->write_errors,
		.discarded_no_space = c->discarded_no_space,
		.discarded_io_error = c->discarded_io_error,
		.discarded_abandoned = c->discarded_abandoned,
		.drops_noted = c->drops,
	};

	*l = (struct ledger){ .magic = LEDGER_MAGIC,
			      .layout = LEDGER_VERSION,
			      .bytes = sizeof(*l) };
	l->kernel[0] = (struct ledger_kernel){ c->packets, c->drops, c->freezes };
	l->polls = c->polls;
	l->poll_timeouts = c->poll_timeouts;
	ledger_commit(l, &t);
}

void ledger_add(struct ledger *l, const struct ledger_kernel *taken)
{
	struct ledger_kernel *k = &l->kernel[l->kernel_version & 1];

	if (taken->packets > UINT32_MAX || taken->drops > taken->packets ||
	    taken->freezes > UINT32_MAX)
		return;
	k->packets += taken->packets;
	k->drops += taken->drops;
	k->freezes += taken->freezes;
}

int ledger_take(struct ledger *ledger, int (*take)(int socket, struct afcap_kernel_stats *stats),
		int socket)
{
	unsigned now = ledger->kernel_version & 1;
	uint32_t *pending = ledger->pending[now];
	int rc = 0;

	if (!pending[0] && !pending[1] && !pending[2])
		rc = take(socket, (void *)pending);
	if (rc)
		return rc;
	crash_step(CRASH_TAKEN);
	atomic_signal_fence(memory_order_seq_cst); /* a compiler barrier: a kill stops this very
						      thread */
	ledger->kernel[!now].packets = ledger->kernel[now].packets + pending[0];
	ledger->kernel[!now].drops = ledger->kernel[now].drops + pending[1];
	ledger->kernel[!now].freezes = ledger->kernel[now].freezes + pending[2];
	memset(ledger->pending[!now], 0, sizeof(ledger->pending[!now]));
	crash_step(CRASH_ADDED);
	ledger_publish(&ledger->kernel_version);
	return 0;
}

void ledger_counters(const struct ledger *ledger, const struct ledger_totals *totals,
		     struct counters *counters)
{
	struct ledger_kernel k = ledger_kernel(ledger);

	*counters = (struct counters){
		.packets = k.packets,
		.drops = k.drops,
		.freezes = k.freezes,
		.polls = __atomic_load_n(&ledger->polls, __ATOMIC_RELAXED),
		.poll_timeouts = __atomic_load_n(&ledger->poll_timeouts, __ATOMIC_RELAXED),
		.blocks_full = totals->blocks_full,
		.blocks_timeout = totals->blocks_timeout,
		.received = totals->received,
		.received_bytes = totals->received_bytes,
		.truncated = totals->truncated,
		.written = totals->written,
		.written_bytes = totals->written_bytes,
		.write_errors = totals->write_errors,
		.discarded_no_space = totals->discarded_no_space,
		.discarded_io_error = totals->discarded_io_error,
		.discarded_abandoned = totals->discarded_abandoned,
	};
}
