/* The transitions between the states of a capture. */
#include "capture_state.h"

#include "../base/invariant.h"
#include "../base/log.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const state_names[] = {
	[CAPTURE_WAITING] = "waiting", [CAPTURE_STARTING] = "starting",
	[CAPTURE_RUNNING] = "running", [CAPTURE_DRAINING] = "draining",
	[CAPTURE_STOPPED] = "stopped", [CAPTURE_FAILED] = "failed",
};

/* A mask of the states that may follow. */
static const unsigned next_states[] = {
	[CAPTURE_WAITING] = 1 << CAPTURE_STARTING | 1 << CAPTURE_RUNNING | 1 << CAPTURE_DRAINING,
	[CAPTURE_STARTING] = 1 << CAPTURE_RUNNING | 1 << CAPTURE_WAITING | 1 << CAPTURE_DRAINING,
	[CAPTURE_RUNNING] = 1 << CAPTURE_DRAINING,
	[CAPTURE_DRAINING] = 1 << CAPTURE_WAITING | 1 << CAPTURE_STOPPED | 1 << CAPTURE_FAILED,
	[CAPTURE_STOPPED] = 0,
	[CAPTURE_FAILED] = 0,
};

void capture_enter(struct capture *capture, enum capture_state state)
{
	bool follows = next_states[capture->state] & 1U << state;

	if (capture->state == state)
		return;
	invariant(follows);
	capture_log(capture, follows ? LOG_DEBUG : LOG_ERR, "%s -> %s%s",
		    state_names[capture->state], state_names[state], follows ? "" : ": refused");
	if (follows)
		capture->state = state;
}

bool capture_ending(const struct capture *capture)
{
	return capture->goal >= CAPTURE_STOP;
}

bool capture_over(const struct capture *capture)
{
	return capture->state == CAPTURE_STOPPED || capture->state == CAPTURE_FAILED;
}

void capture_reason(struct capture *capture, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(capture->reason, sizeof(capture->reason), format, ap);
	va_end(ap);
}
