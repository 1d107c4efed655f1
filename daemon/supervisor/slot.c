/* Spawning and hearing a worker. */
#include "slot.h"
#include "fdstore.h"
#include "limits.h"
#include "slotfiles.h"
#include "capture.h"

#include "../base/child.h"
#include "../base/clock.h"
#include "../base/failure.h"
#include "../base/invariant.h"
#include "../base/log.h"
#include "../../lib/afcap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct process_events process_events;

static const char *const state_names[] = {
	[SLOT_IDLE] = "idle",	    [SLOT_STARTING] = "starting", [SLOT_RUNNING] = "running",
	[SLOT_WAITING] = "waiting", [SLOT_ENDED] = "ended",
};

/* The bits of the states that may follow. */
static const unsigned next_states[] = {
	[SLOT_IDLE] = 1 << SLOT_STARTING | 1 << SLOT_WAITING | 1 << SLOT_ENDED,
	[SLOT_STARTING] = 1 << SLOT_RUNNING | 1 << SLOT_IDLE | 1 << SLOT_ENDED,
	[SLOT_RUNNING] = 1 << SLOT_WAITING | 1 << SLOT_IDLE | 1 << SLOT_ENDED,
	[SLOT_WAITING] = 1 << SLOT_RUNNING | 1 << SLOT_IDLE | 1 << SLOT_ENDED,
	[SLOT_ENDED] = 0,
};

void slot_enter(struct slot *slot, enum slot_state state)
{
	bool follows = next_states[slot->state] & 1U << state;

	if (slot->state == state)
		return;
	invariant(follows);
	slot_log(slot, follows ? LOG_DEBUG : LOG_ERR, "worker %s -> %s%s", state_names[slot->state],
		 state_names[state], follows ? "" : ": refused");
	if (follows)
		slot->state = state;
}

void slot_check(const struct slot *slot)
{
	(void)slot;
	invariant((slot->process.pid > 0) ==
		  (slot->state == SLOT_STARTING || slot->state == SLOT_RUNNING));
	invariant(slot->state != SLOT_IDLE ||
		  (slot->ring_fd < 0 && !slot->current && !slot->spare && !slot->quarantine));
	invariant(slot->state != SLOT_WAITING || slot->ring_fd >= 0);
	invariant(!slot->spare || !slot->spare->offered ||
		  (slot->current && slot->current->offered));
	invariant(!slot->tally.unjudged);
}

void slot_go_on(struct slot *slot)
{
	int rc;

	if (slot->state != SLOT_WAITING || capture_handing_over(slot->capture))
		return;
	rc = slot_spawn(slot);
	if (rc) {
		slot_log(slot, LOG_ERR, "starting a worker: %s; tried again", process_failure(-rc));
		slot->failures++;
		event_add(slot->respawn, &(struct timeval){ 1, 0 });
	}
}

static void respawn_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	slot_go_on(arg);
}

int slot_init(struct slot *slot, struct capture *capture, unsigned index, int ledger_fd)
{
	*slot = (struct slot){ .capture = capture,
			       .due = &capture->due,
			       .index = index,
			       .saved = &capture->saved->slots[index],
			       .ledger_fd = ledger_fd < 0 ? ledger_create() : ledger_fd,
			       .ring_fd = -1 };
	tally_init(&slot->tally, slot->saved);
	process_init(&slot->process, capture->base, &process_events, slot);
	if (slot->ledger_fd < 0)
		return slot->ledger_fd;
	slot->ledger = ledger_map(slot->ledger_fd);
	if (!slot->ledger)
		return -errno;
	slot->generation = ledger_totals(slot->ledger).generation;
	if (ledger_fd < 0)
		slot_keep_ledger(slot);
	slot->respawn = event_new(capture->base, -1, 0, respawn_cb, slot);
	return slot->respawn ? 0 : -ENOMEM;
}

struct archive_target slot_target(struct slot *slot)
{
	return (struct archive_target){ slot->capture->index, slot->index, slot };
}

void slot_keep_ledger(const struct slot *slot)
{
	fdstore_put(slot->capture->store,
		    &(struct fdstore_key){ FDSTORE_LEDGER, slot->capture->config->name, slot->index,
					   0 },
		    slot->ledger_fd);
}

