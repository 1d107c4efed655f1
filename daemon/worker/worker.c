/* The main thread of a worker: channel, timers, kernel statistics. */
#include "worker.h"
#include "sandbox.h"
#include "worker_state.h"

#include "../base/channel.h"
#include "../base/child.h"
#include "../base/clock.h"
#include "../base/crash.h"
#include "../base/failure.h"
#include "../base/inflight.h"
#include "../base/log.h"
#include "../base/trace.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#define REPORT_MS      1000
#define ERROR_AGAIN_NS UINT64_C(60000000000)
#define ALONE_NS       UINT64_C(1500000000) /* the worker before may still be ending */
#define ALONE_LOOK_MS  5

static void report_send(struct worker *w)
{
	struct message message = { .type = MESSAGE_REPORT };
	struct ledger_totals totals = ledger_totals(w->ledger);
	bool wanted = ringloop_statistics_wanted(w->loop);
	int rc = ledger_take(w->ledger, afcap_stats_take, afcap_fd(w->ring));

	if (rc)
		log_warning("reading the kernel's statistics: %s", failure_text(-rc));
	if (wanted)
		ringloop_statistics_taken(w->loop);
	ledger_counters(w->ledger, &totals, &message.report.counters);
	message.report.current = totals.current;
	message.report.previous = totals.previous;
	message.report.gone = w->gone;
	message.report.no_space = (uint32_t)w->no_space;
	message.report.refused = (uint32_t)w->refused;
	uplink_send(&w->uplink, &message, -1);
}

/* A disk that stays full fails many writes a second: told when it begins, and once a minute. */
static void write_error_log(struct worker *w, int error)
{
	uint64_t now = clock_mono_ns();

	if (error == w->error_told && now - w->error_told_ns < ERROR_AGAIN_NS)
		return;
	log_error("writing: %s; packets are counted as discarded", failure_text(error));
	w->error_told = error;
	w->error_told_ns = now;
}

/* What the ring thread has to say: the link went, writes failed, it cannot go on. */
static void news_take(struct worker *w)
{
	struct ringloop_news news;

	if (!w->loop)
		return;
	ringloop_news(w->loop, &news);
	w->no_space = news.no_space;
	w->refused = news.refused;
	w->gone |= news.link == AFCAP_GONE;
	if (news.error)
		write_error_log(w, news.error);
	if (news.fatal)
		uplink_fail(&w->uplink, EXIT_FAILURE, "waiting for the ring: %s",
			    failure_text(news.fatal));
	else
		report_send(w);
}

/* A block that never comes to be encoded. The next worker tries again, the one after that leaves it
 * aside. */
static void ring_thread_watch(struct worker *w)
{
	uint64_t in_hand = w->running ? __atomic_load_n(&w->ledger->in_hand, __ATOMIC_RELAXED) : 0;
	uint64_t now = clock_mono_ns();

	if (!in_hand || in_hand != w->stuck_in) {
		w->stuck_in = in_hand;
		w->stuck_since = now;
	} else if (now - w->stuck_since > w->what.timeout_ns) {
		log_error("block %llu of the ring takes for ever", (unsigned long long)in_hand);
		abort();
	}
}

static void report_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	ring_thread_watch(arg);
	news_take(arg);
}

/* At once: a file came into use, or the link went. */
static void notify_cb(evutil_socket_t fd, short what, void *arg)
{
	uint64_t times;

	(void)what;
	if (read(fd, &times, sizeof(times)) == sizeof(times))
		news_take(arg);
}

