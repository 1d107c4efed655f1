/* The queue of requests to the archive process. */
#include "files_state.h"

#include "../base/clock.h"
#include "../base/config.h"
#include "../base/failure.h"
#include "../base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool opens(uint32_t type)
{
	return type == MESSAGE_OPEN || type == MESSAGE_REOPEN;
}

static void request_message(const struct files *f, const struct request *r, struct message *message)
{
	memset(message, 0, sizeof(*message));
	message->type = r->type;
	if (r->type == MESSAGE_CAPTURE) {
		message->capture = f->captures[r->capture];
		return;
	}
	message->archive.capture = r->capture;
	message->archive.worker = r->worker;
	message->archive.file = r->record;
	message->archive.clock = f->clock.now;
	if (r->type == MESSAGE_FINISH && r->file->spoiled) /* perhaps since it was asked for */
		message->archive.file.error = (uint64_t)r->file->spoiled;
	if (r->type == MESSAGE_REOPEN) {
		message->archive.device = r->file->device;
		message->archive.inode = r->file->inode;
	}
	if (r->file && !opens(r->type))
		memcpy(message->archive.name, r->file->name, sizeof(message->archive.name));
}

/* What goes along with a request; -1: nothing. Whatever the path of a directory leads to by now, a
 * new archive process goes on where the files are. */
static int request_fd(const struct files *f, const struct request *r)
{
	if (r->type == MESSAGE_CAPTURE)
		return f->directories[r->capture];
	return r->file && !opens(r->type) ? r->file->fd : -1;
}

/* Also before each request: a file that is there by then was never named by a clock that nobody has
 * looked at. */
static void clock_note(struct files *f)
{
	char from[CLOCK_TEXT_BYTES], to[CLOCK_TEXT_BYTES];
	int64_t step = clock_look(&f->clock, clock_real_ns(), clock_boot_ns());
	uint64_t by = step < 0 ? -(uint64_t)step : (uint64_t)step, now = f->clock.now.real_ns;

	if (step)
		log_warning("the clock was set %s by %" PRIu64 ".%03u s, from %s to %s: max_age "
			    "removes no file until that has stood for a while",
			    step < 0 ? "back" : "forward", by / 1000000000,
			    (unsigned)(by / 1000000 % 1000), clock_text(from, now - (uint64_t)step),
			    clock_text(to, now));
	f->clock_step_ns += step;
}

/* Sends the head of the queue, if nothing is out. */
void files_queue_send(struct files *f)
{
	struct request *r = TAILQ_FIRST(&f->queue);
	struct message message;
	int rc;

	if (!r || f->sent || f->process.channel < 0)
		return;
	clock_note(f);
	request_message(f, r, &message);
	rc = process_send(&f->process, &message, request_fd(f, r));
	if (rc == 0) {
		f->sent = true;
	} else if (rc != -EPIPE) { /* gone: its successor gets it */
		log_error("sending %s to the archive process: %s; trying again",
			  message_name(r->type),
			  rc == -EAGAIN ? "it does not take any more" : failure_text(-rc));
		event_add(f->retry, &(struct timeval){ 1, 0 });
	}
}

/* A rotation waits for the next file, nobody for the end of one, which is synced: what opens and
 * names goes before what finishes. But under a budget a file must have ended before it can make
 * room for the next one. The request before which it stands, NULL: the end. */
static struct request *queue_place(const struct files *f, uint32_t type, uint32_t capture)
{
	struct request *r = TAILQ_FIRST(&f->queue);

	if (type != MESSAGE_CAPTURE && type != MESSAGE_REOPEN && type != MESSAGE_NAME &&
	    (type != MESSAGE_OPEN || f->captures[capture].disk_budget))
		return NULL;
	if (r && f->sent)
		r = TAILQ_NEXT(r, link);
	while (r &&
	       (r->type == MESSAGE_CAPTURE || r->type == MESSAGE_NAME ||
		r->type == MESSAGE_REOPEN || (r->type == MESSAGE_OPEN && type != MESSAGE_REOPEN)))
		r = TAILQ_NEXT(r, link);
	return r;
}

/* What ends a file must never be missing: its request was made with it. */
static struct request *request_new(struct output_file *file, uint32_t type)
{
	struct request *r;

	if (type != MESSAGE_FINISH && type != MESSAGE_DISCARD)
		return calloc(1, sizeof(*r));
	r = file->end;
	file->end = NULL;
	return r;
}

static struct request *queue_add(struct files *f, uint32_t type, uint32_t capture, uint32_t worker,
				 struct output_file *file)
{
	struct request *r = request_new(file, type), *before;

