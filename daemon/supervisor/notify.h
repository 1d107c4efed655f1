/* Messages to the service manager, and the descriptors that it passed to this process: the only
 * file that includes libsystemd's sd-daemon.h. Without a service manager nothing is sent. Knows
 * nothing of captures.
 *
 * Invariants:
 * (N1) Nothing waits for a manager that does not read, notify_settle() excepted: messages that it
 *      must not miss are queued, and sent before anything that is sent later.
 * (N2) A queued message has duplicates of its descriptors: the caller may close its own at once.
 * (N3) If notify_settled() is true in time, the manager has handled all earlier messages.
 *
 * The rules: READY=1, STOPPING=1, STATUS=, WATCHDOG=1, BARRIER=1 and $NOTIFY_SOCKET of
 * sd_notify(3); sd_notify_barrier(3); sd_watchdog_enabled(3); sd_listen_fds_with_names(3);
 * SCM_RIGHTS of unix(7). */
#ifndef NOTIFY_H
#define NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct notify;

/* Looks for the service manager ($NOTIFY_SOCKET). Returns 0 or -ENOMEM. */
int notify_new(struct notify **notify);

/* Queued messages are dropped. NULL: no effect. */
void notify_free(struct notify *notify);

/* Whether there is a service manager, which may store descriptors (FileDescriptorStoreMax=). */
bool notify_manager(const struct notify *notify);

void notify_ready(struct notify *notify);
void notify_stopping(struct notify *notify);

/* Not queued, as they are repeated soon. */
void notify_watchdog(struct notify *notify);
__attribute__((format(printf, 2, 3))) void notify_status(struct notify *notify, const char *format,
							 ...);

/* How often notify_watchdog() is due, in ms; 0: no watchdog. */
unsigned notify_watchdog_ms(void);

/* Sends a message (at most 511 bytes, lines of NAME=value), with duplicates of `count` descriptors
 * (at most 253, SCM_MAX_FD of the kernel's net/scm.h), or queues it. A message that cannot be sent
 * at all is logged. */
void notify_send(struct notify *notify, const char *text, const int *fds, unsigned count);

/* Drops queued messages of exactly this text. */
void notify_cancel(struct notify *notify, const char *text);

/* Sends a descriptor that the manager closes when it has handled all earlier messages. */
void notify_barrier(struct notify *notify, int fd);

/* Whether the manager has handled all messages; also true if it has not for some seconds.
 * notify_settle() waits for that: at the start and at the end, not in between. */
bool notify_settled(struct notify *notify);
void notify_settle(struct notify *notify);

/* ---- what it passed to this process, before notify_passed() ---- */

/* The socket that a socket unit made under this name (FileDescriptorName=control or metrics), which
 * the caller owns then. Returns the descriptor, -ENOENT: there is none, -EEXIST: more than one. */
int notify_listener(const char *name);

/* Whether the manager passed any stored descriptor to this process. */
bool notify_handed(void);

/* Likewise, of an instance that had begun: its user and group, by the owner of a memfd that it
 * made. */
bool notify_handed_by(uid_t *uid, gid_t *gid);

/* Calls `take` with each stored descriptor, which the callee owns then. To be called once. */
void notify_passed(void (*take)(void *context, const char *name, int fd), void *context);

#endif
