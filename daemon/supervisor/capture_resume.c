/* A capture resumes the rings of the previous instance. */
#include "capture_resume.h"
#include "capture_end.h"
#include "capture_filter.h"
#include "capture_setup.h"
#include "capture_state.h"

#include "../base/clock.h"
#include "../base/failure.h"
#include "../base/log.h"

#include <stdio.h>
#include <string.h>

#define AGAIN_NS UINT64_C(1000000000)

static void rings_resume(struct capture *capture)
{
	for (unsigned i = 0; i < capture->slots.count; i++)
		slot_resume(&capture->slots.list[i], capture->inherited.rings[i].ring_fd);
	inherited_taken(&capture->inherited);
	for (unsigned i = 0; i < capture->slots.count; i++)
		slot_resumed(&capture->slots.list[i]);
}

/* A file names the filter of its packets: a changed filter starts a new file. */
static void filter_compare(struct capture *capture)
{
	char *before = capture->saved->filter;

	if (strncmp(before, capture->config->filter, sizeof(capture->saved->filter)) == 0)
		return;
	capture_log(capture, LOG_NOTICE, "the filter has changed: starting new files");
	for (unsigned i = 0; i < capture->slots.count; i++)
		output_rotate(&capture->slots.list[i].output);
	capture->slots.due = true;
	memcpy(before, capture->config->filter, sizeof(capture->saved->filter));
}

static void filter_late(struct capture *capture, const char *why)
{
	if (!capture->filter_due)
		capture_log(capture, LOG_WARNING, "the filter is not set yet, retrying: %s", why);
	capture->filter_due = true;
	capture->retry_ns = clock_mono_ns() + AGAIN_NS;
}

/* The filter may have changed, or drop all, since a stop had begun. While the link is down or a
 * name is unknown it cannot be compiled: that is retried. */
void resume_filter(struct capture *capture)
{
	struct capture_error error;
	int rc = capture_filter(capture, capture_incoming_only(capture), &error), set = 0;

	if (rc > 0) /* resume_filtered() continues */
		return;
	if (rc == 0)
		set = group_arm(&capture->group);
	if (rc || set) {
		filter_late(capture, rc ? error.text : failure_text(-set));
		return;
	}
	capture->filter_due = false;
	filter_compare(capture);
}

void resume_filtered(struct capture *capture)
{
	struct capture_error error;

	if (capture_filter_failed(capture, &error))
		filter_late(capture, error.text);
	else
		resume_filter(capture);
}

/* Some of its rings were closed, given up, not yet armed, or received nothing any more: what they
 * hold is written out. The gap continues. */
static void resume_rest(struct capture *capture)
{
	uint64_t since_ns;
	const char *why = inherited_gap(&capture->inherited, &since_ns);

	gap_restore(&capture->gap, since_ns, why);
	checkpoint_gap(capture->saved, since_ns, capture->gap.why);
	capture_leave(capture, false, capture->gap.why);
}

/* Its rings are those of an earlier configuration. */
static void resume_changed(struct capture *capture)
{
	char keys[96], why[REASON_BYTES];

	plan_differences(&capture->saved->fingerprint, setup_wanted(capture), keys, sizeof(keys));
	snprintf(why, sizeof(why), "its configuration has changed (%s)", keys);
	capture_leave(capture, false, why);
}

void resume_start(struct capture *capture)
{
	const struct checkpoint *saved = capture->saved;
	char when[CLOCK_TEXT_BYTES];
	struct link link = { 0 };
	bool whole = inherited_whole(&capture->inherited),
	     ours = !capture->earlier && !setup_former(capture);
	const char *problem = NULL;

	capture->plan.link_type = saved->fingerprint.link_type;
	group_resume(&capture->group, &saved->group);
	capture->since_real_ns = saved->since_ns;
	capture_enter(capture, CAPTURE_RUNNING);
	capture->group.up = true;
	if (whole && ours && !plan_any(capture->config))
		problem = inherited_device(&capture->inherited, capture->config,
					   capture->group.links, &link);
	if (whole && ours && !problem)
		group_bind(&capture->group, plan_any(capture->config) ? NULL : &link);
	setup_tasks(capture);
	setup_announce(capture);
	rings_resume(capture);
	capture_log(capture, LOG_NOTICE, "%s the rings of the previous instance, last alive at %s",
		    setup_former(capture) ? "no longer configured, writing out"
		    : capture->earlier	  ? "first writing out"
					  : "resuming",
		    clock_text(when, saved->alive_ns));
	if (setup_former(capture))
		capture_stop(capture, false);
	else if (!whole)
		resume_rest(capture);
	else if (capture->earlier)
		resume_changed(capture);
	else if (problem)
		capture_leave(capture, false, problem);
	else
		resume_filter(capture);
	capture->slots.due = true; /* and its interface is looked at */
}
