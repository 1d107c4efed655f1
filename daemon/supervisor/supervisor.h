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

/* After the event loop: prints the account, if anything was recorded. Returns the exit code. */
int supervisor_account(struct supervisor *supervisor);

void supervisor_free(struct supervisor *supervisor);

/* The event loop, until all is over: the captures are stopped and their files finished, or the next
 * instance has what it needs. Where no capture is configured: when the rings of the previous
 * instance are written out. */
void supervisor_run(struct supervisor *supervisor);

/* The daemon cannot go on: `text` is logged, what was made is taken back, and the exit code is this
 * one. The first reason counts. */
void supervisor_failed(struct supervisor *supervisor, int exit_code, const char *text);

/* What others have to do with it; NULL: nothing. */
struct supervisor_hooks {
	/* Once, when this instance begins to hand over: who comes from then on is the next one's.
	 */
	void (*leaving)(void *context);
	/* Twice a second or so. */
	void (*ticked)(void *context);
	void *context;
};
void supervisor_hook(struct supervisor *supervisor, const struct supervisor_hooks *hooks);

/* What the service manager is told of it, and how that begins: "stopping: " or the like. */
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
