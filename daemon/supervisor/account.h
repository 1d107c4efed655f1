/* The account that is printed at the end. */
#ifndef ACCOUNT_H
#define ACCOUNT_H

#include "capture.h"

#include "../base/counters.h"

/* True where packets = drops + received and, unless it only counted, received = written +
 * discarded. */
bool account_balanced(const struct counters *counters, enum output output);

#define ACCOUNT_SECONDS 5 /* for the reader of standard output: the daemon must be able to exit */

/* Prints it on standard output: one line for each capture, one for each of its workers; `begun`:
 * omits captures that never began. If no process reads standard output, or it is full, the account
 * is logged. Waits ACCOUNT_SECONDS for the reader. Lines that were printed before are not printed
 * again. Returns whether all balance, none failed, and it is printed. */
bool account_put(struct capture *const *captures, unsigned count, bool begun, unsigned seconds);

/* Likewise before a hand over, of those that have ended (failed, or of a former section): their
 * records are dropped, so that no next instance knows what they have counted. Waits for nobody. */
void account_put_ended(struct capture *const *captures, unsigned count);

#endif
