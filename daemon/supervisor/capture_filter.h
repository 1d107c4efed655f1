/* A capture's filter, compiled for its group. */
#ifndef CAPTURE_FILTER_H
#define CAPTURE_FILTER_H

#include "capture_error.h"

#include <stdbool.h>

struct capture;

/* Whether the filter has to drop outgoing packets, as the kernel does not support the fanout flag
 * for that. To be called once the group is known. */
bool capture_incoming_only(const struct capture *capture);

/* Sets the program of the group to the filter for the present interface. Returns 0, -1 with *error,
 * or 1: it is being compiled, and a later step finds the result. */
int capture_filter(struct capture *capture, bool incoming_only, struct capture_error *error);

/* Whether compiling it, which has ended, failed; *error says why then. */
bool capture_filter_failed(const struct capture *capture, struct capture_error *error);

#endif
