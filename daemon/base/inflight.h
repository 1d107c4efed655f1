/* Output files and directories on their way through the supervisor. It holds a socket in which the
 * descriptor is in flight (unix(7)) and never the descriptor: to close one of a file asks its file
 * system, on FUSE, NFS and CIFS a server, which may never answer, and each process that the
 * supervisor forks would ask, too. Who works with the file looks into the socket. */
#ifndef INFLIGHT_H
#define INFLIGHT_H

#include <stdint.h>

/* RLIMIT_NOFILE of who sends descriptors: the kernel takes it as a bound of how many a user may
 * have in flight, all processes together. */
#define INFLIGHT_MAX UINT64_C(65536)

/* Where the end that sends has its number, above all others: the archive process may send there. */
#define INFLIGHT_FROM 128

/* What it is received with: the lists of system calls have no more. */
#define INFLIGHT_PEEK (MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC)
#define INFLIGHT_TAKE (MSG_DONTWAIT | MSG_CMSG_CLOEXEC)

/* A socket with `fd`, which is borrowed, in flight. Returns it or -errno. */
int inflight_put(int fd);

/* What is in flight in the socket, where it stays for the next one who asks. Returns a descriptor,
 * -ENOTSOCK where it is no socket, or another -errno. */
int inflight_get(int socket);

/* Takes it out and closes it: nobody needs it any more, and who closes it last waits. */
void inflight_drop(int socket);

#endif
