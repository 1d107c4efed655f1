/* Checks, judgements, sums. */
#include "tally.h"

#include "../../lib/afcap.h"

#define RATE_NS UINT64_C(900000000) /* an earlier report was caused by an event */

void tally_init(struct tally *tally, struct checkpoint_slot *saved)
{
	*tally = (struct tally){ .saved = saved, .before = saved->before };
}

static uint64_t written(const struct tally *tally)
{
	return tally->before.written + tally->reported.written;
}

/* `all` written packets without lost ones. Both numbers come from a worker: never below 0. */
static uint64_t left_of(const struct tally *tally, uint64_t all)
{
	return all > tally->saved->packets_lost ? all - tally->saved->packets_lost : 0;
}

/* Updates the `written` that readers see. */
static void debt_pay(struct tally *tally)
{
	uint64_t left = left_of(tally, written(tally));

	if (left > tally->saved->written_shown)
		tally->saved->written_shown = left;
}

/* (T1) */
static bool counters_fit(const struct tally *tally, const struct counters *c, bool writes)
{
	if (counters_fell(c, &tally->reported) || counters_beyond(c) || c->drops > c->packets ||
	    c->received > c->packets - c->drops)
		return false;
	if (c->restarts || c->files_opened || c->files_completed || c->files_removed ||
	    c->files_repaired || c->files_lost ||
	    c->discarded_file_lost) /* not a worker's counters */
		return false;
	return !writes || c->received == c->written + counters_discarded(c);
}

static void rate_take(struct tally *tally, const struct counters *c, uint64_t now_ns)
{
	uint64_t passed = now_ns - tally->rate.at_ns;

	if (passed < RATE_NS)
		return;
	if (tally->rate.at_ns) {
		tally->rate.packets =
			(double)(c->packets - tally->rate.counters.packets) * 1e9 / (double)passed;
		tally->rate.bytes =
			(double)(c->received_bytes - tally->rate.counters.received_bytes) * 1e9 /
			(double)passed;
	}
	tally->rate.at_ns = now_ns;
	tally->rate.counters = *c;
}

bool tally_take(struct tally *tally, const struct counters *counters, bool writes, uint64_t now_ns)
{
	if (!counters_fit(tally, counters, writes))
		return false;
	tally->reported = *counters;
	debt_pay(tally);
	rate_take(tally, counters, now_ns);
	return true;
}

void tally_read(struct tally *tally, const struct ledger *ledger, bool writes, uint64_t now_ns,
		struct ledger_totals *totals)
{
	struct counters counters;

	*totals = ledger_totals(ledger);
	ledger_counters(ledger, totals, &counters);
	tally_take(tally, &counters, writes, now_ns);
}

void tally_died(struct tally *tally)
{
	tally->unjudged = true;
}

static void statistics_take(struct ledger *ledger, int ring_fd)
{
	if (ring_fd >= 0)
		ledger_take(ledger, afcap_stats_take, ring_fd);
}

static const char *problem_of(const struct tally *tally, const struct ledger *ledger,
			      const struct ledger_bounds *bounds, bool taken)
{
	struct ledger_bounds all = *bounds;

	all.taken = taken;
	all.reported = &tally->reported;
	return ledger_problem(ledger, &all);
}

const char *tally_judge(struct tally *tally, struct ledger *ledger, int ring_fd,
			const struct ledger_bounds *bounds, const struct ledger_file *record)
{
	const char *problem = problem_of(tally, ledger, bounds, false);
	struct ledger_kernel taken = { 0 };

	tally->unjudged = false;
	if (!problem) { /* otherwise the kernel's counters must not be read into it (T3) */
		struct ledger_kernel before = ledger_kernel(ledger);

		statistics_take(ledger, ring_fd);
		taken = ledger_kernel(ledger);
		taken.packets -= before.packets;
		taken.drops -= before.drops;
		taken.freezes -= before.freezes;
		problem = problem_of(tally, ledger, bounds, true);
	}
	if (!problem)
		return NULL;
	ledger_restore(ledger, &tally->reported, record, bounds->generation);
	ledger_add(ledger, &taken);
	statistics_take(ledger, ring_fd);
	return problem;
}

