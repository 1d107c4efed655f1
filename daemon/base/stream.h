/* Writes to a descriptor that the process which started the daemon holds, too: a pipe, a terminal,
 * a socket that its reader does not empty must not block the process, and its file status flags are
 * not the daemon's to change (O_NONBLOCK belongs to the open file description, which all share:
 * open(2)). */
#ifndef STREAM_H
#define STREAM_H

#include <stddef.h>

/* How a descriptor is written to without blocking. */
enum stream {
	STREAM_PLAIN,  /* a file, or a description that is not blocking */
	STREAM_POLLED, /* a pipe or a terminal that cannot be opened again */
	STREAM_SOCKET,
};

/* Finds out what `fd` is. A pipe, FIFO or terminal is opened again, by /proc/self/fd, without
 * blocking, and `fd` becomes that new description: the old one stays as it is for the others. A
 * pipe or terminal of another user cannot be opened: it is polled for space before each write. */
enum stream stream_open(int fd);

/* One write that never waits for a reader; to a pipe, up to PIPE_BUF bytes are written whole or not
 * at all (pipe(7)). Returns the number of bytes written, -EAGAIN if there is no space, or another
 * -errno. A full file system is not waited for, but one that hangs is. */
int stream_try(int fd, enum stream stream, const char *text, size_t bytes);

/* Writes all, for `seconds` at most. Takes SIGALRM and the real-time timer of the process for that
 * time. Returns 0, -ETIMEDOUT (some of it may be written) or another -errno. */
int stream_finish(int fd, const char *text, size_t bytes, unsigned seconds);

#endif
