/* A channel and a loop. */
#include "workerside.h"

#include "../../daemon/base/channel.h"

#include <check.h>
#include <event2/event.h>
#include <sys/time.h>
#include <unistd.h>

struct workerside side;

void workerside_begin(void)
{
	int ends[2];

	ck_assert_int_eq(channel_pair(ends), 0);
	ck_assert_int_eq(dup2(ends[1], CHANNEL_FD), CHANNEL_FD);
	close(ends[1]);
	side = (struct workerside){ .channel = ends[0], .passed = -1 };
	side.uplink = (struct uplink){ .base = event_base_new(), .exit_code = WORKERSIDE_RUNNING };
	ck_assert_ptr_nonnull(side.uplink.base);
}

void workerside_end(void)
{
	workerside_hang_up();
	event_base_free(side.uplink.base);
}

uint32_t workerside_hear(void)
{
	if (side.passed >= 0)
		close(side.passed);
	return channel_recv(side.channel, CHANNEL_WORKER, &side.heard, &side.passed) == 1
		       ? side.heard.type
		       : 0;
}

void workerside_hang_up(void)
{
	if (side.channel >= 0)
		close(side.channel);
	side.channel = -1;
}

static void call_cb(evutil_socket_t fd, short what, void *arg)
{
	void (**call)(void) = arg;

	(void)fd;
	(void)what;
	(*call)();
}

bool workerside_loop(unsigned ms, void (*call)(void))
{
	const struct timeval most = { ms / 1000, ms % 1000 * 1000 }, now = { 0 };

	event_base_loopexit(side.uplink.base, &most);
	if (call)
		event_base_once(side.uplink.base, -1, EV_TIMEOUT, call_cb, &call, &now);
	event_base_loop(side.uplink.base, 0);
	return event_base_got_break(side.uplink.base);
}
