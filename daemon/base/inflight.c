/* Descriptors in flight: a message of one byte with SCM_RIGHTS, and MSG_PEEK. */
#include "inflight.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	struct cmsghdr align;
	char space[CMSG_SPACE(sizeof(int))];
};

static int put(int socket, int fd)
{
	union control control = { 0 };
	char byte = 0;
	struct iovec io = { &byte, 1 };
	struct msghdr header = { .msg_iov = &io,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control) };

	*CMSG_FIRSTHDR(&header) = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&header)), &fd, sizeof(fd));
	return sendmsg(socket, &header, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int inflight_put(int fd)
{
	int ends[2], sender, rc;

	/* Not SOCK_DGRAM, which could be sent to any address */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends))
		return -errno;
	sender = fcntl(ends[1], F_DUPFD_CLOEXEC, INFLIGHT_FROM);
	rc = sender < 0 ? -errno : put(sender, fd);
	close(ends[1]);
	if (sender >= 0)
		close(sender);
	if (rc)
		close(ends[0]);
	return rc ? rc : ends[0];
}

static int get(int socket, int flags)
{
	union control control = { 0 };
	char byte;
	struct iovec io = { &byte, 1 };
	struct msghdr header = { .msg_iov = &io,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = CMSG_LEN(sizeof(int)) };
	struct cmsghdr *c;
	int fd = -1;

	if (recvmsg(socket, &header, flags) < 0)
		return -errno;
	c = CMSG_FIRSTHDR(&header);
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
	    c->cmsg_len != CMSG_LEN(sizeof(int)))
		return -ENOMSG;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

int inflight_get(int socket)
{
	return get(socket, INFLIGHT_PEEK);
}

void inflight_drop(int socket)
{
	int fd = get(socket, INFLIGHT_TAKE);

	if (fd >= 0)
		close(fd);
}
