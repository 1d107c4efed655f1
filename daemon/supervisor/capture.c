/* Makes a capture, and runs it in each turn of the event loop. */
#include "capture.h"
#include "capture_link.h"
#include "capture_resume.h"
#include "capture_setup.h"
#include "capture_start.h"
#include "capture_state.h"
#include "fdstore.h"
#include "link.h"
#include "preflight.h"

#include "../base/clock.h"
#include "../base/config_cpus.h"
#include "../base/failure.h"
#include "../base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int slots_make(struct capture *capture, bool resumed)
{
	int result = 0;

	/* The maximum: requests to the archive hold pointers to them. */
	capture->slots.list = calloc(WORKERS_MAX, sizeof(*capture->slots.list));
	if (!capture->slots.list)
		return -ENOMEM;
	for (unsigned i = 0; i < capture->slots.count; i++) { /* all, so that all can be freed */
		int fd = resumed ? inherited_ledger(&capture->inherited, i) : -1;
		struct message_worker task;
		int rc;

		plan_worker(capture->config, &capture->plan, capture->slots.count, i, &task);
		rc = slot_init(&capture->slots.list[i], &capture->slots, &capture->saved->slots[i],
			       &task, fd);

		result = result ? result : rc;
	}
	return result;
}

/* The capture only waits for the daemon to end then. */
static void slots_drop(struct capture *capture)
{
	inherited_forget(&capture->inherited, capture->slots.store, capture->config->name);
	for (unsigned i = 0; i < capture->slots.count && capture->slots.list; i++) {
		slot_end(&capture->slots.list[i]);
		slot_free(&capture->slots.list[i]);
	}
	free(capture->slots.list);
	capture->slots.list = NULL;
	capture->slots.count = 0;
}

/* A new checkpoint for the next instance. */
static int checkpoint_make(struct capture *capture)
{
	uint64_t ignored;

	capture->saved_fd = checkpoint_create();
	if (capture->saved_fd < 0)
		return capture->saved_fd;
	capture->saved = checkpoint_map(capture->saved_fd, &ignored);
	if (!capture->saved)
		return -errno;
	checkpoint_gap(capture->saved, capture->gap.since_ns, capture->gap.why);
	fdstore_put(capture->slots.store,
		    &(struct fdstore_key){ FDSTORE_CAPTURE, capture->config->name, 0, 0 },
		    capture->saved_fd);
	return 0;
}

/* Adopts the plan of the inherited checkpoint: rings that are resumed have the size that they were
 * made with, also where ring_size = auto would decide another one now. */
static void record_adopt(struct capture *capture)
{
	struct inherited *in = &capture->inherited;
	const struct plan then = plan_of_fingerprint(&in->saved->fingerprint);

	capture->saved = in->saved;
	capture->saved_fd = in->saved_fd;
	capture->slots.count = in->workers;
	capture->plan.ring = then.ring;
	capture->plan.snaplen = then.snaplen;
	if (in->earlier)
		capture->config = capture->earlier = in->earlier;
}

static int capture_make(struct capture *capture, struct capture_error *error)
{
	const struct config_capture *c = capture->config;
	const struct capture_context *context = capture->context;
	bool resumed;
	int rc;

	group_init(&capture->group, &capture->slots, context->links);
	compiled_filter_init(&capture->compiled, context->base, &capture->slots.due);
	storage_init(&capture->storage, &capture->slots, &capture->gap);
	rc = capture_events(capture);
	if (rc == 0 && preflight_file_group(capture->source, c, &capture->file_group, error))
		return -1;
	plan_make(c, &capture->plan, NULL);
	resumed = inherited_take(&capture->inherited, context->store, c);
	capture->gap = capture->inherited.gap;
	if (resumed)
		record_adopt(capture);
	else
		capture->slots.count = config_workers(c);
	if (rc == 0 && !resumed)
		rc = checkpoint_make(capture);
	if (rc == 0)
		rc = slots_make(capture, resumed);
	if (rc == 0)
		return 0;
	slots_drop(capture);
	return capture_error(error, EXIT_FAILURE, "capture %s: making slots: %s", c->name,
			     failure_text(-rc));
}

int capture_new(struct capture **out, const struct capture_context *context,
		const struct config *config, unsigned index, struct capture_error *error)
{
	const struct config_capture *c = &config->capture[index];
	struct capture *capture = calloc(1, sizeof(*capture));

	*out = capture;
	if (!capture)
		return capture_error(error, EXIT_FAILURE, "capture %s: %s", c->name,
				     failure_text(ENOMEM));
	*capture = (struct capture){ .context = context,
				     .slots = { .base = context->base,
						.files = context->files,
						.store = context->store,
						.storage = &capture->storage,
						.index = index },
				     .source = config,
				     .config = c,
				     .saved_fd = -1 };
	if (capture_make(capture, error) == 0)
		return 0;
	capture_reason(capture, "%s", error->text);
	capture->goal = CAPTURE_FAIL;
	return -1;
}

