/* The main thread of a worker: channel, timers, kernel statistics. */
#include "worker.h"
#include "attach.h"
#include "drain.h"
#include "report.h"
#include "sandbox.h"
#include "uplink.h"

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
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define ALONE_NS      UINT64_C(1500000000) /* while the previous worker may still be exiting */
#define ALONE_LOOK_MS 5

struct worker {
	struct uplink uplink;
	struct attach attach;
	struct drain drain;
	struct report report;
	struct message_worker what;
	struct event *channel_event, *notify_event;
	char subject[CAPTURE_NAME_BYTES + 8]; /* the subject of its log lines */
};

/* The ring thread has news, such as a new current file or a lost link: reported immediately. */
static void notify_cb(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
	uint64_t times;

	(void)what;
	if (read(fd, &times, sizeof(times)) == sizeof(times))
		report_news(&w->report);
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
			    errno == EINVAL ? "it is not in this process's set (cpus =, "
					      "AllowedCPUs=, a container's set)"
					    : failure_text(errno));
}

/* The ring thread reads no packet before the process is fully confined. */
static int confined_start(struct worker *w)
{
	struct confine *list;
	int rc = sandbox_begin(&w->what, &list);

	if (rc == 0)
		rc = ringthread_start(w->attach.thread);
	if (rc == 0)
		rc = sandbox_close(list);
	if (rc == 0)
		ringthread_go(w->attach.thread);
	return rc;
}

/* Starts to read the ring if the ring and the file are there. */
static void worker_start(struct worker *w)
{
	int rc;

	if (ringthread_running(w->attach.thread) || !w->attach.joined ||
	    !ringthread_ready(w->attach.thread))
		return;
	rc = confined_start(w);
	if (rc) {
		uplink_fail(&w->uplink, EXIT_FAILURE, "starting the ring thread, confined: %s",
			    failure_text(-rc));
		return;
	}
	uplink_notify(&w->uplink, MESSAGE_READY);
	report_send(&w->report);
	drain_resume(&w->drain);
}

/* Two processes that read one ring would both lose packets: the previous worker, which may be of a
 * daemon that died, must have exited. The lock belongs to the process and is released when it
 * exits. */
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

static void on_worker(struct worker *w, struct message *message, int unused)
{
	(void)unused;
	w->what = message->worker;
	w->what.capture[sizeof(w->what.capture) - 1] = '\0';
	snprintf(w->subject, sizeof(w->subject), "%s/%u", w->what.capture, w->what.worker);
	log_open(log_level(), w->subject);
	worker_pin(w);
	if (!alone()) {
		uplink_fail(&w->uplink, EXIT_FAILURE, "another process uses this worker's ledger");
		return;
	}
	if (!w->what.resume)
		return;
	if (!attach_adopt(&w->attach))
		return;
	report_begin(&w->report);
	worker_start(w);
}

static void on_socket(struct worker *w, struct message *message, int unused)
{
	(void)message;
	(void)unused;
	attach_make(&w->attach);
}

static void on_join(struct worker *w, struct message *message, int unused)
{
	(void)unused;
	if (!attach_join(&w->attach, message))
		return;
	report_begin(&w->report);
	worker_start(w);
}

static void on_file(struct worker *w, struct message *message, int fd)
{
	int file = inflight_get(fd), rc;

	close(fd);
	rc = ringthread_file(w->attach.thread, &message->file, file);
	if (rc) {
		if (file >= 0)
			close(file);
		uplink_fail(&w->uplink, EXIT_FAILURE, "file %llu cannot be used",
			    (unsigned long long)message->file.serial);
		return;
	}
	worker_start(w);
}

/* Without a ring there is no file to rotate yet. */
static void on_rotate(struct worker *w, struct message *message, int unused)
{
	(void)message;
	(void)unused;
	if (!w->attach.thread)
		return;
	ringthread_rotate(w->attach.thread);
	worker_start(w); /* a suspended worker needs no first file */
}

static void on_suspend(struct worker *w, struct message *message, int unused)
{
	(void)unused;
	ringthread_suspend(w->attach.thread, message->suspend.suspended);
	worker_start(w); /* likewise */
}

static void on_drain(struct worker *w, struct message *message, int unused)
{
	(void)message;
	(void)unused;
	drain_begin(&w->drain);
}

static void on_handover(struct worker *w, struct message *message, int unused)
{
	(void)message;
	(void)unused;
	uplink_end(&w->uplink, EXIT_SUCCESS); /* acquired blocks are committed first */
}

/* What this worker has received or made, which decides which messages are accepted. */
enum phase {
	PHASE_NEW = 1 << 0,    /* nothing */
	PHASE_SET = 1 << 1,    /* its configuration */
	PHASE_BOUND = 1 << 2,  /* a ring, in no group yet */
	PHASE_JOINED = 1 << 3, /* a ring in its group, made or adopted */
};
#define PHASES_SET (PHASE_SET | PHASE_BOUND | PHASE_JOINED)

