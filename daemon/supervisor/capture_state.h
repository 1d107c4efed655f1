/* What a capture is made of: an interface, a fanout group, its slots; and its state. For the files
 * of a capture (capture_*.c) alone; others have capture.h.
 *
 *   WAITING ---> STARTING ---> RUNNING        begins; all members are armed
 *    ^ |  ^         | |           |
 *    | |  +---------+ |           |           its filter is compiled, or could not be
 *    | +---------+    |           |
 *    |           v    v           v
 *    +--------- DRAINING <--------+           a ring or the interface is lost, or the goal is to
 * end RECORD          |
 *                   +---> STOPPED, FAILED     goals STOP and FAIL
 *
 * WAITING -> RUNNING: rings of the previous instance are resumed. */
#ifndef CAPTURE_STATE_H
#define CAPTURE_STATE_H

#include "capture_context.h"
#include "capture_error.h"
#include "compiled_filter.h"
#include "gap.h"
#include "group.h"
#include "inherited.h"
#include "plan.h"
#include "slot.h"
#include "storage.h"

#include "../base/config_error.h"

enum capture_state {
	CAPTURE_WAITING,  /* for its interface, its directory, or to try again */
	CAPTURE_STARTING, /* the filter is compiled, then the workers make their rings */
	CAPTURE_RUNNING,
	CAPTURE_DRAINING, /* its rings are written out; its goal says what follows */
	CAPTURE_STOPPED,
	CAPTURE_FAILED,
};

/* What it is to do: from the first to the last, it never goes back. */
enum capture_goal {
	CAPTURE_RECORD,
	CAPTURE_HAND_OVER, /* to the next instance, which resumes its rings */
	CAPTURE_STOP,
	CAPTURE_FAIL, /* as STOP, but shown as failed */
};

struct capture {
	const struct capture_context *context; /* borrowed */
	struct slots slots;
	struct storage storage;
	const struct config *source; /* for places in messages */
	const struct config_capture *config;
	/* Owned: the configuration of the rings, while that is not the present one; `config` is
	 * this one then. NULL: there is none. */
	struct config_capture *earlier;
	enum capture_state state;
	enum capture_goal goal;
	enum capture_fault on_fault;
	struct capture_error fatal; /* what ends the daemon; exit_code 0: nothing */
	char reason[REASON_BYTES];  /* why it waits, is down, or failed, for readers; "": none */
	struct group group;
	struct inherited inherited; /* its rings, until they are resumed */
	struct checkpoint *saved;   /* for the next instance */
	int saved_fd;
	struct gap gap;		/* since when nothing is recorded */
	uint64_t retry_ns;	/* monotonic: not tried again before */
	struct event *again;	/* capture_step() is due then */
	bool filter_due;	/* of rings that were resumed: not set yet */
	bool accounted;		/* its account is printed */
	uint64_t since_real_ns; /* armed */
	struct plan plan;
	int64_t file_group; /* -1: as files come */
	struct compiled_filter compiled;
	struct event *deadline;
	char logged[CONFIG_ERROR_BYTES]; /* why it could not begin, in full; "": nothing */
};

/* The next state, which is logged at debug level. One that cannot follow on the present one is not
 * entered, which is logged as an error. */
void capture_enter(struct capture *capture, enum capture_state state);

/* Why it is as it is, for readers. */
__attribute__((format(printf, 2, 3))) void capture_reason(struct capture *capture,
							  const char *format, ...);

/* It is being stopped, or was, or has failed. */
bool capture_ending(const struct capture *capture);

/* It is STOPPED or FAILED. */
bool capture_over(const struct capture *capture);

/* A line about the capture. */
#define capture_log(capture, level, ...)                                                           \
	log_about(level, &(struct log_subject){ (capture)->config->name, -1, NULL }, __VA_ARGS__)

#endif
