/* Signals, memory, the stop. */
#include "supervisor.h"
#include "account.h"
#include "captures.h"
#include "fdstore.h"
#include "files.h"
#include "former.h"
#include "limits.h"
#include "link.h"
#include "notify.h"
#include "preflight.h"
#include "storage.h"

#include "../base/clock.h"
#include "../base/failure.h"
#include "../base/log.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>

#define SIGNALS		 8
#define TICK_MS		 500
#define TWICE_NS	 UINT64_C(1000000)    /* two signals within this time count as one */
#define STALL_NS	 UINT64_C(1500000000) /* between two ticks: the supervisor was stalled */
#define HANDOVER_SECONDS 5

struct supervisor {
	struct event_base *base;
	struct config config; /* with removed sections after the others */
	struct notify *notify;
	struct fdstore *store;
	struct files *files;
	struct links *links;
	struct event *signals[SIGNALS], *tick, *watchdog, *deadline;
	uint64_t ticked_ns; /* monotonic */
	uint64_t stop_ns;   /* likewise: when the first signal to stop was served */
	bool handing_over, at_once, stopping, abandoning, failing, started, ready, over;
	int exit_code;
	struct supervisor_hooks hooks;
	struct capture_context context; /* of the captures */
	unsigned captures, configured;	/* all; the visible ones, which come first */
	bool unbalanced;		/* the account of a capture that has ended */
	unsigned withdrawn;		/* captures that failed without a directory, as announced */
	struct capture *capture[CAPTURES_MAX]; /* owned */
};

unsigned supervisor_captures(const struct supervisor *s)
{
	return s->configured;
}

const struct capture *supervisor_capture(const struct supervisor *s, unsigned index)
{
	return s->capture[index];
}

static void supervisor_stop(struct supervisor *s, bool abandon)
{
	s->stopping = true;
	s->abandoning |= abandon;
	for (unsigned i = 0; i < s->captures; i++)
		capture_stop(s->capture[i], s->abandoning);
}

void supervisor_failed(struct supervisor *s, int exit_code, const char *text)
{
	if (s->failing || s->handing_over)
		return;
	log_error("%s", text);
	s->failing = true;
	s->exit_code = exit_code;
}

static bool all_stopped(const struct supervisor *s)
{
	return s->stopping && captures_stopped(s->capture, s->captures);
}

/* No file can begin or end without an archive process; recording continues meanwhile. */
static void archive_watch(struct supervisor *s)
{
	if (s->handing_over || !archive_client_unavailable(files_client(s->files)))
		return;
	if (!s->ready)
		supervisor_failed(s, EXIT_FAILURE, "the archive process cannot be started");
	if (!all_stopped(s))
		return;
	log_error("the archive process cannot be started: exiting, files may stay .partial");
	s->exit_code = s->failing ? s->exit_code : EXIT_FAILURE;
	s->failing = true;
	s->over = true;
}

static void ready_look(struct supervisor *s)
{
	if (s->ready || !s->started || !s->configured || s->stopping ||
	    !captures_begun(s->capture, s->captures))
		return;
	s->ready = true;
	for (unsigned i = 0; i < s->captures; i++)
		capture_set_fault(s->capture[i], FAULT_IS_RETRIED);
	notify_ready(s->notify);
	captures_store_check(s->capture, s->configured, s->store, s->base);
}

/* If no capture is left the daemon ends. */
static void exhausted_look(struct supervisor *s)
{
	if (s->stopping || s->failing || !s->started ||
	    !captures_exhausted(s->capture, s->captures))
		return;
	if (s->configured)
		supervisor_failed(s, EXIT_FAILURE, "no capture is left");
	supervisor_stop(s, s->configured != 0);
}

static bool group_held(void *context, int64_t fanout_id)
{
	const struct supervisor *s = context;

	return former_group_held(s->capture, s->captures, s->store, fanout_id);
}

/* What is left of a section that is not configured any more has ended, and its files are finished,
 * or lost. */
