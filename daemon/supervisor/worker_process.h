/* A worker as the supervisor knows it: a process that gets a task, makes a ring or is given one,
 * and reports. Checks that its messages come in their order, and says what they are to its owner.
 *
 * A starting worker's steps come one after the other, each once: SOCKET when asked for, RING,
 * JOINED when asked for, READY. One that is given a ring begins at JOINED. A worker that breaks the
 * protocol is killed: its death follows. */
#ifndef WORKER_PROCESS_H
#define WORKER_PROCESS_H

#include "process.h"

/* How far it is, or is asked to come. */
enum worker_progress {
	PROGRESS_NONE,
	PROGRESS_SOCKET,
	PROGRESS_RING,
	PROGRESS_JOINED,
	PROGRESS_READY
};

struct worker_process_events {
	/* The group is as the kernel has it; `ring` is a duplicate of its socket, the callee's. */
	void (*joined)(void *owner, const struct message_group *group, int ring);
	void (*ready)(void *owner);
	/* False: it cannot be true, and the worker is killed; it is logged. */
	bool (*report)(void *owner, const struct message_report *report);
	/* It cannot start, or continue, and ends: once in its life. */
	void (*failed)(void *owner, uint32_t exit_code, const char *text);
	/* After each of these but a report, and after the other steps. */
	void (*changed)(void *owner);
};

struct worker_process {
	const struct worker_process_events *events;
	void *owner;
	struct process process;
	const struct message_worker *task; /* borrowed */
	enum worker_progress progress, asked;
	bool has_failed;
};

/* No process yet. What is pointed to is borrowed for the life of the object. */
void worker_process_init(struct worker_process *worker, struct event_base *base,
			 const struct worker_process_events *events, void *owner,
			 const struct message_worker *task);

/* What a new one has beside its task. */
struct worker_process_plan {
	int ledger_fd, ring_fd; /* borrowed; ring_fd -1: it makes one */
	uint64_t generation;	/* of the ring */
	uint64_t quarantine;	/* sequence of a block that it must not read; 0: none */
};

/* Starts it. Returns 0 or -errno (process_failure()). */
int worker_process_start(struct worker_process *worker, const struct worker_process_plan *plan);

/* Sends a message; `fd` (-1: none) is borrowed. A worker that takes no more is killed. */
void worker_process_send(struct worker_process *worker, struct message *message, int fd);

/* Sends one without content. */
void worker_process_say(struct worker_process *worker, uint32_t type);

/* Asks for PROGRESS_SOCKET, or with the group that is to be joined for PROGRESS_JOINED. */
void worker_process_ask(struct worker_process *worker, enum worker_progress progress,
			const struct message_group *group);

/* Whether it has its ring, and takes files and orders. */
bool worker_process_takes(const struct worker_process *worker);

/* Kills it where it has sent nothing for as long as its task says, ten times as long until it has
 * its ring, which is logged. */
void worker_process_watch(struct worker_process *worker, uint64_t now_ns);

/* To be called for each pid of waitpid(2): false where it is another's. Else takes what the worker
 * still sent, and logs what it died of. */
bool worker_process_reaped(struct worker_process *worker, pid_t pid);

/* How one ended that was to start, in words. `status` is as of waitpid(2). */
void worker_process_start_text(const struct worker_process *worker, int status, char *text,
			       size_t size);

/* Whether it died of what it did, and was not killed from outside. */
bool worker_process_is_fault(const struct worker_process *worker, int status);

/* A line about it. */
#define worker_process_log(process_of, level, ...)                                                 \
	log_about(level,                                                                           \
		  &(struct log_subject){ (process_of)->task->capture,                              \
					 (int)(process_of)->task->worker, NULL },                  \
		  __VA_ARGS__)

#endif
