/* A capture begins: its filter, its files, its workers and their rings, until all are armed; and
 * what happens to it, and to the daemon, if that fails. */
#include "capture_start.h"
#include "capture_end.h"
#include "capture_filter.h"
#include "capture_setup.h"
#include "capture_state.h"
#include "preflight.h"
#include "stall.h"

#include "../base/clock.h"
#include "../base/failure.h"
#include "../base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define AGAIN_NS UINT64_C(1000000000) /* until a retry */

/* See capture_start.h. */
int start_begin(struct capture *capture, const struct link *link, struct capture_error *error)
{
	const struct config_capture *c = capture->config;
	int rc = preflight_link_type(c, link, &capture->plan.link_type, error);

	if (rc == 0) {
		group_bind(&capture->group, link);
		rc = capture_filter(capture, false, error);
	}
	if (rc < 0)
		return rc;
	capture_enter(capture, CAPTURE_STARTING);
	if (rc > 0) /* start_filtered() continues */
		return 0;
	group_begin(&capture->group, &c->group,
		    plan_fanout_flags(c, capture->group.link.id != 0, capture->group.link.type));
	setup_save(capture);
	setup_tasks(capture);
	for (unsigned i = 0; i < capture->slots.count; i++)
		slot_begin(&capture->slots.list[i]); /* and has files from now on */
	setup_announce(capture);
	for (unsigned i = 0; i < capture->slots.count && rc == 0; i++)
		rc = slot_start(&capture->slots.list[i]);
	if (rc)
		return capture_error(error, EXIT_FAILURE, "capture %s: starting workers: %s",
				     c->name, process_failure(-rc));
	storage_maintain(&capture->storage);
	capture->slots.due = true;
	return 0;
}

/* An error that repeats with each retry is logged once. */
static bool news(struct capture *capture, const struct capture_error *error)
{
	if (strcmp(capture->logged, error->text) == 0)
		return false;
	snprintf(capture->logged, sizeof(capture->logged), "%s", error->text);
	return true;
}

/* Not at the daemon's start: retries, unless that cannot help. */
void start_retry(struct capture *capture, const struct capture_error *error)
{
	if (error->exit_code == EX_CONFIG || error->exit_code == EX_NOPERM) {
		capture_fail(capture, error->text);
		return;
	}
	if (news(capture, error))
		log_warning("%s; retrying", error->text);
	capture_reason(capture, "%s", error->text);
	capture->retry_ns = clock_mono_ns() + AGAIN_NS;
	if (capture->state == CAPTURE_STARTING)
		capture_leave(capture, true, NULL);
}

/* At the daemon's start: the daemon ends, for the first error. */
static void daemon_ends(struct capture *capture, int exit_code, const char *text)
{
	if (capture->fatal.exit_code)
		return;
	capture->fatal.exit_code = exit_code;
	snprintf(capture->fatal.text, sizeof(capture->fatal.text), "%s", text);
}

/* Whether it can begin; if not, sets the reason. */
bool start_ready(struct capture *capture, struct link *link)
{
	const struct config_capture *c = capture->config;
	char text[REASON_BYTES - 32];

	if (c->group.fanout_id != CONFIG_AUTO &&
	    capture->context->group_held(capture->context->group_context, c->group.fanout_id)) {
		capture_reason(capture,
			       "rings of an earlier configuration are in its fanout group");
		return false;
	}
	if (plan_any(c))
		return true;
	if (links_by_name(capture->group.links, c->group.interface, link)) {
		if (!link->up)
			capture_reason(capture, "interface %s is down", c->group.interface);
		return link->up;
	}
	preflight_missing(c, capture->group.links, text, sizeof(text));
	capture_reason(capture, "there is no interface %s", text);
	return false;
}

/* Begins with the filter that it waited for. */
static void begin_filtered(struct capture *capture)
{
	struct capture_error error;
	struct link link = { 0 };

	capture_enter(capture, CAPTURE_WAITING);
	if (!start_ready(capture, &link))
		return;
	if (start_begin(capture, plan_any(capture->config) ? NULL : &link, &error) == 0)
		return;
	if (capture->on_fault == FAULT_ENDS_DAEMON)
		daemon_ends(capture, error.exit_code, error.text);
	else
		start_retry(capture, &error);
}

void start_filtered(struct capture *capture)
{
	bool begins = (capture->state == CAPTURE_STARTING || capture->state == CAPTURE_WAITING) &&
		      capture->slots.list[0].state == SLOT_EMPTY;
	struct capture_error error;
	bool failed = capture_filter_failed(capture, &error);

	if (capture->goal != CAPTURE_RECORD)
		return;
	if (begins && failed && capture->on_fault == FAULT_ENDS_DAEMON)
		daemon_ends(capture, error.exit_code, error.text);
	else if (begins && failed)
		start_retry(capture, &error);
	else if (capture->state == CAPTURE_STARTING && begins)
		begin_filtered(capture);
}

