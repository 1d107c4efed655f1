/* Signals, memory, stop. */
#include "supervisor.h"
#include "account.h"
#include "begin.h"
#include "capture.h"
#include "command.h"
#include "fdstore.h"
#include "former.h"
#include "limits.h"
#include "link.h"
#include "notify.h"
#include "slotfiles.h"
#include "status.h"

#include "../base/clock.h"
#include "../base/failure.h"
#include "../base/log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define SIGNALS		 5
#define TICK_MS		 500
#define TWICE_NS	 UINT64_C(1000000)    /* two signals in a row are meant as one */
#define STALL_NS	 UINT64_C(1500000000) /* between two ticks: the supervisor stood still */
#define HANDOVER_SECONDS 5

struct supervisor {
	struct event_base *base;
	struct config config; /* with sections that there are no more, behind the others */
	struct notify *notify;
	struct fdstore *store;
	struct files *files;
	struct links *links;
	struct event *signals[SIGNALS], *tick, *watchdog, *deadline;
	uint64_t ticked_ns; /* monotonic */
	uint64_t stop_ns;   /* likewise: when the first signal to stop was served */
	bool handing_over, at_once;
	bool stopping, abandoning, failing;
	bool started, ready;
	int exit_code;
	void (*leaving)(void *context); /* told when it begins to hand over */
	void *leaving_context;
	uint64_t token;
	unsigned captures, configured; /* all; those that others see, which come first */
	bool unbalanced;	       /* the account of one that has ended */
	struct capture capture[CAPTURES_MAX];
};

uint64_t supervisor_token(const struct supervisor *s)
{
	return s->token;
}

unsigned supervisor_captures(const struct supervisor *s)
{
	return s->configured;
}

const struct capture *supervisor_capture(const struct supervisor *s, unsigned index)
{
	return &s->capture[index];
}

static void supervisor_stop(struct supervisor *s, bool abandon)
{
	s->stopping = true;
	s->abandoning |= abandon;
	for (unsigned i = 0; i < s->captures; i++)
		capture_stop(&s->capture[i], s->abandoning);
	supervisor_changed(s);
}

void supervisor_failed(struct supervisor *s, int exit_code, const char *text)
{
	if (s->failing || s->handing_over)
		return;
	log_error("%s", text);
	s->failing = true;
	s->exit_code = exit_code;
	/* Not from within a slot's own callback. */
	event_active(s->signals[0], EV_SIGNAL, 1);
}

static bool captures_stopped(const struct supervisor *s)
{
	for (unsigned i = 0; i < s->captures; i++)
		if (s->capture[i].state != CAPTURE_STOPPED)
			return false;
	return s->stopping;
}

void supervisor_changed(struct supervisor *s)
{
	if (captures_stopped(s) && files_settled(s->files))
		event_base_loopexit(s->base, NULL);
}

/* Nothing can begin or end without an archive process; what is recorded meanwhile goes on. */
static void archive_watch(struct supervisor *s)
{
	if (s->handing_over || !archive_client_unavailable(files_client(s->files)))
		return;
	if (!s->ready)
		supervisor_failed(s, EXIT_FAILURE, "no archive process comes up");
	if (!captures_stopped(s))
		return;
	log_error("no archive process comes up: leaving, files may keep the name .partial");
	s->exit_code = s->failing ? s->exit_code : EXIT_FAILURE;
	s->failing = true;
	event_base_loopbreak(s->base);
}

void supervisor_armed(struct supervisor *s)
{
	if (s->ready || !s->started || !s->configured || !begin_done(s->capture, s->captures))
		return;
	s->ready = true;
	for (unsigned i = 0; i < s->captures; i++)
		s->capture[i].initial = s->capture[i].added = false;
	notify_ready(s->notify);
	begin_store_check(s->capture, s->configured, s->store, s->base);
}

void supervisor_capture_failed(struct supervisor *s)
{
	for (unsigned i = 0; i < s->captures; i++)
		if (s->capture[i].state != CAPTURE_STOPPED ||
		    (!s->capture[i].failed && !s->capture[i].former))
			return; /* which may still write what its rings hold */
	if (s->configured)
		supervisor_failed(s, EXIT_FAILURE, "no capture is left");
	else
		supervisor_stop(s, false);
}

bool supervisor_group_held(const struct supervisor *s, int64_t fanout_id)
{
	return former_group_held(&s->capture[s->configured], s->captures - s->configured, s->store,
				 fanout_id);
}

void supervisor_former_ended(struct supervisor *s, struct capture *capture)
{
	s->unbalanced |= !account_put(capture, 1, true, 0);
	capture->accounted = true;
	for (unsigned i = 0; i < s->configured; i++) /* one may wait for its group */
		if (s->capture[i].again)
			event_active(s->capture[i].again, EV_TIMEOUT, 1);
	if (!s->stopping)
		supervisor_capture_failed(s);
}

