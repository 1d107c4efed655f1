/* A capture's filter for its device, and the exit code if it cannot be compiled. */
#include "capture_filter.h"
#include "capture_state.h"

#include "../base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <sysexits.h>

bool capture_incoming_only(const struct capture *capture)
{
	return plan_fanout_flags(capture->config, capture->group.link.id != 0,
				 capture->group.link.type) &
	       ~capture->group.message.flags & AFCAP_FANOUT_FLAG_IGNORE_OUTGOING;
}

/* A wrong configuration is permanent. A name that is unknown, or a filter that worked before, fails
 * for its environment. */
static int exit_code_of(const struct capture *capture, int rc)
{
	if (rc == -EPERM)
		return EX_NOPERM;
	if (rc == -ENOENT || rc == -ETIMEDOUT)
		return capture->on_fault == FAULT_ENDS_DAEMON ? EX_CONFIG : EXIT_FAILURE;
	return rc == -EINVAL && !capture->since_real_ns ? EX_CONFIG : EXIT_FAILURE;
}

static int filter_error(const struct capture *capture, struct capture_error *error, int rc,
			const char *text)
{
	const struct config_capture *c = capture->config;
	char where[256];

	if (rc == -ENETDOWN)
		return capture_error(error, EXIT_FAILURE,
				     "interface %s is down (ip link set %s up)", c->group.interface,
				     c->group.interface);
	return capture_error(error, exit_code_of(capture, rc), "%s: filter = %.200s: %s",
			     config_where(capture->source, c, "filter", where, sizeof(where)),
			     c->filter, text);
}

bool capture_filter_failed(const struct capture *capture, struct capture_error *error)
{
	const struct compiled_filter *f = &capture->compiled;

	if (f->rc)
		filter_error(capture, error, f->rc, f->text);
	return f->rc != 0;
}

int capture_filter(struct capture *capture, bool incoming_only, struct capture_error *error)
{
	const struct config_capture *c = capture->config;
	const struct compiled_want want = {
		.source = { plan_filter_for(c, capture->group.link.name), c->filter,
			    capture->plan.snaplen, incoming_only },
		.link_type = capture->plan.link_type,
		.hardware = plan_any(c) ? 0 : capture->group.link.type,
	};
	char text[COMPILED_TEXT];
	struct sock_fprog program;
	int rc = compiled_filter_get(&capture->compiled, &want, &program, text);

	if (rc < 0)
		return filter_error(capture, error, rc, text);
	if (rc == 0)
		group_program(&capture->group, &program);
	return rc;
}
