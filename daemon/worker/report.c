/* Reports, the ring thread's news, and the watchdog. */
#include "report.h"

#include "../base/clock.h"
#include "../base/failure.h"
#include "../base/log.h"

#include <event2/event.h>
#include <stdlib.h>

#define REPORT_MS      1000
#define ERROR_AGAIN_NS UINT64_C(60000000000)

void report_send(struct report *r)
{
	const struct attach *a = r->attach;
	struct message message = { .type = MESSAGE_REPORT };
	struct ledger_totals totals = ledger_totals(a->ledger);
	bool wanted = ringthread_statistics_wanted(a->thread);
	int rc = ledger_take(a->ledger, afcap_stats_take, afcap_fd(a->ring));

	if (rc)
		log_warning("reading the kernel's statistics: %s", failure_text(-rc));
	if (wanted)
		ringthread_statistics_taken(a->thread);
	ledger_counters(a->ledger, &totals, &message.report.counters);
	message.report.current = totals.current;
	message.report.previous = totals.previous;
	message.report.gone = r->gone;
	message.report.no_space = (uint32_t)r->no_space;
	message.report.refused = (uint32_t)r->refused;
	uplink_send(a->uplink, &message, -1);
}

/* A full disk fails many writes a second: logged at the first one, then once a minute. */
static void write_error_log(struct report *r, int error)
{
	uint64_t now = clock_mono_ns();

	if (error == r->error_logged && now - r->error_ns < ERROR_AGAIN_NS)
		return;
	log_error("writing: %s; packets are counted as discarded", failure_text(error));
	r->error_logged = error;
	r->error_ns = now;
}

/* The disk is behind, or has caught up; at most once a minute. */
static void burst_log(struct report *r, const struct ringthread_news *news)
{
	uint64_t now = clock_mono_ns();

	if (news->burst && !r->burst && (!r->burst_ns || now - r->burst_ns >= ERROR_AGAIN_NS)) {
		log_notice("the disk does not keep up: writing through the page cache (burst)");
		r->burst = true;
		r->burst_ns = now;
	} else if (r->burst && !news->burst && !news->waiting_bytes) {
		log_notice("the disk has caught up after a burst: what went through the page cache "
			   "is written back");
		r->burst = false;
	}
}

void report_news(struct report *r)
{
	const struct attach *a = r->attach;
	struct ringthread_news news;

	if (!a->thread)
		return;
	ringthread_news(a->thread, &news);
	r->no_space = news.no_space;
	r->refused = news.refused;
	r->gone |= news.link == AFCAP_GONE;
	if (news.error)
		write_error_log(r, news.error);
	burst_log(r, &news);
	if (news.fatal)
		uplink_fail(a->uplink, EXIT_FAILURE, "waiting for the ring: %s",
			    failure_text(news.fatal));
	else
		report_send(r);
}

/* Ends the worker if the encoding of a block does not end. The next worker tries the block again,
 * the one after that quarantines it. */
static void ring_thread_watch(struct report *r)
{
	const struct attach *a = r->attach;
	uint64_t in_progress = ringthread_running(a->thread)
				       ? __atomic_load_n(&a->ledger->in_progress, __ATOMIC_RELAXED)
				       : 0;
	uint64_t now = clock_mono_ns();

	if (!in_progress || in_progress != r->stuck_in) {
		r->stuck_in = in_progress;
		r->stuck_since = now;
	} else if (now - r->stuck_since > a->what->config.timeout_ns) {
		log_error("block %llu of the ring does not finish",
			  (unsigned long long)in_progress);
		abort();
	}
}

static void report_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	ring_thread_watch(arg);
	report_news(arg);
}

bool report_init(struct report *r, struct attach *attach)
{
	*r = (struct report){ .attach = attach };
	r->timer = event_new(attach->uplink->base, -1, EV_PERSIST, report_cb, r);
	return r->timer != NULL;
}

void report_begin(struct report *r)
{
	struct timeval interval = { REPORT_MS / 1000, REPORT_MS % 1000 * 1000 };

	event_add(r->timer, &interval);
}
