/* FileDescriptorStoreMax=. A manager before systemd 254 does not tell its limit, and answers
 * nothing: it closes what it does not keep. So it gets the write ends of some pipes, as many as it
 * is yet to keep and one more, and then a barrier (sd_notify_barrier(3)): a pipe that hangs up
 * before that is one that was not kept. */
#include "storelimit.h"
#include "notify.h"

#include "../base/failure.h"
#include "../base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME  "test.store"
#define TRIED 200 /* of one message; the kernel takes 253 */

static struct {
	struct event *event; /* of the barrier; NULL: nothing is tried */
	int barrier;
	int pipes[TRIED];
	unsigned tried, needed;
} test;

static void too_small(unsigned needed)
{
	log_warning("the service manager does not keep the %u descriptors of these captures: a "
		    "restart will lose what their rings hold (set FileDescriptorStoreMax=%u, or "
		    "more, in the unit)",
		    needed - 1, needed);
}

void storelimit_end(void)
{
	if (!test.event)
		return;
	notify_drop(NAME);
	event_free(test.event);
	test.event = NULL;
	close(test.barrier);
	while (test.tried > 0)
		close(test.pipes[--test.tried]);
}

static void barrier_cb(evutil_socket_t fd, short what, void *arg)
{
	bool kept = true;

	(void)fd;
	(void)what;
	(void)arg;
	for (unsigned i = 0; i < test.tried; i++) {
		struct pollfd p = { test.pipes[i], POLLIN, 0 };

		kept = kept && poll(&p, 1, 0) == 0;
	}
	if (!kept)
		too_small(test.needed);
	storelimit_end();
}

/* Returns 0 or -errno, with nothing tried. */
static int try(struct event_base *base, unsigned count)
{
	int theirs[TRIED], barrier[2], ends[2], rc = 0;
	unsigned n = 0;

	if (pipe2(barrier, O_CLOEXEC))
		return -errno;
	for (; n < count && n < TRIED && rc == 0; n++) {
		if (pipe2(ends, O_CLOEXEC)) {
			rc = -errno;
			break;
		}
		test.pipes[n] = ends[0];
		theirs[n] = ends[1];
	}
	test.tried = n;
	test.barrier = barrier[0];
	test.event = event_new(base, barrier[0], EV_READ, barrier_cb, NULL);
	if (!test.event || event_add(test.event, NULL))
		rc = -ENOMEM;
	if (rc == 0) {
		notify_keep_all(NAME, theirs, n);
		notify_barrier(barrier[1]);
	}
	while (n > 0)
		close(theirs[--n]);
	close(barrier[1]);
	return rc;
}

void storelimit_check(struct event_base *base, const struct capture *captures, unsigned count)
{
	unsigned missing = 0, allowed;
	int rc;

	if (!notify_manager())
		return;
	test.needed = 1; /* the one that tries */
	for (unsigned i = 0; i < count; i++) {
		test.needed += 1 + 2 * captures[i].workers;
		for (unsigned k = 0; k < captures[i].workers; k++)
			missing += captures[i].slots[k].ring_fd < 0;
	}
	if (notify_store_max(&allowed)) {
		if (allowed < test.needed - 1)
			too_small(test.needed);
		return;
	}
	rc = try(base, missing + 1);
	if (rc) {
		log_warning("how many descriptors the service manager keeps cannot be tried: %s",
			    failure_text(-rc));
		if (test.event)
			storelimit_end();
	}
}
