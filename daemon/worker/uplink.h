/* The messages of a worker's main thread to the supervisor, over CHANNEL_FD, and the exit code with
 * which it leaves the event loop. Knows neither the ring nor the files. */
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

/* Sends to the supervisor why this worker cannot continue (MESSAGE_FAILED), or logs it if that
 * cannot be sent, and leaves the event loop. */
__attribute__((format(printf, 3, 4))) void uplink_fail(struct uplink *uplink, int exit_code,
						       const char *format, ...);

/* Sends a message, with a descriptor (borrowed; -1: none). A report for which the channel has no
 * space is skipped: totals are absolute, the next report replaces it. That the supervisor is gone
 * is left to the event loop. Any other failure is logged and ends the worker. */
void uplink_send(struct uplink *uplink, struct message *message, int fd);

/* Sends a message without a body. */
void uplink_notify(struct uplink *uplink, uint32_t type);

#endif
