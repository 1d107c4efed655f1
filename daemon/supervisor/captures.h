/* All captures of a daemon: their start, and questions about all of them. */
#ifndef CAPTURES_H
#define CAPTURES_H

#include "capture.h"

/* Makes all captures of a configuration. One that cannot be made is logged, and remains in the
 * array, as failed, until the daemon ends; the array is NULL from the first one on for which there
 * is no memory. *left is set if one resumes rings. Returns 0, or the exit code of the first that
 * cannot be made. */
int captures_make(struct capture **captures, const struct capture_context *context,
		  const struct config *config, bool *left);

/* Starts `count` captures, those that resume rings first: the archive process opens one directory
 * after the other, and a new one may be on a server that does not answer. `left`: there are rings
 * that are resumed, so that a capture that cannot start fails alone. Returns 0, or the exit code of
 * the first that cannot start, which is logged. */
int captures_start(struct capture *const *captures, unsigned count, bool left);

/* Whether all have begun, or wait only for their interfaces. False if none can record: the daemon
 * ends then without having been ready. */
bool captures_begun(struct capture *const *captures, unsigned count);

bool captures_stopped(struct capture *const *captures, unsigned count);

/* Whether all have ended, and each has failed or was a former section. */
bool captures_exhausted(struct capture *const *captures, unsigned count);

/* Whether no worker is left: the next instance needs only what they committed. */
bool captures_handed_over(struct capture *const *captures, unsigned count);

/* Whether a step has left work for which no event may come. */
bool captures_due(struct capture *const *captures, unsigned count);

/* The invariants of all their slots, in builds that check them. */
void captures_check(struct capture *const *captures, unsigned count);

/* All workers of the capture with this name (NULL: of all) continue in their next files. Returns
 * the number of captures. */
unsigned captures_rotate(struct capture *const *captures, unsigned count, const char *name);

/* limits_memory() of all of them. */
int captures_memory(struct capture *const *captures, unsigned count, bool freed);

/* The number of captures that the archive must know before it is confined. */
unsigned captures_with_files(struct capture *const *captures, unsigned count);

/* The archive process is confined when it has the directories of all captures: if more captures
 * than before (*withdrawn) have failed without one, the others are announced again with their new
 * number. */
void captures_withdraw(struct capture *const *captures, unsigned count, unsigned *withdrawn);

/* Checks once whether the service manager stores all their descriptors, as far as that is known: of
 * each capture its checkpoint, of each worker its ledger and its ring. See fdstore_check(). */
void captures_store_check(struct capture *const *captures, unsigned count, struct fdstore *store,
			  struct event_base *base);

#endif
