/* The archive process's end of its channel, which the test plays: its process is one of
 * children.h's. */
#ifndef ARCHIVESIDE_H
#define ARCHIVESIDE_H

#include "../../daemon/base/message.h"

#include <event2/event.h>
#include <stdbool.h>

struct archive_client;

struct archiveside {
	struct event_base *base;
	const struct archive_client *client;
	struct message asked; /* what the process was asked for last, by archiveside_hear() ... */
	bool passed;	      /* ... with a descriptor */
	bool directory;	      /* the descriptor of a directory comes with the answer to CAPTURE */
};

extern struct archiveside archiveside;

/* Whose archive process it is; both are borrowed. */
void archiveside_begin(struct event_base *base, const struct archive_client *client);

/* The type of the next request that the process was sent; 0: there is none. */
uint32_t archiveside_hear(void);

/* Answers what it was asked for last, and lets the supervisor take that. `result` (NULL: all went
 * well) without what says to which request it is an answer. A file that is made comes along. */
void archiveside_answer(const struct message_result *result);

/* The next request is of this type: it is answered. */
void archiveside_expect(uint32_t type, const struct message_result *result);

/* It was sent nothing more. */
void archiveside_quiet(void);

#endif
