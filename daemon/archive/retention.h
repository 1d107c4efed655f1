/* Which of a capture's finished files stay: max_age, disk_budget, disk_reserve. Nothing is kept in
 * mind between two calls, the directory is what counts: files of an earlier daemon are adopted, and
 * those that another program took away are not missed. */
#ifndef RETENTION_H
#define RETENTION_H

#include "file.h"

/* Removes finished and suspect files, those first that were finished first: those older than
 * max_age, where the clock has stood for long enough; until all files of the capture are within
 * disk_budget; until disk_reserve is available. A file that is being written counts as what it may
 * grow to, and so do `ahead` files about to be made. Files that are no capture's, or another's, and
 * unfinished ones are never touched.
 *
 * Adds to result->removed; result->available is what there is now, result->full says that it is
 * less than the reserve and there is nothing left to remove. Returns whether the budget is kept. */
bool retention_enforce(struct directory *dir, unsigned ahead, struct message_result *result);

/* Whether it is time for that: room is short, the budget was exceeded, or files may have become too
 * old. A directory of many files is not read twice a second. Else result->available, full are
 * filled in here. */
bool retention_due(const struct directory *dir, struct message_result *result);

/* Something was refused for want of room (`error`: ENOSPC or EDQUOT; whatever there is too little
 * of: bytes, inodes, a quota): removes the file that was finished first of those whose removal
 * gives something back, unless all of them together would not give `bytes`. Where as much went as
 * was wanted, and it is refused all the same, YIELDS more go until retention_granted(). Adds to
 * result->removed. Returns whether it is worth trying again. */
bool retention_yield(struct directory *dir, uint64_t bytes, int error,
		     struct message_result *result);

/* What was refused went well since. */
void retention_granted(struct directory *dir);

/* A worker's write was refused with `error`, 0: no more: as long as this process is refused room,
 * too, one after the other goes; where it is not, one a second of them, at most YIELDS. */
#define YIELDS 8
void retention_refused(struct directory *dir, int error, struct message_result *result);

/* A file is about to be finished: where its modification time is not later than that of the one
 * finished before, since the clock was set back, it becomes so. Thus they tell in which order files
 * were finished, whatever becomes of clocks and processes. Before the directory is synced. */
void retention_order(struct directory *dir, int fd);

#endif
