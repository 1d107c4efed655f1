/* A capture, as those see it to whom it belongs: its parts and its state are in capture_state.h,
 * how it ends is in capture_end.h. */
#ifndef CAPTURE_H
#define CAPTURE_H

#include "capture_context.h"
#include "capture_end.h"
#include "capture_error.h"

#include "../base/config.h"

#include <sys/types.h>

struct capture;

/* Makes the slots, or takes over what the previous instance left of them. No process yet. Returns 0
 * or -1: then the capture only waits for the daemon's end, as failed; NULL: there is no memory. */
int capture_new(struct capture **out, const struct capture_context *context,
		const struct config *config, unsigned index, struct capture_error *error);

void capture_free(struct capture *capture);

/* Resumes the rings of the previous instance; or begins, where the interface is there and up; or
 * waits for it. Returns 0 or -1. */
int capture_start(struct capture *capture, struct capture_error *error);

/* Something outside has changed: interfaces, or fanout groups. capture_step() is due. */
void capture_wake(struct capture *capture);
bool capture_due(const struct capture *capture);

/* Once in each turn of the event loop, after all callbacks: acts upon what they have changed. */
void capture_step(struct capture *capture);

/* Twice a second or so. */
void capture_tick(struct capture *capture);

/* The realtime clock was set by so much: what is known of times moves along. */
void capture_clock(struct capture *capture, int64_t step_ns);

/* The supervisor itself stood still: no worker has been silent. */
void capture_reset_silence(struct capture *capture);

/* To be called on SIGCHLD: true if this pid was of one of its workers. */
bool capture_reaped(struct capture *capture, pid_t pid, int status);

/* All its workers continue in their next files. */
void capture_rotate(struct capture *capture);

/* From now on a fault of its configuration leads to this. */
void capture_set_fault(struct capture *capture, enum capture_fault fault);

/* Sends the archive again what it is, where it has been sent before and the capture does not end.
 */
void capture_announce_again(struct capture *capture);

/* ---- questions ---- */

const char *capture_name(const struct capture *capture); /* borrowed */
enum output capture_output(const struct capture *capture);
int64_t capture_fanout_id(const struct capture *capture); /* as its rings were configured */

/* Its section is not configured any more: what is left of it is finished. */
bool capture_former(const struct capture *capture);

/* That, or its rings are still those of an earlier configuration. */
bool capture_earlier(const struct capture *capture);

/* It has rings of the previous instance that are not resumed yet. */
bool capture_resumes(const struct capture *capture);

/* The previous instance left something that it cannot continue with. */
bool capture_refused(const struct capture *capture);

/* It has begun, or waits for nothing but its interface. */
bool capture_begun(const struct capture *capture);

/* It has recorded at some time. */
bool capture_recorded(const struct capture *capture);

/* It has failed, or will have when its rings are written out. */
bool capture_failed(const struct capture *capture);

/* It has come to its end: it is stopped or has failed. */
bool capture_ended(const struct capture *capture);

/* What ends the daemon: its exit_code is 0 where nothing does. Borrowed. */
const struct capture_error *capture_fatal(const struct capture *capture);

/* Whether the archive is to know of it, or does. capture_placed(): its directory is open. */
bool capture_has_files(const struct capture *capture);
bool capture_placed(const struct capture *capture);

/* What it needs of the machine. */
struct limits_need;
struct limits_need capture_need(const struct capture *capture);

/* How many descriptors the service manager is to store of it; adds rings that it has not to
 * *missing. */
unsigned capture_stored(const struct capture *capture, unsigned *missing);

/* The invariants of its slots, in builds that check them. */
void capture_check(const struct capture *capture);

/* Whether its account is printed already; that it is. */
bool capture_accounted(const struct capture *capture);
void capture_set_accounted(struct capture *capture);

#endif
