/* A capture's filter: compiled once for a link type and kept, so that its names mean the same as
 * long as the daemon lives, and no capture depends on a name server that is gone by then. */
#include "capture.h"
#include "capture_filter.h"
#include "compile.h"
#include "filter.h"

#include "../base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <sysexits.h>

bool capture_incoming_only(const struct capture *capture)
{
	return plan_fanout_flags(capture->config, capture->link_id != 0, capture->hardware) &
	       ~capture->group.flags & AFCAP_FANOUT_FLAG_IGNORE_OUTGOING;
}

/* A configuration is wrong for good; where a name is not known, and after that what has worked
 * already, it is the surroundings. */
static int exit_code_of(const struct capture *capture, int rc)
{
	if (rc == -EPERM)
		return EX_NOPERM;
	if (rc == -ENOENT || rc == -ETIMEDOUT)
		return capture->initial ? EX_CONFIG : EXIT_FAILURE;
	return rc == -EINVAL && !capture->since_real_ns ? EX_CONFIG : EXIT_FAILURE;
}

static int filter_error(const struct capture *capture, struct capture_error *error, int rc,
			const char *words)
{
	const struct config_capture *c = capture->config;
	char where[256];

	if (rc == -ENETDOWN)
		return capture_error(error, EXIT_FAILURE,
				     "interface %s is down (ip link set %s up)", c->group.interface,
				     c->group.interface);
	return capture_error(error, exit_code_of(capture, rc), "%s: filter = %.200s: %s",
			     config_where(capture->source, c, "filter", where, sizeof(where)),
			     c->filter, words);
}

/* Where the program for a link type is kept, or has a place. */
static struct capture_compiled *kept(struct capture *capture, uint32_t link_type)
{
	for (unsigned i = 0; i < CAPTURE_LINK_TYPES - 1; i++) {
		struct capture_compiled *k = &capture->compiled[i];

		if (!k->program.len || k->link_type == link_type)
			return k;
	}
	return &capture->compiled[CAPTURE_LINK_TYPES - 1];
}

static void compiled(void *context, int rc, struct sock_fprog *program, const char *words)
{
	struct capture *capture = context;
	struct capture_compiled *k = kept(capture, capture->compiling_for);
	struct capture_error error;

	capture->compiling = NULL;
	if (rc == 0) {
		free(k->program.filter);
		*k = (struct capture_compiled){ capture->compiling_for, *program };
	} else {
		filter_error(capture, &error, rc, words);
	}
	capture_filtered(capture, rc ? &error : NULL);
}

static int compile(struct capture *capture, struct capture_error *error)
{
	const struct config_capture *c = capture->config;
	const struct filter_source source = { plan_filter_for(c, capture->device), c->filter,
					      capture->plan.snaplen, false };
	int rc;

	if (capture->compiling)
		return 1;
	capture->compiling_for = capture->plan.link_type;
	rc = compile_begin(&capture->compiling, capture->slots.base, &source, compiled, capture);
	return rc ? filter_error(capture, error, rc, "starting a process to compile it failed") : 1;
}

int capture_filter(struct capture *capture, bool incoming_only, struct capture_error *error)
{
	const struct config_capture *c = capture->config;
	struct capture_compiled *k = kept(capture, capture->plan.link_type);
	const struct filter_source all = { plan_filter_for(c, capture->device), "",
					   capture->plan.snaplen, incoming_only };
	struct sock_fprog program;
	char words[256];
	int rc = 0;

	if (*c->filter && k->link_type != capture->plan.link_type)
		return compile(capture, error);
	if (!*c->filter)
		rc = filter_compile(&program, &all, words, sizeof(words));
	else
		rc = filter_copy(&program, &k->program, incoming_only, words, sizeof(words));
	if (rc == 0 && !plan_any(c))
		rc = filter_of_type(&program, capture->hardware, words, sizeof(words));
	if (rc)
		return filter_error(capture, error, rc, words);
	free(capture->filter.filter);
	capture->filter = program;
	return 0;
}

void capture_filter_free(struct capture *capture)
{
	compile_end(capture->compiling);
	for (unsigned i = 0; i < CAPTURE_LINK_TYPES; i++)
		free(capture->compiled[i].program.filter);
	free(capture->filter.filter);
}
