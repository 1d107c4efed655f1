/* fork, descriptors, exec. */
#include "spawn.h"

#include "../base/failure.h"
#include "../base/log.h"
#include "../base/message.h"
#include "../base/privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#define ABOVE		 64 /* out of the way of the fixed numbers */
#define FDS_MAX		 8
#define BACKOFF_FIRST_MS 50u
#define BACKOFF_MAX_MS	 5000u

static void fds_place(const int *fds, unsigned count)
{
	int moved[FDS_MAX];

	for (unsigned i = 0; i < count; i++) {
		moved[i] = fds[i] < 0 ? -1 : fcntl(fds[i], F_DUPFD_CLOEXEC, ABOVE);
		if (fds[i] >= 0 && moved[i] < 0)
			_exit(126);
	}
	for (unsigned i = 0; i < count; i++)
		if (moved[i] < 0)
			close(CHANNEL_FD + (int)i);
		else if (dup2(moved[i], CHANNEL_FD + (int)i) < 0)
			_exit(126);
}

pid_t spawn_child(const char *role, const char *what, const int *fds, unsigned count, bool net_raw)
{
	char level[8];
	char *argv[] = { (char *)role, (char *)what, level, NULL };
	sigset_t all, before;
	int saved;
	pid_t pid;

	if (count > FDS_MAX)
		return -EINVAL;
	snprintf(level, sizeof(level), "%d", log_level());
	/* A signal between fork and exec would reach the parent's handler twice: child_init() lets
	 * them in. */
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
	fds_place(fds, count);
	/* Whoever started the daemon may have left descriptors open. */
	close_range(CHANNEL_FD + count, ~0U, 0);
	if (privileges_pass(net_raw))
		_exit(126);
	execv("/proc/self/exe", argv);
	_exit(127);
}

const char *spawn_failure(int error)
{
	return error == EAGAIN ? "no further process is allowed (TasksMax= of the unit, ulimit -u, "
				 "or the container's limit of processes)"
			       : failure_text(error);
}

int spawn_exit_code(uint32_t code)
{
	return code == EX_NOPERM || code == EX_CONFIG ? (int)code : EXIT_FAILURE;
}

unsigned spawn_backoff_ms(unsigned failures)
{
	unsigned ms = BACKOFF_FIRST_MS;

	if (failures <= 1)
		return 0;
	while (--failures > 1 && ms < BACKOFF_MAX_MS)
		ms *= 2;
	return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}
