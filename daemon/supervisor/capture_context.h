/* State shared by all captures of a daemon; no capture owns any of it. */
#ifndef CAPTURE_CONTEXT_H
#define CAPTURE_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct fdstore;
struct files;
struct links;

struct capture_context {
	/* Whether rings of an earlier configuration are in this fanout group */
	bool (*group_held)(void *context, int64_t fanout_id);
	void *group_context;
	struct event_base *base;
	struct files *files;
	struct links *links;
	struct fdstore *store;
	uint64_t token; /* unique to this instance: tells its hidden files from those of others */
	unsigned configured; /* sections from this index on are former ones (former.h) */
	unsigned together;   /* captures with files, announced to the archive or still to be */
};

#endif
