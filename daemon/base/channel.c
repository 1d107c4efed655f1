/* One message, one packet. */
#include "channel.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD	       offsetof(struct message, worker)
#define BUFFER_BYTES   212992 /* of a machine that nobody has tuned */
#define RESERVED_BYTES 32     /* of a buffer, by the kernel (unix_dgram_sendmsg()) */

static const struct {
	const char *name;
	int bytes;
} types[MESSAGE_TYPES] = {
	[MESSAGE_WORKER] = { "WORKER", sizeof(struct message_worker) },
	[MESSAGE_SOCKET] = { "SOCKET", 0 },
	[MESSAGE_JOIN] = { "JOIN", sizeof(struct message_group) },
	[MESSAGE_FILE] = { "FILE", sizeof(struct message_file) },
	[MESSAGE_DRAIN] = { "DRAIN", 0 },
	[MESSAGE_ROTATE] = { "ROTATE", 0 },
	[MESSAGE_SUSPEND] = { "SUSPEND", sizeof(struct message_suspend) },
	[MESSAGE_HANDOVER] = { "HANDOVER", 0 },
	[MESSAGE_SOCKET_MADE] = { "SOCKET_MADE", 0 },
	[MESSAGE_RING_MADE] = { "RING_MADE", 0 },
	[MESSAGE_JOINED] = { "JOINED", sizeof(struct message_group) },
	[MESSAGE_READY] = { "READY", 0 },
	[MESSAGE_REPORT] = { "REPORT", sizeof(struct message_report) },
	[MESSAGE_FAILED] = { "FAILED", sizeof(struct message_failed) },
	[MESSAGE_CAPTURE] = { "CAPTURE", sizeof(struct message_capture) },
	[MESSAGE_OPEN] = { "OPEN", sizeof(struct message_archive) },
	[MESSAGE_REOPEN] = { "REOPEN", sizeof(struct message_archive) },
	[MESSAGE_NAME] = { "NAME", sizeof(struct message_archive) },
	[MESSAGE_FINISH] = { "FINISH", sizeof(struct message_archive) },
	[MESSAGE_DISCARD] = { "DISCARD", sizeof(struct message_archive) },
	[MESSAGE_KEEP] = { "KEEP", sizeof(struct message_archive) },
	[MESSAGE_SYNC] = { "SYNC", sizeof(struct message_archive) },
	[MESSAGE_LOOK] = { "LOOK", sizeof(struct message_archive) },
	[MESSAGE_CAPTURE_OK] = { "CAPTURE_OK", sizeof(struct message_result) },
	[MESSAGE_OPENED] = { "OPENED", sizeof(struct message_result) },
	[MESSAGE_NAMED] = { "NAMED", sizeof(struct message_result) },
	[MESSAGE_FINISHED] = { "FINISHED", sizeof(struct message_result) },
	[MESSAGE_DISCARDED] = { "DISCARDED", sizeof(struct message_result) },
	[MESSAGE_KEPT] = { "KEPT", sizeof(struct message_result) },
	[MESSAGE_SYNCED] = { "SYNCED", sizeof(struct message_result) },
	[MESSAGE_LOOKED] = { "LOOKED", sizeof(struct message_result) },
	[MESSAGE_CRASHED] = { "CRASHED", sizeof(struct message_crashed) },
};

int message_bytes(uint32_t type)
{
	return type < MESSAGE_TYPES && types[type].name ? types[type].bytes : -1;
}

uint32_t message_answer(uint32_t type)
{
	static const uint32_t answers[MESSAGE_TYPES] = {
		[MESSAGE_CAPTURE] = MESSAGE_CAPTURE_OK, [MESSAGE_OPEN] = MESSAGE_OPENED,
		[MESSAGE_REOPEN] = MESSAGE_OPENED,	[MESSAGE_NAME] = MESSAGE_NAMED,
		[MESSAGE_FINISH] = MESSAGE_FINISHED,	[MESSAGE_DISCARD] = MESSAGE_DISCARDED,
		[MESSAGE_KEEP] = MESSAGE_KEPT,		[MESSAGE_SYNC] = MESSAGE_SYNCED,
		[MESSAGE_LOOK] = MESSAGE_LOOKED,
	};

	return type < MESSAGE_TYPES ? answers[type] : 0;
}

const char *message_name(uint32_t type)
{
	return message_bytes(type) < 0 ? "unknown" : types[type].name;
}

/* The kernel refuses a message that its sender's buffer would not hold, with EMSGSIZE, for ever. A
 * net.core.wmem_default of a machine with little memory may be below the longest one, and
 * wmem_max, too, which is not for who may set that. Returns 0 or -errno. */
static int buffer_make(int end)
{
	const int half = BUFFER_BYTES / 2; /* the kernel doubles it */
	int bytes = 0;
	socklen_t length = sizeof(bytes);

	if (getsockopt(end, SOL_SOCKET, SO_SNDBUF, &bytes, &length) == 0 && bytes >= BUFFER_BYTES)
		return 0;
	if (setsockopt(end, SOL_SOCKET, SO_SNDBUFFORCE, &half, sizeof(half)) &&
	    setsockopt(end, SOL_SOCKET, SO_SNDBUF, &half, sizeof(half)))
		return -errno;
	if (getsockopt(end, SOL_SOCKET, SO_SNDBUF, &bytes, &length))
		return -errno;
	return (size_t)bytes < sizeof(struct message) + RESERVED_BYTES ? -ENOBUFS : 0;
}

int channel_pair(int ends[2])
{
	int rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends))
		return -errno;
	rc = buffer_make(ends[0]);
	if (rc == 0)
		rc = buffer_make(ends[1]);
	if (rc == 0)
		return 0;
	close(ends[0]);
	close(ends[1]);
	return rc;
}

int channel_send(int channel, struct message *message, int fd)
{
	int bytes = message_bytes(message->type);
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec io = { message, HEAD + (size_t)bytes };
	struct msghdr header = { .msg_iov = &io, .msg_iovlen = 1 };
	ssize_t n;

	if (bytes < 0)
		return -EBADMSG;
	message->bytes = (uint32_t)bytes;
	if (fd >= 0) {
		header.msg_control = &control;
		header.msg_controllen = sizeof(control);
		*CMSG_FIRSTHDR(&header) =
			(struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&header)), &fd, sizeof(fd));
	}
	do
		n = sendmsg(channel, &header, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* The descriptor of a received message, or -1. */
static int fd_taken(struct msghdr *header)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(header);
	int fd = -1;

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

int channel_recv(int channel, struct message *message, int *fd)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec io = { message, sizeof(*message) };
	/* CMSG_LEN, not CMSG_SPACE: there is room for one descriptor and no more. */
	struct msghdr header = { .msg_iov = &io,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = CMSG_LEN(sizeof(int)) };
	int reset = 0;
	ssize_t n;

	/* ECONNRESET: the peer left with messages unread; what it said before is still there. */
	do
		n = recvmsg(channel, &header, MSG_CMSG_CLOEXEC);
	while (n < 0 && (errno == EINTR || (errno == ECONNRESET && !reset++)));
	*fd = -1;
	if (n < 0)
		return errno == ECONNRESET ? 0 : -errno;
	*fd = fd_taken(&header);
	if (n == 0 && *fd < 0)
		return 0;
	if (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC) || (size_t)n < HEAD ||
	    message_bytes(message->type) < 0 ||
	    message->bytes != (uint32_t)message_bytes(message->type) ||
	    (size_t)n != HEAD + message->bytes) {
		if (*fd >= 0)
			close(*fd);
		*fd = -1;
		return -EBADMSG;
	}
	return 1;
}
