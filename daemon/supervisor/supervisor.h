/* The supervisor: captures, signals, the stop, the account. It never maps a ring and never waits
 * for a disk. */
#ifndef SUPERVISOR_H
#define SUPERVISOR_H

#include "../base/config.h"

#include <event2/event.h>
#include <stdbool.h>

struct supervisor;

/* All captures of a configuration by the rules that need no privilege; on failure `error` (of
 * `size`) says what is wrong and the exit code is returned, else 0. With `filters` theirs, too,
 * whose names are looked up, which may take its time. */
int supervisor_check(const struct config *config, bool filters, char *error, size_t size);

/* Warns of what a start would fail of here and now, and another time perhaps not: a directory or an
 * interface that is not there. */
void supervisor_foresee(const struct config *config);

/* Whether packet sockets can be made. Returns 0, or the exit code, the reason logged. */
int supervisor_privileged(void);

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

/* Whether rings of a section that is not configured any more are in this group. */
bool supervisor_group_held(const struct supervisor *supervisor, int64_t fanout_id);

/* The captures, for the read-only view. */
struct capture;
unsigned supervisor_captures(const struct supervisor *supervisor);
const struct capture *supervisor_capture(const struct supervisor *supervisor, unsigned index);

#endif
