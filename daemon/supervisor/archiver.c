/* The archive process: started, heard, replaced. */
#include "files_state.h"

#include "../base/child.h"
#include "../base/clock.h"
#include "../base/failure.h"
#include "../base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define END_NS	    UINT64_C(5000000000)
#define END_LOOK_NS 5000000
#define HOPELESS    8 /* deaths without an answer between them, in some three seconds */

/* Nobody waits for this one: it is asked for again anyway, and may be what it died of. */
static void keep_drop(struct files *f)
{
	const struct message_result failed = { .error = EPIPE };
	struct request *r = TAILQ_FIRST(&f->queue);

	if (!r || !f->sent || r->type != MESSAGE_KEEP)
		return;
	TAILQ_REMOVE(&f->queue, r, link);
	f->events->cared(r->owner, &failed, true);
	free(r);
}

static void archive_close(struct files *f)
{
	process_close(&f->process);
	f->sent = false;
}

/* The present process ends by that, and SIGCHLD brings the next. */
void files_process_replace(struct files *f)
{
	f->replaced |= f->process.channel >= 0;
	archive_close(f);
}

/* The request stays at the head of the queue, for the next process. */
static void directory_removed(struct files *f, uint32_t capture)
{
	const struct message_capture *c = &f->captures[capture];

	log_about(LOG_WARNING, &(struct log_subject){ c->name, -1, NULL },
		  "the directory %s was removed: its path is opened again by a new archive "
		  "process",
		  c->directory);
	files_directory_set(f, capture, -1);
	files_process_replace(f);
}

static bool on_message(void *owner, struct message *message, int fd)
{
	struct files *f = owner;
	struct request *r = TAILQ_FIRST(&f->queue);

	if (f->process.pid < 0) { /* a dead one's answer: it is asked for again */
		if (fd >= 0)
			close(fd);
		return true;
	}
	if (!r || !f->sent || !files_request_fits(f, r, message, fd)) {
		if (fd >= 0)
			close(fd);
		log_error("the archive process: protocol violation: %s is no answer to what it was "
			  "asked for",
			  message_name(message->type));
		return false;
	}
	if (message->result.again && r->type != MESSAGE_KEEP) {
		directory_removed(f, r->capture);
		return true;
	}
	TAILQ_REMOVE(&f->queue, r, link);
	f->sent = false;
	if (r->type != MESSAGE_CAPTURE) /* a new process's first answer proves nothing */
		f->failures = 0;
	files_answered(f, r, &message->result, fd);
	if (!r->error)
		free(r);
	files_queue_send(f);
	if (files_idle(f))
		f->events->idle(f->context);
	return true;
}

/* It ends by that, and SIGCHLD brings the next. */
static void on_closed(void *owner, int error, const char *why)
{
	struct files *f = owner;

	(void)error;
	if (why)
		log_error("the archive process: %s", why);
	keep_drop(f);
	f->sent = false;
}

static const struct process_events process_events = { CHANNEL_ARCHIVE, on_message, on_closed };

static int archive_start(struct files *f)
{
	const struct process_plan plan = { .role = CHILD_ARCHIVE, .what = "", .fds = { -1, -1 } };

	return process_start(&f->process, &plan);
}

/* A new archive process knows no capture: those that it is told of, and that are not in the queue
 * anyway, come first. */
static void captures_tell(struct files *f)
{
	for (unsigned i = f->told; i-- > 0;) {
		struct request *r = TAILQ_FIRST(&f->queue);

		while (r && r->type == MESSAGE_CAPTURE && r->capture != i)
			r = TAILQ_NEXT(r, link);
		if ((r && r->type == MESSAGE_CAPTURE) || !*f->captures[i].name)
			continue;
		r = calloc(1, sizeof(*r));
		if (!r) { /* it would serve the others, and know nothing of this one */
			log_error("no memory to tell the archive process of all captures");
			files_process_replace(f);
			return;
		}
		*r = (struct request){ .type = MESSAGE_CAPTURE, .capture = i, .owner = f->owed[i] };
		f->owed[i] = NULL;
		TAILQ_INSERT_HEAD(&f->queue, r, link);
	}
}

static void retry_cb(evutil_socket_t fd, short what, void *arg)
{
	struct files *f = arg;
	int rc;

	(void)fd;
	(void)what;
	if (f->process.pid < 0) {
		rc = archive_start(f);
		if (rc) {
			log_error("starting the archive process: %s; trying again",
				  process_failure(-rc));
			f->failures++;
			event_add(f->retry, &(struct timeval){ 1, 0 });
			return;
		}
		captures_tell(f);
	}
	files_queue_send(f);
}

static void death_log(struct files *f, int status)
{
	char text[1024];
	int number;
	const char *how = process_death(status, &number);

	if (!f->replaced || status)
		log_error("the archive process ended (%s %d); a new one goes on", how, number);
	f->replaced = false;
	if (process_crash_text(&f->process, text, sizeof(text)))
		log_error("the archive process died of %s", text);
}

bool files_reaped(struct files *f, pid_t pid, int status)
{
	unsigned ms;
	struct timeval delay;

	if (!process_reaped(&f->process, pid))
		return false;
	death_log(f, status);
	keep_drop(f);
	archive_close(f);
	ms = process_backoff_ms(++f->failures);
	delay = (struct timeval){ ms / 1000, ms % 1000 * 1000 };
	event_add(f->retry, &delay);
	return true;
}

pid_t files_pid(const struct files *f)
{
	return f->process.pid;
}

int files_new(struct files **out, struct event_base *base, const struct files_events *events,
	      void *context)
{
	struct files *f = calloc(1, sizeof(*f));
	int rc;

	if (!f)
		return -ENOMEM;
	*f = (struct files){ .base = base, .events = events, .context = context };
	process_init(&f->process, base, &process_events, f);
	TAILQ_INIT(&f->queue);
	TAILQ_INIT(&f->delayed);
	for (unsigned i = 0; i < CAPTURES_MAX; i++)
		f->directories[i] = -1;
	files_clock(f);
	f->retry = event_new(base, -1, 0, retry_cb, f);
	rc = f->retry ? archive_start(f) : -ENOMEM;
	if (rc)
		files_free(f);
	else
		*out = f;
	return rc;
}

bool files_hopeless(const struct files *f)
{
	return f->failures >= HOPELESS;
}

/* It has answered all; it may still be closing a file of a disk that stands still. */
static void archive_wait(pid_t pid)
{
	const struct timespec pause = { 0, END_LOOK_NS };
	uint64_t end = clock_mono_ns() + END_NS;
	pid_t ended;

	while ((ended = waitpid(pid, NULL, WNOHANG)) == 0 && clock_mono_ns() < end)
		nanosleep(&pause, NULL);
	if (ended == 0)
		log_warning("leaving without the archive process: it waits for a disk or server "
			    "while it closes a file");
}

void files_free(struct files *f)
{
	struct request *r;
	bool idle;

	if (!f)
		return;
	idle = files_idle(f);
	TAILQ_CONCAT(&f->queue, &f->delayed, link);
	archive_close(f);
	if (f->retry)
		event_free(f->retry);
	if (f->process.pid > 0 && idle)
		archive_wait(f->process.pid);
	while ((r = TAILQ_FIRST(&f->queue))) {
		TAILQ_REMOVE(&f->queue, r, link);
		if (r->type == MESSAGE_FINISH || r->type == MESSAGE_DISCARD) /* no slot has it */
			files_forget(r->file);
		free(r);
	}
	for (uint32_t i = 0; i < CAPTURES_MAX; i++)
		files_directory_set(f, i, -1);
	free(f);
}
