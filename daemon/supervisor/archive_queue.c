/* The contents of requests, and their order. */
#include "archive_queue.h"

#include <stdlib.h>
#include <string.h>

static bool opens(uint32_t type)
{
	return type == MESSAGE_OPEN || type == MESSAGE_REOPEN;
}

bool archive_request_opens(const struct archive_request *r)
{
	return opens(r->type);
}

void archive_request_message(const struct archive_request *r, struct message *message)
{
	memset(message, 0, sizeof(*message));
	message->type = r->type;
	if (r->type == MESSAGE_CAPTURE)
		return;
	message->archive.capture = r->target.capture;
	message->archive.worker = r->target.worker;
	message->archive.file = r->record;
	if (r->type == MESSAGE_FINISH &&
	    r->file->spoiled) /* perhaps only since the request was made */
		message->archive.file.error = (uint64_t)r->file->spoiled;
	if (r->type == MESSAGE_REOPEN) {
		message->archive.device = r->file->device;
		message->archive.inode = r->file->inode;
	}
	if (r->file && !opens(r->type))
		memcpy(message->archive.name, r->file->name, sizeof(message->archive.name));
}

bool archive_request_answered(const struct message *request, struct message *answer, int fd)
{
	struct message_result *r = &answer->result;
	bool opening = opens(request->type) && !r->error;

	if (answer->type != message_answer(request->type))
		return false;
	r->text[sizeof(r->text) - 1] = '\0';
	r->name[sizeof(r->name) - 1] = '\0';
	if (r->again && fd >= 0) /* the next process must serve it: nothing was opened */
		return false;
	if (request->type == MESSAGE_CAPTURE) /* with its directory, perhaps */
		return r->capture == request->capture.capture && (fd < 0 || !r->error) &&
		       !r->removed; /* perhaps no owner is left to count it */
	return r->capture == request->archive.capture && r->worker == request->archive.worker &&
	       r->serial == request->archive.file.serial && (fd >= 0) == opening &&
	       (!opening || (r->align && (r->align & (r->align - 1)) == 0));
}

void archive_request_free(struct archive_request *r)
{
	if (r->type == MESSAGE_FINISH || r->type == MESSAGE_DISCARD) /* no slot owns the file */
		output_file_free(r->file);
	free(r);
}

void archive_queue_init(struct archive_queue *q)
{
	*q = (struct archive_queue){ 0 };
	TAILQ_INIT(&q->queue);
	TAILQ_INIT(&q->delayed);
}

/* The first request behind what is sent, and behind the announcement of a capture where that waits:
 * the archive process takes nothing for one that it does not know. */
static struct archive_request *first_place(const struct archive_queue *q, uint32_t capture)
{
	struct archive_request *first = TAILQ_FIRST(&q->queue), *r;

	if (first && q->sent)
		first = TAILQ_NEXT(first, link);
	for (r = first; r; r = TAILQ_NEXT(r, link))
		if (r->type == MESSAGE_CAPTURE && r->target.capture == capture)
			first = TAILQ_NEXT(r, link);
	return first;
}

/* The request before which this one stands; NULL: the end. */
static struct archive_request *place_of(const struct archive_queue *q,
					const struct archive_request *request, bool budget)
{
	uint32_t type = request->type;
	struct archive_request *r;

	if (type != MESSAGE_CAPTURE && type != MESSAGE_REOPEN && type != MESSAGE_NAME &&
	    (type != MESSAGE_OPEN || budget))
		return NULL;
	r = first_place(q, request->target.capture);
	while (r &&
	       (r->type == MESSAGE_CAPTURE || r->type == MESSAGE_NAME ||
		r->type == MESSAGE_REOPEN || (r->type == MESSAGE_OPEN && type != MESSAGE_REOPEN)))
		r = TAILQ_NEXT(r, link);
	return r;
}

void archive_queue_add(struct archive_queue *q, struct archive_request *request, bool budget)
{
	struct archive_request *before = place_of(q, request, budget);

	if (before)
		TAILQ_INSERT_BEFORE(before, request, link);
	else
		TAILQ_INSERT_TAIL(&q->queue, request, link);
}

void archive_queue_add_first(struct archive_queue *q, struct archive_request *request)
{
	TAILQ_INSERT_HEAD(&q->queue, request, link);
}

bool archive_queue_announces(const struct archive_queue *q, uint32_t capture)
{
	const struct archive_request *r = TAILQ_FIRST(&q->queue);

	while (r && r->type == MESSAGE_CAPTURE && r->target.capture != capture)
		r = TAILQ_NEXT(r, link);
	return r && r->type == MESSAGE_CAPTURE;
}

struct archive_request *archive_queue_head(const struct archive_queue *q)
{
	return TAILQ_FIRST(&q->queue);
}

struct archive_request *archive_queue_take(struct archive_queue *q)
{
	struct archive_request *r = TAILQ_FIRST(&q->queue);

	if (r)
		TAILQ_REMOVE(&q->queue, r, link);
	q->sent = false;
	return r;
}

void archive_queue_delay(struct archive_queue *q, struct archive_request *request, int error)
{
	request->error = error;
	request->tries++;
	TAILQ_INSERT_TAIL(&q->delayed, request, link);
}

void archive_queue_repeat(struct archive_queue *q)
{
	if (q->ending && !TAILQ_EMPTY(&q->delayed))
		q->last_tries++;
	TAILQ_CONCAT(&q->queue, &q->delayed, link);
}

struct archive_request *archive_queue_give_up(struct archive_queue *q, uint32_t capture)
{
	struct archive_request *r;

	TAILQ_FOREACH (r, &q->delayed, link)
		if (r->target.capture == capture && r->tries >= ARCHIVE_TRIES)
			break;
	if (r)
		TAILQ_REMOVE(&q->delayed, r, link);
	return r;
}

bool archive_queue_left(const struct archive_queue *q, uint32_t capture)
{
	const struct archive_request *r;

	TAILQ_FOREACH (r, &q->queue, link)
		if (r->target.capture == capture && r->type != MESSAGE_MAINTAIN)
			return true;
	TAILQ_FOREACH (r, &q->delayed, link)
		if (r->target.capture == capture)
			return true;
	return false;
}

int archive_queue_error(const struct archive_queue *q, uint32_t capture)
{
	const struct archive_request *r;

	TAILQ_FOREACH (r, &q->delayed, link)
		if (r->target.capture == capture)
			return r->error;
	TAILQ_FOREACH (r, &q->queue, link)
		if (r->target.capture == capture && r->error)
			return r->error;
	return 0;
}

bool archive_queue_idle(const struct archive_queue *q)
{
	return TAILQ_EMPTY(&q->queue);
}

bool archive_queue_settled(struct archive_queue *q)
{
	q->ending = true;
	return archive_queue_idle(q) &&
	       (TAILQ_EMPTY(&q->delayed) || q->last_tries >= ARCHIVE_TRIES);
}

unsigned archive_queue_unfinished(const struct archive_queue *q,
				  void (*each)(const struct archive_request *request,
					       void *context),
				  void *context)
{
	const struct archive_request *r;
	unsigned n = 0;

	TAILQ_FOREACH (r, &q->delayed, link) {
		each(r, context);
		n++;
	}
	TAILQ_FOREACH (r, &q->queue, link) {
		if (r->type != MESSAGE_FINISH)
			continue;
		each(r, context);
		n++;
	}
	return n;
}

struct archive_request *archive_queue_drain(struct archive_queue *q)
{
	TAILQ_CONCAT(&q->queue, &q->delayed, link);
	return archive_queue_take(q);
}
