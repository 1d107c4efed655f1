/* Listening sockets made and passed by a service manager. */
#ifndef LISTENER_H
#define LISTENER_H

#include <stdbool.h>

/* Checks the socket `fd` that was passed for `key` of section [daemon], and makes it non-blocking:
 * it must be a listening stream socket, at a UNIX path or, where `inet`, at an IP address. The
 * socket is used wherever it listens: `value`, the configured address, is only compared, and a
 * difference logged. -EEXIST instead of a descriptor: more than one was passed. Returns 0, or the
 * exit code, the reason logged, the socket closed. */
int listener_adopt(int fd, const char *key, const char *value, bool inet);

/* Closes a socket that was passed but is not used, and logs the reason; does nothing if `fd` is
 * negative. */
void listener_decline(int fd, const char *why);

#endif