void supervisor_tell(struct supervisor *s)
{
	for (unsigned i = 0; i < s->captures; i++)
		if (s->capture[i].told && !capture_ending(&s->capture[i]))
			capture_tell(&s->capture[i]);
}

/* When no worker is left: what they committed is all that the next process needs. */
static void handed_over(struct supervisor *s)
{
	for (unsigned i = 0; i < s->captures; i++)
		if (!capture_handed_over(&s->capture[i]))
			return;
	notify_settle(s->notify);
	event_base_loopexit(s->base, NULL);
}

static void hand_over(struct supervisor *s, bool at_once)
{
	s->at_once = at_once;
	for (unsigned i = 0; i < s->captures; i++)
		capture_hand_over(&s->capture[i], at_once);
	event_add(s->deadline, &(struct timeval){ HANDOVER_SECONDS, 0 });
	handed_over(s);
}

static void deadline_cb(evutil_socket_t fd, short what, void *arg)
{
	struct supervisor *s = arg;

	(void)fd;
	(void)what;
	if (s->at_once) /* its disk stands still; the ledger knows how far it came */
		event_base_loopbreak(s->base);
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
		log_warning(
			"SIGUSR2: there is no service manager that would keep the rings for the "
			"next daemon: ignored (SIGTERM stops)");
		return;
	}
	log_info("handing over: the rings go on, for the next daemon");
	s->handing_over = true;
	if (s->leaving)
		s->leaving(s->leaving_context);
	hand_over(s, false);
}

static void stop_cb(evutil_socket_t signal, short what, void *arg)
{
	struct supervisor *s = arg;

	(void)signal;
	(void)what;
	if (s->handing_over)
		return;
	if (s->failing && !s->abandoning) {
		supervisor_stop(s, true);
	} else if (s->stopping && clock_mono_ns() - s->stop_ns < TWICE_NS) {
		log_debug("the same signal once more: timeout(1) sends it twice");
	} else if (!s->stopping) {
		log_info("stopping: writing what the rings hold");
		notify_stopping(s->notify);
		supervisor_stop(s, false);
		s->stop_ns = clock_mono_ns();
	} else if (!s->abandoning) {
		log_warning("stopping at once: what the rings hold is abandoned");
		supervisor_stop(s, true);
	} else {
		log_warning(
			"leaving without waiting for the disk: files may keep the name .partial");
		event_base_loopbreak(s->base);
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
			known = capture_reaped(&s->capture[i], pid, status);
	}
	if (s->handing_over)
		handed_over(s);
	else
		supervisor_changed(s);
}

unsigned supervisor_rotate(struct supervisor *s, const char *capture)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->configured; i++)
		if (!capture || strcmp(capture, s->capture[i].config->name) == 0) {
			capture_rotate(&s->capture[i]);
			n++;
		}
	return n;
}

void supervisor_leaving(struct supervisor *s, void (*leaving)(void *context), void *context)
{
	s->leaving = leaving;
	s->leaving_context = context;
}

static void rotate_cb(evutil_socket_t signal, short what, void *arg)
{
	(void)signal;
	(void)what;
	log_info("SIGUSR1: going on in the next files");
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
		capture_clock(&s->capture[i], step);
		if (now - s->ticked_ns > STALL_NS)
			capture_forgive(&s->capture[i]);
		capture_tick(&s->capture[i]);
	}
	s->ticked_ns = now;
	archive_client_tick(files_client(s->files));
	archive_watch(s);
	status_send(s->notify, s,
		    s->handing_over ? "handing over: "
		    : s->stopping   ? "stopping: "
				    : "");
}

static void links_changed(void *context)
{
	struct supervisor *s = context;

	for (unsigned i = 0; i < s->captures; i++)
		capture_link(&s->capture[i]);
}

static void watchdog_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	notify_watchdog(arg);
}

static int events_add(struct supervisor *s)
{
	unsigned ms = notify_watchdog_ms();
	struct timeval tick = { 0, TICK_MS * 1000 }, watchdog = { ms / 1000, ms % 1000 * 1000 };

	s->signals[0] = evsignal_new(s->base, SIGTERM, stop_cb, s);
	s->signals[1] = evsignal_new(s->base, SIGINT, stop_cb, s);
	s->signals[2] = evsignal_new(s->base, SIGCHLD, child_cb, s);
	s->signals[3] = evsignal_new(s->base, SIGUSR1, rotate_cb, s);
	s->signals[4] = evsignal_new(s->base, SIGUSR2, handover_cb, s);
	s->deadline = event_new(s->base, -1, 0, deadline_cb, s);
	s->tick = event_new(s->base, -1, EV_PERSIST, tick_cb, s);
	s->watchdog = event_new(s->base, -1, EV_PERSIST, watchdog_cb, s->notify);
	for (unsigned i = 0; i < SIGNALS; i++)
		if (!s->signals[i] || event_add(s->signals[i], NULL))
			return -ENOMEM;
	if (!s->deadline || !s->tick || event_add(s->tick, &tick) || !s->watchdog ||
	    (ms && event_add(s->watchdog, &watchdog)))
		return -ENOMEM;
	return 0;
}