int capture_start(struct capture *capture, struct capture_error *error)
{
	struct link link = { 0 };

	if (capture->inherited.rings) {
		resume_start(capture);
		return 0;
	}
	if (capture->on_fault != FAULT_ENDS_DAEMON)
		capture->on_fault = FAULT_FAILS_IT;
	if (start_ready(capture, &link))
		return start_begin(capture, plan_any(capture->config) ? NULL : &link, error);
	if (!links_by_name(capture->group.links, capture->config->group.interface, &link) &&
	    !capture->inherited.found &&
	    preflight_interface(capture->source, capture->config, capture->group.links, error))
		return -1;
	capture_log(capture, LOG_NOTICE, "%s: waiting for it", capture->reason);
	capture_enter(capture, CAPTURE_WAITING);
	setup_announce(capture);
	return 0;
}

void capture_tick(struct capture *capture)
{
	uint64_t now = clock_mono_ns();

	if (!capture->saved) /* making it failed */
		return;
	capture->saved->alive_ns = clock_real_ns();
	for (unsigned i = 0; i < capture->slots.count; i++)
		slot_tick(&capture->slots.list[i], now);
	capture->slots.due = true;
	if (!capture_ending(capture))
		storage_tick(&capture->storage, now, capture->config->archive.sync);
}

void capture_reset_silence(struct capture *capture)
{
	uint64_t now = clock_mono_ns();

	for (unsigned i = 0; i < capture->slots.count; i++)
		capture->slots.list[i].worker.process.heard_ns = now;
}

static void time_move(uint64_t *ns, int64_t step_ns)
{
	if (*ns)
		*ns += (uint64_t)step_ns;
}

void capture_clock(struct capture *capture, int64_t step_ns)
{
	if (!capture->saved)
		return;
	time_move(&capture->since_real_ns, step_ns);
	time_move(&capture->saved->since_ns, step_ns);
	gap_clock(&capture->gap, step_ns);
	time_move(&capture->saved->gap_ns, step_ns);
	for (unsigned i = 0; i < capture->slots.count; i++)
		time_move(&capture->slots.list[i].worker.process.started_real_ns, step_ns);
}

/* Logs what was repaired of an instance that died without a successor, and the gap since. */
static void repaired_log(struct capture *capture)
{
	char text[GAP_TEXT];

	if (gap_repaired_text(&capture->gap, capture->since_real_ns, text))
		capture_log(capture, LOG_WARNING, "%s", text);
}

/* The archive has done the maintenance that was requested. */
static void maintained(struct capture *capture)
{
	struct storage *s = &capture->storage;

	if (capture_ending(capture) && !setup_former(capture)) {
		repaired_log(capture); /* what is known so far */
		return;
	}
	if (s->more || s->wanted)
		storage_maintain(s);
	if (setup_former(capture))
		return;
	if (!s->more && !s->held)
		repaired_log(capture);
	if (!storage_reserve(s))
		return;
	if (s->reserve)
		capture_log(capture, LOG_WARNING,
			    "%s: %s for disk_reserve, and no file is left to remove: packets are "
			    "discarded until there is space",
			    capture->config->group.directory,
			    s->reserve == LACKS_INODES ? "too few inodes are free"
						       : "too little space is free");
	else
		capture_log(capture, LOG_NOTICE, "there is space again: packets are written");
}

/* The archive process has opened its directory: it may begin. */
static void placed(struct capture *capture)
{
	if (capture->state != CAPTURE_WAITING)
		return;
	capture->retry_ns = 0;
	capture->logged[0] = '\0';
}

static void storage_look(struct capture *capture)
{
	unsigned news = storage_news(&capture->storage);

	if (news & STORAGE_OPEN)
		placed(capture);
	if (news & STORAGE_CLOSED)
		start_files_fault(capture, capture->storage.error, capture->storage.text);
	if (news & STORAGE_MAINTAINED)
		maintained(capture);
	storage_relieve(&capture->storage);
	storage_spares(&capture->storage);
	storage_review(&capture->storage);
}

/* Acts upon the result of compiling the filter. */
static void filter_look(struct capture *capture)
{
	if (!compiled_filter_news(&capture->compiled) || capture->goal != CAPTURE_RECORD)
		return;
	if (capture->state == CAPTURE_RUNNING)
		resume_filtered(capture);
	else
		start_filtered(capture);
}

