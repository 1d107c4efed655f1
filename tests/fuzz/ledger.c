/* Fuzz target: ledgers of arbitrary bytes, as a worker that was taken over may leave them. What
 * ledger_problem() lets pass is a ledger: its sums are right without wrapping around, and stay so
 * whatever the kernel's counters add. What it refuses is made anew from what was reported last.
 *
 * Input: bounds (struct input), then the ledger, zeros behind. */
#include "fuzz.h"

#include "../../daemon/base/ledger.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct input {
	uint8_t options; /* HEAD_RIGHT... */
	uint8_t blocks;
	uint8_t reported; /* so many thousand packets */
	uint8_t serial_max;
	uint32_t counts[3]; /* what the kernel's statistics say */
};

enum { HEAD_RIGHT = 1, WRITES = 2, TAKEN = 4, GENERATION_ANY = 8, SERIAL_ANY = 16 };

static uint32_t counts[3];

static int take(int socket, struct afcap_kernel_stats *to)
{
	(void)socket;
	memcpy(to, counts, sizeof(counts));
	return 0;
}

/* One that is mapped by a descriptor, as the daemon has it. */
static struct ledger *ledger_of(const uint8_t *data, size_t bytes, bool head_right)
{
	static int fd = -1;
	static struct ledger *l;
	static struct ledger fresh;

	if (!l) {
		fd = ledger_create();
		l = ledger_map(fd);
		if (!l)
			abort();
		fresh = *l;
	}
	memset(l, 0, sizeof(*l));
	memcpy(l, data, bytes < sizeof(*l) ? bytes : sizeof(*l));
	if (head_right) {
		l->magic = fresh.magic;
		l->layout = fresh.layout;
		l->bytes = fresh.bytes;
	} else {
		ledger_unmap(ledger_map(fd));
	}
	return l;
}

static struct counters counters_of(const struct ledger *l)
{
	struct ledger_totals t = ledger_totals(l);
	struct counters c;

	ledger_counters(l, &t, &c);
	return c;
}

/* Without wrapping around */
static void balanced(const struct counters *c)
{
	uint64_t left = c->received;

	if (c->written > left)
		abort();
	left -= c->written;
	if (c->discarded_no_space > left)
		abort();
	left -= c->discarded_no_space;
	if (c->discarded_io_error > left)
		abort();
	left -= c->discarded_io_error;
	if (c->discarded_abandoned != left)
		abort();
}

static void passed(struct ledger *l, const struct ledger_bounds *b)
{
	struct ledger_totals t = ledger_totals(l), next;
	struct counters before = counters_of(l), now;

	if (t.generation != b->generation || t.next_block >= b->blocks || !t.next_sequence ||
	    t.current.serial < b->serial_min || t.current.serial > b->serial_max ||
	    t.current.end < LEDGER_FILE_BEGIN || before.drops > before.packets)
		abort();
	if (counters_fell(&before, b->reported))
		abort();
	if (b->taken && before.received > before.packets - before.drops)
		abort();
	if (b->writes)
		balanced(&before);
	ledger_take(l, take, -1);
	now = counters_of(l);
	if (counters_fell(&now, &before))
		abort();
	ledger_next_file(l);
	next = ledger_totals(l);
	if (next.current.serial <= t.current.serial || next.generation != t.generation ||
	    next.current.end != LEDGER_FILE_BEGIN)
		abort();
	ledger_next_ring(l);
	next = ledger_totals(l);
	if (next.generation <= t.generation || next.next_sequence != 1 || next.next_block ||
	    next.current.serial <= t.current.serial + 1)
		abort();
	now = counters_of(l);
	if (counters_fell(&now, &before))
		abort();
}

/* The next worker can go on with what is made in its place. */
static void refused(struct ledger *l, const struct ledger_bounds *b)
{
	struct ledger_file current = { .serial = b->serial_min, .end = LEDGER_FILE_BEGIN };
	struct ledger_kernel taken = { counts[0], counts[1], counts[2] };
	struct counters now;

	ledger_restore(l, b->reported, &current, b->generation);
	ledger_add(l, &taken);
	ledger_take(l, take, -1);
	now = counters_of(l);
	if (counters_fell(&now, b->reported))
		abort();
	if (counts[1] <= counts[0] && ledger_problem(l, b))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct counters reported = { 0 };
	struct ledger_bounds b;
	struct input in;
	struct ledger *l;

	if (bytes < sizeof(in))
		return 0;
	memcpy(&in, data, sizeof(in));
	memcpy(counts, in.counts, sizeof(counts));
	l = ledger_of(data + sizeof(in), bytes - sizeof(in), in.options & HEAD_RIGHT);
	/* As tally_take() lets them pass */
	reported.packets = UINT64_C(1000) * in.reported;
	reported.drops = in.reported;
	reported.received = reported.written = UINT64_C(999) * in.reported;
	b = (struct ledger_bounds){
		.generation = in.options & GENERATION_ANY ? ledger_totals(l).generation : 1,
		.blocks = 1 + in.blocks,
		.serial_max = in.options & SERIAL_ANY ? UINT64_MAX : in.serial_max,
		.taken = in.options & TAKEN,
		.writes = in.options & WRITES,
		.reported = &reported,
	};
	if (!ledger_problem(l, &b))
		passed(l, &b);
	else if (!(in.options & GENERATION_ANY)) /* a dead daemon's is not made anew */
		refused(l, &b);
	return 0;
}
