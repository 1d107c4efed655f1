/* Going on with what a daemon before left, or saying why not. */
#ifndef RESUME_H
#define RESUME_H

#include "capture.h"

/* Looks at what was left of the capture. True: it can be gone on with, capture->saved is set, and
 * resume_ledger() and resume_start() do the rest. False: nothing was left, or nothing of use, which
 * is closed, what it cost logged. */
bool resume_take(struct capture *capture);

/* The ledger of a worker; owned by the caller. */
int resume_ledger(struct capture *capture, unsigned worker);

/* It cannot go on with them after all: closes what was left, which is logged. */
void resume_forget(struct capture *capture);

/* The rings go on, each with a worker as soon as its file is found again. */
void resume_start(struct capture *capture);

/* Sets the filter of rings that go on; capture->filter_due where it has to be tried again.
 * resume_filtered(): it is compiled, or cannot be (*error). */
void resume_filter(struct capture *capture);
void resume_filtered(struct capture *capture, const struct capture_error *error);

#endif
