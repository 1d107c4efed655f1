/* The UNIX control sockets between the supervisor and its children: one SOCK_SEQPACKET pair each. A
 * message has a fixed type and an exact length; one descriptor may come along (SCM_RIGHTS).
 *
 *   0        4        8
 *   | type   | bytes  | body: the struct of that type, `bytes` long |
 *
 * Both ends are the same binary on the same machine: no byte order, no versions. */
#ifndef CHANNEL_H
#define CHANNEL_H

#include "message.h"

#include <sys/types.h>

/* Two connected ends, close-on-exec, non-blocking. Returns 0 or -errno. */
int channel_pair(int ends[2]);

/* Sends message->type with its body; the length is known by the type. `fd` is borrowed, -1 for
 * none. Returns 0, -EAGAIN (the peer does not read), -EPIPE (gone) or another -errno. */
int channel_send(int channel, struct message *message, int fd);

/* Receives one message of exactly its type's length. *fd is the descriptor that came along, owned
 * by the caller then, or -1. Returns 1, 0 when the other end is closed, -EAGAIN, -EBADMSG (unknown
 * type, wrong length, a descriptor too many) or another -errno. */
int channel_recv(int channel, struct message *message, int *fd);

#endif
