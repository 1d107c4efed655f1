/* Receives the supervisor's requests in order and sends one answer for each. */
#include "archive.h"
#include "request.h"
#include "sandbox.h"

#include "../base/channel.h"
#include "../base/child.h"
#include "../base/failure.h"
#include "../base/inflight.h"
#include "../base/log.h"
#include "../base/trace.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct process {
	struct message request, answer; /* in progress */
	struct archive archive;
};

static void channel_wait(short events)
{
	struct pollfd p = { CHANNEL_FD, events, 0 };

	poll(&p, 1, -1);
}

static bool answer_send(struct message *answer, int fd)
{
	int rc;

	while ((rc = channel_send(CHANNEL_FD, answer, fd)) == -EAGAIN)
		channel_wait(POLLOUT);
	return rc == 0;
}

/* Puts an opened file in flight in a socket, so that only the process that works with it closes it
 * (base/inflight.h). */
static int made_wrap(struct archive *archive, int made, struct message_result *result)
{
	int socket = made < 0 ? -1 : inflight_put(made);

	if (made >= 0 && socket < 0)
		openfiles_remove(&archive->common.open, made); /* it is made again */
	if (made >= 0)
		close(made);
	if (made >= 0 && socket < 0) {
		result->error = -socket;
		snprintf(result->text, sizeof(result->text),
			 "passing on a descriptor: %s (LimitNOFILE= limits how many a user may "
			 "have in flight)",
			 failure_text(-socket));
	}
	return socket < 0 ? -1 : socket;
}

/* Returns false if the answer cannot be sent. */
static bool request_answer(struct process *process, int passed)
{
	const struct message *request = &process->request;
	struct message *answer = &process->answer;
	struct message_result *result = &answer->result;
	int fd = passed < 0 ? -1 : inflight_get(passed), made;
	bool sent;

	if (fd < 0)
		fd = -1;
	memset(answer, 0, sizeof(*answer));
	answer->type = message_answer(request->type);
	made = request_serve(&process->archive, request, fd, result);
	made = made_wrap(&process->archive, made, result);
	sent = answer_send(answer, made);
	if (made >= 0)
		close(made);
	if (fd >= 0)
		close(fd);
	if (sent && passed >= 0 && request_ends_file(request, result))
		inflight_drop(passed);
	if (passed >= 0)
		close(passed);
	return sent;
}

/* Returns 1, 0 when the supervisor closed the channel, or -errno, logged. */
static int request_recv(struct message *request, int *fd)
{
	char text[CHANNEL_TEXT_BYTES];
	int rc;

	do {
		channel_wait(POLLIN);
		rc = channel_recv(CHANNEL_FD, CHANNEL_SUPERVISOR, request, fd);
	} while (rc == -EAGAIN);
	if (rc < 0)
		log_error("%s", channel_failure(text, request, CHANNEL_SUPERVISOR, rc));
	if (rc != 1 || request_known(request->type))
		return rc;
	log_error("protocol violation: %s is not a request to the archive process",
		  message_name(request->type));
	if (*fd >= 0)
		close(*fd);
	return -EPROTO;
}

/* Zeros, in whole pages, which take memory only when they are used. NULL with errno. */
static struct process *process_new(void)
{
	struct process *process = mmap(NULL, sizeof(*process), PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return process == MAP_FAILED ? NULL : process;
}

int archive_main(void)
{
	struct process *process;
	int fd, rc;

	child_init();
	log_open(log_level(), "archive");
	trace_begin();
	process = process_new();
	if (!process) {
		log_error("memory for requests: %s", failure_text(errno));
		return EXIT_FAILURE;
	}
	rc = archive_sandbox();
	if (rc) {
		log_error("confining the process: %s", failure_text(-rc));
		return EXIT_FAILURE;
	}
	do
		rc = request_recv(&process->request, &fd);
	while (rc == 1 && request_answer(process, fd));
	openfiles_free(&process->archive.common.open);
	return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
