/* The linker puts these in the place of fork(), kill(), waitpid() and channel_pair(). */
#include "children.h"

#include "../../daemon/base/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#define FIRST_PID 4194305 /* above what any kernel gives (PID_MAX_LIMIT) */

static struct child_double children[CHILDREN_MAX];
static unsigned count;
static bool faked;
static int refused, child_end = -1;
static void (*hook)(void);

pid_t __real_fork(void);
pid_t __wrap_fork(void);
int __real_kill(pid_t pid, int signal);
int __wrap_kill(pid_t pid, int signal);
pid_t __real_waitpid(pid_t pid, int *status, int options);
pid_t __wrap_waitpid(pid_t pid, int *status, int options);
int __real_channel_pair(int ends[2]);
int __wrap_channel_pair(int ends[2]);

void children_begin(void)
{
	for (unsigned i = 0; i < count; i++)
		child_close(&children[i]);
	count = 0;
	refused = 0;
	hook = NULL;
	faked = true;
}

void children_refuse(int error)
{
	refused = error;
}

void children_forked(void (*forked)(void))
{
	hook = forked;
}

unsigned children_count(void)
{
	return count;
}

struct child_double *children_last(void)
{
	return count ? &children[count - 1] : NULL;
}

struct child_double *children_at(unsigned i)
{
	return &children[i];
}

struct child_double *children_find(pid_t pid)
{
	for (unsigned i = 0; i < count; i++)
		if (children[i].pid == pid)
			return &children[i];
	return NULL;
}

void child_close(struct child_double *child)
{
	if (child->channel >= 0)
		close(child->channel);
	child->channel = -1;
}

int __wrap_channel_pair(int ends[2])
{
	int rc = __real_channel_pair(ends);

	if (rc || !faked)
		return rc;
	if (child_end >= 0)
		close(child_end); /* of one that could not be started */
	child_end = fcntl(ends[1], F_DUPFD_CLOEXEC, 0);
	return rc;
}

pid_t __wrap_fork(void)
{
	if (!faked)
		return __real_fork();
	if (refused || count == CHILDREN_MAX) {
		errno = refused ? refused : EAGAIN;
		return -1;
	}
	if (hook)
		hook();
	children[count] =
		(struct child_double){ .pid = FIRST_PID + (pid_t)count, .channel = child_end };
	child_end = -1;
	return children[count++].pid;
}

int __wrap_kill(pid_t pid, int signal)
{
	struct child_double *child = faked ? children_find(pid) : NULL;

	if (!child)
		return __real_kill(pid, signal);
	child->killed |= signal == SIGKILL;
	return 0;
}

void child_dies(struct child_double *child, int status)
{
	child_close(child);
	child->dead = true;
	child->status = status;
	raise(SIGCHLD);
}

/* The parent has closed its end. */
static bool left_alone(const struct child_double *child)
{
	struct pollfd end = { child->channel, 0, 0 };

	return child->channel >= 0 && poll(&end, 1, 0) == 1 && end.revents & POLLHUP;
}

pid_t __wrap_waitpid(pid_t pid, int *status, int options)
{
	if (!faked || (pid > 0 && !children_find(pid)))
		return __real_waitpid(pid, status, options);
	for (unsigned i = 0; i < count; i++) {
		struct child_double *child = &children[i];
		bool ended = child->dead || (pid > 0 && left_alone(child));

		if ((pid > 0 && pid != child->pid) || !ended)
			continue;
		child_close(child);
		child->dead = false;
		if (status)
			*status = child->status;
		return child->pid;
	}
	return 0; /* those that there are live */
}
