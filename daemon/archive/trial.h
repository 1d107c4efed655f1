/* Tries all operations on an output file with a hidden one, before the first packet arrives. */
#ifndef TRIAL_H
#define TRIAL_H

#include "directory.h"

/* Makes a hidden file, locks, writes, renames, syncs, reads and removes it. If the file system does
 * not support one of these, result->error is EINVAL, and result->text says which; temporary errors
 * are ignored. */
void trial_run(struct directory *dir, struct message_result *result);

#endif