static void former_look(struct supervisor *s, unsigned number)
{
	struct capture *capture = s->capture[number];

	if (!capture_former(capture) || capture_accounted(capture) || !capture_ended(capture) ||
	    files_left(s->files, number))
		return;
	s->unbalanced |= !account_put(&capture, 1, true, 0);
	capture_set_accounted(capture);
	for (unsigned i = 0; i < s->configured; i++) /* one may wait for its group */
		capture_wake(s->capture[i]);
}

/* Handles the changes made by this turn's callbacks: no callback sees the effects of another
 * one. */
static void supervisor_step(struct supervisor *s)
{
	s->context.together = captures_with_files(s->capture, s->captures);
	for (unsigned i = 0; i < s->captures; i++) {
		struct capture *capture = s->capture[i];

		capture_step(capture);
		former_look(s, i);
		if (capture_fatal(capture)->exit_code)
			supervisor_failed(s, capture_fatal(capture)->exit_code,
					  capture_fatal(capture)->text);
	}
	if (s->failing && !s->abandoning && !s->handing_over)
		supervisor_stop(s, true);
	captures_check(s->capture, s->captures);
	s->context.together = captures_with_files(s->capture, s->captures);
	captures_withdraw(s->capture, s->captures, &s->withdrawn);
	exhausted_look(s);
	ready_look(s);
	if (s->handing_over && captures_handed_over(s->capture, s->captures)) {
		notify_settle(s->notify);
		s->over = true;
	} else if (all_stopped(s) && files_settled(s->files)) {
		s->over = true;
	}
}

void supervisor_run(struct supervisor *s)
{
	do
		supervisor_step(s);
	while (!s->over && (captures_due(s->capture, s->captures) ||
			    event_base_loop(s->base, EVLOOP_ONCE) == 0));
}

static void hand_over(struct supervisor *s, bool at_once)
{
	s->at_once = at_once;
	for (unsigned i = 0; i < s->captures; i++)
		capture_hand_over(s->capture[i], at_once);
	event_add(s->deadline, &(struct timeval){ HANDOVER_SECONDS, 0 });
}

static void deadline_cb(evutil_socket_t fd, short what, void *arg)
{
	struct supervisor *s = arg;

	(void)fd;
	(void)what;
	if (s->at_once) /* its disk hangs; the ledger has its position */
		s->over = true;
	else
		hand_over(s, true);
}

static void handover_cb(evutil_socket_t signal, short what, void *arg)
{
	struct supervisor *s = arg;

	(void)signal;
	(void)what;
	if (s->stopping || s->handing_over)
		return;
	if (!notify_manager(s->notify)) {
		log_warning("SIGUSR2 is ignored: no service manager stores the rings for the next "
			    "instance (SIGTERM stops)");
		return;
	}
	log_info("handing over: the rings stay armed for the next instance");
	s->handing_over = true;
	if (s->hooks.leaving)
		s->hooks.leaving(s->hooks.context);
	hand_over(s, false);
}

static void stop_cb(evutil_socket_t signal, short what, void *arg)
{
	struct supervisor *s = arg;

	(void)signal;
	(void)what;
	if (s->handing_over)
		return;
	if (s->stopping && clock_mono_ns() - s->stop_ns < TWICE_NS) {
		log_debug("ignoring a repeated signal: timeout(1) sends it twice");
	} else if (!s->stopping) {
		log_info("stopping: writing what the rings hold");
		notify_stopping(s->notify);
		supervisor_stop(s, false);
		s->stop_ns = clock_mono_ns();
	} else if (!s->abandoning) {
		log_warning("stopping at once: what the rings hold is abandoned");
		supervisor_stop(s, true);
	} else {
		log_warning("exiting without waiting for the disk: files may stay .partial");
		s->over = true;
	}
}

