/* A capture leaves its interface, stops, fails, or is handed over. */
#include "capture_end.h"
#include "capture_state.h"
#include "fdstore.h"

#include "../base/clock.h"
#include "../base/log.h"

#include <errno.h>

static void slots_end(struct capture *capture, bool abandon)
{
	for (unsigned i = 0; i < capture->slots.count; i++)
		if (abandon)
			slot_abandon(&capture->slots.list[i]);
		else
			slot_drain(&capture->slots.list[i]);
}

static void deadline_cb(evutil_socket_t fd, short what, void *arg)
{
	struct capture *capture = arg;

	(void)fd;
	(void)what;
	if (capture->state != CAPTURE_DRAINING)
		return;
	capture_log(capture, LOG_WARNING, "not drained within drain_timeout");
	slots_end(capture, true);
}

static void again_cb(evutil_socket_t fd, short what, void *arg)
{
	struct capture *capture = arg;

	(void)fd;
	(void)what;
	capture->slots.due = true;
}

int capture_events(struct capture *capture)
{
	capture->deadline = event_new(capture->slots.base, -1, 0, deadline_cb, capture);
	capture->again = event_new(capture->slots.base, -1, 0, again_cb, capture);
	return capture->deadline && capture->again ? 0 : -ENOMEM;
}

/* Lets no more packets in. */
static void capture_shut(struct capture *capture)
{
	uint64_t us = capture->config->drain_timeout_ns / 1000;

	capture_enter(capture, CAPTURE_DRAINING);
	if (capture->deadline)
		event_add(capture->deadline,
			  &(struct timeval){ (time_t)(us / 1000000), (suseconds_t)(us % 1000000) });
	group_drop_all(&capture->group);
}

void capture_leave(struct capture *capture, bool abandon, const char *why)
{
	if ((capture->state != CAPTURE_RUNNING && capture->state != CAPTURE_STARTING) ||
	    capture->goal != CAPTURE_RECORD)
		return;
	if (why && (capture->gap.since_ns || capture->since_real_ns))
		capture_reason(capture, "%s", why);
	if (why && capture->since_real_ns && gap_open(&capture->gap, clock_real_ns(), why)) {
		capture_log(capture, LOG_WARNING, "%s; capture begins again when possible", why);
		checkpoint_gap(capture->saved, capture->gap.since_ns, capture->gap.why);
	}
	group_unbind(&capture->group);
	capture_shut(capture);
	slots_end(capture, abandon);
	capture->slots.due = true;
}

/* Whether all have ended. Slots of a capture that begins again become empty. */
static bool slots_settled(struct capture *capture)
{
	bool all = true;

	for (unsigned i = 0; i < capture->slots.count; i++) {
		struct slot *slot = &capture->slots.list[i];

		if (slot->state == SLOT_SETTLED && !capture_ending(capture))
			slot_next(slot);
		else if (slot->state == SLOT_SETTLED)
			slot_close(slot);
		all &= slot->state == SLOT_SETTLED || slot->state == SLOT_EMPTY;
	}
	return all;
}

static void capture_stopped(struct capture *capture)
{
	capture_enter(capture, capture->goal == CAPTURE_FAIL ? CAPTURE_FAILED : CAPTURE_STOPPED);
	if (capture->deadline)
		event_del(capture->deadline);
	for (unsigned i = 0; i < capture->slots.count; i++)
		slot_end(&capture->slots.list[i]);
	fdstore_drop(capture->slots.store,
		     &(struct fdstore_key){ FDSTORE_CAPTURE, capture->config->name, 0, 0 });
	/* Files that are in no checkpoint, and those over its limits with the last ones */
	if (capture->storage.state != STORAGE_UNKNOWN)
		storage_maintain(&capture->storage);
}

static void capture_drained(struct capture *capture)
{
	if (capture_ending(capture)) {
		capture_stopped(capture);
	} else {
		capture_enter(capture, CAPTURE_WAITING);
		event_del(capture->deadline);
		if (!storage_placed(&capture->storage)) /* its directory may have been refused */
			capture->retry_ns = clock_mono_ns();
	}
}

void capture_finish(struct capture *capture)
{
	if (capture->state == CAPTURE_DRAINING && slots_settled(capture))
		capture_drained(capture);
}

/* Without effect if its goal is the same or a later one. */
static bool goal_set(struct capture *capture, enum capture_goal goal)
{
	if (capture->goal >= goal)
		return false;
	capture->goal = goal;
	return true;
}

static void capture_end(struct capture *capture, enum capture_goal goal, bool abandon)
{
	bool starting = capture->state == CAPTURE_STARTING;

	if (capture_over(capture))
		return;
	if (capture->state != CAPTURE_DRAINING || !capture_ending(capture))
		capture_shut(capture);
	goal_set(capture, goal);
	slots_end(capture, abandon || starting);
	capture->slots.due = true;
}

void capture_stop(struct capture *capture, bool abandon)
{
	capture_end(capture, CAPTURE_STOP, abandon);
}

void capture_fail(struct capture *capture, const char *why)
{
	if (capture->goal != CAPTURE_RECORD) /* it ends anyway, or the next instance resumes it */
		return;
	capture_log(capture, LOG_ERR,
		    "%s: the capture has failed; restart afcapd when that is fixed", why);
	capture_reason(capture, "%s", why);
	capture_end(capture, CAPTURE_FAIL, false);
}

void capture_hand_over(struct capture *capture, bool at_once)
{
	goal_set(capture, CAPTURE_HAND_OVER);
	for (unsigned i = 0; i < capture->slots.count; i++)
		if (capture->state == CAPTURE_STARTING)
			slot_abandon(&capture->slots.list[i]);
		else
			slot_hand_over(&capture->slots.list[i],
				       at_once || capture->state != CAPTURE_RUNNING);
}

bool capture_handed_over(const struct capture *capture)
{
	for (unsigned i = 0; i < capture->slots.count; i++)
		if (capture->slots.list[i].worker.process.pid > 0)
			return false;
	return true;
}
