/* The order of the start; questions about all of them. */
#include "captures.h"
#include "fdstore.h"
#include "limits.h"

#include "../base/config.h"
#include "../base/log.h"

#include <string.h>

/* capture_start() takes `resume`. */
static void order_make(const struct capture *captures, unsigned count, unsigned *order)
{
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++)
		if (captures[i].inherited.rings)
			order[n++] = i;
	for (unsigned i = 0; i < count; i++)
		if (!captures[i].inherited.rings)
			order[n++] = i;
}

int captures_make(struct capture *captures, const struct capture_context *context,
		  const struct config *config, unsigned configured, bool *left)
{
	struct capture_error error;
	int rc = 0;

	for (unsigned i = 0; i < config->captures; i++) {
		struct capture *capture = &captures[i];

		if (capture_init(capture, context, config, i, &error)) {
			log_error("%s", error.text);
			capture_reason(capture, "%s", error.text);
			capture->goal = CAPTURE_FAIL;
			rc = rc ? rc : error.exit_code;
		}
		capture->former = i >= configured;
		*left |= capture->inherited.rings != NULL;
	}
	if (!*left)
		return rc;
	for (unsigned i = 0; i < config->captures; i++)
		if (captures[i].goal == CAPTURE_FAIL)
			capture_stop(&captures[i], true);
	return 0;
}

int captures_start(struct capture *captures, unsigned count, bool left)
{
	unsigned order[CAPTURES_MAX];
	struct capture_error error;

	order_make(captures, count, order);
	for (unsigned i = 0; i < count; i++) {
		struct capture *capture = &captures[order[i]];

		if (capture->goal == CAPTURE_FAIL || capture_start(capture, &error) == 0)
			continue;
		if (!left) {
			log_error("%s", error.text);
			return error.exit_code;
		}
		capture_fail(capture, error.text);
	}
	return 0;
}

/* Whether it has begun, or waits for nothing but its interface. One that leaves has begun if it
 * ever recorded; else it waits next. */
static bool is_armed(const struct capture *capture)
{
	bool waits = capture->state == CAPTURE_WAITING ||
		     (capture->state == CAPTURE_DRAINING && !capture->since_real_ns);

	return capture_ending(capture) ||
	       (!capture->earlier && capture->state != CAPTURE_STARTING &&
		(!waits || storage_placed(&capture->storage)));
}

bool captures_begun(const struct capture *captures, unsigned count)
{
	bool any = false;

	for (unsigned i = 0; i < count; i++) {
		if (!is_armed(&captures[i]))
			return false;
		any |= !captures[i].former && !capture_over(&captures[i]) &&
		       captures[i].goal != CAPTURE_FAIL;
	}
	return any;
}

bool captures_stopped(const struct capture *captures, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (!capture_over(&captures[i]))
			return false;
	return true;
}

bool captures_exhausted(const struct capture *captures, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (captures[i].state != CAPTURE_FAILED &&
		    !(captures[i].state == CAPTURE_STOPPED && captures[i].former))
			return false; /* which may still write what its rings hold */
	return true;
}

bool captures_handed_over(const struct capture *captures, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (!capture_handed_over(&captures[i]))
			return false;
	return true;
}

bool captures_due(const struct capture *captures, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (captures[i].slots.due)
			return true;
	return false;
}

void captures_check(const struct capture *captures, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		for (unsigned k = 0; k < captures[i].slots.count; k++)
			slot_check(&captures[i].slots.list[k]);
}

unsigned captures_rotate(struct capture *captures, unsigned count, const char *name)
{
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++)
		if (!name || strcmp(name, captures[i].config->name) == 0) {
			capture_rotate(&captures[i]);
			n++;
		}
	return n;
}

int captures_memory(const struct capture *captures, unsigned count, bool freed)
{
	struct limits_need needs[CAPTURES_MAX];

	for (unsigned i = 0; i < count; i++)
		needs[i] = capture_need(&captures[i]);
	return limits_memory(needs, count, freed);
}

unsigned captures_with_files(const struct capture *captures, unsigned count)
{
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++)
		n += capture_has_files(&captures[i]);
	return n;
}

void captures_withdraw(struct capture *captures, unsigned count, unsigned *withdrawn)
{
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++)
		n += captures[i].goal == CAPTURE_FAIL && !storage_placed(&captures[i].storage);
	for (unsigned i = 0; i < count && n > *withdrawn; i++)
		if (captures[i].storage.state != STORAGE_UNKNOWN && !capture_ending(&captures[i]))
			capture_tell(&captures[i]);
	*withdrawn = n;
}

void captures_store_check(const struct capture *captures, unsigned count, struct fdstore *store,
			  struct event_base *base)
{
	unsigned needed = 0, missing = 0;

	for (unsigned i = 0; i < count; i++) {
		needed += 1 + 2 * captures[i].slots.count;
		for (unsigned k = 0; k < captures[i].slots.count; k++)
			missing += captures[i].slots.list[k].ring.fd < 0;
	}
	fdstore_check(store, base, needed, missing);
}