/* The handler owns `fd`; it is -1 for types without a descriptor (channel.c). Types that are not
 * listed are not for a worker. */
static const struct {
	unsigned phases; /* in which it is accepted */
	void (*handle)(struct worker *w, struct message *message, int fd);
} handlers[MESSAGE_TYPES] = {
	[MESSAGE_WORKER] = { PHASE_NEW, on_worker },
	[MESSAGE_SOCKET] = { PHASE_SET, on_socket },
	[MESSAGE_JOIN] = { PHASE_BOUND, on_join },
	[MESSAGE_FILE] = { PHASE_JOINED, on_file },
	[MESSAGE_SUSPEND] = { PHASE_JOINED, on_suspend },
	[MESSAGE_ROTATE] = { PHASES_SET, on_rotate },
	[MESSAGE_DRAIN] = { PHASES_SET, on_drain },
	[MESSAGE_HANDOVER] = { PHASES_SET, on_handover },
};

static enum phase worker_phase(const struct worker *w)
{
	if (w->attach.joined)
		return PHASE_JOINED;
	if (w->attach.thread)
		return PHASE_BOUND;
	return *w->what.capture ? PHASE_SET : PHASE_NEW;
}

static void worker_handle(struct worker *w, struct message *message, int fd)
{
	const char *how =
		handlers[message->type].phases ? "is out of order" : "is not for a worker";

	if (handlers[message->type].phases & worker_phase(w)) {
		handlers[message->type].handle(w, message, fd);
		return;
	}
	uplink_fail(&w->uplink, EXIT_FAILURE, "protocol violation: %s %s",
		    message_name(message->type), how);
	if (fd >= 0)
		close(fd);
}

static void on_orphaned(struct worker *w)
{
	event_del(w->channel_event);
	drain_orphaned(&w->drain);
}

static void channel_cb(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
	static struct message message;
	char text[CHANNEL_TEXT_BYTES];
	int passed, rc = channel_recv(fd, CHANNEL_SUPERVISOR, &message, &passed);

	(void)what;
	if (rc == 1)
		worker_handle(w, &message, passed);
	else if (rc == 0)
		on_orphaned(w);
	else if (rc != -EAGAIN)
		uplink_fail(&w->uplink, EXIT_FAILURE, "%s",
			    channel_failure(text, &message, CHANNEL_SUPERVISOR, rc));
}

/* A page fault in the ledger or on the stack while a kill is pending would lose the counts that
 * PACKET_STATISTICS just reset. */
static void memory_lock(struct worker *w)
{
	char below[57344] = {
		0
	}; /* with the ledger less than the 64 KiB that older kernels allow */
	int error = -ledger_lock(w->attach.ledger);
	struct rlimit limit = { 0 };

	if (!error && mlock(below, sizeof(below)))
		error = errno;
	if (!error)
		return;
	getrlimit(RLIMIT_MEMLOCK, &limit);
	log_notice("the ledger is not locked in memory: %s; if a worker is killed while memory is "
		   "short, what the kernel counted since its last report is lost",
		   error == EPERM && limit.rlim_cur ? "mlock(2) is denied, whatever the limit (by "
						      "a container's system call filter?)"
		   : error == EPERM || error == ENOMEM || error == EAGAIN
			   ? "the limit is too low (LimitMEMLOCK=8M, or ulimit -l)"
			   : failure_text(error));
}

static bool worker_events(struct worker *w)
{
	w->uplink.base = event_base_new();
	w->attach.notify = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!w->uplink.base || w->attach.notify < 0)
		return false;
	w->channel_event =
		event_new(w->uplink.base, CHANNEL_FD, EV_READ | EV_PERSIST, channel_cb, w);
	w->notify_event =
		event_new(w->uplink.base, w->attach.notify, EV_READ | EV_PERSIST, notify_cb, w);
	return report_init(&w->report, &w->attach) && drain_init(&w->drain, &w->attach) &&
	       w->channel_event && w->notify_event && event_add(w->channel_event, NULL) == 0 &&
	       event_add(w->notify_event, NULL) == 0;
}

int worker_main(void)
{
	static struct worker w = {
		.uplink.exit_code = EXIT_FAILURE,
		.attach = { .uplink = &w.uplink, .what = &w.what, .notify = -1, .socket = -1 },
	};

	child_init();
	if (!attach_reserve()) {
		log_error("reserving a descriptor for the ring: %s", failure_text(errno));
		return EXIT_FAILURE;
	}
	w.attach.ledger = ledger_map(LEDGER_FD);
	if (!w.attach.ledger) {
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
	if (ringthread_running(w.attach.thread) && !w.drain.orphan_deadline &&
	    w.uplink.exit_code == EXIT_SUCCESS) {
		ringthread_stop(w.attach.thread);
		report_send(&w.report);
	}
	/* Nothing is freed or closed explicitly: the kernel does so, and a ring thread that still
	 * writes is ended as by a kill, which loses nothing. */
	crash_dump();
	_exit(w.uplink.exit_code);
}
