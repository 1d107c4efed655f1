/* The start of a worker, and its messages. */
#include "worker_process.h"

#include "../base/child.h"
#include "../base/failure.h"
#include "../base/log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define STARTING_MORE 10 /* times the timeout, for the allocation of a ring */

void worker_process_send(struct worker_process *w, struct message *message, int fd)
{
	int rc = process_send(&w->process, message, fd);

	if (rc == -EAGAIN && message->type == MESSAGE_ROTATE)
		return;		  /* it has reported that often enough */
	if (rc && rc != -EPIPE) { /* the worker is gone: SIGCHLD follows */
		worker_process_log(w, LOG_ERR, "sending %s: %s", message_name(message->type),
				   rc == -EAGAIN ? "its channel is full" : failure_text(-rc));
		process_kill(&w->process);
	}
}

void worker_process_say(struct worker_process *w, uint32_t type)
{
	struct message message = { .type = type };

	worker_process_send(w, &message, -1);
}

void worker_process_ask(struct worker_process *w, enum worker_progress progress,
			const struct message_group *group)
{
	struct message message = { .type = progress == PROGRESS_SOCKET ? MESSAGE_SOCKET
								       : MESSAGE_JOIN };

	if (group)
		message.group = *group;
	w->asked = progress;
	worker_process_send(w, &message, -1);
}

bool worker_process_takes(const struct worker_process *w)
{
	return w->progress >= PROGRESS_JOINED && w->process.channel >= 0;
}

static bool step_fits(const struct worker_process *w, uint32_t type)
{
	switch (type) {
	case MESSAGE_SOCKET_MADE:
		return w->progress == PROGRESS_NONE && w->asked >= PROGRESS_SOCKET;
	case MESSAGE_RING_MADE:
		return w->progress == PROGRESS_SOCKET;
	case MESSAGE_JOINED:
		return w->progress == PROGRESS_RING && w->asked >= PROGRESS_JOINED;
	case MESSAGE_READY:
		return w->progress == PROGRESS_JOINED;
	default:
		return true;
	}
}

static void on_failed(struct worker_process *w, struct message_failed *failed)
{
	if (w->has_failed) /* more than one is a flood */
		return;
	w->has_failed = true;
	failed->text[sizeof(failed->text) - 1] = '\0';
	w->events->failed(w->owner, failed->exit_code, failed->text);
}

static bool message_take(struct worker_process *w, struct message *message, int fd)
{
	switch (message->type) {
	case MESSAGE_REPORT:
		return w->events->report(w->owner, &message->report);
	case MESSAGE_SOCKET_MADE:
		w->progress = PROGRESS_SOCKET;
		return true;
	case MESSAGE_RING_MADE:
		w->progress = PROGRESS_RING;
		return true;
	case MESSAGE_JOINED: /* the only type with a descriptor, which the channel ensures */
		w->progress = PROGRESS_JOINED;
		w->events->joined(w->owner, &message->group, fd);
		return true;
	case MESSAGE_READY:
		w->progress = PROGRESS_READY;
		w->events->ready(w->owner);
		return true;
	case MESSAGE_FAILED:
		on_failed(w, &message->failed);
		return true;
	default:
		return false;
	}
}

static bool on_message(void *owner, struct message *message, int fd)
{
	struct worker_process *w = owner;

	if (!step_fits(w, message->type)) {
		worker_process_log(w, LOG_ERR, "the worker sent %s out of order; it is replaced",
				   message_name(message->type));
		if (fd >= 0)
			close(fd);
		return false;
	}
	if (!message_take(w, message, fd))
		return false;
	if (message->type != MESSAGE_REPORT)
		w->events->changed(w->owner);
	return true;
}

/* A worker without a channel is unusable. A violation of the protocol is logged. */
static void on_closed(void *owner, int error, const char *why)
{
	struct worker_process *w = owner;

	(void)error;
	if (why)
		worker_process_log(w, LOG_ERR, "%s", why);
	process_kill(&w->process);
}

static const struct process_events process_events = { CHANNEL_WORKER, on_message, on_closed };

void worker_process_init(struct worker_process *w, struct event_base *base,
			 const struct worker_process_events *events, void *owner,
			 const struct message_worker *task)
{
	w->events = events;
	w->owner = owner;
	w->task = task;
	process_init(&w->process, base, &process_events, w);
}

int worker_process_start(struct worker_process *w, const struct worker_process_plan *plan)
{
	struct message message = { .type = MESSAGE_WORKER, .worker = *w->task };
	char what[CAPTURE_NAME_BYTES + 8];
	const struct process_plan process = { .role = CHILD_WORKER,
					      .what = what,
					      .fds = { plan->ledger_fd, plan->ring_fd },
					      .net_raw = plan->ring_fd < 0 };
	int rc;

	snprintf(what, sizeof(what), "%s/%u", w->task->capture, w->task->worker);
	rc = process_start(&w->process, &process);
	if (rc)
		return rc;
	w->has_failed = false;
	w->asked = w->progress = plan->ring_fd >= 0 ? PROGRESS_JOINED : PROGRESS_NONE;
	if (w->process.channel < 0) /* its channel is closed: it ends */
		return 0;
	message.worker.resume = plan->ring_fd >= 0;
	message.worker.generation = plan->generation;
	message.worker.quarantine = plan->quarantine;
	worker_process_send(w, &message, -1);
	return 0;
}

void worker_process_watch(struct worker_process *w, uint64_t now_ns)
{
	uint64_t limit = w->task->config.timeout_ns, silent;

	if (w->progress < PROGRESS_JOINED)
		limit *= STARTING_MORE;
	silent = w->process.pid > 0 ? process_watch(&w->process, now_ns, limit) : 0;
	if (silent)
		worker_process_log(w, LOG_ERR,
				   "the worker has not reported for %llu ms: killing it",
				   (unsigned long long)silent / 1000000);
}

bool worker_process_reaped(struct worker_process *w, pid_t pid)
{
	char text[1024];

	if (!process_reaped(&w->process, pid))
		return false;
	if (process_crash_text(&w->process, text, sizeof(text)))
		worker_process_log(w, LOG_ERR, "the worker died of %s", text);
	return true;
}

/* Signal 9 comes from the kernel most of the time, for lack of memory. */
void worker_process_start_text(const struct worker_process *w, int status, char *text, size_t size)
{
	if (w->process.silent)
		snprintf(text, size, "worker %u was silent while starting and was killed",
			 w->task->worker);
	else if (WIFSIGNALED(status))
		snprintf(text, size, "worker %u was killed by signal %d while starting%s",
			 w->task->worker, WTERMSIG(status),
			 WTERMSIG(status) == SIGKILL ? " (out of memory?)" : "");
	else
		snprintf(text, size, "worker %u ended with status %d while starting",
			 w->task->worker, WEXITSTATUS(status));
}

bool worker_process_is_fault(const struct worker_process *w, int status)
{
	return WIFSIGNALED(status) && (WTERMSIG(status) != SIGKILL || w->process.silent);
}
