/* The service manager: what it is sent, when it handles that, and what it stores. */
#ifndef MANAGER_H
#define MANAGER_H

#include <stdbool.h>
#include <stdint.h>

#define MANAGER_NAME 128

/* Nothing is stored; `present`: there is a service manager. */
void manager_begin(bool present);
bool manager_present(void);

/* It handles what it was sent. */
void manager_hear(void);

/* The process is gone: what it has queued, too; what was sent is handled. Returns whether anything
 * was queued. */
bool manager_lose(void);

/* Whether the process has sent READY=1 since it began. */
bool manager_ready(void);

/* Called when the process announces that it is ready, and before a name is dropped. */
struct manager_events {
	void (*ready)(void);
	void (*drop)(const char *name);
};
void manager_watch(const struct manager_events *events);

/* What is stored when all that is under way has been handled: how many descriptors, and whether
 * this one is under this name. */
unsigned manager_count(void);
bool manager_has(const char *name, int fd);
/* A name that begins so and that `is` holds for; NULL: none. */
bool manager_any(bool (*is)(void *context, const char *name, int fd), void *context);

/* Drops and closes all. */
void manager_end(void);

#endif
