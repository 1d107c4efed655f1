/* What of the queue to the archive process is delayed, given up, or left at the end. */
#include "files_state.h"

#include "../base/failure.h"
#include "../base/log.h"

#include <stdlib.h>

#define LAST_TRIES 6 /* of what the file system refuses, where it cannot be tried for ever: 3 s */

void files_tick(struct files *f)
{
	if (f->ending && !TAILQ_EMPTY(&f->delayed))
		f->last_tries++;
	TAILQ_CONCAT(&f->queue, &f->delayed, link);
	files_queue_send(f);
}

int files_delayed(const struct files *f, uint32_t capture)
{
	const struct request *r;

	TAILQ_FOREACH (r, &f->delayed, link)
		if (r->capture == capture)
			return r->error;
	TAILQ_FOREACH (r, &f->queue, link)
		if (r->capture == capture && r->error)
			return r->error;
	return 0;
}

static void unfinished_tell(const struct files *f, const struct request *r)
{
	log_about(LOG_ERR,
		  &(struct log_subject){ f->captures[r->capture].name, (int)r->worker,
					 r->file->name },
		  "%s in %s is not finished: %s (the next afcapd there does it)", r->file->name,
		  f->captures[r->capture].directory,
		  r->error ? failure_text(r->error) : "its file system does not answer");
}

/* Its packets are in the file, whatever that is called. */
static void finish_give_up(struct files *f, struct request *r)
{
	struct message_result result = { .error = r->error };

	unfinished_tell(f, r);
	TAILQ_REMOVE(&f->delayed, r, link);
	f->events->finished(r->owner, &r->record, r->file->spoiled || r->record.error, &result);
	files_forget(r->file);
	free(r);
}

bool files_left(struct files *f, uint32_t capture)
{
	struct request *r, *next;
	bool waits = false;

	TAILQ_FOREACH (r, &f->queue, link)
		waits |= r->capture == capture && r->type != MESSAGE_KEEP;
	for (r = TAILQ_FIRST(&f->delayed); r; r = next) {
		next = TAILQ_NEXT(r, link);
		if (r->capture == capture && r->tries >= LAST_TRIES)
			finish_give_up(f, r);
		else
			waits |= r->capture == capture;
	}
	return !waits;
}

unsigned files_unfinished(const struct files *f)
{
	const struct request *r;
	unsigned n = 0;

	TAILQ_FOREACH (r, &f->delayed, link) {
		unfinished_tell(f, r);
		n++;
	}
	TAILQ_FOREACH (r, &f->queue, link) {
		if (r->type != MESSAGE_FINISH)
			continue;
		unfinished_tell(f, r);
		n++;
	}
	return n;
}

bool files_idle(const struct files *f)
{
	return TAILQ_EMPTY(&f->queue);
}

bool files_settled(struct files *f)
{
	f->ending = true;
	return files_idle(f) && (TAILQ_EMPTY(&f->delayed) || f->last_tries >= LAST_TRIES);
}
