/* What a capture is made of, and what is done with it now and then. */
#include "capture.h"
#include "capture_filter.h"
#include "preflight.h"
#include "earlier.h"
#include "fdstore.h"
#include "identity.h"
#include "resume.h"
#include "limits.h"

#include "../base/clock.h"
#include "../base/config_cpus.h"
#include "../base/failure.h"
#include "../base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

const struct config_capture *capture_wanted(const struct capture *capture)
{
	return &capture->source->capture[capture->slots.index];
}

/* Not of those that there are no more and of which nothing is left to continue with, nor of those
 * that failed before. */
bool capture_has_files(const struct capture *capture)
{
	return capture_wanted(capture)->group.output == OUTPUT_PCAPNG &&
	       (storage_placed(&capture->storage) ||
		(capture->goal != CAPTURE_FAIL && (!capture->former || capture->inherited.rings ||
						   capture->storage.state != STORAGE_UNKNOWN)));
}

void capture_plan(struct capture *capture)
{
	struct message_worker task;

	for (unsigned i = 0; i < capture->slots.count; i++) {
		plan_worker(capture->config, &capture->plan, capture->slots.count, i, &task);
		task.ifindex = (uint32_t)capture->group.link.ifindex;
		task.config.file_bytes = limits_file_bytes(task.config.file_bytes);
		capture->slots.list[i].task = task;
	}
}

void capture_tell(struct capture *capture)
{
	const struct config_capture *c = capture->config;
	struct message_capture m = {
		.capture = capture->slots.index,
		.link_type = capture->plan.link_type,
		.config = c->archive,
		.file_bytes = c->worker.file_bytes,
		.file_group = capture->file_group,
		/* one more while it is to be told of another directory */
		.together = capture->context->together + (capture->earlier != NULL),
		.token = capture->context->token,
	};

	identity_get(m.machine, m.boot);
	memcpy(m.name, c->name, sizeof(m.name));
	memcpy(m.interface, c->group.interface, sizeof(m.interface));
	memcpy(m.device, capture->group.link.name, sizeof(m.device));
	memcpy(m.filter, c->filter, sizeof(m.filter));
	memcpy(m.directory, c->group.directory, sizeof(m.directory));
	storage_announce(&capture->storage, &m, c->group.output == OUTPUT_PCAPNG);
}

static int slots_make(struct capture *capture, bool resumed)
{
	int result = 0;

	/* As many as it may get: requests to the archive have pointers to them. */
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

/* It only waits for the daemon's end then. */
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

/* A new record for the next daemon. */
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

/* It is what the record says that it was. */
static void record_adopt(struct capture *capture)
{
	struct inherited *in = &capture->inherited;
	const struct plan then = plan_of_shape(&in->saved->shape);

	capture->saved = in->saved;
	capture->saved_fd = in->saved_fd;
	capture->slots.count = in->workers;
	if (!in->earlier)
		return;
	capture->config = capture->earlier = in->earlier;
	capture->plan.ring = then.ring;
	capture->plan.snaplen = then.snaplen;
}

int capture_init(struct capture *capture, const struct capture_context *context,
		 const struct config *config, unsigned index, struct capture_error *error)
{
	const struct config_capture *c = &config->capture[index];
	bool resumed;
	int rc;

	*capture = (struct capture){ .context = context,
				     .slots = { .base = context->base,
						.files = context->files,
						.store = context->store,
						.storage = &capture->storage,
						.index = index },
				     .source = config,
				     .config = c,
				     .saved_fd = -1 };
	group_init(&capture->group, &capture->slots, context->links);
	compiled_filter_init(&capture->compiled, context->base, &capture->slots.due);
	storage_init(&capture->storage, &capture->slots, &capture->gap);
	rc = capture_events(capture);
	if (rc == 0 && preflight_file_group(config, c, &capture->file_group, error))
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
	if (rc) {
		slots_drop(capture);
		return capture_error(error, EXIT_FAILURE, "capture %s: making slots: %s", c->name,
				     failure_text(-rc));
	}
	return 0;
}

struct limits_need capture_need(const struct capture *capture)
{
	return (struct limits_need){ .capture = capture->config->name,
				     .ring = capture->plan.ring,
				     .workers = capture->slots.count,
				     .resumed = capture->inherited.rings != NULL };
}

void capture_tick(struct capture *capture)
{
	uint64_t now = clock_mono_ns();

	if (!capture->saved) /* it could not be made */
		return;
	capture->saved->alive_ns = clock_real_ns();
	for (unsigned i = 0; i < capture->slots.count; i++)
		slot_tick(&capture->slots.list[i], now);
	storage_review(&capture->storage);
	capture->slots.due = true;
	if (capture_ending(capture))
		return;
	if (capture->state == CAPTURE_WAITING)
		capture_link(capture);
	if (capture->filter_due && capture->state == CAPTURE_RUNNING && now >= capture->retry_ns)
		resume_filter(capture);
	storage_tick(&capture->storage, now, capture->config->archive.sync);
}

void capture_forgive(struct capture *capture)
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

/* What a daemon that died without a successor has left, and since when there is more. */
static void repaired_log(struct capture *capture)
{
	char text[GAP_TEXT];

	if (gap_repaired_text(&capture->gap, capture->since_real_ns, text))
		capture_log(capture, LOG_WARNING, "%s", text);
}

/* The archive has removed and repaired what it was asked for. */
static void maintained(struct capture *capture)
{
	struct storage *s = &capture->storage;

	if (capture_ending(capture) && !capture->former) {
		repaired_log(capture); /* what is known by now */
		return;
	}
	if (s->more || s->wanted)
		storage_maintain(s);
	if (capture->former)
		return;
	if (!s->more && !s->held)
		repaired_log(capture);
	if (!storage_reserve(s))
		return;
	if (s->reserve)
		capture_log(capture, LOG_WARNING,
			    "%s: disk_reserve cannot be kept%s, and there is no file left to "
			    "remove: packets are discarded until there is room",
			    capture->config->group.directory,
			    s->reserve == LACKS_INODES ? " of inodes" : "");
	else
		capture_log(capture, LOG_NOTICE, "there is room again: packets are written");
}

void capture_news(struct capture *capture)
{
	unsigned news = storage_news(&capture->storage);

	if (news & STORAGE_OPEN)
		capture_placed(capture);
	if (news & STORAGE_CLOSED)
		capture_files_failed(capture, capture->storage.error, capture->storage.text);
	if (news & STORAGE_MAINTAINED)
		maintained(capture);
	storage_relieve(&capture->storage);
	storage_spares(&capture->storage);
	storage_review(&capture->storage);
}

void capture_rotate(struct capture *capture)
{
	for (unsigned i = 0; i < capture->slots.count && !capture_ending(capture); i++)
		output_rotate(&capture->slots.list[i].output);
	capture->slots.due = true;
}

bool capture_rotating(const struct capture *capture)
{
	for (unsigned i = 0; i < capture->slots.count; i++)
		if (output_rotating(&capture->slots.list[i].output))
			return true;
	return false;
}

bool capture_suspended(const struct capture *capture)
{
	for (unsigned i = 0; i < capture->slots.count; i++)
		if (slot_suspended(&capture->slots.list[i]))
			return true;
	return false;
}

bool capture_reaped(struct capture *capture, pid_t pid, int status)
{
	for (unsigned i = 0; i < capture->slots.count; i++)
		if (slot_reaped(&capture->slots.list[i], pid, status))
			return true;
	return false;
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

void capture_free(struct capture *capture)
{
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
}
