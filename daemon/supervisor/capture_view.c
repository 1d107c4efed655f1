/* Copies the state and the counters of a capture and its workers. */
#include "capture_view.h"
#include "capture_state.h"
#include "stall.h"

#include <string.h>

const char *const view_capture_states[] = { "starting", "running", "suspended", "down",
					    "stopping", "failed",  NULL };

static bool suspended(const struct capture *capture)
{
	for (unsigned i = 0; i < capture->slots.count; i++)
		if (slot_suspended(&capture->slots.list[i]))
			return true;
	return false;
}

static const char *capture_state_name(const struct capture *capture)
{
	if (capture->goal == CAPTURE_FAIL)
		return view_capture_states[5];
	switch (capture->state) {
	case CAPTURE_STARTING:
		return view_capture_states[0];
	case CAPTURE_RUNNING:
		return view_capture_states[!capture->group.up ? 3 : suspended(capture) ? 2 : 1];
	case CAPTURE_WAITING:
		return view_capture_states[3];
	case CAPTURE_DRAINING:
		return view_capture_states[capture_ending(capture) ? 4 : 3];
	case CAPTURE_STOPPED:
		return view_capture_states[4];
	case CAPTURE_FAILED:
		return view_capture_states[5];
	}
	return "";
}

static const struct {
	unsigned flag;
	const char *name;
} flags[VIEW_FLAGS_MAX] = {
	{ AFCAP_FANOUT_FLAG_DEFRAG, "defrag" },
	{ AFCAP_FANOUT_FLAG_ROLLOVER, "rollover" },
	{ AFCAP_FANOUT_FLAG_IGNORE_OUTGOING, "ignore_outgoing" },
};

static const char *slot_state_name(const struct slot *slot)
{
	switch (slot->state) {
	case SLOT_EMPTY:
		return "waiting";
	case SLOT_STARTING:
		return "starting";
	case SLOT_RUNNING:
		return slot->goal != SLOT_RECORD		 ? "stopping"
		       : slot->worker.progress == PROGRESS_READY ? "running"
								 : "starting";
	case SLOT_VACANT:
		return "restarting";
	case SLOT_SETTLED:
		return "stopped";
	}
	return "";
}

static bool slot_up(const struct slot *slot)
{
	return slot->state == SLOT_RUNNING && slot->worker.progress == PROGRESS_READY;
}

/* The name of a file in use, once it has one: a hidden file has none. */
static const char *file_shown(const struct output_file *file)
{
	return output_file_used(file) && output_file_visible(file) ? file->name : NULL;
}

#define COUNTED ": packets are counted as discarded_no_space"
#define NO_NEXT ": the next file cannot be made, and there is none left to remove"

static const struct {
	const char *suspended, *no_next;
} lacks[] = {
	[LACKS_NOTHING] = { "the disk is full" COUNTED, NULL },
	[LACKS_SPACE] = { "the disk is full" COUNTED, "the disk is full" NO_NEXT },
	[LACKS_INODES] = { "the file system is out of inodes" COUNTED,
			   "the file system is out of inodes" NO_NEXT },
	[LACKS_QUOTA] = { "a quota is exhausted" COUNTED, "a quota is exhausted" NO_NEXT },
};

/* NULL if there is space. */
static const char *lack_reason(const struct capture *c)
{
	enum output_lack lack = LACKS_NOTHING;

	if (c->storage.reserve == LACKS_INODES)
		return "too few inodes are free for disk_reserve, and no file is left to "
		       "remove" COUNTED;
	if (c->storage.reserve)
		return "too little space is free for disk_reserve, and no file is left to "
		       "remove" COUNTED;
	for (unsigned i = 0; i < c->slots.count && lack == LACKS_NOTHING; i++)
		lack = slot_lacks(&c->slots.list[i]);
	return suspended(c) ? lacks[lack].suspended : lacks[lack].no_next;
}

static bool worker_counters(const struct capture *capture, unsigned worker, bool exact,
			    struct counters *counters)
{
	struct tally ended;

	if (worker < capture->slots.count) {
		tally_counters(&capture->slots.list[worker].tally, exact, counters);
		return true;
	}
	if (worker >= WORKERS_MAX || !capture->saved || !capture->saved->slots[worker].had)
		return false;
	ended = (struct tally){ .saved = &capture->saved->slots[worker],
				.reported = capture->saved->slots[worker].ended };
	tally_counters(&ended, exact, counters);
	return true;
}

