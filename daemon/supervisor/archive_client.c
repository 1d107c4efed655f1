/* Sends one request after the other, to one archive process after the other. */
#include "archive_client.h"
#include "process.h"

#include "../base/child.h"
#include "../base/clock.h"
#include "../base/config.h"
#include "../base/failure.h"
#include "../base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define END_NS	    UINT64_C(5000000000)
#define END_LOOK_NS 5000000
#define UNAVAILABLE 8 /* deaths without an answer between them, in some three seconds */

/* A capture as it is announced to each new archive process. */
struct announced {
	struct message_capture message;
	int directory; /* as the first process opened it, in flight (a socket); -1: none */
	void *owner;   /* whom the answers concern, also those of later processes */
};

struct archive_client {
	struct event_base *base;
	const struct archive_client_events *events;
	void *context;
	struct clock_watch clock;
	int64_t clock_step_ns; /* set by so much since archive_client_clock() */
	struct archive_queue queue;
	struct process process;
	struct event *retry; /* of its start, or of a request */
	unsigned failures;   /* deaths without an answer between them */
	bool replaced;	     /* its channel was closed so that it ends and the next one starts */
	unsigned captures;   /* announced ones */
	struct announced announced[CAPTURES_MAX];
};

/* Also called before each request, so that no file is named by a clock that was not checked. */
static void clock_note(struct archive_client *c)
{
	char from[CLOCK_TEXT_BYTES], to[CLOCK_TEXT_BYTES];
	int64_t step = clock_look(&c->clock, clock_real_ns(), clock_boot_ns());
	uint64_t by = step < 0 ? -(uint64_t)step : (uint64_t)step, now = c->clock.now.real_ns;

	if (step)
		log_warning("the clock was set %s by %" PRIu64
			    ".%03u s, from %s to %s: max_age removes no file until the new time "
			    "has been stable for a while",
			    step < 0 ? "back" : "forward", by / 1000000000,
			    (unsigned)(by / 1000000 % 1000), clock_text(from, now - (uint64_t)step),
			    clock_text(to, now));
	c->clock_step_ns += step;
}

static void request_message(const struct archive_client *c, const struct archive_request *r,
			    struct message *message)
{
	archive_request_message(r, message);
	if (r->type == MESSAGE_CAPTURE)
		message->capture = c->announced[r->target.capture].message;
	else
		message->archive.clock = c->clock.now;
}

/* The descriptor to send with a request; -1: none. A new archive process continues in the directory
 * that has the files, wherever its path leads by now. */
static int request_fd(const struct archive_client *c, const struct archive_request *r)
{
	if (r->type == MESSAGE_CAPTURE)
		return c->announced[r->target.capture].directory;
	return r->file && !archive_request_opens(r) ? r->file->fd : -1;
}

/* Sends the first request of the queue, unless one is being served. */
static void head_send(struct archive_client *c)
{
	struct archive_request *r = archive_queue_head(&c->queue);
	struct message message;
	int rc;

	if (!r || c->queue.sent || c->process.channel < 0)
		return;
	clock_note(c);
	request_message(c, r, &message);
	rc = process_send(&c->process, &message, request_fd(c, r));
	if (rc == 0) {
		c->queue.sent = true;
	} else if (rc != -EPIPE) { /* the process is gone: its successor gets the request */
		log_error("sending %s to the archive process: %s; retrying", message_name(r->type),
			  rc == -EAGAIN ? "its channel is full" : failure_text(-rc));
		event_add(c->retry, &(struct timeval){ 1, 0 });
	}
}

static void process_leave(struct archive_client *c)
{
	process_close(&c->process);
	c->queue.sent = false;
}

/* This ends the current process; on SIGCHLD the next one is started, to which all captures are
 * announced and the queue is sent. */
static void process_replace(struct archive_client *c)
{
	c->replaced |= c->process.channel >= 0;
	process_leave(c);
}

void archive_client_directory(struct archive_client *c, uint32_t capture, int fd)
{
	struct announced *a = &c->announced[capture];

	if (a->directory >= 0)
		close(a->directory);
	a->directory = fd;
}

