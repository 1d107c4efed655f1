/* The UNIX control sockets between the supervisor and its children: one SOCK_SEQPACKET pair each. A
 * message has a fixed type and an exact length; one descriptor may be passed with it (SCM_RIGHTS).
 *
 *   0        4        8
 *   | type   | bytes  | body: the struct of that type, `bytes` long |
 *
 * Both ends are the same binary on the same machine: no byte order, no versions. */
#ifndef CHANNEL_H
#define CHANNEL_H

#include "message.h"

#include <stdbool.h>
#include <sys/types.h>

/* The process at an end of a channel. */
enum channel_end {
	CHANNEL_SUPERVISOR = 1 << 0,
	CHANNEL_WORKER = 1 << 1,
	CHANNEL_ARCHIVE = 1 << 2,
};

#define CHANNEL_TEXT_BYTES 128

/* Two connected ends, close-on-exec, non-blocking. Returns 0 or -errno. */
int channel_pair(int ends[2]);

/* Sends message->type with its body; the length is known by the type. `fd` is borrowed, -1 for
 * none. Returns 0, -EAGAIN (the peer does not read), -EPIPE (the peer is gone) or another
 * -errno. */
int channel_send(int channel, struct message *message, int fd);

/* Whether `from` may send a message of this type, with a descriptor (`fd`) or without. Pure. */
bool channel_allows(enum channel_end from, uint32_t type, bool fd);

/* Receives one message that `from`, the process at the other end, may send, of exactly its type's
 * length. *fd is the descriptor passed with it, owned by the caller, or -1. Returns 1, 0 when the
 * other end is closed, -EAGAIN, -EBADMSG (unknown type, wrong length, two descriptors), -EPROTO
 * (not channel_allows(); message->type is set), or another -errno. The descriptor of a refused
 * message is closed. */
int channel_recv(int channel, enum channel_end from, struct message *message, int *fd);

/* Describes for the log the error `rc`, negative, that channel_recv() returned. Returns `text`. */
const char *channel_failure(char text[CHANNEL_TEXT_BYTES], const struct message *message,
			    enum channel_end from, int rc);

#endif
