/* What a worker's main thread sends to the supervisor, over CHANNEL_FD, and the exit code that it
 * leaves the event loop with. It knows neither the ring nor the files. */
#ifndef UPLINK_H
#define UPLINK_H

#include "../base/message.h"

struct event_base;

struct uplink {
	struct event_base *base; /* the worker's loop; borrowed */
	int exit_code;		 /* of the process, once the loop has ended */
};

/* Leaves the event loop. */
void uplink_end(struct uplink *uplink, int exit_code);

/* Sends to the supervisor why this worker cannot continue (MESSAGE_FAILED), or logs it where that
 * is not read, and leaves the event loop. */
__attribute__((format(printf, 3, 4))) void uplink_fail(struct uplink *uplink, int exit_code,
						       const char *format, ...);

/* Sends a message, with a descriptor (borrowed; -1: none). A report that a busy supervisor does not
 * read is left out: the next one has absolute totals again. Any other failure is logged and ends
 * the worker. */
void uplink_send(struct uplink *uplink, struct message *message, int fd);

/* Sends a message without a body. */
void uplink_say(struct uplink *uplink, uint32_t type);

#endif
