/* Requests to the archive process, in order: pure, no process, no clock.
 *
 *   wanted -> queue (the head is with the archive process while it is sent)
 *               | answered             | refused for now
 *               v                      v
 *              done                 delayed -> the end of the queue again, or given up
 *
 * The order: a rotation waits for the next file, and nothing for the end of one, which is synced:
 * what opens and names goes before what finishes. But under a budget a file must have ended before
 * it can make room for the next one. What the previous instance left of a capture is found before
 * anything is made, if the capture is announced already; else behind its announcement, which waits
 * for what is asked for before it: its directory may be on a server that does not answer. */
#ifndef ARCHIVE_QUEUE_H
#define ARCHIVE_QUEUE_H

#include "output_file.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#define ARCHIVE_TRIES 6 /* of what the file system refuses, where it is not tried for ever: 3 s */

struct archive_request {
	TAILQ_ENTRY(archive_request) link;
	uint32_t type; /* MESSAGE_CAPTURE ... MESSAGE_LOOK */
	struct archive_target target;
	struct ledger_file record;
	struct output_file *file; /* NULL: of no file */
	int error;		  /* errno: it was refused for that, and is repeated; 0: not yet */
	unsigned tries;		  /* that were refused */
};

TAILQ_HEAD(archive_requests, archive_request);

struct archive_queue {
	struct archive_requests queue, delayed;
	bool sent;	     /* the head of the queue is with the archive process */
	bool ending;	     /* archive_queue_settled() was asked */
	unsigned last_tries; /* of what is delayed, since then */
};

/* ---- one request ---- */

/* Whether it makes or finds a file, whose descriptor comes with the answer. */
bool archive_request_opens(const struct archive_request *request);

/* Its message. What is announced of a capture and the time are filled in by the caller. */
void archive_request_message(const struct archive_request *request, struct message *message);

/* Whether `answer` is one to `request`, with a descriptor where there has to be one and nowhere
 * else; its strings end then. The archive reads files that others wrote: what cannot be is not
 * believed. */
bool archive_request_answered(const struct message *request, struct message *answer, int fd);

/* Frees a request that is not made any more, and the file that it would have ended. */
void archive_request_free(struct archive_request *request);

/* ---- the queue ---- */

void archive_queue_init(struct archive_queue *queue);

/* Takes a request over. `budget`: the capture's files have to make room for each other. */
void archive_queue_add(struct archive_queue *queue, struct archive_request *request, bool budget);

/* Before all others, also before one that was sent: of a new archive process. */
void archive_queue_add_first(struct archive_queue *queue, struct archive_request *request);

/* Whether the queue begins with requests to announce captures, and one of them is for this one. */
bool archive_queue_announces(const struct archive_queue *queue, uint32_t capture);

/* What is sent, or is to be sent next; NULL: nothing. Borrowed. */
struct archive_request *archive_queue_head(const struct archive_queue *queue);

/* The head was answered: it is the caller's. */
struct archive_request *archive_queue_take(struct archive_queue *queue);

/* Takes over a request that was refused with `error`, to be repeated by archive_queue_repeat(). */
void archive_queue_delay(struct archive_queue *queue, struct archive_request *request, int error);

/* What is delayed comes to the end of the queue. */
void archive_queue_repeat(struct archive_queue *queue);

/* A delayed request of this capture that was refused ARCHIVE_TRIES times: the caller's. NULL: none.
 */
struct archive_request *archive_queue_give_up(struct archive_queue *queue, uint32_t capture);

/* Whether requests of this capture are left, those for retention aside, which may be asked for all
 * the time. */
bool archive_queue_left(const struct archive_queue *queue, uint32_t capture);

/* The errno for which requests of this capture were refused; 0: none is delayed. */
int archive_queue_error(const struct archive_queue *queue, uint32_t capture);

/* No request waits for its answer; what is delayed is not waited for. */
bool archive_queue_idle(const struct archive_queue *queue);

/* The same at the end: from the first call on what is delayed is repeated ARCHIVE_TRIES times, and
 * waited for so long. */
bool archive_queue_settled(struct archive_queue *queue);

/* Calls `each` for every request that will not be made: what is delayed, and what finishes a file.
 * Returns how many. */
unsigned archive_queue_unfinished(const struct archive_queue *queue,
				  void (*each)(const struct archive_request *request,
					       void *context),
				  void *context);

/* Moves all into the queue and takes its head: NULL when it is empty. To free what is left. */
struct archive_request *archive_queue_drain(struct archive_queue *queue);

#endif