void slot_keep_ring(const struct slot *slot)
{
	fdstore_put(slot->capture->store,
		    &(struct fdstore_key){ FDSTORE_RING, slot->capture->config->name, slot->index,
					   slot->generation },
		    slot->ring_fd);
}

bool slot_writes(const struct slot *slot)
{
	return slot->capture->config->group.output == OUTPUT_PCAPNG;
}

void slot_resume(struct slot *slot, int ring_fd)
{
	struct ledger_totals totals;

	slot->ring_fd = ring_fd;
	tally_read(&slot->tally, slot->ledger, slot_writes(slot), clock_mono_ns(), &totals);
	slot->record = totals.current;
	if (ring_fd >= 0)
		slot_enter(slot, SLOT_WAITING);
}

void slot_send(struct slot *slot, struct message *message, int fd)
{
	int rc = process_send(&slot->process, message, fd);

	if (rc == -EAGAIN && message->type == MESSAGE_ROTATE)
		return;		  /* it has been told so many times that it will */
	if (rc && rc != -EPIPE) { /* gone: SIGCHLD follows */
		slot_log(slot, LOG_ERR, "sending %s: %s", message_name(message->type),
			 rc == -EAGAIN ? "it does not take any more" : failure_text(-rc));
		slot_kill(slot);
	}
}

void slot_say(struct slot *slot, uint32_t type)
{
	struct message message = { .type = type };

	slot_send(slot, &message, -1);
}

/* A worker's bytes are nobody's truth: what cannot be is not taken over, and its maker replaced. */
static bool on_report(struct slot *slot, const struct message *message)
{
	const struct message_report *r = &message->report;

	if (slot->process.silent)
		return true;
	if (!slotfiles_known(slot, &r->current) ||
	    !tally_take(&slot->tally, &r->counters, slot_writes(slot), clock_mono_ns())) {
		slot_log(slot, LOG_ERR, "the worker reports what cannot be; it is replaced");
		return false;
	}
	slot->record = r->current;
	slot->gone |= r->gone != 0;
	slot->no_space = (int)r->no_space;
	slot->refused = r->refused ? (int)r->refused : slot->no_space;
	slot->wants_room |= slot->refused != 0; /* it waits for a moment: the oldest file may go */
	*slot->due |= slot->refused || r->gone;
	slotfiles_follow(slot, &r->current, &r->previous);
	return true;
}

/* A starting worker's steps come one after the other, each once, each when it was asked for. */
static bool step_fits(const struct slot *slot, uint32_t type)
{
	bool starting = slot->state == SLOT_STARTING;

	switch (type) {
	case MESSAGE_SOCKET_MADE:
		return starting && slot->progress == PROGRESS_NONE &&
		       slot->capture->sockets_asked > slot->index;
	case MESSAGE_RING_MADE:
		return starting && slot->progress == PROGRESS_SOCKET;
	case MESSAGE_JOINED:
		return starting && slot->progress == PROGRESS_RING &&
		       slot->capture->joins_asked > slot->index;
	case MESSAGE_READY:
		return slot->progress == PROGRESS_JOINED;
	default:
		return true;
	}
}

static void on_joined(struct slot *slot, const struct message *message, int fd)
{
	slot->ring_fd = fd;
	slot_keep_ring(slot);
	slot->progress = PROGRESS_JOINED;
	slot->group = message->group;
	slotfiles_offer(slot);
}

static void on_failed(struct slot *slot, struct message *message)
{
	if (slot->has_failed) /* it said why; more of that is a flood */
		return;
	slot->has_failed = true;
	message->failed.text[sizeof(message->failed.text) - 1] = '\0';
	if (slot->state == SLOT_STARTING)
		capture_start_failed(slot->capture, process_exit_code(message->failed.exit_code),
				     message->failed.text);
	else
		slot_log(slot, LOG_ERR, "%s", message->failed.text);
}

static void on_ready(struct slot *slot)
{
	slot->progress = PROGRESS_READY;
	if (slot->died_ns)
		slot_log(slot, LOG_DEBUG, "read again %.1f ms after the worker before died",
			 (double)(clock_mono_ns() - slot->died_ns) / 1e6);
	slot->died_ns = 0;
	if (slot->state == SLOT_STARTING)
		slot_enter(slot, SLOT_RUNNING);
}

