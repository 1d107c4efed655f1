/* What all captures of a daemon share; nothing in it is a capture's own. */
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
	uint64_t token;	     /* of this instance alone: its hidden files are not another's */
	unsigned configured; /* sections behind so many are former ones (former.h) */
	unsigned together;   /* captures with files that the archive knows or will know of */
};

#endif
