/* Spawning and hearing a worker. */
#include "slot.h"
#include "fdstore.h"
#include "limits.h"
#include "slotfiles.h"
#include "capture.h"
#include "lost.h"
#include "spawn.h"

#include "../base/channel.h"
#include "../base/child.h"
#include "../base/clock.h"
#include "../base/failure.h"
#include "../base/log.h"
#include "../../lib/afcap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void slot_go_on(struct slot *slot)
{
	int rc;

	if (slot->state != SLOT_WAITING || capture_handing_over(slot->capture))
		return;
	rc = slot_spawn(slot);
	if (rc) {
		slot_log(slot, LOG_ERR, "starting a worker: %s; tried again", spawn_failure(-rc));
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
			       .index = index,
			       .saved = &capture->saved->slots[index],
			       .before = capture->saved->slots[index].before,
			       .pid = -1,
			       .channel = -1,
			       .ledger_fd = ledger_fd < 0 ? ledger_create() : ledger_fd,
			       .ring_fd = -1 };
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

void slot_resume(struct slot *slot, int ring_fd)
{
	struct ledger_totals totals = ledger_totals(slot->ledger);
	struct counters counters;

	slot->ring_fd = ring_fd;
	ledger_counters(slot->ledger, &totals, &counters);
	slot_counters_take(slot, &counters);
	slot->record = totals.current;
	if (ring_fd >= 0)
		slot->state = SLOT_WAITING;
}

void slot_send(struct slot *slot, struct message *message, int fd)
{
	int rc = slot->channel < 0 ? -EPIPE : channel_send(slot->channel, message, fd);

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

bool slot_counters_take(struct slot *slot, const struct counters *counters)
{
	uint64_t now = clock_mono_ns(), passed = now - slot->rate.at_ns;
	bool writes = slot->capture->config->output == OUTPUT_PCAPNG;

	if (counters_fell(counters, &slot->reported) || counters_beyond(counters) ||
	    counters->drops > counters->packets ||
	    counters->received > counters->packets - counters->drops || counters->restarts ||
	    counters->files_opened || counters->files_completed || counters->files_removed ||
	    counters->files_repaired || counters->files_lost || counters->discarded_file_lost)
		return false;
	if (writes && counters->received != counters->written + counters_discarded(counters))
		return false;
	slot->reported = *counters;
	lost_pay(slot->saved, slot->before.written + counters->written);
	if (passed < UINT64_C(900000000)) /* a report between two: an event's, not the clock's */
		return true;
	if (slot->rate.at_ns) {
		slot->rate.packets = (double)(counters->packets - slot->rate.counters.packets) *
				     1e9 / (double)passed;
		slot->rate.bytes =
			(double)(counters->received_bytes - slot->rate.counters.received_bytes) *
			1e9 / (double)passed;
	}
	slot->rate.at_ns = now;
	slot->rate.counters = *counters;
	return true;
}

static void channel_close(struct slot *slot)
{
	if (slot->channel_event)
		event_free(slot->channel_event);
	slot->channel_event = NULL;
	if (slot->channel >= 0)
		close(slot->channel);
	slot->channel = -1;
}

/* It breaks the rules: whatever else it has to say is not listened to. */
static void slot_condemn(struct slot *slot)
{
	channel_close(slot);
	slot_kill(slot);
}

/* A worker's bytes are nobody's truth: what cannot be is not taken over, and its maker replaced. */
static void on_report(struct slot *slot, const struct message *message)
{
	const struct message_report *r = &message->report;

	if (slot->hung)
		return;
	if (!slotfiles_known(slot, &r->current) || !slot_counters_take(slot, &r->counters)) {
		slot_log(slot, LOG_ERR, "the worker reports what cannot be; it is replaced");
		slot_condemn(slot);
		return;
	}
	slot->record = r->current;
	slot->gone |= r->gone != 0;
	slot->no_space = (int)r->no_space;
	slot->refused = r->refused ? (int)r->refused : slot->no_space;
	if (slot->refused) /* it waits for a moment: the oldest file may go */
		capture_keep(slot->capture);
	slotfiles_follow(slot, &r->current, &r->previous);
	if (r->gone)
		capture_link(slot->capture);
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
	if (fd < 0) {
		slot_log(slot, LOG_ERR, "the worker joined without a ring");
		slot_condemn(slot);
		return;
	}
	slot->ring_fd = fd;
	slot_keep_ring(slot);
	slot->progress = PROGRESS_JOINED;
	capture_joined(slot->capture, &message->group);
	slotfiles_offer(slot);
}

static void on_failed(struct slot *slot, struct message *message)
{
	if (slot->has_failed) /* it said why; more of that is a flood */
		return;
	slot->has_failed = true;
	message->failed.text[sizeof(message->failed.text) - 1] = '\0';
	if (slot->state == SLOT_STARTING)
		capture_start_failed(slot->capture, spawn_exit_code(message->failed.exit_code),
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
		slot->state = SLOT_RUNNING;
}

static void slot_handle(struct slot *slot, struct message *message, int fd)
{
	slot->heard_ns = clock_mono_ns();
	if (!step_fits(slot, message->type)) {
		slot_log(slot, LOG_ERR, "the worker says %s out of turn; it is replaced",
			 message_name(message->type));
		if (fd >= 0)
			close(fd);
		slot_condemn(slot);
		return;
	}
	if (message->type == MESSAGE_JOINED) {
		on_joined(slot, message, fd);
	} else {
		if (fd >= 0)
			close(fd);
		if (message->type == MESSAGE_REPORT)
			on_report(slot, message);
		else if (message->type == MESSAGE_SOCKET_MADE)
			slot->progress = PROGRESS_SOCKET;
		else if (message->type == MESSAGE_RING_MADE)
			slot->progress = PROGRESS_RING;
		else if (message->type == MESSAGE_READY)
			on_ready(slot);
		else if (message->type == MESSAGE_FAILED)
			on_failed(slot, message);
		else if (message->type == MESSAGE_CRASHED)
			slot->crashed = message->crashed; /* told when it has died */
		else
			slot_condemn(slot);
	}
	if (message->type != MESSAGE_REPORT)
		capture_advance(slot->capture);
}

static void channel_cb(evutil_socket_t fd, short what, void *arg)
{
	struct slot *slot = arg;
	static struct message message;
	int passed, rc = channel_recv(fd, &message, &passed);

	(void)what;
	if (rc == 1) {
		slot_handle(slot, &message, passed);
	} else if (rc != -EAGAIN) {
		if (rc != 0)
			slot_log(slot, LOG_ERR, "reading the channel: %s", failure_text(-rc));
		slot_condemn(slot); /* without a channel it is of no use */
	}
}

void slot_channel_finish(struct slot *slot)
{
	for (int i = 0; i < 64 && slot->channel >= 0; i++)
		channel_cb(slot->channel, EV_READ, slot);
	channel_close(slot);
}

static void worker_describe(const struct slot *slot, struct message_worker *m)
{
	const struct capture *c = slot->capture;
	const struct config_capture *k = c->config;

	*m = (struct message_worker){
		.worker = slot->index,
		.block_bytes = c->ring.block_bytes,
		.blocks = c->ring.blocks,
		.block_timeout_ms = c->ring.block_timeout_ms,
		.snaplen = c->snaplen,
		.output = (uint32_t)k->output,
		.link_type = c->link_type,
		.promiscuous = (uint32_t)k->promiscuous,
		.vlan_keep = (uint32_t)k->vlan_keep,
		.resume = slot->ring_fd >= 0,
		.cpu = config_cpu(k, c->workers, slot->index),
		.layout = (uint32_t)k->layout,
		.ifindex = (uint32_t)c->ifindex,
		.write_delay_ns = (uint64_t)k->write_delay,
		.file_bytes = limits_file_bytes((uint64_t)k->file_size),
		.file_duration_ns = (uint64_t)k->file_duration,
		.generation = slot->generation,
		.quarantine = slot->quarantine,
		.timeout_ns = (uint64_t)k->worker_timeout,
	};
	memcpy(m->capture, k->name, sizeof(m->capture));
	memcpy(m->interface, k->interface, sizeof(m->interface));
}

int slot_spawn(struct slot *slot)
{
	struct message message = { .type = MESSAGE_WORKER };
	char what[CAPTURE_NAME_BYTES + 8];
	int ends[2], fds[3], rc = channel_pair(ends);
	pid_t pid;

	if (rc)
		return rc;
	fds[0] = ends[1];
	fds[1] = slot->ledger_fd;
	fds[2] = slot->ring_fd;
	snprintf(what, sizeof(what), "%s/%u", slot->capture->config->name, slot->index);
	pid = spawn_child(CHILD_WORKER, what, fds, 3, slot->ring_fd < 0);
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return (int)pid;
	}
	slot->pid = pid;
	slot->channel = ends[0];
	slot->started_ns = slot->heard_ns = clock_mono_ns();
	slot->hung = false;
	slot->has_failed = false;
	slot->crashed.signal = 0;
	slot->started_real_ns = clock_real_ns();
	slot->received_before = ledger_totals(slot->ledger).received;
	slot->progress = slot->ring_fd >= 0 ? PROGRESS_JOINED : PROGRESS_NONE;
	slot->state = slot->ring_fd >= 0 ? SLOT_RUNNING : SLOT_STARTING;
	slot->channel_event = event_new(slot->capture->base, slot->channel, EV_READ | EV_PERSIST,
					channel_cb, slot);
	if (!slot->channel_event || event_add(slot->channel_event, NULL)) {
		slot_kill(slot); /* it cannot be heard; never a second one beside it */
		return 0;
	}
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

void slot_sum(const struct slot *slot, struct counters *counters)
{
	*counters = slot->before;
	counters_add(counters, &slot->reported);
}

static void counters_of(const struct slot *slot, bool exact, struct counters *counters)
{
	const struct checkpoint_slot *saved = slot->saved;

	slot_sum(slot, counters);
	counters->restarts = saved->restarts;
	counters->files_opened = saved->files_opened;
	counters->files_completed = saved->files_completed;
	counters->files_removed = saved->files_removed;
	counters->files_repaired = saved->files_repaired;
	counters->write_errors += saved->sync_errors;
	lost_count(saved, exact, counters);
}

void slot_counters(const struct slot *slot, struct counters *counters)
{
	counters_of(slot, false, counters);
}

void slot_account(const struct slot *slot, struct counters *counters)
{
	counters_of(slot, true, counters);
}

void slot_free(struct slot *slot)
{
	channel_close(slot);
	if (slot->respawn)
		event_free(slot->respawn);
	files_forget(slot->current); /* handed over, or given up */
	files_forget(slot->spare);
	slot->current = slot->spare = NULL;
	ledger_unmap(slot->ledger);
	if (slot->ledger_fd >= 0)
		close(slot->ledger_fd);
	if (slot->ring_fd >= 0)
		close(slot->ring_fd);
}