/* One that carries no descriptor. */
static bool slot_handle(struct slot *slot, struct message *message)
{
	switch (message->type) {
	case MESSAGE_REPORT:
		return on_report(slot, message);
	case MESSAGE_SOCKET_MADE:
		slot->progress = PROGRESS_SOCKET;
		return true;
	case MESSAGE_RING_MADE:
		slot->progress = PROGRESS_RING;
		return true;
	case MESSAGE_READY:
		on_ready(slot);
		return true;
	case MESSAGE_FAILED:
		on_failed(slot, message);
		return true;
	default:
		return false;
	}
}

/* `fd` comes with JOINED alone: the channel sees to that. */
static bool on_message(void *owner, struct message *message, int fd)
{
	struct slot *slot = owner;

	if (!step_fits(slot, message->type)) {
		slot_log(slot, LOG_ERR, "the worker says %s out of turn; it is replaced",
			 message_name(message->type));
		if (fd >= 0)
			close(fd);
		return false;
	}
	if (message->type == MESSAGE_JOINED)
		on_joined(slot, message, fd);
	else if (!slot_handle(slot, message))
		return false;
	*slot->due |= message->type != MESSAGE_REPORT;
	return true;
}

/* Without a channel it is unusable. Where it broke the protocol that is logged. */
static void on_closed(void *owner, int error, const char *why)
{
	struct slot *slot = owner;

	(void)error;
	if (why)
		slot_log(slot, LOG_ERR, "%s", why);
	process_kill(&slot->process);
}

static const struct process_events process_events = { CHANNEL_WORKER, on_message, on_closed };

static void worker_describe(const struct slot *slot, struct message_worker *m)
{
	const struct capture *c = slot->capture;

	plan_worker(c->config, &c->plan, c->workers, slot->index, m);
	m->resume = slot->ring_fd >= 0;
	m->ifindex = (uint32_t)c->ifindex;
	m->config.file_bytes = limits_file_bytes(m->config.file_bytes);
	m->generation = slot->generation;
	m->quarantine = slot->quarantine;
}

int slot_spawn(struct slot *slot)
{
	struct message message = { .type = MESSAGE_WORKER };
	char what[CAPTURE_NAME_BYTES + 8];
	const struct process_plan plan = { .role = CHILD_WORKER,
					   .what = what,
					   .fds = { slot->ledger_fd, slot->ring_fd },
					   .net_raw = slot->ring_fd < 0 };
	int rc;

	snprintf(what, sizeof(what), "%s/%u", slot->capture->config->name, slot->index);
	invariant(slot->process.pid < 0 && !slot->tally.unjudged);
	rc = process_start(&slot->process, &plan);
	if (rc)
		return rc;
	slot->has_failed = false;
	slot->received_before = ledger_totals(slot->ledger).received;
	slot->progress = slot->ring_fd >= 0 ? PROGRESS_JOINED : PROGRESS_NONE;
	slot_enter(slot, slot->ring_fd >= 0 ? SLOT_RUNNING : SLOT_STARTING);
	if (slot->process.channel < 0) /* it cannot be heard, and dies of that */
		return 0;
	worker_describe(slot, &message.worker);
	slot_send(slot, &message, -1);
	slotfiles_forget(slot);
	slotfiles_offer(slot);
	if (!slotfiles_left(slot) ||
	    (slot->current && (slot->current->spoiled || slot->current->astray)))
		slot_say(slot, MESSAGE_ROTATE);
	if (slot->draining && slot->progress >= PROGRESS_JOINED)
		slot_say(slot, MESSAGE_DRAIN);
	return 0;
}

void slot_free(struct slot *slot)
{
	process_close(&slot->process);
	if (slot->respawn)
		event_free(slot->respawn);
	output_file_free(slot->current); /* handed over, or given up */
	output_file_free(slot->spare);
	slot->current = slot->spare = NULL;
	ledger_unmap(slot->ledger);
	if (slot->ledger_fd >= 0)
		close(slot->ledger_fd);
	if (slot->ring_fd >= 0)
		close(slot->ring_fd);
}