static void child_cb(evutil_socket_t signal, short what, void *arg)
{
	struct supervisor *s = arg;
	int status;
	pid_t pid;

	(void)signal;
	(void)what;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		bool known = archive_client_reaped(files_client(s->files), pid, status);

		for (unsigned i = 0; i < s->captures && !known; i++)
			known = capture_reaped(s->capture[i], pid, status);
	}
}

unsigned supervisor_rotate(struct supervisor *s, const char *capture)
{
	return captures_rotate(s->capture, s->configured, capture);
}

void supervisor_hook(struct supervisor *s, const struct supervisor_hooks *hooks)
{
	s->hooks = *hooks;
}

const char *supervisor_phase(const struct supervisor *s)
{
	if (s->over && !s->handing_over)
		return "ended: ";
	return s->handing_over ? "handing over: " : s->stopping ? "stopping: " : "";
}

void supervisor_status(struct supervisor *s, const char *text)
{
	notify_status(s->notify, "%s", text);
}

static void rotate_cb(evutil_socket_t signal, short what, void *arg)
{
	(void)signal;
	(void)what;
	log_info("SIGUSR1: beginning the next files");
	supervisor_rotate(arg, NULL);
}

static void tick_cb(evutil_socket_t fd, short what, void *arg)
{
	struct supervisor *s = arg;
	uint64_t now = clock_mono_ns();
	int64_t step = archive_client_clock(files_client(s->files));

	(void)fd;
	(void)what;
	for (unsigned i = 0; i < s->captures; i++) {
		capture_clock(s->capture[i], step);
		if (now - s->ticked_ns > STALL_NS)
			capture_reset_silence(s->capture[i]);
		capture_tick(s->capture[i]);
	}
	s->ticked_ns = now;
	archive_client_tick(files_client(s->files));
	archive_watch(s);
	if (s->hooks.ticked)
		s->hooks.ticked(s->hooks.context);
}

static void links_changed(void *context)
{
	struct supervisor *s = context;

	for (unsigned i = 0; i < s->captures; i++)
		capture_wake(s->capture[i]);
}

static void watchdog_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	notify_watchdog(arg);
}

static const struct {
	int number;
	event_callback_fn callback; /* NULL: ignored */
} signals[SIGNALS] = {
	{ SIGTERM, stop_cb },	  { SIGINT, stop_cb },
	{ SIGCHLD, child_cb },	  { SIGUSR1, rotate_cb },
	{ SIGUSR2, handover_cb }, { SIGHUP, NULL }, /* a lost terminal must not end a capture */
	{ SIGPIPE, NULL },	  { SIGXFSZ, NULL },
};

static int events_add(struct supervisor *s)
{
	unsigned ms = notify_watchdog_ms();
	struct timeval tick = { 0, TICK_MS * 1000 }, watchdog = { ms / 1000, ms % 1000 * 1000 };

	s->deadline = event_new(s->base, -1, 0, deadline_cb, s);
	s->tick = event_new(s->base, -1, EV_PERSIST, tick_cb, s);
	s->watchdog = event_new(s->base, -1, EV_PERSIST, watchdog_cb, s->notify);
	for (unsigned i = 0; i < SIGNALS; i++) {
		if (!signals[i].callback) {
			signal(signals[i].number, SIG_IGN);
			continue;
		}
		s->signals[i] = evsignal_new(s->base, signals[i].number, signals[i].callback, s);
		if (!s->signals[i] || event_add(s->signals[i], NULL))
			return -ENOMEM;
	}
	if (!s->deadline || !s->tick || event_add(s->tick, &tick) || !s->watchdog ||
	    (ms && event_add(s->watchdog, &watchdog)))
		return -ENOMEM;
	return 0;
}

/* It only ends. Nothing comes into its rings before one with another name begins there. */
static void former_start(struct supervisor *s, unsigned number)
{
	struct capture *capture = s->capture[number];
	struct capture_error ignored;

	if (capture_resumes(capture))
		capture_start(capture, &ignored);
	else /* what was left of it is refused, or of no use here */
		capture_stop(capture, true);
	capture_step(capture); /* one that has nothing left holds no group */
	former_look(s, number);
}

