/* A capture that leaves its interface, stops, fails, or is handed over. */
#include "capture.h"
#include "capture_setup.h"
#include "fdstore.h"

#include "../base/clock.h"
#include "../base/invariant.h"
#include "../base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const state_names[] = {
	[CAPTURE_WAITING] = "waiting",	 [CAPTURE_STARTING] = "starting",
	[CAPTURE_RUNNING] = "running",	 [CAPTURE_LEAVING] = "leaving",
	[CAPTURE_STOPPING] = "stopping", [CAPTURE_STOPPED] = "stopped",
};

/* The bits of the states that may follow. */
static const unsigned next_states[] = {
	[CAPTURE_WAITING] = 1 << CAPTURE_STARTING | 1 << CAPTURE_RUNNING | 1 << CAPTURE_STOPPING,
	[CAPTURE_STARTING] = 1 << CAPTURE_RUNNING | 1 << CAPTURE_WAITING | 1 << CAPTURE_LEAVING |
			     1 << CAPTURE_STOPPING,
	[CAPTURE_RUNNING] = 1 << CAPTURE_LEAVING | 1 << CAPTURE_STOPPING,
	[CAPTURE_LEAVING] = 1 << CAPTURE_WAITING | 1 << CAPTURE_STOPPING,
	[CAPTURE_STOPPING] = 1 << CAPTURE_STOPPED,
	[CAPTURE_STOPPED] = 0,
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
	return capture->state == CAPTURE_STOPPING || capture->state == CAPTURE_STOPPED;
}

bool capture_abandoned(const struct capture *capture)
{
	return capture->abandoned;
}

bool capture_handing_over(const struct capture *capture)
{
	return capture->handing_over;
}

void capture_reason(struct capture *capture, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(capture->reason, sizeof(capture->reason), format, ap);
	va_end(ap);
}

static void deadline_cb(evutil_socket_t fd, short what, void *arg)
{
	struct capture *capture = arg;

	(void)fd;
	(void)what;
	if (capture->state != CAPTURE_STOPPING && capture->state != CAPTURE_LEAVING)
		return;
	capture_log(capture, LOG_WARNING, "not drained within drain_timeout");
	if (capture->state == CAPTURE_STOPPING) {
		capture_stop(capture, true);
		return;
	}
	capture->abandoned = true;
	for (unsigned i = 0; i < capture->workers; i++)
		slot_kill(&capture->slots[i]);
}

static void again_cb(evutil_socket_t fd, short what, void *arg)
{
	struct capture *capture = arg;

	(void)fd;
	(void)what;
	capture->due = true;
}

int capture_events(struct capture *capture)
{
	capture->deadline = event_new(capture->base, -1, 0, deadline_cb, capture);
	capture->again = event_new(capture->base, -1, 0, again_cb, capture);
	return capture->deadline && capture->again ? 0 : -ENOMEM;
}

static void slots_end(struct capture *capture)
{
	for (unsigned i = 0; i < capture->workers; i++)
		if (capture->abandoned)
			slot_kill(&capture->slots[i]);
		else
			slot_drain(&capture->slots[i]);
}

/* Nothing comes in any more. */
static void capture_shut(struct capture *capture, enum capture_state state)
{
	uint64_t us = capture->config->drain_timeout_ns / 1000;

	capture_enter(capture, state);
	if (capture->deadline)
		event_add(capture->deadline,
			  &(struct timeval){ (time_t)(us / 1000000), (suseconds_t)(us % 1000000) });
	for (unsigned i = 0; i < capture->workers; i++)
		if (capture->slots[i].ring_fd >= 0)
			afcap_filter_drop_all(capture->slots[i].ring_fd);
}

