/* Applies max_age, disk_budget and disk_reserve to a capture's finished files. */
#ifndef RETENTION_H
#define RETENTION_H

#include "directory.h"

/* Removes finished and suspect files in the order in which they were finished: those older than
 * max_age, if the clock was not stepped for long enough; until all files of the capture are within
 * disk_budget; until disk_reserve is available. A file that is being written counts with the size
 * it may grow to, and so do `next_files` files about to be made. Unfinished files and files of
 * other captures or of none are never touched.
 *
 * Adds to result->removed; result->available is the space available now, result->full: less than
 * the reserve, with nothing left to remove. Returns whether the files are within disk_budget. */
bool retention_enforce(struct directory *dir, unsigned next_files, struct message_result *result);

/* Whether retention_enforce() is due: space is short, the budget was exceeded, or files may have
 * become too old. A directory of many files is thus not read twice a second. If it is not due,
 * fills in result->available. */
bool retention_due(const struct directory *dir, struct message_result *result);

#endif
