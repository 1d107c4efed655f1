/* A child process on its channel: its start, its messages, its silence, its death and the cause.
 * Does not know the purpose of a child: its owner does, which is called back and must not start a
 * replacement before process_reaped() was true (a process that the kernel cannot end yet still has
 * its ring mapped, see waitpid(2)).
 *
 * Invariants: pid > 0 iff the child has not been reaped. event != NULL only while channel >= 0. */
#ifndef PROCESS_H
#define PROCESS_H

#include "../base/channel.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct process_events {
	enum channel_end child; /* the kind of child: decides what it may send */
	/* The child sent `message`. The callee owns `fd` (-1: none). Returns false if the message
	 * violates the protocol: the channel is closed then. May be called from process_reaped(),
	 * when the process is dead already (pid is -1). */
	bool (*message)(void *owner, struct message *message, int fd);
	/* The channel was closed: by the child (error 0), because of an invalid message or a read
	 * error (errno; `why` is for the log), or because message() returned false (EPROTO, `why`
	 * is NULL). Not called by process_close(). */
	void (*closed)(void *owner, int error, const char *why);
};

struct process {
	struct event_base *base;
	const struct process_events *events;
	void *owner;
	pid_t pid;   /* -1: none */
	int channel; /* the supervisor's end; -1: none */
	struct event *event;
	uint64_t started_ns, heard_ns;	/* monotonic */
	uint64_t started_real_ns;	/* realtime */
	bool silent;			/* killed because it sent nothing */
	struct message_crashed crashed; /* its crash report; signal 0: none */
};

/* The plan of a start. */
struct process_plan {
	const char *role; /* CHILD_* */
	const char *what; /* what it works for, as ps(1) shows it */
	int fds[2];	  /* become descriptors CHANNEL_FD + 1 and + 2; -1: none. Borrowed */
	bool net_raw;	  /* with CAP_NET_RAW */
};

/* Without a process yet. `base`, `events`, `owner` are borrowed for the life of the object. */
void process_init(struct process *process, struct event_base *base,
		  const struct process_events *events, void *owner);

/* Forks and executes this program in another role. It inherits only the standard streams, the
 * channel and plan->fds. Returns 0 or -errno (process_failure()). A child whose channel cannot be
 * watched is killed: its death follows. */
int process_start(struct process *process, const struct process_plan *plan);

/* Sends a message; `fd` (-1: none) is borrowed. Returns 0, -EPIPE if the channel is closed, or
 * another -errno of channel_send(). */
int process_send(struct process *process, struct message *message, int fd);

/* Closes the channel; also frees the resources of the object. The child then ends as soon as it
 * can. */
void process_close(struct process *process);

/* Sends SIGKILL, if there is a process. It exists until process_reaped(). */
void process_kill(struct process *process);

/* Kills the process if it has sent nothing for `limit_ns`. Returns once for how many ns it was
 * silent; else 0. `now_ns` is monotonic. */
uint64_t process_watch(struct process *process, uint64_t now_ns, uint64_t limit_ns);

/* To be called for each pid of waitpid(2): false if the pid is another process. Else reads the
 * child's last messages, and closes the channel. */
bool process_reaped(struct process *process, pid_t pid);

/* The text of the crash report that the child sent before it died, with its stack. False: it sent
 * none. */
bool process_crash_text(const struct process *process, char *text, size_t size);

/* Whether a wait status is a death by "signal" or an exit with "status", and which number. */
const char *process_death(int status, int *number);

/* ---- pure ---- */

/* Why process_start() failed, for the log. Static or failure_text()'s. */
const char *process_failure(int error);

/* The exit code of the daemon for a worker that could not start and sent `code`: a worker's value
 * must not be an exit code with another meaning (0, or 75, after which the service manager starts
 * the daemon again at once). */
int process_exit_code(uint32_t code);

/* The backoff in ms before the next start of a process that died `failures` times in a row without
 * progress: 0 after the first, then 50 ms, doubling up to 5 s. */
unsigned process_backoff_ms(unsigned failures);

#endif
