/* A capture: an interface, a fanout group, its slots. */
#ifndef CAPTURE_H
#define CAPTURE_H

#include "capture_error.h"
#include "compiled_filter.h"
#include "gap.h"
#include "group.h"
#include "inherited.h"
#include "plan.h"
#include "slot.h"
#include "storage.h"

#include "../base/config_error.h"

struct fdstore;
struct links;

enum capture_state {
	CAPTURE_WAITING,  /* for its interface, its directory, or to try again */
	CAPTURE_STARTING, /* the filter is compiled, then the workers make their rings */
	CAPTURE_RUNNING,
	CAPTURE_DRAINING, /* what its rings hold is written; what follows is its goal's */
	CAPTURE_STOPPED,
	CAPTURE_FAILED,
};

/* What it is to do: from the first to the last, it never goes back. */
enum capture_goal {
	CAPTURE_RECORD,
	CAPTURE_HAND_OVER, /* to the next instance, which continues with its rings */
	CAPTURE_STOP,
	CAPTURE_FAIL, /* as STOP, but shown as failed */
};

/* What a fault of its configuration leads to. */
enum capture_fault {
	FAULT_ENDS_DAEMON, /* nothing has begun yet */
	FAULT_FAILS_IT,	   /* a restart has added it: the others continue */
	FAULT_IS_RETRIED,  /* it has been right before: it is the surroundings */
};

struct capture {
	const struct capture_context *context; /* borrowed */
	struct slots slots;
	struct storage storage;
	const struct config *source; /* for places in messages */
	const struct config_capture *config;
	struct config_capture
		*earlier; /* which `config` is while its rings are of it; NULL: none */
	enum capture_state state;
	enum capture_goal goal;
	bool former;	/* its section is not configured any more: what is left of it is finished */
	bool accounted; /* its account is printed */
	enum capture_fault on_fault;
	struct capture_error fatal; /* that which ends the daemon; exit_code 0: none */
	char reason[REASON_BYTES]; /* why it waits, is down, or failed, for readers; "": all is well
				    */
	struct group group;
	struct inherited inherited; /* its rings, until they are resumed */
	struct checkpoint *saved;   /* for the next daemon */
	int saved_fd;
	struct gap gap;		/* since when nothing is recorded */
	uint64_t retry_ns;	/* monotonic: not tried again before */
	struct event *again;	/* capture_step() is due then */
	bool filter_due;	/* of rings that were taken over: not set yet */
	uint64_t since_real_ns; /* armed */
	struct plan plan;
	int64_t file_group; /* -1: as files come */
	struct compiled_filter compiled;
	struct event *deadline;
	char logged[CONFIG_ERROR_BYTES]; /* why it could not begin, in full; "": nothing */
};

/* What all captures share. */
struct capture_context {
	/* Whether rings of an earlier configuration are in this fanout group */
	bool (*group_held)(void *context, int64_t fanout_id);
	void *group_context;
	struct event_base *base;
	struct files *files;
	struct links *links;
	struct fdstore *store;
	uint64_t token;	   /* a number of this daemon's life alone: hidden files are no other's */
	unsigned together; /* captures with files that the archive knows or will know of */
};

/* Makes the slots, or takes over what the previous instance left of them. No process yet. Returns 0
 * or -1. */
int capture_init(struct capture *capture, const struct capture_context *context,
		 const struct config *config, unsigned index, struct capture_error *error);

/* Goes on with the rings that were taken over; begins, where the interface is there and up; or
 * waits for it. Returns 0 or -1. */
int capture_start(struct capture *capture, struct capture_error *error);

/* Interfaces changed. */
void capture_link(struct capture *capture);

/* What the rings hold is written (not waited for with `abandon`), then it begins anew. */
void capture_leave(struct capture *capture, bool abandon, const char *why);

/* It cannot go on: as if stopped, but told as failed. The other captures go on. */
void capture_fail(struct capture *capture, const char *why);

/* The workers commit what they have taken and end; the rings stay as they are. True when they have
 * ended. */
void capture_hand_over(struct capture *capture, bool at_once);
bool capture_handed_over(const struct capture *capture);

/* Nothing comes in any more; the workers finish. With `abandon` what they have not written is given
 * up. */
void capture_stop(struct capture *capture, bool abandon);

/* Once in each turn of the event loop, after all callbacks: what they have changed leads to. */
void capture_step(struct capture *capture);

/* Twice a second or so. */
void capture_tick(struct capture *capture);

/* The realtime clock was set by so much: what is known of times moves along. */
void capture_clock(struct capture *capture, int64_t step_ns);

/* The supervisor itself stood still: no worker is silent for that. */
void capture_forgive(struct capture *capture);

/* It is being stopped, or was, or has failed. */
bool capture_ending(const struct capture *capture);

/* It has come to its end: STOPPED or FAILED. */
bool capture_over(const struct capture *capture);

/* All its workers go on in their next files. capture_rotating(): they do not yet. */
void capture_rotate(struct capture *capture);
bool capture_rotating(const struct capture *capture);

/* Packets are discarded for want of room. */
bool capture_suspended(const struct capture *capture);
bool capture_reaped(struct capture *capture, pid_t pid, int status);

/* What it needs of the machine. */
struct limits_need;
struct limits_need capture_need(const struct capture *capture);

/* At the end, of one worker, also of one that it has no more. False: it never had so many. */
bool capture_worker(const struct capture *capture, unsigned worker, struct counters *counters);

/* The sum over all of them: for readers, and at the end. */
void capture_counters(const struct capture *capture, struct counters *sum);
void capture_account(const struct capture *capture, struct counters *sum);

void capture_free(struct capture *capture);

/* ---- between the files that are a capture's ---- */

/* The next state, which is logged at debug level. One that cannot follow on the present one is not
 * entered, which is logged as an error. */
void capture_enter(struct capture *capture, enum capture_state state);

/* Why it is as it is, for readers. */
__attribute__((format(printf, 2, 3))) void capture_reason(struct capture *capture,
							  const char *format, ...);

/* Its timers. Returns 0 or -ENOMEM. */
int capture_events(struct capture *capture);

/* Tells the archive what it is, and its workers-to-be. */
void capture_tell(struct capture *capture);
void capture_plan(struct capture *capture);

/* Its filter is compiled, or cannot be. */
void capture_filtered(struct capture *capture);

/* What goes wrong while it begins: tried again, or the end. */
void capture_start_failed(struct capture *capture, int exit_code, const char *text);
void capture_files_failed(struct capture *capture, int error, const char *text);

/* The archive process has its directory open. */
void capture_placed(struct capture *capture);

/* As it is configured now, whatever its rings are of. */
const struct config_capture *capture_wanted(const struct capture *capture);

/* Whether the archive is to be told of it, or is: it has files, or may have. */
bool capture_has_files(const struct capture *capture);

/* In each step of it: what slots and storage have noticed. */
void capture_faults(struct capture *capture);
void capture_news(struct capture *capture);

/* Workers got further: the next in order is asked; when all read, the group is armed. */
void capture_advance(struct capture *capture);

/* A line about the capture. */
#define capture_log(capture, level, ...)                                                           \
	log_about(level, &(struct log_subject){ (capture)->config->name, -1, NULL }, __VA_ARGS__)

#endif
