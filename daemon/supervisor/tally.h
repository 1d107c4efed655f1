/* Counters of one worker's place: what its workers report, or a dead one's ledger says, checked
 * before it counts. Knows ledgers, checkpoints and numbers: no capture, no process, no file.
 *
 * Invariants:
 * (T1) What is taken was checked: no counter falls or is beyond COUNTER_MAX, drops + received <=
 *      packets, and, where files are written, received = written + discarded. A worker's bytes are
 *      the word of a process that may be compromised: what cannot be changes nothing.
 * (T2) First judged, then settled: after a worker's death its ledger is not settled before
 *      tally_judge() has said whether it is usable.
 * (T3) PACKET_STATISTICS is read by one process at a time, and never into an unusable ledger: it is
 *      reset by reading (packet_getsockopt() of net/packet/af_packet.c), so what is not stored is
 *      lost.
 * (T4) `received = written + discarded` in all that readers are shown, and no counter falls there.
 *      Packets of files that another program removed, moved or emptied were shown as written: the
 *      difference is a debt. What is written from then on pays it: `written` stands still,
 *      discarded_file_lost rises, until the debt is paid. The account at the end is exact. */
#ifndef TALLY_H
#define TALLY_H

#include "checkpoint.h"

#include "../base/ledger.h"

struct tally {
	struct checkpoint_slot *saved; /* counters that are no worker's; borrowed */
	struct counters before;	       /* of ledgers that the slot had before this one */
	struct counters reported;      /* by the worker, absolute */
	bool unjudged; /* its worker is dead, whether the ledger is usable is not known (T2) */
	struct {
		uint64_t at_ns; /* monotonic */
		struct counters counters;
		double packets, bytes; /* a second */
	} rate;
};

/* No reports yet; a slot that there was already continues from what is saved of it. */
void tally_init(struct tally *tally, struct checkpoint_slot *saved);

/* Takes what a worker reports; `writes`: to files. `now_ns` is monotonic, for the rate. False where
 * that cannot be (T1): nothing has changed. */
bool tally_take(struct tally *tally, const struct counters *counters, bool writes, uint64_t now_ns);

/* Takes what a ledger without a worker says, likewise; *totals is as read. */
void tally_read(struct tally *tally, const struct ledger *ledger, bool writes, uint64_t now_ns,
		struct ledger_totals *totals);

/* ---- a worker's death ---- */

/* The worker is dead: nothing is settled before it is judged. */
void tally_died(struct tally *tally);

/* Judges a dead worker's ledger, and reads the kernel's statistics of its ring (-1: none) into it,
 * if it is usable. Where it is not it is made again from what was reported last, with `record` as
 * its file: the ring, of which nothing else says what was written, is to be given up. `bounds`
 * without `taken` and `reported`. Returns NULL, or why it was unusable, in words. */
const char *tally_judge(struct tally *tally, struct ledger *ledger, int ring_fd,
			const struct ledger_bounds *bounds, const struct ledger_file *record);

/* What a ring without a reader still holds is abandoned, and its file finished: commits that.
 * *totals: as committed; *left: how many packets that were. False: it is not judged yet (T2),
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

/* What its ledgers have counted, this one and those before. */
void tally_sum(const struct tally *tally, struct counters *counters);

/* All its counters, the supervisor's own among them: as readers see them, none of which falls (T4),
 * or as they are at the end (`exact`). */
void tally_counters(const struct tally *tally, bool exact, struct counters *counters);

/* ---- files that were lost (T4) ---- */

/* The file of this record is lost, but for `kept` packets that can still be read: counts it, and
 * drops its record in the checkpoint. No more is lost than was written. Returns how many packets
 * that were. */
uint64_t tally_lose(struct tally *tally, const struct ledger_file *record, uint64_t kept);

/* What the checkpoint of the previous instance says of lost files becomes what its ledgers can
 * account for. */
void tally_bound(struct tally *tally);

/* Packets that readers are still shown as written. */
uint64_t tally_debt(const struct tally *tally);

#endif
