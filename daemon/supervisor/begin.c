/* The order of the start. */
#include "begin.h"
#include "fdstore.h"

#include "../base/config.h"
#include "../base/log.h"

/* capture_start() takes `resume`. */
static void order_make(const struct capture *captures, unsigned count, unsigned *order)
{
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++)
		if (captures[i].resume)
			order[n++] = i;
	for (unsigned i = 0; i < count; i++)
		if (!captures[i].resume)
			order[n++] = i;
}

int begin_all(struct capture *captures, unsigned count, bool left)
{
	unsigned order[CAPTURES_MAX];
	struct capture_error error;

	order_make(captures, count, order);
	for (unsigned i = 0; i < count; i++) {
		struct capture *capture = &captures[order[i]];

		if (capture->failed || capture_start(capture, &error) == 0)
			continue;
		if (!left) {
			log_error("%s", error.text);
			return error.exit_code;
		}
		capture_fail(capture, error.text);
	}
	return 0;
}

/* Whether it has begun, or waits for nothing but its interface. */
static bool is_armed(const struct capture *capture)
{
	return capture_ending(capture) ||
	       (!capture->earlier && capture->state != CAPTURE_STARTING &&
		(capture->state != CAPTURE_WAITING || capture->placed));
}

bool begin_done(const struct capture *captures, unsigned count)
{
	bool any = false;

	for (unsigned i = 0; i < count; i++) {
		if (!is_armed(&captures[i]))
			return false;
		any |= !captures[i].failed && captures[i].state != CAPTURE_STOPPED;
	}
	return any;
}

void begin_store_check(const struct capture *captures, unsigned count, struct fdstore *store,
		       struct event_base *base)
{
	unsigned needed = 0, missing = 0;

	for (unsigned i = 0; i < count; i++) {
		needed += 1 + 2 * captures[i].workers;
		for (unsigned k = 0; k < captures[i].workers; k++)
			missing += captures[i].slots[k].ring_fd < 0;
	}
	fdstore_check(store, base, needed, missing);
}
