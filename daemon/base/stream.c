/* Writes to pipes, terminals and sockets without blocking. */
#include "stream.h"
#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#define LOOK_US 100000

/* Replaces `fd` by a new open file description of the same pipe or terminal. */
static bool reopen(int fd)
{
	char path[32];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (again < 0)
		return false;
	if (dup2(again, fd) < 0) {
		close(again);
		return false;
	}
	close(again);
	return true;
}

enum stream stream_open(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat st;

	if (flags < 0 || fstat(fd, &st))
		return STREAM_PLAIN;
	if (S_ISSOCK(st.st_mode))
		return STREAM_SOCKET;
	if (flags & O_NONBLOCK || !(S_ISFIFO(st.st_mode) || isatty(fd)))
		return STREAM_PLAIN;
	return reopen(fd) ? STREAM_PLAIN : STREAM_POLLED;
}

int stream_try(int fd, enum stream stream, const char *text, size_t bytes)
{
	struct pollfd space = { .fd = fd, .events = POLLOUT };
	ssize_t n;

	if (stream == STREAM_POLLED && poll(&space, 1, 0) == 0)
		return -EAGAIN;
	do
		n = stream == STREAM_SOCKET ? send(fd, text, bytes, MSG_DONTWAIT | MSG_NOSIGNAL)
					    : write(fd, text, bytes);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : (int)n;
}

static void look(int signal)
{
	(void)signal; /* it interrupts the write() */
}

/* A write() that signals interrupt, whatever it waits for: periodic ones, as one that comes just
 * before the call has no effect. */
static int write_within(int fd, const char *text, size_t bytes, uint64_t end)
{
	while (bytes) {
		ssize_t n = write(fd, text, bytes);

		if (n > 0) {
			text += n;
			bytes -= (size_t)n;
			continue;
		}
		if (n < 0 && errno == EAGAIN) {
			struct pollfd space = { .fd = fd, .events = POLLOUT };

			poll(&space, 1, LOOK_US / 1000);
		} else if (n < 0 && errno != EINTR) {
			return -errno;
		}
		if (clock_mono_ns() > end)
			return -ETIMEDOUT;
	}
	return 0;
}

int stream_finish(int fd, const char *text, size_t bytes, unsigned seconds)
{
	struct sigaction before, looks = { .sa_handler = look };
	struct itimerval often = { { 0, LOOK_US }, { 0, LOOK_US } }, never = { { 0, 0 }, { 0, 0 } };
	int rc;

	sigemptyset(&looks.sa_mask);
	sigaction(SIGALRM, &looks, &before);
	setitimer(ITIMER_REAL, &often, NULL);
	rc = write_within(fd, text, bytes, clock_mono_ns() + seconds * UINT64_C(1000000000));
	setitimer(ITIMER_REAL, &never, NULL);
	sigaction(SIGALRM, &before, NULL);
	return rc;
}
