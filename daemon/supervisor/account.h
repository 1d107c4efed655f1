/* The account at the end. */
#ifndef ACCOUNT_H
#define ACCOUNT_H

#include "capture.h"

/* True where packets = drops + received and, unless it only counted, received = written +
 * discarded. */
bool account_balanced(const struct counters *counters, enum output output);

/* One line for the capture, one for each worker. Returns whether all of them balance. */
bool account_print(const struct capture *capture, FILE *out);

#endif
