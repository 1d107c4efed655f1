/* The configuration: parsed, validated, then used whole. Only config.c uses inih. */
#ifndef CONFIG_H
#define CONFIG_H

#include "config_parts.h"
#include "sizes.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define CONFIG_FLAGS_AUTO  0x80000000u /* not a flag: they are chosen later */
#define CONFIG_ERROR_BYTES 2048
#define CONFIG_KEYS_MAX	   32
#define CPUS_BYTES	   4096

enum on_missing { ON_MISSING_FAIL, ON_MISSING_WAIT };

struct config_daemon {
	char control[PATH_BYTES];
	char control_group[ACCOUNT_BYTES], control_admins[ACCOUNT_BYTES];
	char metrics[PATH_BYTES];
	char user[ACCOUNT_BYTES], group[ACCOUNT_BYTES];
	int log_level;
	unsigned lines[CONFIG_KEYS_MAX]; /* where each key was set; 0: its default */
};

struct config_capture {
	char name[CAPTURE_NAME_BYTES];
	unsigned line; /* of its section */
	unsigned lines[CONFIG_KEYS_MAX];
	/* The supervisor's own */
	int on_missing; /* enum on_missing */
	uint64_t drain_timeout_ns;
	/* What the supervisor translates for others */
	char filter[FILTER_BYTES];	/* into a program; the archive writes it into files */
	char cpus[CPUS_BYTES];		/* into each worker's CPU */
	char file_group[ACCOUNT_BYTES]; /* into its number, for the archive */
	/* What others are told, as it stands here */
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

/* An error message for the user: what, where, which rule. */
struct config_error {
	char text[CONFIG_ERROR_BYTES];
};

/* Fills in defaults, no captures. */
void config_init(struct config *config);

/* Reads a file, over the values set so far. `name` is borrowed as config->source. Returns 0,
 * -EINVAL or -errno of opening. */
int config_read(struct config *config, const char *name, struct config_error *error);

/* Adds a capture; NULL with *error when the name is bad, known already, or one too many. `where`
 * precedes the message. */
struct config_capture *config_add(struct config *config, const char *name, unsigned line,
				  const char *where, struct config_error *error);

/* Sets "[SECTION.]KEY=VALUE" as a command line does: SECTION is daemon or a capture's name, and may
 * be left out where there is one capture only. It takes precedence over a file's. Returns 0 or
 * -EINVAL. */
int config_override(struct config *config, const char *assignment, struct config_error *error);
/* Likewise, for an option that has its own letter: `where` precedes the message. */
int config_option(struct config *config, const char *where, const char *assignment,
		  struct config_error *error);

/* After the last change: defaults that depend on other keys, and the rules between keys. Returns 0
 * or -EINVAL. */
int config_finish(struct config *config, struct config_error *error);

/* Prints the effective configuration; it parses back to itself. */
void config_print(const struct config *config, FILE *out);

/* The CPUs that worker number i runs on: the i-th of the capture's list, or -1 for any. `workers`
 * is the resolved number of workers. */
int config_cpu(const struct config_capture *capture, unsigned workers, unsigned worker);

/* Whether a list like 0-3,8 can be read. */
bool config_cpus_valid(const char *text);

/* The number of workers: as configured, or one for each CPU this process may use, at most 8. */
unsigned config_workers(const struct config_capture *capture);

/* Where a key of [daemon] was set. */
const char *config_where_daemon(const struct config *config, const char *key, char *buffer,
				size_t size);

/* Where a key of a capture was set: "FILE:LINE", or FILE where it was not. */
const char *config_where(const struct config *config, const struct config_capture *capture,
			 const char *key, char *buffer, size_t size);

#endif
