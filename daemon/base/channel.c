/* Sends and receives messages, each in a packet of its own. */
#include "channel.h"
#include "failure.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD	       offsetof(struct message, worker)
#define BUFFER_BYTES   212992 /* the kernel's default net.core.wmem_default */
#define RESERVED_BYTES 32     /* of a send buffer, by the kernel (unix_dgram_sendmsg()) */

#define SUPERVISOR  CHANNEL_SUPERVISOR
#define WORKER	    CHANNEL_WORKER
#define ARCHIVE	    CHANNEL_ARCHIVE
#define BYTES(body) sizeof(struct message_##body)

/* FD_MAYBE: a request about a file has no descriptor if opening the file failed, an answer has none
 * if it reports an error. */
enum descriptor { FD_NEVER, FD_MAYBE, FD_ALWAYS };

static const struct {
	const char *name;
	int bytes;
	unsigned from; /* the ends that may send it */
	enum descriptor descriptor;
} types[MESSAGE_TYPES] = {
	[MESSAGE_WORKER] = { "WORKER", BYTES(worker), SUPERVISOR, FD_NEVER },
	[MESSAGE_SOCKET] = { "SOCKET", 0, SUPERVISOR, FD_NEVER },
	[MESSAGE_JOIN] = { "JOIN", BYTES(group), SUPERVISOR, FD_NEVER },
	[MESSAGE_FILE] = { "FILE", BYTES(file), SUPERVISOR, FD_ALWAYS },
	[MESSAGE_DRAIN] = { "DRAIN", 0, SUPERVISOR, FD_NEVER },
	[MESSAGE_ROTATE] = { "ROTATE", 0, SUPERVISOR, FD_NEVER },
	[MESSAGE_SUSPEND] = { "SUSPEND", BYTES(suspend), SUPERVISOR, FD_NEVER },
	[MESSAGE_HANDOVER] = { "HANDOVER", 0, SUPERVISOR, FD_NEVER },
	[MESSAGE_SOCKET_MADE] = { "SOCKET_MADE", 0, WORKER, FD_NEVER },
	[MESSAGE_RING_MADE] = { "RING_MADE", 0, WORKER, FD_NEVER },
	[MESSAGE_JOINED] = { "JOINED", BYTES(group), WORKER, FD_ALWAYS },
	[MESSAGE_READY] = { "READY", 0, WORKER, FD_NEVER },
	[MESSAGE_REPORT] = { "REPORT", BYTES(report), WORKER, FD_NEVER },
	[MESSAGE_FAILED] = { "FAILED", BYTES(failed), WORKER, FD_NEVER },
	[MESSAGE_CAPTURE] = { "CAPTURE", BYTES(capture), SUPERVISOR, FD_MAYBE },
	[MESSAGE_OPEN] = { "OPEN", BYTES(archive), SUPERVISOR, FD_NEVER },
	[MESSAGE_REOPEN] = { "REOPEN", BYTES(archive), SUPERVISOR, FD_NEVER },
	[MESSAGE_NAME] = { "NAME", BYTES(archive), SUPERVISOR, FD_MAYBE },
	[MESSAGE_FINISH] = { "FINISH", BYTES(archive), SUPERVISOR, FD_MAYBE },
	[MESSAGE_DISCARD] = { "DISCARD", BYTES(archive), SUPERVISOR, FD_MAYBE },
	[MESSAGE_MAINTAIN] = { "MAINTAIN", BYTES(archive), SUPERVISOR, FD_NEVER },
	[MESSAGE_SYNC] = { "SYNC", BYTES(archive), SUPERVISOR, FD_MAYBE },
	[MESSAGE_LOOK] = { "LOOK", BYTES(archive), SUPERVISOR, FD_MAYBE },
	[MESSAGE_CAPTURE_OK] = { "CAPTURE_OK", BYTES(result), ARCHIVE, FD_MAYBE },
	[MESSAGE_OPENED] = { "OPENED", BYTES(result), ARCHIVE, FD_MAYBE },
	[MESSAGE_NAMED] = { "NAMED", BYTES(result), ARCHIVE, FD_NEVER },
	[MESSAGE_FINISHED] = { "FINISHED", BYTES(result), ARCHIVE, FD_NEVER },
	[MESSAGE_DISCARDED] = { "DISCARDED", BYTES(result), ARCHIVE, FD_NEVER },
	[MESSAGE_MAINTAINED] = { "MAINTAINED", BYTES(result), ARCHIVE, FD_NEVER },
	[MESSAGE_SYNCED] = { "SYNCED", BYTES(result), ARCHIVE, FD_NEVER },
	[MESSAGE_LOOKED] = { "LOOKED", BYTES(result), ARCHIVE, FD_NEVER },
	[MESSAGE_CRASHED] = { "CRASHED", BYTES(crashed), WORKER | ARCHIVE, FD_NEVER },
};