bool tally_settle(const struct tally *tally, struct ledger *ledger, int ring_fd,
		  struct ledger_totals *totals, uint64_t *left)
{
	struct ledger_kernel kernel;
	uint64_t seen;

	if (tally->unjudged)
		return false;
	*totals = ledger_totals(ledger);
	statistics_take(ledger, ring_fd);
	kernel = ledger_kernel(ledger);
	seen = kernel.packets - kernel.drops;
	*left = seen > totals->received ? seen - totals->received : 0;
	totals->received += *left;
	totals->discarded_abandoned += *left;
	totals->current.finish =
		(struct ledger_mark){ kernel.packets, kernel.drops, totals->written };
	ledger_commit(ledger, totals);
	return true;
}

uint64_t tally_give_up_of(struct counters *c)
{
	uint64_t packets = c->received - c->written - counters_discarded(c);

	c->discarded_abandoned += packets;
	return packets;
}

uint64_t tally_give_up(struct tally *tally, struct ledger *ledger)
{
	struct ledger_totals totals = ledger_totals(ledger);
	struct counters c;
	uint64_t before = tally_give_up_of(&tally->saved->before), packets;

	tally->before = tally->saved->before;
	ledger_counters(ledger, &totals, &c);
	packets = tally_give_up_of(&c);
	totals.discarded_abandoned += packets;
	ledger_commit(ledger, &totals);
	tally->reported = c;
	return before + packets;
}

void tally_sum(const struct tally *tally, struct counters *counters)
{
	*counters = tally->before;
	counters_add(counters, &tally->reported);
}

/* Subtracts lost packets from `written`: all (`exact`), or as many as are paid. */
static void lost_count(const struct tally *tally, bool exact, struct counters *c)
{
	uint64_t left = left_of(tally, c->written), shown = tally->saved->written_shown;

	if (!exact && left < shown)
		left = shown < c->written ? shown : c->written;
	c->discarded_file_lost = c->written - left;
	c->written = left;
	c->files_lost = tally->saved->files_lost;
}

void tally_counters(const struct tally *tally, bool exact, struct counters *counters)
{
	const struct checkpoint_slot *saved = tally->saved;

	tally_sum(tally, counters);
	counters->restarts = saved->restarts;
	counters->files_opened = saved->files_opened;
	counters->files_completed = saved->files_completed;
	counters->files_removed = saved->files_removed;
	counters->files_repaired = saved->files_repaired;
	counters->write_errors += saved->sync_errors;
	lost_count(tally, exact, counters);
}

/* Packets in a file of which `kept` can still be read. */
static uint64_t packets_in(const struct ledger_file *record, uint64_t kept)
{
	uint64_t begin = record->begin.written, finish = record->finish.written;

	return finish > begin && finish - begin > kept ? finish - begin - kept : 0;
}

uint64_t tally_lose(struct tally *tally, const struct ledger_file *record, uint64_t kept)
{
	uint64_t left = left_of(tally, written(tally)), packets = packets_in(record, kept);

	if (packets > left)
		packets = left;
	checkpoint_lose(tally->saved, checkpoint_find(tally->saved, record->serial), packets);
	return packets;
}

void tally_bound(struct tally *tally)
{
	struct checkpoint_slot *saved = tally->saved;
	uint64_t all = written(tally);

	if (saved->packets_lost > all)
		saved->packets_lost = all;
	if (saved->written_shown > all)
		saved->written_shown = all;
}

uint64_t tally_debt(const struct tally *tally)
{
	uint64_t left = left_of(tally, written(tally)), shown = tally->saved->written_shown;

	return shown > left ? shown - left : 0;
}
