/* What the machine and its limits have room for. */
#ifndef LIMITS_H
#define LIMITS_H

#include "capture.h"

/* As many descriptors as the system allows: some five a worker, and the clients'. */
void limits_descriptors(void);

/* Whether the rings that are to be made have room in memory. `freed`: some were given up just now,
 * which takes the kernel a moment. Returns 0, or the exit code, the reason logged. */
int limits_memory(const struct capture *captures, unsigned count, bool freed);

#endif