/* It only ends. Nothing comes into its rings before one with another name begins there. */
static void former_start(struct capture *capture)
{
	struct capture_error ignored;

	if (capture->resume)
		capture_start(capture, &ignored);
	else /* what was left of it is refused, or of no use here */
		capture_stop(capture, true);
}

/* All are made, also behind one that cannot be: each is looked at until the daemon ends. `left`:
 * one goes on with rings. Returns 0, or the exit code of the first that cannot be, all logged. */
static int captures_make(struct supervisor *s, bool *left)
{
	const struct capture_context context = { s, s->base, s->files, s->links, s->store };
	struct capture_error error;
	int rc = 0;

	for (unsigned i = 0; i < s->config.captures; i++) {
		struct capture *capture = &s->capture[s->captures++];

		if (capture_init(capture, &context, &s->config, i, &error)) {
			log_error("%s", error.text);
			capture_reason(capture, "%s", error.text);
			capture->failed = true;
			rc = rc ? rc : error.exit_code;
		}
		capture->former = i >= s->configured;
		*left |= capture->resume != NULL;
	}
	if (!*left)
		return rc;
	for (unsigned i = 0; i < s->captures; i++)
		if (s->capture[i].failed)
			capture_stop(&s->capture[i], true);
	return 0;
}

/* Captures are made first and started after that: a bad one is told before a process runs. */
static int captures_start(struct supervisor *s)
{
	bool left = false, dropped;
	int rc;

	former_add(&s->config, s->store);
	rc = captures_make(s, &left);
	if (rc)
		return rc;
	dropped = fdstore_end(s->store);
	for (unsigned i = 0; i < s->captures; i++) {
		s->capture[i].initial = !left;
		dropped |= s->capture[i].gap.refused;
	}
	if (dropped)
		notify_settle(s->notify); /* what is dropped is closed then, or nearly so */
	rc = limits_memory(s->capture, s->configured, dropped);
	for (unsigned i = 0; i < s->configured && rc && left; i++)
		if (!s->capture[i].resume)
			capture_fail(&s->capture[i], "there is not enough memory for its rings");
	if (left)
		rc = 0;
	for (unsigned i = s->configured; i < s->captures; i++)
		former_start(&s->capture[i]);
	if (rc == 0)
		rc = begin_all(s->capture, s->configured, left);
	s->started = rc == 0;
	supervisor_armed(s);
	if (rc == 0 && !s->captures) /* nothing was left of use, which is all there was to do */
		supervisor_capture_failed(s);
	return rc;
}

int supervisor_new(struct supervisor **out, struct event_base *base, const struct config *config)
{
	/* A lost terminal ends no capture. */
	static const int ignored[] = { SIGPIPE, SIGHUP, SIGXFSZ };
	struct supervisor *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return EXIT_FAILURE;
	*s = (struct supervisor){ .base = base, .config = *config, .token = clock_real_ns() };
	s->configured = config->captures;
	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		signal(ignored[i], SIG_IGN);
	limits_descriptors();
	rc = notify_new(&s->notify);
	if (rc == 0)
		rc = fdstore_new(&s->store, s->notify);
	if (rc == 0)
		rc = events_add(s); /* before a process runs: an early death must be heard of */
	if (rc == 0)
		rc = links_new(&s->links, base, links_changed, s);
	if (rc == 0)
		rc = files_new(&s->files, base, &slotfiles_events, s);
	if (rc) {
		log_error("starting: %s", failure_text(-rc));
		supervisor_free(s);
		return EXIT_FAILURE;
	}
	rc = captures_start(s);
	if (rc) {
		s->failing = true;
		s->exit_code = rc;
		event_active(s->signals[0], EV_SIGNAL, 1); /* files made so far are removed */
	}
	*out = s;
	return 0;
}

int supervisor_account(struct supervisor *s)
{
	bool balanced;

	if (s->handing_over) /* the account is the next one's, which the manager must start */
		return EX_TEMPFAIL;
	status_send(s->notify, s, "ended: ");
	if (files_unfinished(s->files) && !s->failing) {
		s->failing = true;
		s->exit_code = EXIT_FAILURE;
	}
	balanced = account_put(s->capture, s->captures, s->failing, ACCOUNT_SECONDS);
	return s->failing ? s->exit_code : balanced && !s->unbalanced ? EXIT_SUCCESS : EXIT_FAILURE;
}

void supervisor_free(struct supervisor *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->captures; i++)
		capture_free(&s->capture[i]);
	fdstore_free(s->store);
	notify_free(s->notify);
	files_free(s->files);
	links_free(s->links);
	for (unsigned i = 0; i < SIGNALS; i++)
		if (s->signals[i])
			event_free(s->signals[i]);
	if (s->deadline)
		event_free(s->deadline);
	if (s->tick)
		event_free(s->tick);
	if (s->watchdog)
		event_free(s->watchdog);
	free(s);
}
