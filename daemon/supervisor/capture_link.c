/* A capture waits for its interface, and follows it. */
#include "capture_link.h"
#include "capture_end.h"
#include "capture_setup.h"
#include "capture_start.h"
#include "capture_state.h"
#include "link.h"
#include "preflight.h"

#include "../base/clock.h"
#include "../base/log.h"

#include <stdlib.h>
#include <string.h>

/* The directory comes before the interface: without it the capture is not ready. */
static void directory_again(struct capture *capture)
{
	/* The interface disappeared while its first filter was compiled */
	if (capture->storage.state == STORAGE_UNKNOWN) {
		setup_announce(capture);
		return;
	}
	if (!capture->retry_ns || clock_mono_ns() < capture->retry_ns)
		return;
	capture->retry_ns = UINT64_MAX; /* until the archive process has answered */
	setup_announce(capture);
}

static void link_begin(struct capture *capture)
{
	struct capture_error error, why;
	struct link link = { 0 };
	uint32_t type;

	if (capture->earlier && !setup_adopt(capture))
		return;
	if (!storage_placed(&capture->storage)) {
		directory_again(capture);
		return;
	}
	if (!start_ready(capture, &link)) {
		capture->retry_ns = 0;
		return;
	}
	if (clock_mono_ns() < capture->retry_ns)
		return;
	if (!start_begin(capture, plan_any(capture->config) ? NULL : &link, &error))
		return;
	if (!plan_any(capture->config) &&
	    preflight_link_type(capture->config, &link, &type, &why)) /* it may change again */
		error.exit_code = EXIT_FAILURE;
	start_retry(capture, &error);
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
	capture_log(capture, LOG_WARNING, "%s; capture continues when it is up again",
		    capture->reason);
}

/* It is recorded by its index, whatever its name. New files have its present name. */
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
			    "interface %s was renamed to %s; it is recorded as before", before,
			    capture->group.link.name);
		setup_announce(capture);
	} else if (news & GROUP_LINK_ALIEN) {
		capture_log(capture, LOG_NOTICE,
			    "interface %s no longer has the name %s; it is recorded as before",
			    capture->group.link.name, configured);
	}
	if (news & GROUP_LINK_UPDOWN && capture->state == CAPTURE_RUNNING)
		link_updown(capture);
}

/* The workers hear of a deletion before the supervisor does: the kernel tells packet sockets first
 * (unregister_netdevice_many_notify() of net/core/dev.c). */
static bool start_lost(const struct capture *capture)
{
	if (capture->state != CAPTURE_STARTING)
		return false;
	for (unsigned i = 0; i < capture->slots.count; i++)
		if (capture->slots.list[i].fault.kind == FAULT_START)
			return group_lost(&capture->group);
	return false;
}

void capture_follow(struct capture *capture)
{
	if (capture->goal == CAPTURE_RECORD && start_lost(capture))
		capture_leave(capture, true, "its interface went while it began");
	if (capture->goal == CAPTURE_RECORD &&
	    (capture->state == CAPTURE_RUNNING || capture->state == CAPTURE_STARTING))
		link_follow(capture);
}

/* A capture that could not be made has no slots. */
void capture_begin(struct capture *capture)
{
	if (capture->goal == CAPTURE_RECORD && capture->state == CAPTURE_WAITING &&
	    capture->slots.list)
		link_begin(capture);
}
