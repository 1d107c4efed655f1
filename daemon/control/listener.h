/* Listening sockets that a service manager made and handed over. */
#ifndef LISTENER_H
#define LISTENER_H

#include <stdbool.h>

/* Checks the socket `fd` that came for `key` of section [daemon], non-blocking from then on: it
 * must listen for streams, at a UNIX path or, where `inet`, at an IP address. It is used wherever
 * it listens: `value`, what the configuration says of the place, is only compared, and a difference
 * told. -EEXIST instead of a descriptor: more than one came. Returns 0, or the exit code, the
 * reason logged, the socket closed. */
int listener_adopt(int fd, const char *key, const char *value, bool inet);

/* Closes the one that came although nobody wants it, which is told with the reason; nothing where
 * `fd` is negative. */
void listener_decline(int fd, const char *why);

#endif