	if (!r) {
		log_error("no memory for a request to the archive process");
		return NULL;
	}
	*r = (struct request){ .type = type, .capture = capture, .worker = worker, .file = file };
	before = queue_place(f, type, capture);
	if (before)
		TAILQ_INSERT_BEFORE(before, r, link);
	else
		TAILQ_INSERT_TAIL(&f->queue, r, link);
	return r;
}

static void file_free(struct output_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	free(file->end);
	free(file);
}

static struct output_file *file_new(uint64_t serial)
{
	struct output_file *file = calloc(1, sizeof(*file));

	if (!file)
		return NULL;
	*file = (struct output_file){ .serial = serial,
				      .fd = -1,
				      .end = calloc(1, sizeof(*file->end)) };
	if (file->end)
		return file;
	free(file);
	return NULL;
}

void files_directory_set(struct files *f, uint32_t capture, int fd)
{
	if (f->directories[capture] >= 0)
		close(f->directories[capture]);
	f->directories[capture] = fd;
}

bool files_answer_fits(const struct message *request, struct message *answer, int fd)
{
	struct message_result *r = &answer->result;
	bool opening = opens(request->type) && !r->error;

	if (answer->type != message_answer(request->type))
		return false;
	r->text[sizeof(r->text) - 1] = '\0';
	r->name[sizeof(r->name) - 1] = '\0';
	if (request->type == MESSAGE_CAPTURE) /* with its directory, perhaps */
		return r->capture == request->capture.capture && (fd < 0 || !r->error) &&
		       !r->removed; /* nobody asked, perhaps, who would count it */
	return r->capture == request->archive.capture && r->worker == request->archive.worker &&
	       r->serial == request->archive.file.serial && (fd >= 0) == opening &&
	       (!opening || (r->align && (r->align & (r->align - 1)) == 0));
}

bool files_request_fits(const struct files *f, const struct request *r, struct message *answer,
			int fd)
{
	static struct message request;

	request_message(f, r, &request);
	return files_answer_fits(&request, answer, fd);
}

/* The file system may take the name later. */
static void finish_delay(struct files *f, struct request *r, const struct message_result *result)
{
	if (result->error != r->error)
		log_error("%s; tried again", result->text);
	r->error = result->error;
	r->tries++;
	if (!r->file->spoiled)
		r->file->spoiled = result->spoiled;
	TAILQ_INSERT_TAIL(&f->delayed, r, link);
	f->events->finished(r->owner, &r->record, false, NULL);
}

static void named(struct files *f, struct request *r, const struct message_result *result)
{
	struct output_file *file = r->file;

	file->naming = false;
	if (result->error && result->error != file->name_error)
		log_error("%s; tried again", result->text);
	else if (!result->error && file->name_error)
		log_notice("%s has its name now", file->name);
	file->name_error = result->error;
	if (result->lost)
		f->events->astray(r->owner, file, result->text);
}

static void finished(struct files *f, struct request *r, const struct message_result *result)
{
	if (result->error && result->later) {
		finish_delay(f, r, result);
		return;
	}
	if (r->error && !result->error)
		log_notice("%s is finished now", r->file->name);
	r->error = 0;
	if (result->error && *result->text && !result->lost)
		log_error("%s", result->text);
	f->events->finished(r->owner, &r->record, r->file->spoiled || r->record.error, result);
	file_free(r->file);
}

/* The answer to the head of the queue; r->error says whether it is in another one now. `fd` is
 * ours. */
void files_answered(struct files *f, struct request *r, const struct message_result *result, int fd)
{
	struct output_file *file = r->file;

	if (file && !result->error && r->type != MESSAGE_SYNC && r->type != MESSAGE_LOOK)
		memcpy(file->name, result->name, sizeof(file->name));
	if (r->type == MESSAGE_OPEN || r->type == MESSAGE_KEEP || result->removed)
		f->events->cared(r->owner, result, r->type == MESSAGE_KEEP);
	if (r->type == MESSAGE_CAPTURE && !result->error) {
		if (fd >= 0)
			files_directory_set(f, r->capture, fd);
		if (r->owner)
			f->events->placed(r->owner);
	}
	if (opens(r->type) && !result->error) {
		file->fd = fd;
		file->align = result->align;
		file->device = result->device;
		file->inode = result->inode;
		if (!file->ending)
			f->events->opened(r->owner, file);
		return;
	}
	if (result->error && r->owner &&
	    (r->type == MESSAGE_CAPTURE || (opens(r->type) && !file->ending))) {
		if (file)
			file->failed = true;
		f->events->failed(r->owner, file, result->error, result->text);
		return;
	}
	if (opens(r->type)) /* the file is not wanted any more: that it failed is no error */
		return;
	if (r->type == MESSAGE_NAME) {
		named(f, r, result);
		return;
	}
	if (r->type == MESSAGE_FINISH) {
		finished(f, r, result);
		return;
	}
	if (result->error && *result->text)
		log_about(LOG_ERR,
			  &(struct log_subject){ f->captures[r->capture].name,
						 file ? (int)r->worker : -1,
						 file ? file->name : NULL },
			  "%s", result->text);
	if (r->type == MESSAGE_SYNC)
		f->events->synced(r->owner, file, result->error);
	if (r->type == MESSAGE_LOOK) {
		file->looking = false;
		if (result->lost)
			f->events->astray(r->owner, file, result->text);
	}
	if (r->type == MESSAGE_DISCARD)
		file_free(file);
}

