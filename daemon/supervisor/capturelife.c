/* A capture that waits for its interface, begins, and follows it. */
#include "capture.h"
#include "capture_filter.h"
#include "preflight.h"
#include "earlier.h"
#include "link.h"
#include "resume.h"

#include "../base/clock.h"
#include "../base/failure.h"
#include "../base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define AGAIN_NS UINT64_C(1000000000) /* what failed is tried again */

static void shape_save(struct capture *capture)
{
	capture->saved->armed = 0;
	capture->saved->shape = plan_shape(capture->config, &capture->plan, capture->slots.count);
}

/* The interface is there and up: files, processes. capture_advance() does the rest. Returns 0 or
 * -1. */
static int capture_begin(struct capture *capture, const struct link *link,
			 struct capture_error *error)
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
	if (rc > 0) /* capture_filtered() goes on */
		return 0;
	group_begin(&capture->group, &c->group,
		    plan_fanout_flags(c, capture->group.link.id != 0, capture->group.link.type));
	shape_save(capture);
	capture_plan(capture);
	for (unsigned i = 0; i < capture->slots.count; i++)
		slot_begin(&capture->slots.list[i]); /* and has files from now on */
	capture_tell(capture);
	for (unsigned i = 0; i < capture->slots.count && rc == 0; i++)
		rc = slot_start(&capture->slots.list[i]);
	if (rc)
		return capture_error(error, EXIT_FAILURE, "capture %s: starting workers: %s",
				     c->name, process_failure(-rc));
	storage_maintain(&capture->storage);
	capture_advance(capture);
	return 0;
}

/* What is tried again and again is logged once. */
static bool news(struct capture *capture, const struct capture_error *error)
{
	if (strcmp(capture->logged, error->text) == 0)
		return false;
	snprintf(capture->logged, sizeof(capture->logged), "%s", error->text);
	return true;
}

/* Not at the daemon's start: then it is tried again, unless that is of no use. */
static void begin_failed(struct capture *capture, const struct capture_error *error)
{
	if (error->exit_code == EX_CONFIG || error->exit_code == EX_NOPERM) {
		capture_fail(capture, error->text);
		return;
	}
	if (news(capture, error))
		log_warning("%s; tried again", error->text);
	capture_reason(capture, "%s", error->text);
	capture->retry_ns = clock_mono_ns() + AGAIN_NS;
	if (capture->state == CAPTURE_STARTING)
		capture_leave(capture, true, NULL);
}

/* At the daemon's start: it ends. The first reason counts. */
static void begin_fatal(struct capture *capture, int exit_code, const char *text)
{
	if (capture->fatal.exit_code)
		return;
	capture->fatal.exit_code = exit_code;
	snprintf(capture->fatal.text, sizeof(capture->fatal.text), "%s", text);
}

/* Whether it can begin; if not, why is told. */
static bool link_ready(struct capture *capture, struct link *link)
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

/* With the filter that it waited for. */
static void begin_on(struct capture *capture)
{
	struct capture_error error;
	struct link link = { 0 };

	capture_enter(capture, CAPTURE_WAITING);
	if (!link_ready(capture, &link))
		return;
	if (capture_begin(capture, plan_any(capture->config) ? NULL : &link, &error) == 0)
		return;
	if (capture->on_fault == FAULT_ENDS_DAEMON)
		begin_fatal(capture, error.exit_code, error.text);
	else
		begin_failed(capture, &error);
}