int message_bytes(uint32_t type)
{
	return type < MESSAGE_TYPES && types[type].name ? types[type].bytes : -1;
}

uint32_t message_answer(uint32_t type)
{
	static const uint32_t answers[MESSAGE_TYPES] = {
		[MESSAGE_CAPTURE] = MESSAGE_CAPTURE_OK,	 [MESSAGE_OPEN] = MESSAGE_OPENED,
		[MESSAGE_REOPEN] = MESSAGE_OPENED,	 [MESSAGE_NAME] = MESSAGE_NAMED,
		[MESSAGE_FINISH] = MESSAGE_FINISHED,	 [MESSAGE_DISCARD] = MESSAGE_DISCARDED,
		[MESSAGE_MAINTAIN] = MESSAGE_MAINTAINED, [MESSAGE_SYNC] = MESSAGE_SYNCED,
		[MESSAGE_LOOK] = MESSAGE_LOOKED,
	};

	return type < MESSAGE_TYPES ? answers[type] : 0;
}

const char *message_name(uint32_t type)
{
	return message_bytes(type) < 0 ? "unknown" : types[type].name;
}

/* Makes the send buffer large enough: the kernel always refuses a message larger than that, with
 * EMSGSIZE. On a machine with little memory net.core.wmem_default may be below the longest message,
 * and so may wmem_max, which does not limit SO_SNDBUFFORCE. Returns 0 or -errno. */
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
	if (n >= 0)
		return 0;
	/* Where it closed its end with messages unread that is the first error, unix_release_sock()
	 * of net/unix/af_unix.c. */
	return errno == ECONNRESET ? -EPIPE : -errno;
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

bool channel_allows(enum channel_end from, uint32_t type, bool fd)
{
	return message_bytes(type) >= 0 && types[type].from & from &&
	       types[type].descriptor != (fd ? FD_NEVER : FD_ALWAYS);
}

/* Checks a received message of `bytes`. Returns 1 or -errno. */
static int message_check(const struct message *message, size_t bytes, bool fd,
			 enum channel_end from)
{
	if (bytes < HEAD || message_bytes(message->type) < 0 ||
	    message->bytes != (uint32_t)message_bytes(message->type) ||
	    bytes != HEAD + message->bytes)
		return -EBADMSG;
	return channel_allows(from, message->type, fd) ? 1 : -EPROTO;
}

int channel_recv(int channel, enum channel_end from, struct message *message, int *fd)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec io = { message, sizeof(*message) };
	/* CMSG_LEN, not CMSG_SPACE: space for exactly one descriptor. */
	struct msghdr header = { .msg_iov = &io,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = CMSG_LEN(sizeof(int)) };
	int reset = 0, rc;
	ssize_t n;

	/* ECONNRESET: the peer closed its end with messages unread; what it sent before can still
	 * be received. */
	do
		n = recvmsg(channel, &header, MSG_CMSG_CLOEXEC);
	while (n < 0 && (errno == EINTR || (errno == ECONNRESET && !reset++)));
	*fd = -1;
	if (n < 0)
		return errno == ECONNRESET ? 0 : -errno;
	*fd = fd_taken(&header);
	if (n == 0 && *fd < 0)
		return 0;
	rc = header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)
		     ? -EBADMSG
		     : message_check(message, (size_t)n, *fd >= 0, from);
	if (rc < 0 && *fd >= 0) {
		close(*fd);
		*fd = -1;
	}
	return rc;
}

const char *channel_failure(char text[CHANNEL_TEXT_BYTES], const struct message *message,
			    enum channel_end from, int rc)
{
	const char *name = message_name(message->type), *how = "may not be sent by this process";

	if (rc != -EPROTO) {
		snprintf(text, CHANNEL_TEXT_BYTES, "%s%s",
			 rc == -EBADMSG ? "protocol violation: " : "reading the channel: ",
			 rc == -EBADMSG ? "unknown type, or wrong length" : failure_text(-rc));
		return text;
	}
	if (types[message->type].from & from)
		how = types[message->type].descriptor == FD_NEVER ? "with a descriptor"
								  : "without its descriptor";
	snprintf(text, CHANNEL_TEXT_BYTES, "protocol violation: %s %s", name, how);
	return text;
}