void capture_leave(struct capture *capture, bool abandon, const char *why)
{
	if ((capture->state != CAPTURE_RUNNING && capture->state != CAPTURE_STARTING) ||
	    capture->handing_over)
		return;
	if (why && (capture->gap.since_ns || capture->since_real_ns))
		capture_reason(capture, "%s", why);
	if (why && capture->since_real_ns && gap_open(&capture->gap, clock_real_ns(), why)) {
		capture_log(capture, LOG_WARNING, "%s; capture begins anew when it can", why);
		checkpoint_gap(capture->saved, capture->gap.since_ns, capture->gap.why);
	}
	capture->abandoned = abandon;
	capture->link_id = 0;
	capture->renamed = false;
	capture_shut(capture, CAPTURE_LEAVING);
	slots_end(capture);
	capture->due = true;
}

static bool slots_are(const struct capture *capture, enum slot_state state)
{
	for (unsigned i = 0; i < capture->workers; i++)
		if (capture->slots[i].state != state)
			return false;
	return true;
}

static void capture_stopped(struct capture *capture)
{
	capture_enter(capture, CAPTURE_STOPPED);
	if (capture->deadline)
		event_del(capture->deadline);
	for (unsigned i = 0; i < capture->workers; i++)
		slot_end(&capture->slots[i]);
	fdstore_drop(capture->store,
		     &(struct fdstore_key){ FDSTORE_CAPTURE, capture->config->name, 0, 0 });
	if (capture->told) /* files that are in no record, and what its last ones have made too many
			    */
		capture_keep(capture);
}

/* Workers whose writes were refused wait for a moment: the oldest file may go. */
static void room_look(struct capture *capture)
{
	bool wanted = false;

	for (unsigned i = 0; i < capture->workers; i++) {
		wanted |= capture->slots[i].wants_room;
		capture->slots[i].wants_room = false;
	}
	if (wanted)
		capture_keep(capture);
}

void capture_step(struct capture *capture)
{
	if (!capture->due)
		return;
	capture->due = false;
	if (capture->state == CAPTURE_STOPPING && slots_are(capture, SLOT_ENDED)) {
		capture_stopped(capture);
	} else if (capture->state == CAPTURE_LEAVING && slots_are(capture, SLOT_IDLE)) {
		capture_enter(capture, CAPTURE_WAITING);
		event_del(capture->deadline);
		if (!capture->placed) /* its directory was refused since, perhaps */
			capture->retry_ns = clock_mono_ns();
	}
	room_look(capture);
	capture_advance(capture);
	if (capture->state == CAPTURE_WAITING || capture_gone(capture))
		capture_link(capture);
}

void capture_stop(struct capture *capture, bool abandon)
{
	enum capture_state before = capture->state;

	if (before == CAPTURE_STOPPED)
		return;
	capture->abandoned |= abandon || before == CAPTURE_STARTING;
	if (before != CAPTURE_STOPPING)
		capture_shut(capture, CAPTURE_STOPPING);
	for (unsigned i = 0; i < capture->workers; i++)
		if (capture->slots[i].state == SLOT_IDLE)
			slot_enter(&capture->slots[i], SLOT_ENDED);
	slots_end(capture);
	capture->due = true;
}

void capture_fail(struct capture *capture, const char *why)
{
	if (capture_ending(capture))
		return;
	capture_log(capture, LOG_ERR,
		    "%s: the capture has failed; restart afcapd when that is mended", why);
	capture_reason(capture, "%s", why);
	capture->failed = true;
	capture_stop(capture, false);
}

void capture_hand_over(struct capture *capture, bool at_once)
{
	capture->handing_over = true;
	capture->abandoned |= capture->state == CAPTURE_STARTING;
	for (unsigned i = 0; i < capture->workers; i++) {
		struct slot *slot = &capture->slots[i];

		event_del(slot->respawn);
		if (at_once || capture->state != CAPTURE_RUNNING)
			slot_kill(slot);
		else
			slot_say(slot, MESSAGE_HANDOVER);
	}
}

bool capture_handed_over(const struct capture *capture)
{
	for (unsigned i = 0; i < capture->workers; i++)
		if (capture->slots[i].process.pid > 0)
			return false;
	return true;
}
