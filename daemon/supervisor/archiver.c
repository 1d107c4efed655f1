/* The archive process: started, heard, replaced. */
#include "files_state.h"
#include "spawn.h"

#include "../base/channel.h"
#include "../base/child.h"
#include "../base/clock.h"
#include "../base/failure.h"
#include "../base/log.h"
#include "../base/trace.h"

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

static void archive_closed(struct files *f)
{
	if (f->event)
		event_free(f->event);
	f->event = NULL;
	if (f->channel >= 0)
		close(f->channel);
	f->channel = -1;
	f->sent = false;
}

/* The one that there is ends by that, and SIGCHLD brings the next. */
void files_process_replace(struct files *f)
{
	f->replaced |= f->channel >= 0;
	archive_closed(f);
}

/* What it died of is told when it has. */
static void crash_note(struct files *f, const struct message *message, int fd)
{
	if (fd >= 0)
		close(fd);
	f->crashed = message->crashed;
}

static void crash_tell(struct files *f)
{
	char text[1024];

	if (!f->crashed.signal)
		return;
	trace_text(&f->crashed, text, sizeof(text));
	log_error("the archive process died of %s", text);
	f->crashed.signal = 0;
}

/* What a dead one still said: an answer is asked for again. */
static void last_words(struct files *f)
{
	struct message message;
	int fd;

	while (f->channel >= 0 && channel_recv(f->channel, &message, &fd) == 1)
		if (message.type == MESSAGE_CRASHED)
			crash_note(f, &message, fd);
		else if (fd >= 0)
			close(fd);
	crash_tell(f);
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

static void channel_cb(evutil_socket_t fd, short what, void *arg)
{
	struct files *f = arg;
	static struct message message;
	int passed, rc = channel_recv(fd, &message, &passed);
	struct request *r = TAILQ_FIRST(&f->queue);

	(void)what;
	if (rc == -EAGAIN)
		return;
	if (rc == 1 && message.type == MESSAGE_CRASHED) {
		crash_note(f, &message, passed);
		return;
	}
	if (rc <= 0 || !r || !f->sent || !files_request_fits(f, r, &message, passed)) {
		if (passed >= 0)
			close(passed);
		if (rc != 0)
			log_error("the archive process answers nonsense");
		keep_drop(f);
		archive_closed(f); /* it ends by that, and SIGCHLD brings the next */
		return;
	}
	if (message.result.again && r->type != MESSAGE_KEEP) {
		directory_removed(f, r->capture);
		return;
	}
	TAILQ_REMOVE(&f->queue, r, link);
	f->sent = false;
	if (r->type != MESSAGE_CAPTURE) /* a new process's first answer proves nothing */
		f->failures = 0;
	files_answered(f, r, &message.result, passed);
	if (!r->error)
		free(r);
	files_queue_send(f);
	if (files_idle(f))
		f->events->idle(f->context);
}

static int archive_start(struct files *f)
{
	int ends[2], rc = channel_pair(ends);
	pid_t pid;

	if (rc)
		return rc;
	pid = spawn_child(CHILD_ARCHIVE, "", &ends[1], 1, false);
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return (int)pid;
	}
	f->pid = pid;
	f->channel = ends[0];
	f->event = event_new(f->base, f->channel, EV_READ | EV_PERSIST, channel_cb, f);
	if (f->event && event_add(f->event, NULL) == 0)
		return 0;
	archive_closed(f); /* it cannot be heard: it ends by that, and SIGCHLD brings the next */
	return -ENOMEM;
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
	if (f->channel < 0 && f->pid < 0) {
		rc = archive_start(f);
		if (rc) {
			log_error("starting the archive process: %s; trying again",
				  spawn_failure(-rc));
			f->failures++;
			event_add(f->retry, &(struct timeval){ 1, 0 });
			return;
		}
		captures_tell(f);
	}
	files_queue_send(f);
}

bool files_reaped(struct files *f, pid_t pid, int status)
{
	unsigned ms;
	struct timeval delay;

	if (pid != f->pid)
		return false;
	if (!f->replaced || WIFSIGNALED(status) || WEXITSTATUS(status))
		log_error("the archive process ended (%s %d); a new one goes on",
			  WIFSIGNALED(status) ? "signal" : "status",
			  WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	f->replaced = false;
	f->pid = -1;
	last_words(f);
	keep_drop(f);
	archive_closed(f);
	ms = spawn_backoff_ms(++f->failures);
	delay = (struct timeval){ ms / 1000, ms % 1000 * 1000 };
	event_add(f->retry, &delay);
	return true;
}

pid_t files_pid(const struct files *f)
{
	return f->pid;
}

int files_new(struct files **out, struct event_base *base, const struct files_events *events,
	      void *context)
{
	struct files *f = calloc(1, sizeof(*f));
	int rc;

	if (!f)
		return -ENOMEM;
	*f = (struct files){
		.base = base, .events = events, .context = context, .channel = -1, .pid = -1
	};
	TAILQ_INIT(&f->queue);
	TAILQ_INIT(&f->delayed);
	for (unsigned i = 0; i < CONFIG_CAPTURES_MAX; i++)
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
	archive_closed(f);
	if (f->retry)
		event_free(f->retry);
	if (f->pid > 0 && idle)
		archive_wait(f->pid);
	while ((r = TAILQ_FIRST(&f->queue))) {
		TAILQ_REMOVE(&f->queue, r, link);
		if (r->type == MESSAGE_FINISH || r->type == MESSAGE_DISCARD) /* no slot has it */
			files_forget(r->file);
		free(r);
	}
	for (uint32_t i = 0; i < CONFIG_CAPTURES_MAX; i++)
		files_directory_set(f, i, -1);
	free(f);
}
