/* The account at the end. */
#ifndef ACCOUNT_H
#define ACCOUNT_H

#include "capture.h"

#include "../base/counters.h"

/* True where packets = drops + received and, unless it only counted, received = written +
 * discarded. */
bool account_balanced(const struct counters *counters, enum output output);

#define ACCOUNT_SECONDS 5 /* for who reads standard output: the daemon is to end some day */

/* Prints it on standard output: one line for each capture, one for each of its workers; `begun`:
 * not of captures that never began. Where nobody reads that, or it is full, it goes into the log.
 * Waits so many seconds for the reader. What was printed before is not printed again. Returns
 * whether all balance, none failed, and it is printed.
 */
bool account_put(struct capture *const *captures, unsigned count, bool begun, unsigned seconds);

#endif