void capture_step(struct capture *capture)
{
	if (!capture->slots.due)
		return;
	capture->slots.due = false;
	capture_follow(capture);
	start_slot_faults(capture);
	filter_look(capture);
	capture_finish(capture);
	storage_look(capture);
	start_advance(capture);
	capture_begin(capture);
	if (capture->filter_due && capture->state == CAPTURE_RUNNING &&
	    capture->goal == CAPTURE_RECORD && clock_mono_ns() >= capture->retry_ns)
		resume_filter(capture);
	for (unsigned i = 0; i < capture->slots.count; i++)
		slot_step(&capture->slots.list[i]);
}

void capture_wake(struct capture *capture)
{
	capture->slots.due = true;
}

bool capture_due(const struct capture *capture)
{
	return capture->slots.due;
}

void capture_rotate(struct capture *capture)
{
	for (unsigned i = 0; i < capture->slots.count && !capture_ending(capture); i++)
		output_rotate(&capture->slots.list[i].output);
	capture->slots.due = true;
}

bool capture_reaped(struct capture *capture, pid_t pid, int status)
{
	for (unsigned i = 0; i < capture->slots.count; i++)
		if (slot_reaped(&capture->slots.list[i], pid, status))
			return true;
	return false;
}

void capture_set_fault(struct capture *capture, enum capture_fault fault)
{
	capture->on_fault = fault;
}

void capture_announce_again(struct capture *capture)
{
	if (capture->storage.state != STORAGE_UNKNOWN && !capture_ending(capture))
		setup_announce(capture);
}

const char *capture_name(const struct capture *capture)
{
	return capture->config->name;
}

enum output capture_output(const struct capture *capture)
{
	return (enum output)capture->config->group.output;
}

int64_t capture_fanout_id(const struct capture *capture)
{
	return capture->config->group.fanout_id;
}

bool capture_former(const struct capture *capture)
{
	return setup_former(capture);
}

bool capture_earlier(const struct capture *capture)
{
	return setup_former(capture) || capture->earlier;
}

bool capture_resumes(const struct capture *capture)
{
	return capture->inherited.rings != NULL;
}

bool capture_refused(const struct capture *capture)
{
	return capture->gap.refused;
}

/* One that is draining has begun if it ever recorded; otherwise it waits next. */
bool capture_begun(const struct capture *capture)
{
	bool waits = capture->state == CAPTURE_WAITING ||
		     (capture->state == CAPTURE_DRAINING && !capture->since_real_ns);

	return capture_ending(capture) ||
	       (!capture->earlier && capture->state != CAPTURE_STARTING &&
		(!waits || storage_placed(&capture->storage)));
}

bool capture_recorded(const struct capture *capture)
{
	return capture->since_real_ns != 0;
}

bool capture_failed(const struct capture *capture)
{
	return capture->goal == CAPTURE_FAIL;
}

bool capture_ended(const struct capture *capture)
{
	return capture_over(capture);
}

const struct capture_error *capture_fatal(const struct capture *capture)
{
	return &capture->fatal;
}

bool capture_has_files(const struct capture *capture)
{
	return setup_has_files(capture);
}

bool capture_placed(const struct capture *capture)
{
	return storage_placed(&capture->storage);
}

struct limits_need capture_need(const struct capture *capture)
{
	return setup_need(capture);
}

unsigned capture_stored(const struct capture *capture, unsigned *missing)
{
	for (unsigned i = 0; i < capture->slots.count; i++)
		*missing += capture->slots.list[i].ring.fd < 0;
	return 1 + 2 * capture->slots.count; /* the checkpoint; of each worker ring and ledger */
}

void capture_check(const struct capture *capture)
{
	for (unsigned i = 0; i < capture->slots.count; i++)
		slot_check(&capture->slots.list[i]);
}

bool capture_accounted(const struct capture *capture)
{
	return capture->accounted;
}

void capture_set_accounted(struct capture *capture)
{
	capture->accounted = true;
}

void capture_free(struct capture *capture)
{
	if (!capture)
		return;
	for (unsigned i = 0; i < capture->slots.count; i++)
		slot_free(&capture->slots.list[i]);
	free(capture->slots.list);
	free(capture->earlier);
	compiled_filter_free(&capture->compiled);
	group_free(&capture->group);
	checkpoint_unmap(capture->saved);
	if (capture->saved_fd >= 0)
		close(capture->saved_fd);
	if (capture->deadline)
		event_free(capture->deadline);
	if (capture->again)
		event_free(capture->again);
	free(capture);
}
