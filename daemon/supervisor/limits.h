/* What the machine and its limits have room for. */
#ifndef LIMITS_H
#define LIMITS_H

#include "capture_error.h"
#include "plan.h"

/* As many descriptors as the system allows: some five a worker, and the clients'. */
void limits_descriptors(void);

/* Whether files may become as large as they must (RLIMIT_FSIZE, raised as far as it may be): a few
 * blocks, or what else is kept in files. Where they cannot become as large as they should, that is
 * logged. Returns 0 or -1, *error filled in. */
int limits_file_size(const struct config *config, const struct config_capture *capture,
		     struct capture_error *error);

/* What a file may grow to where `bytes` are wanted. */
uint64_t limits_file_bytes(uint64_t bytes);

/* What a capture needs. */
struct limits_need {
	const char *capture; /* its name, borrowed */
	struct afcap_geometry ring;
	unsigned workers;
	bool resumed; /* its rings are there already */
};

/* Whether the rings that are to be made have room in memory, and what the workers need beside them
 * in that and in what the control group may take. `freed`: some rings were given up just now, which
 * takes the kernel a moment. Returns 0, or the exit code, the reason logged. */
int limits_memory(const struct limits_need *needs, unsigned count, bool freed);

/* Bytes that this process's control group, and all above it, may still be charged: `groups` is
 * /proc/self/cgroup, `root` where the hierarchies are mounted. UINT64_MAX: no limit, or none to be
 * read. */
uint64_t limits_group_room(const char *groups, const char *root);

#endif
