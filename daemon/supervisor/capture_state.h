/* The parts of a capture: an interface, a fanout group, its slots; and its state. Private to
 * capture.c and capture_*.c; others include capture.h.
 *
 *   WAITING ---> STARTING ---> RUNNING        begins; all members are armed
 *    ^ |  ^         | |           |
 *    | |  +---------+ |           |           its filter is compiled, or could not be
 *    | +---------+    |           |
 *    |           v    v           v
 *    +--------- DRAINING <--------+           a ring or the interface is lost; or its end begins
 *      RECORD     |
 *                 +---> STOPPED, FAILED       goals STOP and FAIL
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
	CAPTURE_WAITING,  /* for its interface, its directory, or the next retry */
	CAPTURE_STARTING, /* the filter is compiled, then the workers make their rings */
	CAPTURE_RUNNING,
	CAPTURE_DRAINING, /* its rings are written out; its goal says what follows */
	CAPTURE_STOPPED,
	CAPTURE_FAILED,
};

/* What it is to do. It changes only to a later one of these. */
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
	const struct config *source; /* for file:line in messages */
	const struct config_capture *config;
	/* Owned: the configuration of the rings, while that is not the present one; `config` points
	 * to it then. NULL: none. */
	struct config_capture *earlier;
	enum capture_state state;
	enum capture_goal goal;
	enum capture_fault on_fault;
	struct capture_error fatal; /* what ends the daemon; exit_code 0: nothing */
	char reason[REASON_BYTES];  /* why it waits, is down, or failed, for clients; "": none */
	struct group group;
	struct inherited inherited; /* its rings, until they are resumed */
	struct checkpoint *saved;   /* for the next instance */
	int saved_fd;
	struct gap gap;		/* since when nothing is recorded */
	uint64_t retry_ns;	/* monotonic: no retry before */
	struct event *again;	/* capture_step() is due then */
	bool filter_due;	/* the filter of resumed rings is not set yet */
	bool accounted;		/* its account is printed */
	uint64_t since_real_ns; /* when it was armed first; 0: not yet */
	struct plan plan;
	int64_t file_group; /* a gid; -1: not changed */
	struct compiled_filter compiled;
	struct event *deadline;
	char logged[CONFIG_ERROR_BYTES]; /* the error that was logged last; "": none */
};

/* Enters a state, which is logged at debug level. One that may not follow the present one is
 * refused, which is logged as an error. */
void capture_enter(struct capture *capture, enum capture_state state);

/* Sets the reason of its state, for clients. */
__attribute__((format(printf, 2, 3))) void capture_reason(struct capture *capture,
							  const char *format, ...);

/* It is being stopped, or was, or has failed. */
bool capture_ending(const struct capture *capture);

/* It is STOPPED or FAILED. */
bool capture_over(const struct capture *capture);

/* Logs a line about the capture. */
#define capture_log(capture, level, ...)                                                           \
	log_about(level, &(struct log_subject){ (capture)->config->name, -1, NULL }, __VA_ARGS__)

#endif