/* All captures are made before any is started: a bad one is logged before a process runs. */
static int all_start(struct supervisor *s)
{
	bool left = false, dropped;
	int rc;

	former_add(&s->config, s->store);
	rc = captures_make(s->capture, &s->context, &s->config, &left);
	while (s->captures < s->config.captures && s->capture[s->captures])
		s->captures++;
	if (s->captures < s->configured) /* no memory: the daemon ends */
		s->configured = s->captures;
	if (rc)
		return rc;
	dropped = fdstore_end(s->store);
	s->context.together = captures_with_files(s->capture, s->captures);
	for (unsigned i = 0; i < s->captures; i++) {
		capture_set_fault(s->capture[i], left ? FAULT_IS_RETRIED : FAULT_ENDS_DAEMON);
		dropped |= capture_refused(s->capture[i]);
	}
	if (dropped)
		notify_settle(s->notify); /* dropped descriptors are closed then, or nearly so */
	rc = captures_memory(s->capture, s->configured, dropped);
	for (unsigned i = 0; i < s->configured && rc && left; i++)
		if (!capture_resumes(s->capture[i]))
			capture_fail(s->capture[i], "there is not enough memory for its rings");
	if (left)
		rc = 0;
	for (unsigned i = s->configured; i < s->captures; i++)
		former_start(s, i);
	if (rc == 0)
		rc = captures_start(s->capture, s->configured, left);
	s->started = rc == 0;
	return rc;
}

int supervisor_new(struct supervisor **out, struct event_base *base, const struct config *config)
{
	struct supervisor *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return EXIT_FAILURE;
	*s = (struct supervisor){
		.base = base,
		.config = *config,
	};
	s->configured = config->captures;
	preflight_rings(&s->config);
	limits_descriptors();
	rc = notify_new(&s->notify);
	if (rc == 0)
		rc = fdstore_new(&s->store, s->notify);
	if (rc == 0)
		rc = events_add(s); /* before a process runs: an early death must be noticed */
	if (rc == 0)
		rc = links_new(&s->links, base, links_changed, s);
	if (rc == 0)
		rc = files_new(&s->files, base, &storage_events);
	if (rc) {
		log_error("starting: %s", failure_text(-rc));
		supervisor_free(s);
		return EXIT_FAILURE;
	}
	s->context = (struct capture_context){ .group_held = group_held,
					       .group_context = s,
					       .base = base,
					       .files = s->files,
					       .links = s->links,
					       .store = s->store,
					       .token = clock_real_ns(),
					       .configured = s->configured };
	rc = all_start(s);
	if (rc) {
		s->failing = true;
		s->exit_code = rc; /* files made so far are removed */
	}
	*out = s;
	return 0;
}

int supervisor_account(struct supervisor *s)
{
	bool balanced;

	if (s->handing_over) { /* the next instance prints the account; the manager must start it */
		account_put_ended(s->capture, s->captures);
		return EX_TEMPFAIL;
	}
	if (files_unfinished(s->files) && !s->failing) {
		s->failing = true;
		s->exit_code = EXIT_FAILURE;
	}
	balanced = account_put(s->capture, s->captures, s->failing, ACCOUNT_SECONDS);
	return s->failing ? s->exit_code : balanced && !s->unbalanced ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void event_drop(struct event *event)
{
	if (event)
		event_free(event);
}

void supervisor_free(struct supervisor *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->captures; i++)
		capture_free(s->capture[i]);
	fdstore_free(s->store);
	notify_free(s->notify);
	files_free(s->files);
	links_free(s->links);
	for (unsigned i = 0; i < SIGNALS; i++)
		event_drop(s->signals[i]);
	event_drop(s->deadline);
	event_drop(s->tick);
	event_drop(s->watchdog);
	free(s);
}