void capture_filtered(struct capture *capture)
{
	bool begins = (capture->state == CAPTURE_STARTING || capture->state == CAPTURE_WAITING) &&
		      capture->slots.list[0].state == SLOT_EMPTY;
	struct capture_error error;
	bool failed = capture_filter_failed(capture, &error);

	if (capture->goal != CAPTURE_RECORD)
		return;
	if (capture->state == CAPTURE_RUNNING)
		resume_filtered(capture, failed ? &error : NULL);
	else if (begins && failed && capture->on_fault == FAULT_ENDS_DAEMON)
		begin_fatal(capture, error.exit_code, error.text);
	else if (begins && failed)
		begin_failed(capture, &error);
	else if (capture->state == CAPTURE_STARTING && begins)
		begin_on(capture);
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
	if (link_ready(capture, &link))
		return capture_begin(capture, plan_any(capture->config) ? NULL : &link, error);
	if (!links_by_name(capture->group.links, capture->config->group.interface, &link) &&
	    !capture->inherited.found &&
	    preflight_interface(capture->source, capture->config, capture->group.links, error))
		return -1;
	capture_log(capture, LOG_NOTICE, "%s: waiting for it", capture->reason);
	capture_enter(capture, CAPTURE_WAITING);
	capture_tell(capture);
	return 0;
}

static void gap_log(struct capture *capture)
{
	char text[GAP_TEXT];

	if (!gap_close(&capture->gap, clock_real_ns(), text))
		return;
	capture_log(capture, LOG_WARNING, "%s", text);
	capture->saved->gap_ns = 0;
}

/* The kernel takes a program's memory from what a socket may have beside its buffers. */
static void filter_refused(struct capture *capture, int error)
{
	char text[256];
	bool room = error == ENOMEM || error == ENOBUFS;

	snprintf(text, sizeof(text), "setting the filter of %u instructions: %s%s",
		 capture->group.program.len,
		 room ? "the kernel has no room for it" : failure_text(error),
		 room ? " (net.core.optmem_max, sysctl(8), is the limit: raise it, or take a "
			"shorter filter)"
		      : "");
	capture_start_failed(capture, room ? EX_CONFIG : EXIT_FAILURE, text);
}

static void capture_arm(struct capture *capture)
{
	const struct config_capture *c = capture->config;

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
	capture_log(capture, LOG_INFO,
		    "recording %s with %u worker%s, fanout %s, group %u, rings of %u blocks of %u "
		    "bytes",
		    c->group.interface, capture->slots.count, capture->slots.count == 1 ? "" : "s",
		    afcap_fanout_mode_name((enum afcap_fanout_mode)c->group.fanout),
		    capture->group.message.id, capture->plan.ring.blocks,
		    capture->plan.ring.block_bytes);
	gap_log(capture);
	capture_link(capture); /* which may have gone down meanwhile */
}

void capture_advance(struct capture *capture)
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
		capture_start_failed(capture, error.exit_code, error.text);
}

void capture_placed(struct capture *capture)
{
	if (capture->state != CAPTURE_WAITING)
		return;
	capture->retry_ns = 0;
	capture->logged[0] = '\0';
	capture_link(capture); /* which may begin, and be armed later */
}

