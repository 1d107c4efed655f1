/* Listening UNIX stream sockets at a path. */
#ifndef UNIXSOCKET_H
#define UNIXSOCKET_H

#include <sys/types.h>

/* Listens at `path` (its last directory is made if missing), non-blocking, close-on-exec, with
 * `mode`. A stale socket of a process that is gone is replaced. Returns the descriptor, -EADDRINUSE
 * when a process listens there, -ENOTSOCK when it is not a socket, -ENAMETOOLONG, or another
 * -errno. */
int unixsocket_listen(const char *path, mode_t mode);

/* The text for that -errno. Static. */
const char *unixsocket_error(int rc);

#endif
