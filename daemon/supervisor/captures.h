/* The captures of a daemon, together: their start, and what is true of all of them. */
#ifndef CAPTURES_H
#define CAPTURES_H

#include "capture.h"

/* Makes those of a configuration: all, also behind one that cannot be: each is looked at until the
 * daemon ends; NULL from one on for which there is no memory. *left is set where
 * one resumes rings. Returns 0, or the exit code of the first that cannot be, all logged. */
int captures_make(struct capture **captures, const struct capture_context *context,
		  const struct config *config, bool *left);

/* Starts `count` captures, those first that resume rings: the archive process opens one directory
 * after the other, and a new one may be on a server that does not answer. `left`: there are rings
 * that are resumed, which are worth more than a capture that cannot be. Returns 0, or the exit code
 * of the first that cannot be, which is logged. */
int captures_start(struct capture *const *captures, unsigned count, bool left);

/* Whether all have begun, or wait for nothing but their interfaces. Where none records the daemon
 * ends, and never was ready: false. */
bool captures_begun(struct capture *const *captures, unsigned count);

bool captures_stopped(struct capture *const *captures, unsigned count);

/* Whether all have failed, or were no more than what a former section left, and have ended. */
bool captures_exhausted(struct capture *const *captures, unsigned count);

/* Whether no worker is left: what they committed is all that the next instance needs. */
bool captures_handed_over(struct capture *const *captures, unsigned count);

/* Whether a step has left anything to be acted on for which no event may come. */
bool captures_due(struct capture *const *captures, unsigned count);

/* The invariants of all their slots, in builds that check them. */
void captures_check(struct capture *const *captures, unsigned count);

/* All workers of the capture with this name (NULL: of all) continue in their next files. Returns
 * how many captures that are. */
unsigned captures_rotate(struct capture *const *captures, unsigned count, const char *name);

/* limits_memory() of all of them. */
int captures_memory(struct capture *const *captures, unsigned count, bool freed);

/* How many the archive is to know of before it is confined. */
unsigned captures_with_files(struct capture *const *captures, unsigned count);

/* The archive process is confined when it has the directories of all captures: where more captures
 * than before (*withdrawn) failed without one, that is announced with the others. */
void captures_withdraw(struct capture *const *captures, unsigned count, unsigned *withdrawn);

/* Whether the service manager stores all descriptors of them, as far as that can be known: of each
 * capture its checkpoint, of each worker its ledger and its ring. Once; see fdstore_check(). */
void captures_store_check(struct capture *const *captures, unsigned count, struct fdstore *store,
			  struct event_base *base);

#endif
