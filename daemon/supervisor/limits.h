/* Checks requirements against the machine and its limits. */
#ifndef LIMITS_H
#define LIMITS_H

#include "capture_error.h"
#include "plan.h"

/* Raises the limit of descriptors as far as the system allows: about five a worker, and those of
 * clients. */
void limits_descriptors(void);

/* Checks whether files may become as large as required (RLIMIT_FSIZE, raised as far as allowed): a
 * few blocks, and the memfds. If they cannot become as large as configured, that is logged. Returns
 * 0 or -1, *error filled in. */
int limits_file_size(const struct config *config, const struct config_capture *capture,
		     struct capture_error *error);

/* The size that a file may grow to, at most `bytes`. */
uint64_t limits_file_bytes(uint64_t bytes);

/* The requirements of a capture. */
struct limits_need {
	const char *capture; /* its name, borrowed */
	struct afcap_geometry ring;
	unsigned workers;
	bool resumed; /* its rings exist already */
};

/* Checks whether new rings fit into memory, and the workers' buffers into memory and the control
 * group's limit. `freed`: some rings were just closed, which the kernel needs a moment to free.
 * Returns 0, or the exit code, the reason logged. */
int limits_memory(const struct limits_need *needs, unsigned count, bool freed);

/* Checks for -n whether the machine has memory for the rings and the workers' buffers. Returns 0,
 * or the exit code, the reason logged; that it is not available at present is a warning. */
int limits_foresee(const struct limits_need *needs, unsigned count);

/* The size of each ring with ring_size = auto, if so many workers have one: an eighth of the memory
 * that is available now, or that the control group's limit leaves if that is less, divided by them;
 * a power of two, at least CONFIG_RING_AUTO_MIN, at most CONFIG_RING_AUTO_MAX. The kernel charges
 * rings to no group, so the limit does not bind; but it says how much memory is meant for this. */
uint64_t limits_ring_auto(unsigned workers);

/* Bytes that this process's control group, and all above it, may still be charged: `groups` is
 * /proc/self/cgroup, `root` where the hierarchies are mounted. UINT64_MAX: no limit, or it cannot
 * be read. */
uint64_t limits_group_room(const char *groups, const char *root);

#endif
