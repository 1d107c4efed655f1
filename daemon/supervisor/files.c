/* The requests to the archive process about files, and the meaning of its answers. */
#include "files.h"

#include "../base/failure.h"
#include "../base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct files {
	struct archive_client *client;
	const struct files_events *events;
};

static void answer_log(const struct files *f, const struct archive_request *r,
		       const struct message_result *result)
{
	if (result->error && *result->text)
		log_about(LOG_ERR,
			  &(struct log_subject){
				  archive_client_capture(f->client, r->target.capture)->name,
				  r->file ? (int)r->target.worker : -1,
				  r->file ? r->file->name : NULL },
			  "%s", result->text);
}

static void on_announced(struct files *f, const struct archive_request *r,
			 const struct message_result *result, int fd)
{
	if (result->error && r->target.owner) {
		f->events->failed(r->target.owner, NULL, result);
	} else if (result->error) {
		answer_log(f, r, result);
	} else {
		if (fd >= 0)
			archive_client_directory(f->client, r->target.capture, fd);
		if (r->target.owner)
			f->events->placed(r->target.owner);
	}
}

static void on_opened(struct files *f, const struct archive_request *r,
		      const struct message_result *result, int fd)
{
	struct output_file *file = r->file;

	if (!result->error) {
		file->fd = fd;
		file->align = result->align;
		file->device = result->device;
		file->inode = result->inode;
		if (file->state != FILE_ENDING)
			f->events->opened(r->target.owner, file);
	} else if (file->state != FILE_ENDING) { /* otherwise no slot needs it: no error */
		output_file_enter(file, FILE_MISSING);
		f->events->failed(r->target.owner, file, result);
	}
}

static void on_named(struct files *f, const struct archive_request *r,
		     const struct message_result *result)
{
	struct output_file *file = r->file;

	file->pending &= ~FILE_NAMING;
	if (result->error && result->error != file->name_error)
		log_error("%s; retrying", result->text);
	else if (!result->error && file->name_error)
		log_notice("%s is named now", file->name);
	file->name_error = result->error;
	if (result->lost)
		f->events->astray(r->target.owner, file, result->text);
}

static void file_finished(struct files *f, const struct archive_request *r,
			  const struct message_result *result)
{
	f->events->finished(r->target.owner, &r->record, r->file->spoiled || r->record.error,
			    result);
	output_file_free(r->file);
}

/* True: the file system may take the name later. */
static bool on_finished(struct files *f, struct archive_request *r,
			const struct message_result *result)
{
	if (result->error && result->later) {
		if (result->error != r->error)
			log_error("%s; retrying", result->text);
		if (!r->file->spoiled && result->spoiled && !r->record.error) {
			r->file->spoiled = result->spoiled;
			f->events->spoiled(r->target.owner, r->file);
		}
		archive_queue_delay(archive_client_queue(f->client), r, result->error);
		f->events->finished(r->target.owner, &r->record, false, NULL);
		return true;
	}
	if (r->error && !result->error)
		log_notice("%s is finished now", r->file->name);
	if (result->error && *result->text && !result->lost)
		log_error("%s", result->text);
	file_finished(f, r, result);
	return false;
}

static void on_looked(struct files *f, const struct archive_request *r,
		      const struct message_result *result)
{
	r->file->pending &= ~FILE_LOOKING;
	if (result->lost)
		f->events->astray(r->target.owner, r->file, result->text);
}

static void on_synced(struct files *f, const struct archive_request *r,
		      const struct message_result *result)
{
	r->file->pending &= ~FILE_SYNCING;
	if (!result->error)
		return;
	r->file->spoiled = result->error; /* its contents on the disk are unknown now */
	f->events->spoiled(r->target.owner, r->file);
}

/* Handles the answer to `r`, which is not in the queue any more. Takes ownership of `fd`. True: `r`
 * is in a queue again. */
static bool answer_take(struct files *f, struct archive_request *r,
			const struct message_result *result, int fd)
{
	if (r->file && !result->error && r->type != MESSAGE_SYNC && r->type != MESSAGE_LOOK)
		memcpy(r->file->name, result->name, sizeof(r->file->name));
	if (r->type == MESSAGE_OPEN || r->type == MESSAGE_MAINTAIN || result->removed)
		f->events->retained(r->target.owner, result, r->type == MESSAGE_MAINTAIN);
	if (r->type == MESSAGE_CAPTURE)
		on_announced(f, r, result, fd);
	else if (archive_request_opens(r))
		on_opened(f, r, result, fd);
	else if (r->type == MESSAGE_NAME)
		on_named(f, r, result);
	else if (r->type == MESSAGE_FINISH)
		return on_finished(f, r, result);
	else
		answer_log(f, r, result);
	if (r->type == MESSAGE_SYNC)
		on_synced(f, r, result);
	else if (r->type == MESSAGE_LOOK)
		on_looked(f, r, result);
	else if (r->type == MESSAGE_DISCARD)
		output_file_free(r->file);
	return false;
}

static void on_answer(void *context, struct archive_request *r, const struct message_result *result,
		      int fd)
{
	if (!answer_take(context, r, result, fd))
		free(r);
}

static const struct archive_client_events client_events = { on_answer };

/* Ending a file must not fail for lack of memory: its request was made with it. */
static struct archive_request *request_new(struct output_file *file, uint32_t type)
{
	struct archive_request *r;

