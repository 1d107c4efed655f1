/* Draining. */
#include "drain.h"

#include "../base/clock.h"
#include "../base/log.h"

#include <event2/event.h>
#include <stdlib.h>
#include <unistd.h>

#define DRAIN_CHECK_MS	    5
#define QUIET_NS	    UINT64_C(64000000)	 /* a packet in flight takes microseconds */
#define ORPHAN_NS	    UINT64_C(2000000000) /* without a supervisor: to write the ring */
#define ORPHAN_MORE_SECONDS 2			 /* then SIGALRM ends the worker */

/* Whether all packets that the kernel put into the ring, including those in the open block, are
 * received, and none followed for a while: replacing the filter does not wait for packets in
 * flight. */
static bool drained(struct drain *d)
{
	const struct attach *a = d->attach;
	struct ledger_totals totals = ledger_totals(a->ledger);
	struct ledger_kernel kernel;
	uint64_t now = clock_mono_ns(), quiet_ns;

	ledger_take(a->ledger, afcap_stats_take, afcap_fd(a->ring));
	kernel = ledger_kernel(a->ledger);
	if (d->orphan_deadline)
		return totals.received >= d->orphan_target || now > d->orphan_deadline;
	if (kernel.packets - kernel.drops != totals.received)
		return false; /* more packets than when it was quiet */
	if (!d->quiet_since || kernel.packets != d->quiet_packets) {
		d->quiet_since = now;
		d->quiet_packets = kernel.packets;
	}
	quiet_ns = a->what->group.block_timeout_ns;
	return now - d->quiet_since >= (quiet_ns < QUIET_NS ? quiet_ns : QUIET_NS);
}

static void drain_cb(evutil_socket_t fd, short what, void *arg)
{
	struct drain *d = arg;

	(void)fd;
	(void)what;
	if (drained(d))
		uplink_end(d->attach->uplink, EXIT_SUCCESS);
}

bool drain_init(struct drain *d, struct attach *attach)
{
	*d = (struct drain){ .attach = attach };
	d->timer = event_new(attach->uplink->base, -1, EV_PERSIST, drain_cb, d);
	return d->timer != NULL;
}

void drain_begin(struct drain *d)
{
	struct timeval interval = { 0, DRAIN_CHECK_MS * 1000 };
	bool running = ringthread_running(d->attach->thread);

	if (d->wanted)
		return;
	d->wanted = true;
	if (!running && d->attach->joined && !d->orphan_deadline)
		return; /* it still waits for its file */
	if (!running) {
		uplink_end(d->attach->uplink, EXIT_SUCCESS);
		return;
	}
	ringthread_drain(d->attach->thread);
	event_add(d->timer, &interval);
}

void drain_resume(struct drain *d)
{
	if (!d->wanted)
		return;
	d->wanted = false;
	drain_begin(d);
}

void drain_orphaned(struct drain *d)
{
	const struct attach *a = d->attach;
	uint64_t timeout_ns = a->what->group.block_timeout_ns;
	struct ledger_kernel kernel;

	alarm((unsigned)((ORPHAN_NS + timeout_ns) / 1000000000) + ORPHAN_MORE_SECONDS);
	log_warning("the supervisor is gone: writing what the ring holds, then ending");
	if (ringthread_running(a->thread)) {
		ledger_take(a->ledger, afcap_stats_take, afcap_fd(a->ring));
		kernel = ledger_kernel(a->ledger);
		d->orphan_target = kernel.packets - kernel.drops;
	}
	d->orphan_deadline = clock_mono_ns() + ORPHAN_NS + timeout_ns;
	d->wanted = false;
	drain_begin(d);
}
