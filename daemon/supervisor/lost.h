/* Files in use, or ended and not finished yet, that another program removed, moved away, emptied or
 * replaced: what was written to them counts as discarded_file_lost.
 *
 * Readers were shown those packets as written, and no counter falls: the difference is a debt. What
 * is written from then on pays it: `written` stands still, discarded_file_lost rises, until the
 * debt is paid. `received = written + discarded` holds all the time. The account at the end is
 * exact. */
#ifndef LOST_H
#define LOST_H

#include "checkpoint.h"

struct capture;
struct output_file;
struct slot;

/* ---- pure ---- */

/* Packets in a file of which `kept` can still be read. */
uint64_t lost_packets(const struct ledger_file *record, uint64_t kept);

/* Moves saved->written_shown on: `written` is what the workers wrote. */
void lost_pay(struct checkpoint_slot *saved, uint64_t written);

/* What is lost was written before: no more is lost than `packets`, of what the workers wrote and is
 * not lost yet. */
uint64_t lost_bounded(const struct checkpoint_slot *saved, uint64_t written, uint64_t packets);

/* The same of a record that a daemon before left. */
void lost_bound(struct checkpoint_slot *saved, uint64_t written);

/* Takes what is lost out of `written`: all of it (`exact`), or as far as it is paid. */
void lost_count(const struct checkpoint_slot *saved, bool exact, struct counters *counters);

/* Packets that readers are still shown as written. */
uint64_t lost_debt(const struct checkpoint_slot *saved, uint64_t written);

/* ---- of slots ---- */

/* Has the file in use looked at, and named where that failed. Twice a second or so. */
void lost_tick(struct slot *slot);

/* A look, or the naming, has shown that the file is gone: the worker continues in the next one. */
void lost_seen(struct slot *slot, struct output_file *file, const char *what);

/* A file has ended as lost. `what` is for the log. */
void lost_ended(struct slot *slot, const struct ledger_file *record, uint64_t kept,
		const char *what);

/* The file that the ledger, or the record of the previous instance, tells of is not there. */
void lost_missing(struct slot *slot, uint64_t serial);

/* What readers are told of it: fills capture->files_reason, "" where all is well. */
void lost_reason(struct capture *capture);

#endif