	if (type != MESSAGE_FINISH && type != MESSAGE_DISCARD)
		return calloc(1, sizeof(*r));
	r = file->end;
	file->end = NULL;
	return r;
}

/* False without memory. */
static bool request_add(struct files *f, uint32_t type, const struct archive_target *target,
			struct output_file *file, const struct ledger_file *record)
{
	struct archive_request *r = request_new(file, type);

	if (!r) {
		log_error("no memory for a request to the archive process");
		return false;
	}
	*r = (struct archive_request){ .type = type, .target = *target, .file = file };
	if (record)
		r->record = *record;
	archive_client_request(f->client, r);
	return true;
}

/* The owner of these flags repeats requests that were not made. */
static void request_missing(struct output_file *file, uint32_t type)
{
	if (type == MESSAGE_OPEN || type == MESSAGE_REOPEN)
		output_file_enter(file, FILE_MISSING);
	if (type == MESSAGE_NAME)
		file->name_error = ENOMEM;
	file->pending = 0;
}

static void file_request(struct files *f, uint32_t type, struct output_file *file,
			 const struct ledger_file *record)
{
	if (!request_add(f, type, &file->target, file, record))
		request_missing(file, type);
}

static struct output_file *file_new(const struct archive_target *target, uint64_t serial)
{
	return output_file_new(target, serial, calloc(1, sizeof(struct archive_request)));
}

struct output_file *files_open(struct files *f, const struct archive_target *target,
			       uint64_t serial)
{
	struct output_file *file = file_new(target, serial);

	if (file)
		files_retry(f, file);
	return file;
}

struct output_file *files_reopen(struct files *f, const struct archive_target *target,
				 uint64_t serial, uint64_t device, uint64_t inode)
{
	struct output_file *file = file_new(target, serial);

	if (!file)
		return NULL;
	file->device = device;
	file->inode = inode;
	files_retry(f, file);
	return file;
}

void files_retry(struct files *f, struct output_file *file)
{
	const struct ledger_file record = { .serial = file->serial };

	output_file_enter(file, output_file_sought(file) ? FILE_SOUGHT : FILE_ASKED);
	file_request(f, file->state == FILE_SOUGHT ? MESSAGE_REOPEN : MESSAGE_OPEN, file, &record);
}

void files_name(struct files *f, struct output_file *file, const struct ledger_file *record)
{
	if (!output_file_used(file))
		output_file_enter(file, FILE_USED);
	file->pending |= FILE_NAMING;
	file_request(f, MESSAGE_NAME, file, record);
}

void files_look(struct files *f, struct output_file *file, const struct ledger_file *record)
{
	file->pending |= FILE_LOOKING;
	file_request(f, MESSAGE_LOOK, file, record);
}

void files_finish(struct files *f, struct output_file *file, const struct ledger_file *record)
{
	output_file_enter(file, FILE_ENDING);
	file_request(f, MESSAGE_FINISH, file, record);
}

void files_discard(struct files *f, struct output_file *file)
{
	output_file_enter(file, FILE_ENDING);
	file_request(f, MESSAGE_DISCARD, file, NULL);
}

void files_sync(struct files *f, struct output_file *file)
{
	file->pending |= FILE_SYNCING;
	file_request(f, MESSAGE_SYNC, file, NULL);
}

bool files_retain(struct files *f, const struct archive_target *target, int refused)
{
	const struct ledger_file record = { .error = (uint64_t)refused };

	return request_add(f, MESSAGE_MAINTAIN, target, NULL, &record);
}

bool files_left(const struct files *f, uint32_t capture)
{
	return archive_queue_left(archive_client_queue(f->client), capture);
}

static void unfinished_log(const struct archive_request *r, void *context)
{
	const struct files *f = context;
	const struct message_capture *m = archive_client_capture(f->client, r->target.capture);

	log_about(LOG_ERR, &(struct log_subject){ m->name, (int)r->target.worker, r->file->name },
		  "%s in %s is not finished: %s (the next afcapd there will finish it)",
		  r->file->name, m->directory,
		  r->error ? failure_text(r->error) : "its file system does not answer");
}

/* The packets are in the file, whatever its name. */
bool files_done(struct files *f, uint32_t capture)
{
	struct archive_request *r;

	while ((r = archive_queue_give_up(archive_client_queue(f->client), capture))) {
		const struct message_result result = { .error = r->error };

		unfinished_log(r, f);
		file_finished(f, r, &result);
		free(r);
	}
	return !files_left(f, capture);
}

int files_delayed(const struct files *f, uint32_t capture)
{
	return archive_queue_error(archive_client_queue(f->client), capture);
}

unsigned files_unfinished(struct files *f)
{
	return archive_queue_unfinished(archive_client_queue(f->client), unfinished_log, (void *)f);
}

bool files_settled(struct files *f)
{
	return archive_queue_settled(archive_client_queue(f->client));
}

struct archive_client *files_client(struct files *f)
{
	return f->client;
}

int files_new(struct files **out, struct event_base *base, const struct files_events *events)
{
	struct files *f = calloc(1, sizeof(*f));
	int rc;

	if (!f)
		return -ENOMEM;
	f->events = events;
	rc = archive_client_new(&f->client, base, &client_events, f);
	if (rc)
		free(f);
	else
		*out = f;
	return rc;
}

void files_free(struct files *f)
{
	if (!f)
		return;
	archive_client_free(f->client);
	free(f);
}
