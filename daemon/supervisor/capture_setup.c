/* The configuration of a capture, and what its archive and its workers are sent of it. */
#include "capture_setup.h"
#include "capture_end.h"
#include "capture_state.h"
#include "fdstore.h"
#include "identity.h"

#include "../base/failure.h"
#include "../base/log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SETTLED_US 20000 /* until that is checked again */

const struct config_capture *setup_wanted(const struct capture *capture)
{
	return &capture->source->capture[capture->slots.index];
}

bool setup_former(const struct capture *capture)
{
	return capture->slots.index >= capture->context->configured;
}

/* Not former sections without inherited rings, nor captures that failed before their directory was
 * open. */
bool setup_has_files(const struct capture *capture)
{
	return setup_wanted(capture)->group.output == OUTPUT_PCAPNG &&
	       (storage_placed(&capture->storage) ||
		(capture->goal != CAPTURE_FAIL &&
		 (!setup_former(capture) || capture->inherited.rings ||
		  capture->storage.state != STORAGE_UNKNOWN)));
}

void setup_tasks(struct capture *capture)
{
	struct message_worker task;

	for (unsigned i = 0; i < capture->slots.count; i++) {
		plan_worker(capture->config, &capture->plan, capture->slots.count, i, &task);
		task.ifindex = (uint32_t)capture->group.link.ifindex;
		task.config.file_bytes = limits_file_bytes(task.config.file_bytes);
		capture->slots.list[i].task = task;
	}
}

void setup_announce(struct capture *capture)
{
	const struct config_capture *c = capture->config;
	struct message_capture m = {
		.capture = capture->slots.index,
		.link_type = capture->plan.link_type,
		.config = c->archive,
		.file_bytes = c->worker.file_bytes,
		.file_group = capture->file_group,
		/* one more while it is still to be sent another directory */
		.together = capture->context->together + (capture->earlier != NULL),
		.token = capture->context->token,
		.cached = c->worker.burst_bytes != 0,
	};

	identity_get(m.machine, m.boot);
	memcpy(m.name, c->name, sizeof(m.name));
	memcpy(m.interface, c->group.interface, sizeof(m.interface));
	memcpy(m.device, capture->group.link.name, sizeof(m.device));
	memcpy(m.filter, c->filter, sizeof(m.filter));
	memcpy(m.directory, c->group.directory, sizeof(m.directory));
	storage_announce(&capture->storage, &m, c->group.output == OUTPUT_PCAPNG);
}

struct limits_need setup_need(const struct capture *capture)
{
	return (struct limits_need){ .capture = capture->config->name,
				     .ring = capture->plan.ring,
				     .workers = capture->slots.count,
				     .resumed = capture->inherited.rings != NULL };
}

void setup_save(struct capture *capture)
{
	capture->saved->armed = 0;
	capture->saved->fingerprint =
		plan_fingerprint(capture->config, &capture->plan, capture->slots.count);
}

static void earlier_forget(struct capture *capture)
{
	if (!capture->earlier)
		return;
	capture->config = setup_wanted(capture);
	free(capture->earlier);
	capture->earlier = NULL;
	plan_make(capture->config, &capture->plan, NULL);
}

/* Slots that are removed leave their counters in the checkpoint, slots that are added take them
 * back; `workers` in the checkpoint says which, wherever this is interrupted. */
static int slots_resize(struct capture *capture, unsigned workers)
{
	struct checkpoint *saved = capture->saved;
	unsigned before = capture->slots.count;
	struct message_worker task;
	int rc = 0;

	for (unsigned i = before; i < workers && rc == 0; i++) {
		saved->slots[i].before = saved->slots[i].ended;
		plan_worker(capture->config, &capture->plan, workers, i, &task);
		rc = slot_init(&capture->slots.list[i], &capture->slots, &saved->slots[i], &task,
			       -1);
		if (rc)
			slot_free(&capture->slots.list[i]);
		else
			capture->slots.count = i + 1;
	}
	for (unsigned i = workers; i < before; i++) {
		tally_sum(&capture->slots.list[i].tally, &saved->slots[i].ended);
		saved->slots[i].had = 1;
	}
	__atomic_store_n(&saved->fingerprint.workers,
			 capture->slots.count < workers ? capture->slots.count : workers,
			 __ATOMIC_RELEASE);
	for (unsigned i = workers; i < before; i++) {
		slot_end(&capture->slots.list[i]);
		slot_free(&capture->slots.list[i]);
		capture->slots.count = workers;
	}
	return rc;
}

/* With files, all received packets have to be counted as written or discarded. */
static void counted_give_up(struct capture *capture)
{
	struct checkpoint_slot *saved = capture->saved->slots;
	uint64_t packets = 0;

	for (unsigned i = 0; i < capture->slots.count; i++)
		packets += tally_give_up(&capture->slots.list[i].tally,
					 capture->slots.list[i].ring.ledger);
	for (unsigned i = capture->slots.count; i < WORKERS_MAX; i++)
		packets += tally_give_up_of(&saved[i].ended);
	capture_log(capture, LOG_NOTICE,
		    "output = pcapng instead of none: the %" PRIu64
		    " packets that were only counted before are counted as abandoned",
		    packets);
}

bool setup_adopt(struct capture *capture)
{
	const struct config_capture *now = setup_wanted(capture), *then = capture->config;
	unsigned workers = now->group.workers == CONFIG_AUTO ? capture->slots.count
							     : (unsigned)now->group.workers;
	struct limits_need need;
	int rc;

	if ((workers != capture->slots.count ||
	     strcmp(now->group.directory, then->group.directory) != 0 ||
	     now->group.output != then->group.output) &&
	    !files_done(capture->slots.files, capture->slots.index))
		return false;
	/* The store's duplicate of a ring holds memory, and is a member of the group */
	if (!fdstore_settled(capture->slots.store)) {
		event_add(capture->again, &(struct timeval){ 0, SETTLED_US });
		return false;
	}
	capture->saved->armed = 0;
	rc = slots_resize(capture, workers);
	if (rc)
		capture_log(capture, LOG_ERR, "%s: continuing with %u workers", failure_text(-rc),
			    capture->slots.count);
	if (then->group.output == OUTPUT_NONE && now->group.output == OUTPUT_PCAPNG)
		counted_give_up(capture);
	earlier_forget(capture);
	capture->saved->fingerprint =
		plan_fingerprint(capture->config, &capture->plan, capture->slots.count);
	need = setup_need(capture);
	if (limits_memory(&need, 1, true)) {
		capture_fail(capture, "there is not enough memory for its rings");
		return false;
	}
	storage_reserve(&capture->storage); /* of its new slots, too */
	setup_tasks(capture);
	storage_forget(&capture->storage);
	setup_announce(capture);
	return true;
}
