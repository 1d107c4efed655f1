/* What a capture is made of, and what is done with it now and then. */
#include "capture.h"
#include "capture_setup.h"
#include "earlier.h"
#include "fdstore.h"
#include "identity.h"
#include "lost.h"
#include "resume.h"
#include "slotfiles.h"
#include "supervisor.h"

#include "../base/clock.h"
#include "../base/config_cpus.h"
#include "../base/failure.h"
#include "../base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* How many captures the archive is told of, and has a directory of. Not of those that there are no
 * more and of which nothing is left to go on with, nor of those that failed before. */
static uint32_t with_files(const struct capture *capture)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < capture->source->captures; i++) {
		const struct capture *c = supervisor_capture(capture->supervisor, i);

		n += capture->source->capture[i].group.output == OUTPUT_PCAPNG &&
		     (c == capture || c->placed ||
		      (!c->failed && (!c->former || c->resume || c->told)));
	}
	return n;
}

void capture_tell(struct capture *capture)
{
	const struct config_capture *c = capture->config;
	struct message_capture m = {
		.capture = capture->index,
		.link_type = capture->plan.link_type,
		.config = c->archive,
		.file_bytes = c->worker.file_bytes,
		.file_group = capture->file_group,
		/* one more while it is to be told of another directory */
		.together = with_files(capture) + (capture->earlier != NULL),
		.token = capture->token,
	};

	if (c->group.output != OUTPUT_PCAPNG) {
		capture->placed = true;
		return;
	}
	identity_get(m.machine, m.boot);
	memcpy(m.name, c->name, sizeof(m.name));
	memcpy(m.interface, c->group.interface, sizeof(m.interface));
	memcpy(m.device, capture->device, sizeof(m.device));
	memcpy(m.filter, c->filter, sizeof(m.filter));
	memcpy(m.directory, c->group.directory, sizeof(m.directory));
	capture->told = true;
	archive_client_announce(files_client(capture->files), &m, &capture->slots[0]);
}

void capture_keep(struct capture *capture)
{
	const struct archive_target target = { .capture = capture->index,
					       .owner = &capture->slots[0] };
	int refused = 0;

	/* Where nobody writes any more no file goes for what was refused */
	for (unsigned i = 0; i < capture->workers && !refused; i++)
		if (capture->slots[i].state != SLOT_ENDED)
			refused = capture->slots[i].refused;
	capture->keep_again = capture->keeping && refused;
	if (capture->keeping || capture->config->group.output != OUTPUT_PCAPNG)
		return;
	capture->keeping = files_retain(capture->files, &target, refused);
}

static int slots_make(struct capture *capture, bool resumed)
{
	int result = 0;

	/* As many as it may get: requests to the archive have pointers to them. */
	capture->slots = calloc(WORKERS_MAX, sizeof(*capture->slots));
	if (!capture->slots)
		return -ENOMEM;
	for (unsigned i = 0; i < capture->workers; i++) { /* all, so that all can be freed */
		int fd = resumed ? resume_ledger(capture, i) : -1;
		int rc = slot_init(&capture->slots[i], capture, i, fd);

		result = result ? result : rc;
	}
	return result;
}

/* It only waits for the daemon's end then. */
static void slots_drop(struct capture *capture)
{
	resume_forget(capture);
	for (unsigned i = 0; i < capture->workers && capture->slots; i++) {
		slot_end(&capture->slots[i]);
		slot_free(&capture->slots[i]);
	}
	free(capture->slots);
	capture->slots = NULL;
	capture->workers = 0;
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
	fdstore_put(capture->store,
		    &(struct fdstore_key){ FDSTORE_CAPTURE, capture->config->name, 0, 0 },
		    capture->saved_fd);
	return 0;
}

