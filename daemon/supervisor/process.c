/* fork, descriptors, exec; the channel; the end. */
#include "process.h"

#include "../base/channel.h"
#include "../base/clock.h"
#include "../base/failure.h"
#include "../base/log.h"
#include "../base/privileges.h"
#include "../base/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define ABOVE		 64 /* above the fixed numbers */
#define FDS		 3  /* the channel and a plan's */
#define LAST_MESSAGES	 64 /* read from a dead child: it may have filled its channel */
#define BACKOFF_FIRST_MS 50u
#define BACKOFF_MAX_MS	 5000u

void process_init(struct process *p, struct event_base *base, const struct process_events *events,
		  void *owner)
{
	*p = (struct process){
		.base = base, .events = events, .owner = owner, .pid = -1, .channel = -1
	};
}

/* In the child: fds[i] becomes CHANNEL_FD + i. */
static void fds_place(const int *fds)
{
	int moved[FDS];

	for (int i = 0; i < FDS; i++) {
		moved[i] = fds[i] < 0 ? -1 : fcntl(fds[i], F_DUPFD_CLOEXEC, ABOVE);
		if (fds[i] >= 0 && moved[i] < 0)
			_exit(126);
	}
	for (int i = 0; i < FDS; i++)
		if (moved[i] < 0)
			close(CHANNEL_FD + i);
		else if (dup2(moved[i], CHANNEL_FD + i) < 0)
			_exit(126);
}

static pid_t child_start(const struct process_plan *plan, int channel)
{
	const int fds[FDS] = { channel, plan->fds[0], plan->fds[1] };
	char level[8];
	char *argv[] = { (char *)plan->role, (char *)plan->what, level, NULL };
	sigset_t all, before;
	int saved;
	pid_t pid;

	snprintf(level, sizeof(level), "%d", log_level());
	/* A signal between fork and exec would reach the parent's handler twice: child_init()
	 * unblocks them. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	saved = errno;
	if (pid != 0)
		sigprocmask(SIG_SETMASK, &before, NULL);
	if (pid < 0)
		return -saved;
	if (pid > 0)
		return pid;
	fds_place(fds);
	/* The daemon's parent may have passed open descriptors. */
	close_range(CHANNEL_FD + FDS, ~0U, 0);
	if (privileges_pass(plan->net_raw))
		_exit(126);
	execv("/proc/self/exe", argv);
	_exit(127);
}

static void channel_broken(struct process *p, int error, const char *why)
{
	process_close(p);
	p->events->closed(p->owner, error, why);
}

static void channel_read(struct process *p)
{
	static struct message message; /* large; only one is handled at a time */
	enum channel_end child = p->events->child;
	int fd, rc = channel_recv(p->channel, child, &message, &fd);
	char text[CHANNEL_TEXT_BYTES];

	if (rc == -EAGAIN)
		return;
	if (rc != 1) {
		channel_broken(p, -rc, rc ? channel_failure(text, &message, child, rc) : NULL);
		return;
	}
	p->heard_ns = clock_mono_ns();
	if (message.type == MESSAGE_CRASHED)
		p->crashed = message.crashed; /* logged after its death */
	else if (!p->events->message(p->owner, &message, fd))
		channel_broken(p, EPROTO, NULL);
}

static void channel_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	channel_read(arg);
}

int process_start(struct process *p, const struct process_plan *plan)
{
	int ends[2], rc = channel_pair(ends);
	pid_t pid;

	if (rc)
		return rc;
	pid = child_start(plan, ends[1]);
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return (int)pid;
	}
	p->pid = pid;
	p->channel = ends[0];
	p->started_ns = p->heard_ns = clock_mono_ns();
	p->started_real_ns = clock_real_ns();
	p->silent = false;
	p->crashed.signal = 0;
	p->event = event_new(p->base, p->channel, EV_READ | EV_PERSIST, channel_cb, p);
	if (!p->event || event_add(p->event, NULL)) { /* no second process beside it */
		process_close(p);
		process_kill(p);
	}
	return 0;
}

int process_send(struct process *p, struct message *message, int fd)
{
	return p->channel < 0 ? -EPIPE : channel_send(p->channel, message, fd);
}

void process_close(struct process *p)
{
	if (p->event)
		event_free(p->event);
	p->event = NULL;
	if (p->channel >= 0)
		close(p->channel);
	p->channel = -1;
}

void process_kill(struct process *p)
{
	if (p->pid > 0)
		kill(p->pid, SIGKILL);
}

uint64_t process_watch(struct process *p, uint64_t now_ns, uint64_t limit_ns)
{
	if (p->pid <= 0 || p->silent || now_ns < p->heard_ns || now_ns - p->heard_ns < limit_ns)
		return 0;
	p->silent = true;
	process_kill(p);
	return now_ns - p->heard_ns;
}

bool process_reaped(struct process *p, pid_t pid)
{
	if (p->pid <= 0 || pid != p->pid)
		return false;
	p->pid = -1;
	for (int i = 0; i < LAST_MESSAGES && p->channel >= 0; i++)
		channel_read(p);
	process_close(p);
	return true;
}

bool process_crash_text(const struct process *p, char *text, size_t size)
{
	if (!p->crashed.signal)
		return false;
	trace_text(&p->crashed, text, size);
	return true;
}

const char *process_death(int status, int *number)
{
	*number = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
	return WIFSIGNALED(status) ? "signal" : "status";
}

const char *process_failure(int error)
{
	return error == EAGAIN ? "no further process is allowed (TasksMax= of the unit, ulimit -u, "
				 "or the container's limit of processes)"
			       : failure_text(error);
}

int process_exit_code(uint32_t code)
{
	return code == EX_NOPERM || code == EX_CONFIG ? (int)code : EXIT_FAILURE;
}

unsigned process_backoff_ms(unsigned failures)
{
	unsigned ms = BACKOFF_FIRST_MS;

	if (failures <= 1)
		return 0;
	while (--failures > 1 && ms < BACKOFF_MAX_MS)
		ms *= 2;
	return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}