static void gap_log(struct capture *capture)
{
	char text[GAP_TEXT];

	if (!gap_close(&capture->gap, clock_real_ns(), text))
		return;
	capture_log(capture, LOG_WARNING, "%s", text);
	capture->saved->gap_ns = 0;
}

void start_fault(struct capture *capture, int exit_code, const char *text)
{
	struct capture_error error;

	capture_error(&error, capture->on_fault == FAULT_ENDS_DAEMON ? exit_code : EXIT_FAILURE,
		      "capture %s: %s", capture->config->name, text);
	if (capture->on_fault == FAULT_ENDS_DAEMON && !capture_ending(capture))
		daemon_ends(capture, exit_code, error.text);
	else if (capture->state == CAPTURE_STARTING || capture->state == CAPTURE_WAITING)
		start_retry(capture, &error);
	else if (news(capture, &error))
		log_error("%s", error.text);
}

/* The kernel takes a program's memory from what a socket may have beside its buffers. */
static void filter_refused(struct capture *capture, int error)
{
	char text[256];
	bool room = error == ENOMEM || error == ENOBUFS;

	snprintf(text, sizeof(text), "setting the filter of %u instructions: %s%s",
		 capture->group.program.len,
		 room ? "the kernel has no memory for it" : failure_text(error),
		 room ? " (net.core.optmem_max, sysctl(8), is the limit: raise it, or use a "
			"shorter filter)"
		      : "");
	start_fault(capture, room ? EX_CONFIG : EXIT_FAILURE, text);
}

static void recording_log(const struct capture *capture)
{
	const struct config_capture *c = capture->config;
	char rings[256];

	stall_describe(c, &capture->plan, rings, sizeof(rings));
	capture_log(capture, LOG_INFO, "recording %s with %u worker%s, fanout %s, group %u, %s",
		    c->group.interface, capture->slots.count, capture->slots.count == 1 ? "" : "s",
		    afcap_fanout_mode_name((enum afcap_fanout_mode)c->group.fanout),
		    capture->group.message.id, rings);
}

static void capture_arm(struct capture *capture)
{
	int rc = group_arm(&capture->group);

	if (rc) {
		filter_refused(capture, -rc);
		return;
	}
	capture_enter(capture, CAPTURE_RUNNING);
	capture->retry_ns = 0;
	if (!capture->since_real_ns)
		capture->since_real_ns = clock_real_ns();
	capture->saved->group = capture->group.message;
	capture->saved->since_ns = capture->since_real_ns;
	memcpy(capture->saved->filter, capture->config->filter, sizeof(capture->saved->filter));
	capture->saved->armed = 1;
	capture->saved->alive_ns = clock_real_ns();
	capture->reason[0] = capture->logged[0] = '\0';
	recording_log(capture);
	gap_log(capture);
	capture->group.up = true;
	capture->slots.due = true; /* capture_follow() looks next whether it still is */
}

void start_advance(struct capture *capture)
{
	struct capture_error error;
	enum group_progress progress;

	if (capture->state != CAPTURE_STARTING || capture->goal != CAPTURE_RECORD ||
	    capture->fatal.exit_code || capture->slots.list[0].state == SLOT_EMPTY)
		return;
	progress = group_advance(&capture->group);
	if (progress == GROUP_READY)
		capture_arm(capture);
	if (progress != GROUP_JOINED)
		return;
	capture->slots.due = true;
	if (capture_incoming_only(capture) && capture_filter(capture, true, &error) < 0)
		start_fault(capture, error.exit_code, error.text);
}

static int files_exit_code(int error)
{
	switch (error) {
	case EACCES:
	case EPERM:
		return EX_NOPERM;
	case ENOENT:
	case ENOTDIR:
	case EROFS:
	case EINVAL:
		return EX_CONFIG;
	default:
		return EXIT_FAILURE;
	}
}

/* A new section that cannot begin after a restart must not keep the daemon from being ready. */
void start_files_fault(struct capture *capture, int error, const char *text)
{
	struct capture_error why;
	int exit_code = files_exit_code(error);

	if (capture->on_fault == FAULT_FAILS_IT && exit_code != EXIT_FAILURE) {
		capture_error(&why, exit_code, "capture %s: %s", capture->config->name, text);
		news(capture, &why); /* requests for its files are refused next */
		capture_fail(capture, text);
	} else {
		start_fault(capture, exit_code, text);
	}
}

void start_slot_faults(struct capture *capture)
{
	for (unsigned i = 0; i < capture->slots.count; i++) {
		struct slot_fault *fault = &capture->slots.list[i].fault;
		bool starting = capture->state == CAPTURE_STARTING;

		if (fault->kind == FAULT_LOOP)
			capture_fail(capture, fault->text);
		else if (fault->kind == FAULT_LOST && !starting)
			capture_leave(capture, false, fault->text);
		else if (fault->kind == FAULT_FILES && starting)
			start_files_fault(capture, fault->number, fault->text);
		else if (fault->kind && starting) /* the first one ends the start, and is logged */
			start_fault(capture, fault->number, fault->text);
		fault->kind = FAULT_NONE;
	}
}
