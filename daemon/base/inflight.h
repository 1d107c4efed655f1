/* Output files and directories on their way through the supervisor. It holds a socket in which the
 * descriptor is in flight (unix(7)) and never the descriptor: closing a file's descriptor calls
 * into its file system, on FUSE, NFS and CIFS a server that may never answer, and every process
 * that the supervisor forks would close it, too. The process that works with the file gets it from
 * the socket. */
#ifndef INFLIGHT_H
#define INFLIGHT_H

#include <stdint.h>

/* RLIMIT_NOFILE of a process that sends descriptors: the kernel also limits by it how many a user
 * may have in flight, all processes together (unix(7), ETOOMANYREFS). */
#define INFLIGHT_MAX UINT64_C(65536)

/* The lowest number of the sending end, above all other descriptors: the archive process may send
 * to these. */
#define INFLIGHT_FROM 128

/* The flags it is received with: the lists of system calls allow no others. */
#define INFLIGHT_PEEK (MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC)
#define INFLIGHT_TAKE (MSG_DONTWAIT | MSG_CMSG_CLOEXEC)

/* A socket with `fd`, which is borrowed, in flight. Returns it or -errno. */
int inflight_put(int fd);

/* Gets the descriptor in flight, which stays in the socket for the next caller. Returns it,
 * -ENOTSOCK where it is no socket, or another -errno. */
int inflight_get(int socket);

/* Takes the descriptor out and closes it, once it is no longer needed: the process that closes it
 * last waits for the file system. */
void inflight_drop(int socket);

#endif
