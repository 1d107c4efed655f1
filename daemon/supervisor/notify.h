/* What systemd is told, and what it keeps. The only door to libsystemd's notifications; all of it
 * is nothing where no service manager listens. A manager that does not read is not waited for: what
 * it must not miss is kept in its order, and sent with what is said next. */
#ifndef NOTIFY_H
#define NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

void notify_ready(void);
void notify_stopping(void);
void notify_watchdog(void);
__attribute__((format(printf, 1, 2))) void notify_status(const char *format, ...);

/* How often notify_watchdog() is due, in ms; 0: no watchdog. */
unsigned notify_watchdog_ms(void);

/* Whether there is a service manager, which may keep descriptors (FileDescriptorStoreMax=). */
bool notify_manager(void);

/* The manager keeps a duplicate of `fd` under this name, also while this process is gone, until it
 * is told to drop all of that name. */
void notify_keep(const char *name, int fd);
void notify_keep_all(const char *name, const int *fds, unsigned count);
void notify_drop(const char *name);

/* The manager closes this when it has read all that it was told before. */
void notify_barrier(int fd);

/* How many it keeps; false: it does not tell, as it is older than systemd 254, or keeps none. */
bool notify_store_max(unsigned *max);

/* Whether the manager has read all that it was told; true, too, when it has not for some seconds.
 * notify_settle() waits for that: at the start and at the end, not in between. */
bool notify_settled(void);
void notify_settle(void);

/* The socket that a socket unit made and named so (FileDescriptorName=control or metrics): the
 * caller's from then on. Before notify_kept(). Returns the descriptor, -ENOENT: there is none,
 * -EEXIST: more than one. */
int notify_listener(const char *name);

/* Whether it kept any. Before notify_kept(). */
bool notify_handed(void);

/* Likewise of a process that had begun: who that was, by the memory that it made. */
bool notify_handed_by(uid_t *uid, gid_t *gid);

/* What the manager kept of a process before: calls `take` with each descriptor, which is its own
 * from then on. To be called once. */
void notify_kept(void (*take)(void *context, const char *name, int fd), void *context);

#endif
