/* The worker's messages to the supervisor. */
#include "uplink.h"

#include "../base/channel.h"
#include "../base/failure.h"
#include "../base/log.h"

#include <errno.h>
#include <event2/event.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void uplink_end(struct uplink *uplink, int exit_code)
{
	uplink->exit_code = exit_code;
	event_base_loopbreak(uplink->base);
}

void uplink_fail(struct uplink *uplink, int exit_code, const char *format, ...)
{
	struct message message = { .type = MESSAGE_FAILED };
	va_list ap;

	message.failed.exit_code = (uint32_t)exit_code;
	va_start(ap, format);
	vsnprintf(message.failed.text, sizeof(message.failed.text), format, ap);
	va_end(ap);
	if (channel_send(CHANNEL_FD, &message, -1))
		log_error("%s", message.failed.text);
	uplink_end(uplink, exit_code);
}

void uplink_send(struct uplink *uplink, struct message *message, int fd)
{
	int rc = channel_send(CHANNEL_FD, message, fd);

	if (rc && !(rc == -EAGAIN && message->type == MESSAGE_REPORT) && rc != -EPIPE) {
		log_error("sending %s: %s", message_name(message->type), failure_text(-rc));
		uplink_end(uplink, EXIT_FAILURE);
	}
}

void uplink_notify(struct uplink *uplink, uint32_t type)
{
	struct message message = { .type = type };

	uplink_send(uplink, &message, -1);
}