int capture_init(struct capture *capture, const struct capture_context *context,
		 const struct config *config, unsigned index, struct capture_error *error)
{
	const struct config_capture *c = &config->capture[index];
	bool resumed;
	int rc;

	*capture = (struct capture){ .supervisor = context->supervisor,
				     .base = context->base,
				     .token = context->token,
				     .files = context->files,
				     .links = context->links,
				     .store = context->store,
				     .source = config,
				     .config = c,
				     .index = index,
				     .initial = true,
				     .saved_fd = -1,
				     .available = UINT64_MAX };
	rc = capture_events(capture);
	if (rc == 0 && capture_group(config, c, &capture->file_group, error))
		return -1;
	plan_make(c, &capture->plan, NULL);
	resumed = resume_take(capture);
	if (!capture->workers)
		capture->workers = config_workers(c);
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

void capture_tick(struct capture *capture)
{
	uint64_t now = clock_mono_ns();
	int64_t sync = capture->config->archive.sync;

	if (!capture->saved) /* it could not be made */
		return;
	capture->saved->alive_ns = clock_real_ns();
	for (unsigned i = 0; i < capture->workers; i++) {
		slotfiles_tick(&capture->slots[i]);
		lost_tick(&capture->slots[i]);
		slot_tick(&capture->slots[i], now);
	}
	lost_reason(capture);
	if (capture_ending(capture))
		return;
	if (capture->state == CAPTURE_WAITING)
		capture_link(capture);
	if (capture->filter_due && capture->state == CAPTURE_RUNNING && now >= capture->retry_ns)
		resume_filter(capture);
	if (capture->told && !slotfiles_awaited(capture))
		capture_keep(capture);
	if (sync <= 0 || now < capture->sync_at_ns)
		return;
	capture->sync_at_ns = now + (uint64_t)sync;
	for (unsigned i = 0; i < capture->workers; i++)
		slotfiles_sync(&capture->slots[i]);
}

void capture_forgive(struct capture *capture)
{
	uint64_t now = clock_mono_ns();

	for (unsigned i = 0; i < capture->workers; i++)
		capture->slots[i].process.heard_ns = now;
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
	for (unsigned i = 0; i < capture->workers; i++)
		time_move(&capture->slots[i].process.started_real_ns, step_ns);
}

/* What a daemon that died without a successor has left, and since when there is more. */
static void repaired_log(struct capture *capture)
{
	char text[GAP_TEXT];

	if (gap_repaired_text(&capture->gap, capture->since_real_ns, text))
		capture_log(capture, LOG_WARNING, "%s", text);
}

void capture_cared(struct capture *capture, const struct message_result *result, bool last)
{
	if (!result->error)
		capture->available = result->available;
	gap_repaired(&capture->gap, result);
	if (!last)
		return;
	capture->keeping = false;
	if (result->error)
		return;
	if (capture_ending(capture) && !capture->former) {
		repaired_log(capture); /* what is known by now */
		return;
	}
	if (result->again || capture->keep_again)
		capture_keep(capture);
	if (!result->again && !result->held && !capture->former)
		repaired_log(capture);
	if (capture->former)
		return;
	if (!capture->full && result->full)
		capture_log(capture, LOG_WARNING,
			    "%s: disk_reserve cannot be kept%s, and there is no file left to "
			    "remove: packets are discarded until there is room",
			    capture->config->group.directory, result->no_inode ? " of inodes" : "");
	else if (capture->full && !result->full)
		capture_log(capture, LOG_NOTICE, "there is room again: packets are written");
	capture->full = result->full;
	capture->full_inodes = result->no_inode;
	for (unsigned i = 0; i < capture->workers; i++)
		slotfiles_suspend(&capture->slots[i]);
}

void capture_rotate(struct capture *capture)
{
	for (unsigned i = 0; i < capture->workers && !capture_ending(capture); i++)
		slotfiles_rotate(&capture->slots[i]);
}

bool capture_rotating(const struct capture *capture)
{
	for (unsigned i = 0; i < capture->workers; i++)
		if (slotfiles_rotating(&capture->slots[i]))
			return true;
	return false;
}

bool capture_suspended(const struct capture *capture)
{
	for (unsigned i = 0; i < capture->workers; i++)
		if (capture->slots[i].no_space || slotfiles_suspended(&capture->slots[i]))
			return true;
	return false;
}

bool capture_reaped(struct capture *capture, pid_t pid, int status)
{
	for (unsigned i = 0; i < capture->workers; i++)
		if (slot_reaped(&capture->slots[i], pid, status))
			return true;
	return false;
}

static bool worker_counters(const struct capture *capture, unsigned worker, bool exact,
			    struct counters *counters)
{
	struct tally ended;

	if (worker < capture->workers) {
		tally_counters(&capture->slots[worker].tally, exact, counters);
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
	for (unsigned i = 0; i < capture->workers; i++)
		slot_free(&capture->slots[i]);
	free(capture->slots);
	free(capture->earlier);
	capture_filter_free(capture);
	checkpoint_unmap(capture->saved);
	if (capture->saved_fd >= 0)
		close(capture->saved_fd);
	if (capture->deadline)
		event_free(capture->deadline);
	if (capture->again)
		event_free(capture->again);
}