bool capture_worker(const struct capture *capture, unsigned worker, struct counters *counters)
{
	return worker_counters(capture, worker, true, counters);
}

static void sum_over(const struct capture *capture, bool exact, struct counters *sum)
{
	struct counters one;

	*sum = (struct counters){ 0 };
	for (unsigned i = 0; worker_counters(capture, i, exact, &one); i++)
		counters_add(sum, &one);
}

void capture_counters(const struct capture *capture, struct counters *sum)
{
	sum_over(capture, false, sum);
}

void capture_account(const struct capture *capture, struct counters *sum)
{
	sum_over(capture, true, sum);
}

void capture_show(const struct capture *c, struct capture_view *view)
{
	unsigned n = 0;

	*view = (struct capture_view){
		.name = c->config->name,
		.interface = c->config->group.interface,
		.device = c->group.link.id ? c->group.link.name : NULL,
		.state = capture_state_name(c),
		.fanout = afcap_fanout_mode_name((enum afcap_fanout_mode)c->config->group.fanout),
		.fanout_known = c->group.known,
		.fanout_id = c->group.message.id,
		.workers = c->slots.count,
		.since_ns = c->since_real_ns,
		.ring_bytes = (uint64_t)c->plan.ring.block_bytes * c->plan.ring.blocks,
		.ring_blocks = c->plan.ring.blocks,
		.ring_seconds =
			stall_seconds(&c->plan.ring, c->config->worker.write_delay_ns, 0, 0),
		.disk_available = c->storage.available,
	};
	for (unsigned i = 0; i < VIEW_FLAGS_MAX; i++)
		if (flags[i].name &&
		    plan_fanout_flags(c->config, c->group.link.id != 0, c->group.link.type) &
			    flags[i].flag)
			view->fanout_flags[n++] = flags[i].name;
	if (c->state == CAPTURE_RUNNING)
		view->reason = lack_reason(c);
	for (unsigned i = 0; i < c->slots.count && c->state == CAPTURE_RUNNING; i++)
		if (!slot_up(&c->slots.list[i]))
			view->reason = "a worker is being replaced";
	if (*c->reason)
		view->reason = c->reason;
	if ((c->state == CAPTURE_WAITING || c->state == CAPTURE_RUNNING) &&
	    !storage_placed(&c->storage) && !c->retry_ns)
		view->reason = "its directory is not open yet";
	if (!view->reason && *c->storage.reason)
		view->reason = c->storage.reason;
	/* A capture that waits for its interface is ready; one that waits for a retry is not. */
	view->ready =
		c->goal != CAPTURE_FAIL && storage_placed(&c->storage) &&
		(c->state == CAPTURE_RUNNING || (c->state == CAPTURE_WAITING && !c->retry_ns));
	view->link_up = c->state == CAPTURE_RUNNING && c->group.up;
	view->degraded = view->reason != NULL;
	capture_counters(c, &view->total);
}

void capture_show_worker(const struct capture *c, unsigned worker, struct worker_view *view)
{
	const struct slot *slot = &c->slots.list[worker];

	*view = (struct worker_view){
		.pid = slot->worker.process.pid,
		.state = slot_state_name(slot),
		.up = slot_up(slot),
		.started_ns = slot->worker.process.started_real_ns,
		.packets_per_second = slot->tally.rate.packets,
		.bytes_per_second = slot->tally.rate.bytes,
		.file = file_shown(slot->output.current),
	};
	tally_counters(&slot->tally, false, &view->counters);
	view->ring_seconds = stall_seconds(
		&c->plan.ring, c->config->worker.write_delay_ns, view->packets_per_second,
		stall_bytes(view->packets_per_second, view->bytes_per_second, &view->counters));
}

bool capture_rotating(const struct capture *capture)
{
	for (unsigned i = 0; i < capture->slots.count; i++)
		if (output_rotating(&capture->slots.list[i].output))
			return true;
	return false;
}

const char *capture_rotation_refused(const struct capture *c)
{
	for (unsigned w = 0; w < c->slots.count; w++)
		if (output_stuck(&c->slots.list[w].output))
			return lacks[slot_lacks(&c->slots.list[w])].no_next;
	return NULL;
}

double view_loss(const struct counters *counters)
{
	return counters->packets ? (double)counters->drops / (double)counters->packets : 0.0;
}
