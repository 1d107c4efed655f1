/* A child process on its channel: its start, its messages, its silence, its death and why. Knows
 * nothing of what a child is for: that is its owner's, who is called back and must not start
 * another one in that place before process_reaped() was true (a process that the kernel cannot end
 * yet still has its ring mapped, see waitpid(2)).
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
	enum channel_end child; /* what it is: says what it may send */
	/* The child sent `message`. `fd` came along (-1: none) and is the callee's. Returns false
	 * where the message breaks the protocol: the channel is closed then. May be called from
	 * process_reaped(), when the process is dead already (pid is -1). */
	bool (*message)(void *owner, struct message *message, int fd);
	/* The channel was closed: by the child (error 0), since what was read is no message that it
	 * may send, or nothing could be read (errno; `why` is for the log), or since message()
	 * returned false (EPROTO, `why` is NULL). Not called by process_close(). */
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
	bool silent;			/* killed since it sent nothing */
	struct message_crashed crashed; /* what it sent of its crash; signal 0: nothing */
};

/* What is started. */
struct process_plan {
	const char *role; /* CHILD_* */
	const char *what; /* for whom, as ps(1) shows it */
	int fds[2];	  /* become descriptors CHANNEL_FD + 1 and + 2; -1: none. Borrowed */
	bool net_raw;	  /* with CAP_NET_RAW */
};

/* No process yet. `base`, `events`, `owner` are borrowed for the life of the object. */
void process_init(struct process *process, struct event_base *base,
		  const struct process_events *events, void *owner);

/* Forks and executes this program in another role. Nothing of the parent comes along but its
 * standard streams, the channel and plan->fds. Returns 0 or -errno (process_failure()). A child
 * that cannot be heard is killed: its death follows. */
int process_start(struct process *process, const struct process_plan *plan);

/* Sends a message; `fd` (-1: none) is borrowed. Returns 0, -EPIPE where the channel is closed, or
 * another -errno of channel_send(). */
int process_send(struct process *process, struct message *message, int fd);

/* Sends no more and reads no more: also to free what the object holds. A child ends when its
 * channel is closed, as soon as it can. */
void process_close(struct process *process);

/* SIGKILL, if there is a process. It is there until process_reaped(). */
void process_kill(struct process *process);

/* Kills the process where it has sent nothing for `limit_ns`. Returns for how many ns it was
 * silent, once; else 0. `now_ns` is monotonic. */
uint64_t process_watch(struct process *process, uint64_t now_ns, uint64_t limit_ns);

/* To be called for each pid of waitpid(2): false where it is another's. Else reads what the child
 * still sent, and closes the channel. */
bool process_reaped(struct process *process, pid_t pid);

/* The text of the crash that the child sent before it died, with its stack. False: it sent none. */
bool process_crash_text(const struct process *process, char *text, size_t size);

/* Whether a wait status is a death by "signal" or an exit with "status", and which number. */
const char *process_death(int status, int *number);

/* ---- pure ---- */

/* What process_start() failed of, for the log. Static or failure_text()'s. */
const char *process_failure(int error);

/* The exit code of the daemon for a worker that could not start and sent `code`: what a worker
 * sends is not taken for an exit code that means anything else (0, or 75, after which the service
 * manager starts the daemon again at once). */
int process_exit_code(uint32_t code);

/* How long to wait before the next start of something that died `failures` times in a row without
 * progress, in ms: nothing after the first, then 50 ms, doubling up to 5 s. */
unsigned process_backoff_ms(unsigned failures);

#endif
