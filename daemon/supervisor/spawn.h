/* Forks and executes this very program anew in another role. */
#ifndef SPAWN_H
#define SPAWN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Starts `role` (CHILD_*) about `what`, which `ps` shows. fds[i] becomes descriptor CHANNEL_FD + i,
 * -1 for none; nothing else of the parent comes along but its standard streams, and CAP_NET_RAW if
 * `net_raw`. Returns the pid or -errno. */
pid_t spawn_child(const char *role, const char *what, const int *fds, unsigned count, bool net_raw);

/* What spawn_child() failed of, in words. */
const char *spawn_failure(int error);

/* What the daemon exits with for a worker that could not start and said `code`: a worker's word is
 * not taken for an exit code that means anything else (0, or 75, after which the service manager
 * starts the next at once). */
int spawn_exit_code(uint32_t code);

/* How long to wait before the next start of something that died `failures` times in a row without
 * getting anywhere, in ms: nothing after the first, then 50 ms, doubling up to 5 s. */
unsigned spawn_backoff_ms(unsigned failures);

#endif
