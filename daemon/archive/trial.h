/* What a file goes through here, tried with one that nobody sees before the first packet comes. */
#ifndef TRIAL_H
#define TRIAL_H

#include "directory.h"

/* Makes a hidden file, locks, writes, renames, syncs, reads and removes it. Where the file system
 * cannot do that result->error is EINVAL, and result->text says what; what may pass is not judged.
 */
void trial_run(struct directory *dir, struct message_result *result);

#endif
