/* The account at the end. */
#ifndef ACCOUNT_H
#define ACCOUNT_H

#include "capture.h"

/* True where packets = drops + received and, unless it only counted, received = written +
 * discarded. */
bool account_balanced(const struct counters *counters, enum output output);

/* One line for each capture, one for each of its workers; `begun`: not of captures that never
 * began. Returns whether all of them balance and none failed. */
bool account_all(const struct capture *captures, unsigned count, bool begun, FILE *out);

#endif
