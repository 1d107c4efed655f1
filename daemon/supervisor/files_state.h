/* What the files of the queue to the archive process share: files.c has the requests, filesleft.c
 * those that wait, archiver.c the process. */
#ifndef FILES_STATE_H
#define FILES_STATE_H

#include "files.h"
#include "process.h"

#include "../base/config.h"

#include <sys/queue.h>

struct request {
	TAILQ_ENTRY(request) link;
	uint32_t type;
	uint32_t capture, worker;
	struct ledger_file record;
	struct output_file *file; /* its name is filled in when the request is sent */
	void *owner;
	int error;	/* of a delayed one */
	unsigned tries; /* that were delayed */
};

TAILQ_HEAD(request_queue, request);

struct files {
	struct event_base *base;
	const struct files_events *events;
	void *context;
	struct clock_watch clock;
	int64_t clock_step_ns;	      /* set by so much since files_clock() */
	struct request_queue queue;   /* the head is with the archive while `sent` */
	struct request_queue delayed; /* to be sent again */
	bool ending;		      /* all captures have stopped */
	unsigned last_tries;	      /* of what is delayed, since then */
	bool sent;
	struct process process;
	struct event *retry;			       /* of its start, or of a request */
	unsigned failures;			       /* deaths without an answer between them */
	bool replaced;				       /* it ends since it was told to */
	struct message_capture captures[CAPTURES_MAX]; /* to be told to each new archive process */
	int directories[CAPTURES_MAX];		       /* as the first one opened them, in flight (a
								 socket); -1: none */
	void *owed[CAPTURES_MAX]; /* who waits for placed(), where there was no memory
					    to ask; NULL: none */
	unsigned told;
};

/* Sends the head of the queue, if nothing is out. */
void files_queue_send(struct files *files);

/* The answer to the head of the queue, which is not in it any more. `fd` is taken over. */
void files_answered(struct files *files, struct request *request,
		    const struct message_result *result, int fd);

/* Whether it is one: files_answer_fits(). */
bool files_request_fits(const struct files *files, const struct request *request,
			struct message *answer, int fd);

/* Has a new archive process started, which is told of all captures and goes on with the queue. */
void files_process_replace(struct files *files);

/* Keeps the descriptor, -1 for none, of a capture's directory. */
void files_directory_set(struct files *files, uint32_t capture, int fd);

#endif
