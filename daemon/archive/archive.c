/* Requests of the supervisor, one after the other, each with one answer. */
#include "archive.h"
#include "file.h"

#include "../base/channel.h"
#include "../base/child.h"
#include "../base/config.h"
#include "../base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct file_place places[CONFIG_CAPTURES_MAX];

static void channel_wait(short events)
{
	struct pollfd p = { CHANNEL_FD, events, 0 };

	poll(&p, 1, -1);
}

/* Fills in the answer; returns a descriptor to be sent along (closed after that), or -1. */
static int request_serve(struct message *request, int fd, struct message *answer)
{
	struct message_archive *r = &request->archive;
	struct message_result *result = &answer->result;
	struct file_place *place;

	if (request->type == MESSAGE_CAPTURE) {
		answer->type = MESSAGE_CAPTURE_OK;
		result->capture = request->capture.capture;
		if (result->capture >= CONFIG_CAPTURES_MAX) {
			result->error = EBADMSG;
			return -1;
		}
		places[result->capture] =
			(struct file_place){ .capture = request->capture, .directory = -1 };
		file_place_open(&places[result->capture], result);
		return -1;
	}
	if (request->type == MESSAGE_KEEP || request->type == MESSAGE_SYNC) {
		answer->type = request->type == MESSAGE_KEEP ? MESSAGE_KEPT : MESSAGE_SYNCED;
		return -1;
	}
	result->capture = r->capture;
	result->worker = r->worker;
	result->serial = r->file.serial;
	r->name[sizeof(r->name) - 1] = '\0';
	place = &places[r->capture % CONFIG_CAPTURES_MAX];
	answer->type = request->type == MESSAGE_OPEN	 ? MESSAGE_OPENED
		       : request->type == MESSAGE_NAME	 ? MESSAGE_NAMED
		       : request->type == MESSAGE_FINISH ? MESSAGE_FINISHED
							 : MESSAGE_DISCARDED;
	if (request->type == MESSAGE_OPEN)
		return file_open(place, r, result);
	if (request->type == MESSAGE_NAME)
		file_name(place, r, fd, result);
	else if (request->type == MESSAGE_FINISH)
		file_finish(place, r, fd, result);
	else
		file_discard(place, r, result);
	return -1;
}

static bool answer_send(struct message *answer, int fd)
{
	int rc;

	while ((rc = channel_send(CHANNEL_FD, answer, fd)) == -EAGAIN)
		channel_wait(POLLOUT);
	return rc == 0;
}

int archive_main(void)
{
	static struct message request, answer;
	int fd, rc;

	child_init();
	log_open(log_level(), "archive");
	for (;;) {
		int made;
		bool sent;

		channel_wait(POLLIN);
		rc = channel_recv(CHANNEL_FD, &request, &fd);
		if (rc == -EAGAIN)
			continue;
		if (rc <= 0)
			break;
		memset(&answer, 0, sizeof(answer));
		made = request_serve(&request, fd, &answer);
		sent = answer_send(&answer, made);
		if (made >= 0)
			close(made);
		if (fd >= 0)
			close(fd);
		if (!sent)
			break;
	}
	if (rc < 0)
		log_error("reading the channel: %s", strerror(-rc));
	return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
