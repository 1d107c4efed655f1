/* The end of a worker: by order, or because the supervisor is gone. */
#include "worker_state.h"

#include "../base/clock.h"
#include "../base/log.h"

#include <stdlib.h>
#include <unistd.h>

#define DRAIN_CHECK_MS	    5
#define ORPHAN_NS	    UINT64_C(2000000000) /* without a supervisor: to write what is there */
#define ORPHAN_MORE_SECONDS 2 /* then the kernel ends it, whatever it is busy with */

/* All that the kernel put into the ring, the open block's packets too, is received, and stayed so
 * for a while: a filter swap does not wait for packets on their way. */
static bool drained(struct worker *w)
{
	struct ledger_totals totals = ledger_totals(w->ledger);
	struct ledger_kernel kernel;
	uint64_t now = clock_mono_ns();

	ledger_take(w->ledger, afcap_stats_take, afcap_fd(w->ring));
	kernel = ledger_kernel(w->ledger);
	if (w->orphan_deadline)
		return totals.received >= w->orphan_target || now > w->orphan_deadline;
	if (kernel.packets - kernel.drops != totals.received) {
		w->quiet_since = 0;
		return false;
	}
	if (!w->quiet_since || kernel.packets != w->quiet_packets) {
		w->quiet_since = now;
		w->quiet_packets = kernel.packets;
	}
	return now - w->quiet_since >= w->what.block_timeout_ms * UINT64_C(1000000);
}

void worker_drain_cb(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd;
	(void)what;
	if (drained(w))
		uplink_end(&w->uplink, EXIT_SUCCESS);
}

void worker_drain(struct worker *w)
{
	struct timeval interval = { 0, DRAIN_CHECK_MS * 1000 };

	if (w->draining)
		return;
	w->draining = true;
	if (!w->running && w->joined && !w->orphan_deadline)
		return; /* its file is not there yet: worker_start() comes back to it */
	if (!w->running) {
		uplink_end(&w->uplink, EXIT_SUCCESS);
		return;
	}
	ringloop_drain(w->loop);
	event_add(w->drain_timer, &interval);
}

void worker_orphaned(struct worker *w)
{
	struct ledger_kernel kernel;

	alarm((unsigned)(ORPHAN_NS / 1000000000) + w->what.block_timeout_ms / 1000 +
	      ORPHAN_MORE_SECONDS);
	log_warning("the supervisor is gone: writing what the ring holds, then ending");
	event_del(w->channel_event);
	if (w->running) {
		ledger_take(w->ledger, afcap_stats_take, afcap_fd(w->ring));
		kernel = ledger_kernel(w->ledger);
		w->orphan_target = kernel.packets - kernel.drops;
	}
	w->orphan_deadline =
		clock_mono_ns() + ORPHAN_NS + w->what.block_timeout_ms * UINT64_C(1000000);
	w->draining = false;
	worker_drain(w);
}
