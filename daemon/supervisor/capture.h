/* A capture as the supervisor sees it. Its parts and its state are in capture_state.h, how it ends
 * is in capture_end.h. */
#ifndef CAPTURE_H
#define CAPTURE_H

#include "capture_context.h"
#include "capture_end.h"
#include "capture_error.h"

#include "../base/config.h"

#include <sys/types.h>

struct capture;

/* Makes the slots, or takes over those of the previous instance. Starts no process. Returns 0, or
 * -1 with *error: the capture has failed and only waits for the daemon to end; *out is NULL without
 * memory. */
int capture_new(struct capture **out, const struct capture_context *context,
		const struct config *config, unsigned index, struct capture_error *error);

void capture_free(struct capture *capture);

/* Resumes the rings of the previous instance, if any; otherwise begins if the interface exists and
 * is up, or waits for it. Returns 0, or -1 with *error. */
int capture_start(struct capture *capture, struct capture_error *error);

/* Interfaces or fanout groups have changed: capture_step() is due. */
void capture_wake(struct capture *capture);
bool capture_due(const struct capture *capture);

/* Once in each turn of the event loop, after all callbacks: acts upon their changes. */
void capture_step(struct capture *capture);

/* To be called about twice a second. */
void capture_tick(struct capture *capture);

/* The realtime clock was stepped by step_ns: moves all recorded times by as much. */
void capture_clock(struct capture *capture, int64_t step_ns);

/* The supervisor itself did not run for a while: restarts the silence timeout of all workers. */
void capture_reset_silence(struct capture *capture);

/* To be called on SIGCHLD: true if pid was one of its workers. */
bool capture_reaped(struct capture *capture, pid_t pid, int status);

/* All its workers continue in their next files. */
void capture_rotate(struct capture *capture);

/* Sets what a fault of its configuration leads to from now on. */
void capture_set_fault(struct capture *capture, enum capture_fault fault);

/* Announces it to the archive again, if it was announced before and is not ending. */
void capture_announce_again(struct capture *capture);

/* ---- questions ---- */

const char *capture_name(const struct capture *capture); /* borrowed */
enum output capture_output(const struct capture *capture);
int64_t capture_fanout_id(const struct capture *capture); /* as its rings were configured */

/* Its section is no longer configured: its inherited rings and files are finished. */
bool capture_former(const struct capture *capture);

/* Its section is no longer configured, or its rings are still those of an earlier configuration. */
bool capture_earlier(const struct capture *capture);

/* It has rings of the previous instance that are not resumed yet. */
bool capture_resumes(const struct capture *capture);

/* State inherited from the previous instance was refused as unusable. */
bool capture_refused(const struct capture *capture);

/* It has begun, or waits only for its interface. */
bool capture_begun(const struct capture *capture);

/* It has recorded, now or earlier. */
bool capture_recorded(const struct capture *capture);

/* It has failed, or will have when its rings are written out. */
bool capture_failed(const struct capture *capture);

/* It is stopped, or has failed and is drained. */
bool capture_ended(const struct capture *capture);

/* The error that ends the daemon; exit_code 0: none. Borrowed. */
const struct capture_error *capture_fatal(const struct capture *capture);

/* Whether it is announced to the archive, or will be. capture_placed(): its directory is open. */
bool capture_has_files(const struct capture *capture);
bool capture_placed(const struct capture *capture);

/* Its requirements (limits.h). */
struct limits_need;
struct limits_need capture_need(const struct capture *capture);

/* The number of its descriptors that the service manager is to store; adds to *missing the number
 * of its slots without a ring. */
unsigned capture_stored(const struct capture *capture, unsigned *missing);

/* The invariants of its slots, in builds that check them. */
void capture_check(const struct capture *capture);

/* Whether its account has been printed; marks it as printed. */
bool capture_accounted(const struct capture *capture);
void capture_set_accounted(struct capture *capture);

#endif