static void worker_pin(const struct worker *w)
{
	cpu_set_t set;

	if (w->what.cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(w->what.cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		log_warning("running on CPU %d: %s", w->what.cpu,
			    errno == EINVAL ? "it is not among those that this process may use "
					      "(cpus =, AllowedCPUs=, a container's set)"
					    : failure_text(errno));
}

/* The ring thread waits until nothing is left that it could do harm with. */
static int confined_start(struct worker *w)
{
	int rc = sandbox_begin(&w->what);

	if (rc == 0)
		rc = ringloop_start(w->loop);
	if (rc == 0)
		rc = sandbox_close();
	if (rc == 0)
		ringloop_go(w->loop);
	return rc;
}

/* Reads from now on, if the ring and the file are there. */
static void worker_start(struct worker *w)
{
	int rc;

	if (w->running || !w->joined || !ringloop_ready(w->loop))
		return;
	rc = confined_start(w);
	if (rc) {
		uplink_fail(&w->uplink, EXIT_FAILURE, "starting the ring thread, confined: %s",
			    failure_text(-rc));
		return;
	}
	w->running = true;
	uplink_say(&w->uplink, MESSAGE_READY);
	report_send(w);
	if (w->draining) {
		w->draining = false;
		worker_drain(w);
	}
}

/* From now on it is heard of, also while it waits for its file. */
static void reports_begin(struct worker *w)
{
	struct timeval interval = { REPORT_MS / 1000, REPORT_MS % 1000 * 1000 };

	event_add(w->report_timer, &interval);
}

/* Two processes that read one ring would both lose: whoever was there before, a daemon that died
 * may have left it, has to be gone. The lock is the process's and ends with it. */
static bool alone(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	uint64_t begin = clock_mono_ns();

	while (fcntl(LEDGER_FD, F_SETLK, &lock)) {
		if ((errno != EAGAIN && errno != EACCES) || clock_mono_ns() - begin > ALONE_NS)
			return false;
		poll(NULL, 0, ALONE_LOOK_MS);
	}
	return true;
}

static void on_worker(struct worker *w, const struct message *message)
{
	w->what = message->worker;
	w->what.capture[sizeof(w->what.capture) - 1] =
		w->what.interface[sizeof(w->what.interface) - 1] = '\0';
	snprintf(w->who, sizeof(w->who), "%s/%u", w->what.capture, w->what.worker);
	log_open(log_level(), w->who);
	worker_pin(w);
	if (!alone()) {
		uplink_fail(&w->uplink, EXIT_FAILURE, "another process has this worker's ledger");
		return;
	}
	if (!w->what.resume)
		return;
	if (!worker_ring_adopt(w))
		return;
	reports_begin(w);
	worker_start(w);
}

static void on_join(struct worker *w, struct message *message)
{
	if (!worker_ring_join(w, message))
		return;
	reports_begin(w);
	worker_start(w);
}

/* After MESSAGE_JOINED, or with a ring that goes on after MESSAGE_WORKER: the ring loop is there.
 */
static void on_file(struct worker *w, const struct message *message, int fd)
{
	int rc = w->loop ? ringloop_file(w->loop, &message->file, fd) : -EINVAL;

	if (rc) {
		if (fd >= 0)
			close(fd);
		uplink_fail(&w->uplink, EXIT_FAILURE, "file %llu cannot be taken",
			    (unsigned long long)message->file.serial);
		return;
	}
	worker_start(w);
}

/* Without a ring there is nothing to be changed yet. */
static void on_output(struct worker *w, const struct message *message)
{
	if (!w->loop)
		return;
	if (message->type == MESSAGE_ROTATE)
		ringloop_rotate(w->loop);
	else
		ringloop_suspend(w->loop, message->suspend.suspended);
	worker_start(w); /* where there is not even room for a first file */
}

static void worker_handle(struct worker *w, struct message *message, int fd)
{
	int file = message->type == MESSAGE_FILE && fd >= 0 ? inflight_get(fd) : -1;

	if (fd >= 0)
		close(fd);
	if (message->type == MESSAGE_FILE)
		on_file(w, message, file);
	else if (message->type == MESSAGE_WORKER)
		on_worker(w, message);
	else if (message->type == MESSAGE_SOCKET)
		worker_ring_make(w);
	else if (message->type == MESSAGE_JOIN)
		on_join(w, message);
	else if (message->type == MESSAGE_DRAIN)
		worker_drain(w);
	else if (message->type == MESSAGE_HANDOVER)
		uplink_end(&w->uplink, EXIT_SUCCESS); /* what is taken is committed first */
	else if (message->type == MESSAGE_ROTATE || message->type == MESSAGE_SUSPEND)
		on_output(w, message);
	else
		uplink_fail(&w->uplink, EXIT_FAILURE, "unexpected message %s",
			    message_name(message->type));
}

static void channel_cb(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
	static struct message message;
	int passed, rc = channel_recv(fd, &message, &passed);

	(void)what;
	if (rc == 1)
		worker_handle(w, &message, passed);
	else if (rc == 0)
		worker_orphaned(w);
	else if (rc != -EAGAIN)
		uplink_fail(&w->uplink, EXIT_FAILURE, "reading the channel: %s", failure_text(-rc));
}

/* A page fault in the ledger or on the stack under a pending kill would lose what PACKET_STATISTICS
 * just reset. */
static void memory_lock(struct worker *w)
{
	char below[57344] = {
		0
	}; /* with the ledger less than the 64 KiB that older kernels allow */
	int error = -ledger_lock(w->ledger);
	struct rlimit limit = { 0 };

	if (!error && mlock(below, sizeof(below)))
		error = errno;
	if (!error)
		return;
	getrlimit(RLIMIT_MEMLOCK, &limit);
	log_notice("the ledger is not locked in memory: %s; where a worker is killed while memory "
		   "is short, the kernel's counts since its last look are missing",
		   error == EPERM && limit.rlim_cur
			   ? "mlock(2) is refused here, whatever the limit (a container's list of "
			     "system calls?)"
		   : error == EPERM || error == ENOMEM || error == EAGAIN
			   ? "the limit is too low (LimitMEMLOCK=8M, or ulimit -l)"
			   : failure_text(error));
}

static bool worker_events(struct worker *w)
{
	w->uplink.base = event_base_new();
	w->notify = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!w->uplink.base || w->notify < 0)
		return false;
	w->channel_event =
		event_new(w->uplink.base, CHANNEL_FD, EV_READ | EV_PERSIST, channel_cb, w);
	w->notify_event = event_new(w->uplink.base, w->notify, EV_READ | EV_PERSIST, notify_cb, w);
	w->report_timer = event_new(w->uplink.base, -1, EV_PERSIST, report_cb, w);
	w->drain_timer = event_new(w->uplink.base, -1, EV_PERSIST, worker_drain_cb, w);
	return w->channel_event && w->notify_event && w->report_timer && w->drain_timer &&
	       event_add(w->channel_event, NULL) == 0 && event_add(w->notify_event, NULL) == 0;
}

int worker_main(void)
{
	static struct worker w = { .socket = -1, .notify = -1, .uplink.exit_code = EXIT_FAILURE };

	child_init();
	if (!worker_ring_reserve()) {
		log_error("reserving a descriptor for the ring: %s", failure_text(errno));
		return EXIT_FAILURE;
	}
	w.ledger = ledger_map(LEDGER_FD);
	if (!w.ledger) {
		log_error("mapping the ledger: %s", failure_text(errno));
		return EXIT_FAILURE;
	}
	memory_lock(&w);
	crash_begin();
	trace_begin();
	if (!worker_events(&w)) {
		log_error("no memory for the event loop");
		return EXIT_FAILURE;
	}
	event_base_dispatch(w.uplink.base);
	if (w.running && !w.orphan_deadline && w.uplink.exit_code == EXIT_SUCCESS) {
		ringloop_stop(w.loop);
		report_send(&w);
	}
	/* Nothing is freed or closed by hand: the kernel does it all at once, and a ring thread
	 * that still writes is ended as by a kill, which loses nothing. */
	crash_dump();
	_exit(w.uplink.exit_code);
}
