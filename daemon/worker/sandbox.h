/* What a worker that is ready may still do: read its ring, write its files, talk to its supervisor.
 */
#ifndef WORKER_SANDBOX_H
#define WORKER_SANDBOX_H

#include "../base/message.h"

#include <stdint.h>

struct confine;

/* Before the ring thread is made, in this order with sandbox_close(): no capability, not dumpable,
 * no file system, files no larger and no more than `what` needs. *list, for sandbox_close(), knows
 * the descriptors that are there now. Returns 0 or -errno. */
int sandbox_begin(const struct message_worker *what, struct confine **list);

/* When both threads are there, before the ring is read: the list of system calls, for both. The
 * ring is RING_FD, and files get descriptors from 8 to 63. Frees `list`. Returns 0 or -errno. */
int sandbox_close(struct confine *list);

#endif
