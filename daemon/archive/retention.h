/* Which of a capture's finished files stay: max_age, disk_budget, disk_reserve. */
#ifndef RETENTION_H
#define RETENTION_H

#include "directory.h"

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

#endif
