/* The counters of a slot: its workers' reports, or a dead worker's ledger, checked before they
 * count. Knows ledgers, checkpoints and numbers: no capture, no process, no file.
 *
 * Invariants:
 * (T1) Accepted counters were checked: no counter decreases or is above COUNTER_MAX, drops +
 *      received <= packets, and, where files are written, received = written + discarded. A
 *      worker's bytes come from a process that may be compromised: impossible values change
 *      nothing.
 * (T2) First judged, then finalised: after a worker's death its ledger is not finalised before
 *      tally_judge() has said whether it is usable.
 * (T3) PACKET_STATISTICS is read by one process at a time, and never into an unusable ledger: it
 *      is reset by reading (packet_getsockopt() of net/packet/af_packet.c), so values that are not
 *      stored are lost.
 * (T4) `received = written + discarded` in all that readers see, and no counter decreases there.
 *      Packets of files that another program removed, moved or emptied were shown as written: the
 *      difference is a debt. Later written packets pay it: `written` does not change,
 *      discarded_file_lost rises, until the debt is paid. The account at the end is exact. */
#ifndef TALLY_H
#define TALLY_H

#include "checkpoint.h"

#include "../base/ledger.h"

struct tally {
	struct checkpoint_slot *saved; /* the supervisor's own counters; borrowed */
	struct counters before;	       /* of the slot's earlier ledgers */
	struct counters reported;      /* by the worker, absolute */
	bool unjudged; /* its worker is dead, whether the ledger is usable is not known (T2) */
	struct {
		uint64_t at_ns; /* monotonic */
		struct counters counters;
		double packets, bytes; /* per second */
	} rate;
};

/* Without reports yet; an earlier slot continues from its saved counters. */
void tally_init(struct tally *tally, struct checkpoint_slot *saved);

/* Accepts a worker's report; `writes`: it writes files. `now_ns` is monotonic, for the rate. False:
 * impossible (T1), nothing has changed. */
bool tally_take(struct tally *tally, const struct counters *counters, bool writes, uint64_t now_ns);

/* Accepts a ledger without a worker, likewise; *totals is as read. */
void tally_read(struct tally *tally, const struct ledger *ledger, bool writes, uint64_t now_ns,
		struct ledger_totals *totals);

/* ---- a worker's death ---- */

/* The worker is dead: its ledger must be judged before it is finalised. */
void tally_died(struct tally *tally);

/* Judges a dead worker's ledger, and reads the kernel's statistics of its ring (-1: none) into it,
 * if it is usable. Otherwise it is restored from the last report, with `record` as its file: the
 * ring must be given up, as it is unknown which of its packets were written. `bounds` without
 * `taken` and `reported`. Returns NULL, or why it was unusable, as text. */
const char *tally_judge(struct tally *tally, struct ledger *ledger, int ring_fd,
			const struct ledger_bounds *bounds, const struct ledger_file *record);

/* Finalises the ledger: the packets in a ring without a reader are abandoned, and its file is
 * finished. *totals: as committed; *left: the number of those packets. False: not judged yet (T2),
 * nothing has changed. */
bool tally_settle(const struct tally *tally, struct ledger *ledger, int ring_fd,
		  struct ledger_totals *totals, uint64_t *left);

/* ---- from output = none to files ---- */

/* Gives up what was received while packets were only counted: from now on T1 is that what is
 * received is written or discarded. There must be no worker. To be called again where that was
 * interrupted; returns how many packets it gives up. */
uint64_t tally_give_up(struct tally *tally, struct ledger *ledger);

/* Likewise the sum of a slot that the capture has no more. */
uint64_t tally_give_up_of(struct counters *sum);

/* ---- what it comes to ---- */

/* The counters of its ledgers, this one and the earlier ones. */
void tally_sum(const struct tally *tally, struct counters *counters);

/* All its counters, the supervisor's own among them: as readers see them, none of which decreases
 * (T4), or exact, for the end (`exact`). */
void tally_counters(const struct tally *tally, bool exact, struct counters *counters);

/* ---- files that were lost (T4) ---- */

/* The file of this record is lost, but for `kept` packets that can still be read: counts it, and
 * drops its record in the checkpoint. At most the written packets are lost. Returns their
 * number. */
uint64_t tally_lose(struct tally *tally, const struct ledger_file *record, uint64_t kept);

/* Limits the losses in the previous instance's checkpoint to what its ledgers can account for. */
void tally_bound(struct tally *tally);

/* Lost packets that readers still see as written. */
uint64_t tally_debt(const struct tally *tally);

#endif
