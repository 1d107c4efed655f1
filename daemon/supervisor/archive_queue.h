/* Requests to the archive process, in order: pure, no process, no clock.
 *
 *   wanted -> queue (the head is with the archive process while it is sent)
 *               | answered             | refused for now
 *               v                      v
 *              done                 delayed -> the end of the queue again, or given up
 *
 * The order: a rotation waits for the next file, but nothing waits for a file to be finished, which
 * includes a sync: requests that open and name files precede those that finish them. But under a
 * budget a file must be finished before it can be removed for the next one. What the previous
 * instance left of a capture is found before anything is made, if the capture is announced already;
 * else behind its announcement, which waits for what is asked for before it: its directory may be
 * on a server that does not answer. */
#ifndef ARCHIVE_QUEUE_H
#define ARCHIVE_QUEUE_H

#include "output_file.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#define ARCHIVE_TRIES 6 /* of a refused request that is given up some time: 3 s */

struct archive_request {
	TAILQ_ENTRY(archive_request) link;
	uint32_t type; /* MESSAGE_CAPTURE ... MESSAGE_LOOK */
	struct archive_target target;
	struct ledger_file record;
	struct output_file *file; /* NULL: of no file */
	int error;		  /* errno with which it was refused, and is retried; 0: none */
	unsigned tries;		  /* that were refused */
};

TAILQ_HEAD(archive_requests, archive_request);

struct archive_queue {
	struct archive_requests queue, delayed;
	bool sent;	     /* the head of the queue is with the archive process */
	bool ending;	     /* archive_queue_settled() was asked */
	unsigned last_tries; /* of delayed requests, since then */
};

/* ---- one request ---- */

/* Whether it makes or finds a file, whose descriptor comes with the answer. */
bool archive_request_opens(const struct archive_request *request);

/* Its message. The caller fills in the announcement of a capture and the time. */
void archive_request_message(const struct archive_request *request, struct message *message);

/* Whether `answer` is one to `request`, with a descriptor exactly if one is required; its strings
 * are terminated then. The archive reads files that others wrote: impossible answers are
 * rejected. */
bool archive_request_answered(const struct message *request, struct message *answer, int fd);

/* Frees a request that is no longer needed, and the file that it would have finished. */
void archive_request_free(struct archive_request *request);

/* ---- the queue ---- */

void archive_queue_init(struct archive_queue *queue);

/* Takes ownership of a request. `budget`: the capture's files must make space for each other. */
void archive_queue_add(struct archive_queue *queue, struct archive_request *request, bool budget);

/* Inserts a request before all others, also before one that was sent: for a new archive process. */
void archive_queue_add_first(struct archive_queue *queue, struct archive_request *request);

/* Whether the queue begins with requests to announce captures, and one of them is for this one. */
bool archive_queue_announces(const struct archive_queue *queue, uint32_t capture);

/* The request that is sent or will be sent next; NULL: none. Borrowed. */
struct archive_request *archive_queue_head(const struct archive_queue *queue);

/* Removes the first request, which was answered; the caller owns it. */
struct archive_request *archive_queue_take(struct archive_queue *queue);

/* Takes ownership of a request that was refused with `error`, to be retried by
 * archive_queue_repeat(). */
void archive_queue_delay(struct archive_queue *queue, struct archive_request *request, int error);

/* Appends the delayed requests to the queue. */
void archive_queue_repeat(struct archive_queue *queue);

/* Removes a delayed request of this capture that was refused ARCHIVE_TRIES times; the caller owns
 * it. NULL: none. */
struct archive_request *archive_queue_give_up(struct archive_queue *queue, uint32_t capture);

/* Whether requests of this capture are left, except those for maintenance, which are made all the
 * time. */
bool archive_queue_left(const struct archive_queue *queue, uint32_t capture);

/* The errno for which requests of this capture were refused; 0: none is delayed. */
int archive_queue_error(const struct archive_queue *queue, uint32_t capture);

/* Whether no request waits for its answer; delayed ones do not count. */
bool archive_queue_idle(const struct archive_queue *queue);

/* The same at the end: from the first call on, delayed requests are retried ARCHIVE_TRIES times,
 * and count until then. */
bool archive_queue_settled(struct archive_queue *queue);

/* Calls `each` for every request that will not be served: delayed ones, and those that finish a
 * file. Returns their number. */
unsigned archive_queue_unfinished(const struct archive_queue *queue,
				  void (*each)(const struct archive_request *request,
					       void *context),
				  void *context);

/* Moves all requests into the queue and removes the first one: NULL when it is empty. To free the
 * remaining ones. */
struct archive_request *archive_queue_drain(struct archive_queue *queue);

#endif
