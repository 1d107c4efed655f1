/* From one configuration of a capture to the next, over the rings that the earlier one made. */
#include "earlier.h"
#include "fdstore.h"
#include "limits.h"

#include "../base/failure.h"
#include "../base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SETTLED_US 20000 /* until that is looked at again */

void earlier_forget(struct capture *capture)
{
	if (!capture->earlier)
		return;
	capture->config = capture_wanted(capture);
	free(capture->earlier);
	capture->earlier = NULL;
	plan_make(capture->config, &capture->plan, NULL);
}

/* Slots that it has no more leave their counters in the record, those that it has again take them
 * back; `workers` in the record says which is so, whenever this is interrupted. */
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
	__atomic_store_n(&saved->shape.workers,
			 capture->slots.count < workers ? capture->slots.count : workers,
			 __ATOMIC_RELEASE);
	for (unsigned i = workers; i < before; i++) {
		slot_end(&capture->slots.list[i]);
		slot_free(&capture->slots.list[i]);
		capture->slots.count = workers;
	}
	return rc;
}

/* Of what is recorded all that is received is written or discarded. */
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
		    "it records, and counted only before: the %" PRIu64
		    " packets of then are counted as abandoned",
		    packets);
}

bool earlier_adopt(struct capture *capture)
{
	const struct config_capture *now = capture_wanted(capture), *then = capture->config;
	unsigned workers = now->group.workers == CONFIG_AUTO ? capture->slots.count
							     : (unsigned)now->group.workers;
	struct limits_need need;
	int rc;

	if ((workers != capture->slots.count ||
	     strcmp(now->group.directory, then->group.directory) != 0 ||
	     now->group.output != then->group.output) &&
	    !files_done(capture->slots.files, capture->slots.index))
		return false;
	if (!fdstore_settled(capture->slots.store)) { /* the store's copy of a ring is memory, and a
						       * member of the group
						       */
		event_add(capture->again, &(struct timeval){ 0, SETTLED_US });
		return false;
	}
	capture->saved->armed = 0;
	rc = slots_resize(capture, workers);
	if (rc)
		capture_log(capture, LOG_ERR, "%s: it goes on with %u workers", failure_text(-rc),
			    capture->slots.count);
	if (then->group.output == OUTPUT_NONE && now->group.output == OUTPUT_PCAPNG)
		counted_give_up(capture);
	earlier_forget(capture);
	capture->saved->shape = plan_shape(capture->config, &capture->plan, capture->slots.count);
	need = capture_need(capture);
	if (limits_memory(&need, 1, true)) {
		capture_fail(capture, "there is not enough memory for its rings");
		return false;
	}
	storage_reserve(&capture->storage); /* of its new slots, too */
	capture_plan(capture);
	storage_forget(&capture->storage);
	capture_tell(capture);
	return true;
}
