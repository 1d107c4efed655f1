/* Confines a worker that is ready to reading its ring, writing its files and talking to its
 * supervisor. */
#ifndef WORKER_SANDBOX_H
#define WORKER_SANDBOX_H

#include "../base/message.h"

#include <stdint.h>

struct confine;

/* The first step, before the ring thread is created: no capabilities, not dumpable, no file system
 * (by Landlock, if available), file sizes and descriptors limited to what `what` needs. *list, for
 * sandbox_close(), lists the descriptors that are open now. Returns 0 or -errno. */
int sandbox_begin(const struct message_worker *what, struct confine **list);

/* The second step, when both threads exist and before the ring is read: applies the list of system
 * calls to both. The ring is RING_FD, and files have descriptors from 8 to 63. Frees `list`.
 * Returns 0 or -errno. */
int sandbox_close(struct confine *list);

#endif
