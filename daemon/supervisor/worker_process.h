/* A worker as the supervisor knows it: a process that gets a task, makes or adopts a ring, and
 * reports. Checks the order of its messages, and passes their meaning to its owner.
 *
 * A starting worker's steps come one after the other, each once: SOCKET on request, RING, JOINED on
 * request, READY. A worker that adopts a ring begins at JOINED. A worker that violates the protocol
 * is killed: its death follows. */
#ifndef WORKER_PROCESS_H
#define WORKER_PROCESS_H

#include "process.h"

/* Its progress, actual or requested. */
enum worker_progress {
	PROGRESS_NONE,
	PROGRESS_SOCKET,
	PROGRESS_RING,
	PROGRESS_JOINED,
	PROGRESS_READY
};

struct worker_process_events {
	/* The group is as the kernel reports it; `ring` is a duplicate of its socket, owned by the
	 * callee. */
	void (*joined)(void *owner, const struct message_group *group, int ring);
	void (*ready)(void *owner);
	/* False: the report is impossible, and the worker is killed, which is logged. */
	bool (*report)(void *owner, const struct message_report *report);
	/* The worker cannot start, or continue, and ends: once in its life. */
	void (*failed)(void *owner, uint32_t exit_code, const char *text);
	/* Called after each of these except a report, and after the other steps. */
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

/* Without a process yet. All pointers are borrowed for the life of the object. */
void worker_process_init(struct worker_process *worker, struct event_base *base,
			 const struct worker_process_events *events, void *owner,
			 const struct message_worker *task);

/* The parameters of a new worker beside its task. */
struct worker_process_plan {
	int ledger_fd, ring_fd; /* borrowed; ring_fd -1: it makes a ring */
	uint64_t generation;	/* of the ring */
	uint64_t quarantine;	/* sequence of a block that it must not read; 0: none */
};

/* Starts it. Returns 0 or -errno (process_failure()). */
int worker_process_start(struct worker_process *worker, const struct worker_process_plan *plan);

/* Sends a message; `fd` (-1: none) is borrowed. A worker whose channel is full is killed. */
void worker_process_send(struct worker_process *worker, struct message *message, int fd);

/* Sends a message without a body. */
void worker_process_say(struct worker_process *worker, uint32_t type);

/* Requests PROGRESS_SOCKET, or, with the group to be joined, PROGRESS_JOINED. */
void worker_process_ask(struct worker_process *worker, enum worker_progress progress,
			const struct message_group *group);

/* Whether it has its ring, and accepts files and requests. */
bool worker_process_takes(const struct worker_process *worker);

/* Kills it, logged, if it has sent nothing for its task's timeout; ten times that until it has its
 * ring. */
void worker_process_watch(struct worker_process *worker, uint64_t now_ns);

/* To be called for each pid of waitpid(2): false if the pid is another process. Else handles the
 * worker's last messages, and logs the cause of its death. */
bool worker_process_reaped(struct worker_process *worker, pid_t pid);

/* How a starting worker ended, as text. `status` is waitpid(2)'s. */
void worker_process_start_text(const struct worker_process *worker, int status, char *text,
			       size_t size);

/* Whether it caused its death itself, and was not killed from outside. */
bool worker_process_is_fault(const struct worker_process *worker, int status);

/* A line about it. */
#define worker_process_log(process_of, level, ...)                                                 \
	log_about(level,                                                                           \
		  &(struct log_subject){ (process_of)->task->capture,                              \
					 (int)(process_of)->task->worker, NULL },                  \
		  __VA_ARGS__)

#endif
