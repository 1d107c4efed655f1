/* The connection to the archive process: requests are sent one after the other, and repeated to a
 * new archive process when one dies. Waits for no disk, and does not know the purpose of
 * requests. */
#ifndef ARCHIVE_CLIENT_H
#define ARCHIVE_CLIENT_H

#include "archive_queue.h"

#include <event2/event.h>
#include <stdbool.h>
#include <sys/types.h>

struct archive_client;

struct archive_client_events {
	/* The answer to a request. The callee owns `request` and `fd` (-1: none), and may delay the
	 * request (archive_queue_delay()). If the process died while it served a request for
	 * maintenance, that is answered with EPIPE instead of repeated. */
	void (*answered)(void *context, struct archive_request *request,
			 const struct message_result *result, int fd);
};

/* Starts the archive process. `base`, `events` and `context` are borrowed. Returns 0 or -errno. */
int archive_client_new(struct archive_client **out, struct event_base *base,
		       const struct archive_client_events *events, void *context);

/* Checks the clock, to be called periodically; logs it if the clock was set. Returns by how many ns
 * it was set since the last call, 0: it was not. */
int64_t archive_client_clock(struct archive_client *client);

/* Announces a capture to the archive process, and to each later one; before its other requests.
 * `owner` is the request's, borrowed. */
void archive_client_announce(struct archive_client *client, const struct message_capture *capture,
			     void *owner);

/* The announcement of a capture. Borrowed. */
const struct message_capture *archive_client_capture(const struct archive_client *client,
						     uint32_t capture);

/* Stores the descriptor of a capture's directory for later archive processes, and takes ownership
 * of it; -1: none. */
void archive_client_directory(struct archive_client *client, uint32_t capture, int fd);

/* Queues a request and takes ownership of it. */
void archive_client_request(struct archive_client *client, struct archive_request *request);

/* The unanswered requests. Borrowed. */
struct archive_queue *archive_client_queue(struct archive_client *client);

/* Retries delayed requests; to be called about twice a second. */
void archive_client_tick(struct archive_client *client);

/* Whether several archive processes in a row died without an answer. */
bool archive_client_unavailable(const struct archive_client *client);

/* To be called for each pid of waitpid(2): true if it was the archive's; a new one is started. */
bool archive_client_reaped(struct archive_client *client, pid_t pid, int status);

pid_t archive_client_pid(const struct archive_client *client);

/* Closes the channel, which ends the archive process, and waits for it, five seconds at most,
 * unless requests are unanswered. Frees all, the requests, too. */
void archive_client_free(struct archive_client *client);

#endif