int64_t files_clock(struct files *f)
{
	int64_t step;

	clock_note(f);
	step = f->clock_step_ns;
	f->clock_step_ns = 0;
	return step;
}

void files_capture(struct files *f, const struct message_capture *capture, void *owner)
{
	struct request *r = queue_add(f, MESSAGE_CAPTURE, capture->capture, 0, NULL);

	if (strcmp(f->captures[capture->capture].directory, capture->directory) != 0)
		files_directory_set(f, capture->capture, -1);
	f->captures[capture->capture] = *capture;
	if (f->told <= capture->capture)
		f->told = capture->capture + 1;
	if (r) {
		r->owner = owner;
	} else { /* the next process is told, before all else */
		f->owed[capture->capture] = owner;
		files_process_replace(f);
	}
	files_queue_send(f);
}

/* What was not asked for is asked for again by whoever looks at these flags. */
static void request_missing(struct output_file *file, uint32_t type)
{
	if (opens(type))
		file->failed = true;
	if (type == MESSAGE_NAME)
		file->name_error = ENOMEM;
	if (file)
		file->naming = file->looking = file->syncing = false;
}

static bool file_request(struct files *f, uint32_t type, uint32_t capture, uint32_t worker,
			 struct output_file *file, const struct ledger_file *record, void *owner)
{
	struct request *r = queue_add(f, type, capture, worker, file);

	if (!r) {
		request_missing(file, type);
		return false;
	}
	if (record)
		r->record = *record;
	r->owner = owner;
	files_queue_send(f);
	return true;
}

struct output_file *files_open(struct files *f, uint32_t capture, uint32_t worker, uint64_t serial,
			       void *owner)
{
	struct output_file *file = file_new(serial);

	if (file)
		files_retry(f, capture, worker, file, owner);
	return file;
}

void files_retry(struct files *f, uint32_t capture, uint32_t worker, struct output_file *file,
		 void *owner)
{
	const struct ledger_file record = { .serial = file->serial };

	file->failed = false;
	file_request(f, file->reopen ? MESSAGE_REOPEN : MESSAGE_OPEN, capture, worker, file,
		     &record, owner);
}

struct output_file *files_reopen(struct files *f, uint32_t capture, uint32_t worker,
				 uint64_t serial, uint64_t device, uint64_t inode, void *owner)
{
	struct output_file *file = file_new(serial);

	if (!file)
		return NULL;
	file->reopen = true;
	file->device = device;
	file->inode = inode;
	files_retry(f, capture, worker, file, owner);
	return file;
}

void files_forget(struct output_file *file)
{
	if (file)
		file_free(file);
}

void files_name(struct files *f, uint32_t capture, uint32_t worker, struct output_file *file,
		const struct ledger_file *record, void *owner)
{
	file->named = file->naming = true;
	file_request(f, MESSAGE_NAME, capture, worker, file, record, owner);
}

void files_finish(struct files *f, uint32_t capture, uint32_t worker, struct output_file *file,
		  const struct ledger_file *record, void *owner)
{
	file->ending = true;
	file_request(f, MESSAGE_FINISH, capture, worker, file, record, owner);
}

void files_discard(struct files *f, uint32_t capture, uint32_t worker, struct output_file *file,
		   void *owner)
{
	file->ending = true;
	file_request(f, MESSAGE_DISCARD, capture, worker, file, NULL, owner);
}

void files_look(struct files *f, uint32_t capture, uint32_t worker, struct output_file *file,
		const struct ledger_file *record, void *owner)
{
	file->looking = true;
	file_request(f, MESSAGE_LOOK, capture, worker, file, record, owner);
}

void files_sync(struct files *f, uint32_t capture, uint32_t worker, struct output_file *file,
		void *owner)
{
	file->syncing = true;
	file_request(f, MESSAGE_SYNC, capture, worker, file, NULL, owner);
}

bool files_keep(struct files *f, uint32_t capture, int refused, void *owner)
{
	const struct ledger_file record = { .error = (uint64_t)refused };

	return file_request(f, MESSAGE_KEEP, capture, 0, NULL, &record, owner);
}
