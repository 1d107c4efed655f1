/* The order of the start, and questions about all captures. */
#include "captures.h"
#include "fdstore.h"
#include "limits.h"

#include "../base/config.h"
#include "../base/log.h"

#include <string.h>

/* Captures that resume rings come first. */
static void order_make(struct capture *const *captures, unsigned count, unsigned *order)
{
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++)
		if (capture_resumes(captures[i]))
			order[n++] = i;
	for (unsigned i = 0; i < count; i++)
		if (!capture_resumes(captures[i]))
			order[n++] = i;
}

int captures_make(struct capture **captures, const struct capture_context *context,
		  const struct config *config, bool *left)
{
	struct capture_error error;
	int rc = 0;

	for (unsigned i = 0; i < config->captures; i++) {
		if (capture_new(&captures[i], context, config, i, &error)) {
			log_error("%s", error.text);
			rc = rc ? rc : error.exit_code;
		}
		if (!captures[i])
			return rc;
		*left |= capture_resumes(captures[i]);
	}
	if (!*left)
		return rc;
	for (unsigned i = 0; i < config->captures; i++)
		if (capture_failed(captures[i]))
			capture_stop(captures[i], true);
	return 0;
}

int captures_start(struct capture *const *captures, unsigned count, bool left)
{
	unsigned order[CAPTURES_MAX];
	struct capture_error error;

	order_make(captures, count, order);
	for (unsigned i = 0; i < count; i++) {
		struct capture *capture = captures[order[i]];

		if (capture_failed(capture) || capture_start(capture, &error) == 0)
			continue;
		if (!left) {
			log_error("%s", error.text);
			return error.exit_code;
		}
		capture_fail(capture, error.text);
	}
	return 0;
}

bool captures_begun(struct capture *const *captures, unsigned count)
{
	bool any = false;

	for (unsigned i = 0; i < count; i++) {
		if (!capture_begun(captures[i]))
			return false;
		any |= !capture_former(captures[i]) && !capture_ended(captures[i]) &&
		       !capture_failed(captures[i]);
	}
	return any;
}

bool captures_stopped(struct capture *const *captures, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (!capture_ended(captures[i]))
			return false;
	return true;
}

bool captures_exhausted(struct capture *const *captures, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (!capture_ended(captures[i]) ||
		    !(capture_failed(captures[i]) || capture_former(captures[i])))
			return false; /* it may still write what its rings hold */
	return true;
}

bool captures_handed_over(struct capture *const *captures, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (!capture_handed_over(captures[i]))
			return false;
	return true;
}

bool captures_due(struct capture *const *captures, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (capture_due(captures[i]))
			return true;
	return false;
}

void captures_check(struct capture *const *captures, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		capture_check(captures[i]);
}

unsigned captures_rotate(struct capture *const *captures, unsigned count, const char *name)
{
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++)
		if (!name || strcmp(name, capture_name(captures[i])) == 0) {
			capture_rotate(captures[i]);
			n++;
		}
	return n;
}

int captures_memory(struct capture *const *captures, unsigned count, bool freed)
{
	struct limits_need needs[CAPTURES_MAX];

	for (unsigned i = 0; i < count; i++)
		needs[i] = capture_need(captures[i]);
	return limits_memory(needs, count, freed);
}

unsigned captures_with_files(struct capture *const *captures, unsigned count)
{
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++)
		n += capture_has_files(captures[i]);
	return n;
}

void captures_withdraw(struct capture *const *captures, unsigned count, unsigned *withdrawn)
{
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++)
		n += capture_failed(captures[i]) && !capture_placed(captures[i]);
	for (unsigned i = 0; i < count && n > *withdrawn; i++)
		capture_announce_again(captures[i]);
	*withdrawn = n;
}

void captures_store_check(struct capture *const *captures, unsigned count, struct fdstore *store,
			  struct event_base *base)
{
	unsigned needed = 0, missing = 0;

	for (unsigned i = 0; i < count; i++)
		needed += capture_stored(captures[i], &missing);
	fdstore_check(store, base, needed, missing);
}
