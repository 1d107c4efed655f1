/* The supervisor: captures, signals, the stop, the account. It never maps a ring and never waits
 * for a disk. */
#ifndef SUPERVISOR_H
#define SUPERVISOR_H

#include "../base/config.h"

#include <event2/event.h>
#include <stdbool.h>

struct supervisor;

/* Starts the processes; `config` is borrowed until supervisor_free(). Returns 0, or the exit code,
 * the reason logged. */
int supervisor_new(struct supervisor **out, struct event_base *base, const struct config *config);

/* To be called after the event loop: prints the account, if anything was recorded. Returns the exit
 * code. */
int supervisor_account(struct supervisor *supervisor);

void supervisor_free(struct supervisor *supervisor);

/* Runs the event loop until all captures are stopped and their files finished, or the next instance
 * has everything that it needs; without a configured capture, until the rings of the previous
 * instance are written out. */
void supervisor_run(struct supervisor *supervisor);

/* The daemon cannot continue: logs `text`, undoes the start, and sets the exit code. The first
 * reason counts. */
void supervisor_failed(struct supervisor *supervisor, int exit_code, const char *text);

/* Callbacks; NULL: none. */
struct supervisor_hooks {
	/* Called once, when this instance begins to hand over: later clients are for the next
	 * instance. */
	void (*leaving)(void *context);
	/* Called about twice a second. */
	void (*ticked)(void *context);
	void *context;
};
void supervisor_hook(struct supervisor *supervisor, const struct supervisor_hooks *hooks);

/* Sends a status text to the service manager; the prefix of that text, such as "stopping: ". */
void supervisor_status(struct supervisor *supervisor, const char *text);
const char *supervisor_phase(const struct supervisor *supervisor);

/* The workers of a capture (NULL: of all) continue in their next files. Returns how many captures
 * that is. */
unsigned supervisor_rotate(struct supervisor *supervisor, const char *capture);

/* The captures, for the read-only view. */
struct capture;
unsigned supervisor_captures(const struct supervisor *supervisor);
const struct capture *supervisor_capture(const struct supervisor *supervisor, unsigned index);

#endif