void capture_start_failed(struct capture *capture, int exit_code, const char *text)
{
	struct capture_error error;

	capture_error(&error, capture->on_fault == FAULT_ENDS_DAEMON ? exit_code : EXIT_FAILURE,
		      "capture %s: %s", capture->config->name, text);
	if (capture->on_fault == FAULT_ENDS_DAEMON)
		begin_fatal(capture, exit_code, error.text);
	else if (capture->state == CAPTURE_STARTING || capture->state == CAPTURE_WAITING)
		begin_failed(capture, &error);
	else if (news(capture, &error))
		log_error("%s", error.text);
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

/* A new section of a restart that cannot be must not keep the daemon from being ready. */
void capture_files_failed(struct capture *capture, int error, const char *text)
{
	struct capture_error why;
	int exit_code = files_exit_code(error);

	if (capture->on_fault == FAULT_FAILS_IT && exit_code != EXIT_FAILURE) {
		capture_error(&why, exit_code, "capture %s: %s", capture->config->name, text);
		news(capture, &why); /* its files are refused next */
		capture_fail(capture, text);
	} else {
		capture_start_failed(capture, exit_code, text);
	}
}

void capture_faults(struct capture *capture)
{
	for (unsigned i = 0; i < capture->slots.count; i++) {
		struct slot_fault *fault = &capture->slots.list[i].fault;
		bool starting = capture->state == CAPTURE_STARTING;

		if (fault->kind == FAULT_LOOP)
			capture_fail(capture, fault->text);
		else if (fault->kind == FAULT_LOST && !starting)
			capture_leave(capture, false, fault->text);
		else if (fault->kind == FAULT_FILES && starting)
			capture_files_failed(capture, fault->number, fault->text);
		else if (fault->kind && starting) /* the first one ends the start, and is told */
			capture_start_failed(capture, fault->number, fault->text);
		fault->kind = FAULT_NONE;
	}
}

/* The directory comes before the interface: without it the capture is not ready. */
static void directory_again(struct capture *capture)
{
	if (capture->storage.state ==
	    STORAGE_UNKNOWN) { /* its interface went while its first filter was compiled */
		capture_tell(capture);
		return;
	}
	if (!capture->retry_ns || clock_mono_ns() < capture->retry_ns)
		return;
	capture->retry_ns = UINT64_MAX; /* until the archive process has answered */
	capture_tell(capture);
}

static void link_begin(struct capture *capture)
{
	struct capture_error error, why;
	struct link link = { 0 };
	uint32_t type;

	if (capture->earlier && !earlier_adopt(capture))
		return;
	if (!storage_placed(&capture->storage)) {
		directory_again(capture);
		return;
	}
	if (!link_ready(capture, &link)) {
		capture->retry_ns = 0;
		return;
	}
	if (clock_mono_ns() < capture->retry_ns)
		return;
	if (!capture_begin(capture, plan_any(capture->config) ? NULL : &link, &error))
		return;
	if (!plan_any(capture->config) &&
	    preflight_link_type(capture->config, &link, &type, &why)) /* it may change again */
		error.exit_code = EXIT_FAILURE;
	begin_failed(capture, &error);
}

static void link_updown(struct capture *capture)
{
	const struct link *link = &capture->group.link;

	if (capture->group.up) {
		capture_log(capture, LOG_NOTICE, "interface %s is up again", link->name);
		capture->reason[0] = '\0';
		return;
	}
	capture_reason(capture, link->up ? "interface %s has no carrier" : "interface %s is down",
		       link->name);
	capture_log(capture, LOG_WARNING, "%s; capture goes on when it is up again",
		    capture->reason);
}

/* It is recorded by its index, whatever it is called. New files name it as it is called now. */
static void link_follow(struct capture *capture)
{
	const char *configured = capture->config->group.interface;
	char before[DEVICE_BYTES];
	unsigned news;

	memcpy(before, capture->group.link.name, sizeof(before));
	news = group_look(&capture->group, configured);
	if (news & GROUP_LINK_GONE)
		capture_leave(capture, capture->state == CAPTURE_STARTING,
			      "its interface was deleted or moved away");
	else if (news & GROUP_LINK_TYPE)
		capture_leave(capture, capture->state == CAPTURE_STARTING,
			      "its interface's link type changed");
	if (news & GROUP_LINK_RENAMED) {
		capture_log(capture, LOG_NOTICE,
			    "interface %s is called %s now; it is recorded as before", before,
			    capture->group.link.name);
		capture_tell(capture);
	} else if (news & GROUP_LINK_ALIEN) {
		capture_log(capture, LOG_NOTICE,
			    "interface %s is not called %s any more; it is recorded as before",
			    capture->group.link.name, configured);
	}
	if (news & GROUP_LINK_UPDOWN)
		link_updown(capture);
}

void capture_link(struct capture *capture)
{
	if (capture->goal != CAPTURE_RECORD || !capture->slots.list) /* it could not be made */
		return;
	if (capture->state == CAPTURE_WAITING)
		link_begin(capture);
	else if (capture->state == CAPTURE_RUNNING || capture->state == CAPTURE_STARTING)
		link_follow(capture);
}