/* No capture waits for this request: it is made again anyway, and may have caused the death. */
static void retention_drop(struct archive_client *c)
{
	const struct message_result failed = { .error = EPIPE };
	struct archive_request *r = archive_queue_head(&c->queue);

	if (!r || !c->queue.sent || r->type != MESSAGE_MAINTAIN)
		return;
	c->events->answered(c->context, archive_queue_take(&c->queue), &failed, -1);
}

/* The request stays first in the queue, for the next process. */
static void directory_removed(struct archive_client *c, uint32_t capture)
{
	const struct message_capture *m = &c->announced[capture].message;

	log_about(LOG_WARNING, &(struct log_subject){ m->name, -1, NULL },
		  "the directory %s was removed: a new archive process opens its path again",
		  m->directory);
	archive_client_directory(c, capture, -1);
	process_replace(c);
}

/* Whether it answers the first request of the queue. */
static bool answer_fits(const struct archive_client *c, struct message *answer, int fd)
{
	static struct message request; /* large */
	const struct archive_request *r = archive_queue_head(&c->queue);

	if (!r || !c->queue.sent)
		return false;
	request_message(c, r, &request);
	return archive_request_answered(&request, answer, fd);
}

static bool on_message(void *owner, struct message *message, int fd)
{
	struct archive_client *c = owner;
	struct archive_request *r = archive_queue_head(&c->queue);
	bool dead = c->process.pid < 0, fits = !dead && answer_fits(c, message, fd);

	if (!fits) {
		if (fd >= 0)
			close(fd);
		if (!dead)
			log_error("the archive process: protocol violation: %s does not answer the "
				  "request",
				  message_name(message->type));
		return dead; /* the answered request is made again */
	}
	if (message->result.again && r->type != MESSAGE_MAINTAIN) {
		directory_removed(c, r->target.capture);
		return true;
	}
	archive_queue_take(&c->queue);
	if (r->type != MESSAGE_CAPTURE) /* a new process's first answer proves nothing */
		c->failures = 0;
	c->events->answered(c->context, r, &message->result, fd);
	head_send(c);
	return true;
}

/* This ends the process; on SIGCHLD the next one is started. */
static void on_closed(void *owner, int error, const char *why)
{
	struct archive_client *c = owner;

	(void)error;
	if (why)
		log_error("the archive process: %s", why);
	retention_drop(c);
	c->queue.sent = false;
}

static const struct process_events process_events = { CHANNEL_ARCHIVE, on_message, on_closed };

static int archive_start(struct archive_client *c)
{
	const struct process_plan plan = { .role = CHILD_ARCHIVE, .what = "", .fds = { -1, -1 } };

	return process_start(&c->process, &plan);
}

/* Announces to a new archive process, before the queued requests; an announcement that is already
 * first in the queue is not repeated. */
static void captures_announce(struct archive_client *c)
{
	for (unsigned i = c->captures; i-- > 0;) {
		struct announced *a = &c->announced[i];
		struct archive_request *r;

		if (archive_queue_announces(&c->queue, i) || !*a->message.name)
			continue;
		r = calloc(1, sizeof(*r));
		if (!r) { /* it would serve the other captures without knowing this one */
			log_error("no memory to announce all captures to the archive process");
			process_replace(c);
			return;
		}
		*r = (struct archive_request){ .type = MESSAGE_CAPTURE,
					       .target = { .capture = i, .owner = a->owner } };
		archive_queue_add_first(&c->queue, r);
	}
}

static void retry_cb(evutil_socket_t fd, short what, void *arg)
{
	struct archive_client *c = arg;
	int rc;

	(void)fd;
	(void)what;
	if (c->process.pid < 0) {
		rc = archive_start(c);
		if (rc) {
			log_error("starting the archive process: %s; retrying",
				  process_failure(-rc));
			c->failures++;
			event_add(c->retry, &(struct timeval){ 1, 0 });
			return;
		}
		captures_announce(c);
	}
	head_send(c);
}

static void death_log(struct archive_client *c, int status)
{
	char text[1024];
	int number;
	const char *how = process_death(status, &number);

	if (!c->replaced || status)
		log_error("the archive process ended (%s %d); a new one continues", how, number);
	c->replaced = false;
	if (process_crash_text(&c->process, text, sizeof(text)))
		log_error("the archive process died of %s", text);
}

