/* The configuration: read (config_reader.h), finished (config_rules.h), then used whole. */
#ifndef CONFIG_H
#define CONFIG_H

#include "config_parts.h"
#include "sizes.h"

#include <stdint.h>

#define CONFIG_FLAGS_AUTO   0x80000000u /* not a flag: they are chosen later */
#define CONFIG_KEYS_MAX	    32
#define CONFIG_LINE_DEFAULT 0
#define CONFIG_LINE_OPTION  (~0u) /* set by -o */
#define CPUS_BYTES	    4096

enum on_missing { ON_MISSING_FAIL, ON_MISSING_WAIT };

struct config_daemon {
	char control[PATH_BYTES];
	char control_group[ACCOUNT_BYTES], control_admins[ACCOUNT_BYTES];
	char metrics[PATH_BYTES];
	char user[ACCOUNT_BYTES], group[ACCOUNT_BYTES];
	int32_t log_level;
	unsigned lines[CONFIG_KEYS_MAX]; /* where each key was set: a line, or one of the above */
};

struct config_capture {
	char name[CAPTURE_NAME_BYTES];
	unsigned line; /* of its section */
	unsigned lines[CONFIG_KEYS_MAX];
	/* Keys of the supervisor itself */
	int32_t on_missing; /* enum on_missing */
	uint64_t drain_timeout_ns;
	/* Keys that the supervisor translates for other processes */
	char filter[FILTER_BYTES];	/* into a program; the archive writes it into files */
	char cpus[CPUS_BYTES];		/* into each worker's CPU */
	char file_group[ACCOUNT_BYTES]; /* into its number, for the archive */
	/* Parts that other processes receive unchanged */
	struct archive_config archive;
	struct worker_config worker;
	struct group_config group;
};

struct config {
	const char *source; /* the file's name, for messages; borrowed */
	struct config_daemon daemon;
	unsigned captures;
	struct config_capture capture[CAPTURES_MAX];
};

#endif
