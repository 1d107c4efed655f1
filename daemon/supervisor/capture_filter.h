/* A capture's filter, as its group gets it. */
#ifndef CAPTURE_FILTER_H
#define CAPTURE_FILTER_H

#include "capture_error.h"

#include <stdbool.h>

struct capture;

/* Whether outgoing packets are left to the filter: the kernel does not know the flag for that. The
 * group is known. */
bool capture_incoming_only(const struct capture *capture);

/* The filter for the interface as it is now, as the program of the group. Returns 0, -1, or 1 where
 * it has to be compiled first, which is news in a later step. */
int capture_filter(struct capture *capture, bool incoming_only, struct capture_error *error);

/* Whether compiling it, which has come to an end, has failed; then *error says why. */
bool capture_filter_failed(const struct capture *capture, struct capture_error *error);

#endif