bool archive_client_reaped(struct archive_client *c, pid_t pid, int status)
{
	unsigned ms;
	struct timeval delay;

	if (!process_reaped(&c->process, pid))
		return false;
	death_log(c, status);
	retention_drop(c);
	process_leave(c);
	ms = process_backoff_ms(++c->failures);
	delay = (struct timeval){ ms / 1000, ms % 1000 * 1000 };
	event_add(c->retry, &delay);
	return true;
}

pid_t archive_client_pid(const struct archive_client *c)
{
	return c->process.pid;
}

bool archive_client_unavailable(const struct archive_client *c)
{
	return c->failures >= UNAVAILABLE;
}

int64_t archive_client_clock(struct archive_client *c)
{
	int64_t step;

	clock_note(c);
	step = c->clock_step_ns;
	c->clock_step_ns = 0;
	return step;
}

void archive_client_announce(struct archive_client *c, const struct message_capture *capture,
			     void *owner)
{
	struct announced *a = &c->announced[capture->capture];
	struct archive_request *r = calloc(1, sizeof(*r));

	if (strcmp(a->message.directory, capture->directory) != 0)
		archive_client_directory(c, capture->capture, -1);
	a->message = *capture;
	a->owner = owner;
	if (c->captures <= capture->capture)
		c->captures = capture->capture + 1;
	if (!r) { /* announced to the next process, before all else */
		log_error("no memory for a request to the archive process");
		process_replace(c);
		return;
	}
	*r = (struct archive_request){ .type = MESSAGE_CAPTURE,
				       .target = { .capture = capture->capture, .owner = owner } };
	archive_client_request(c, r);
}

void archive_client_request(struct archive_client *c, struct archive_request *r)
{
	archive_queue_add(&c->queue, r,
			  c->announced[r->target.capture].message.config.disk_budget != 0);
	head_send(c);
}

void archive_client_tick(struct archive_client *c)
{
	archive_queue_repeat(&c->queue);
	head_send(c);
}

struct archive_queue *archive_client_queue(struct archive_client *c)
{
	return &c->queue;
}

const struct message_capture *archive_client_capture(const struct archive_client *c,
						     uint32_t capture)
{
	return &c->announced[capture].message;
}

int archive_client_new(struct archive_client **out, struct event_base *base,
		       const struct archive_client_events *events, void *context)
{
	struct archive_client *c = calloc(1, sizeof(*c));
	int rc;

	if (!c)
		return -ENOMEM;
	c->base = base;
	c->events = events;
	c->context = context;
	archive_queue_init(&c->queue);
	process_init(&c->process, base, &process_events, c);
	for (unsigned i = 0; i < CAPTURES_MAX; i++)
		c->announced[i].directory = -1;
	archive_client_clock(c);
	c->retry = event_new(base, -1, 0, retry_cb, c);
	rc = c->retry ? archive_start(c) : -ENOMEM;
	if (rc)
		archive_client_free(c);
	else
		*out = c;
	return rc;
}

/* It has answered everything; it may still be closing a file on a disk that hangs. */
static void archive_wait(pid_t pid)
{
	const struct timespec pause = { 0, END_LOOK_NS };
	uint64_t end = clock_mono_ns() + END_NS;
	pid_t ended;

	while ((ended = waitpid(pid, NULL, WNOHANG)) == 0 && clock_mono_ns() < end)
		nanosleep(&pause, NULL);
	if (ended == 0)
		log_warning("exiting without the archive process: it waits for a disk or server "
			    "while it closes a file");
}

void archive_client_free(struct archive_client *c)
{
	struct archive_request *r;
	bool answered;

	if (!c)
		return;
	answered = archive_queue_idle(&c->queue);
	process_leave(c);
	if (c->retry)
		event_free(c->retry);
	if (c->process.pid > 0 && answered)
		archive_wait(c->process.pid);
	while ((r = archive_queue_drain(&c->queue)))
		archive_request_free(r);
	for (uint32_t i = 0; i < CAPTURES_MAX; i++)
		archive_client_directory(c, i, -1);
	free(c);
}
