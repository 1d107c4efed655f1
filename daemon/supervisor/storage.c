/* Announcement, maintenance, and the answers of the archive. */
#include "storage.h"
#include "gap.h"
#include "inherited_files.h"

#include "../base/clock.h"
#include "../base/failure.h"
#include "../base/invariant.h"
#include "../base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SHOWN_NS UINT64_C(60000000000) /* a loss degrades the capture at least for this time */

void storage_init(struct storage *s, struct slots *slots, struct gap *gap)
{
	*s = (struct storage){ .slots = slots, .gap = gap, .available = UINT64_MAX };
}

static const char *const state_names[] = {
	[STORAGE_UNKNOWN] = "unknown",
	[STORAGE_ANNOUNCED] = "announced",
	[STORAGE_PLACED] = "placed",
	[STORAGE_REFUSED] = "refused",
};

/* The bits of the states that may follow. Two announcements may be under way: one that is answered
 * with the directory after one that was refused. */
static const unsigned next_states[] = {
	[STORAGE_UNKNOWN] = 1 << STORAGE_ANNOUNCED | 1 << STORAGE_PLACED,
	[STORAGE_ANNOUNCED] = 1 << STORAGE_PLACED | 1 << STORAGE_REFUSED,
	[STORAGE_PLACED] = 1 << STORAGE_ANNOUNCED | 1 << STORAGE_REFUSED,
	[STORAGE_REFUSED] = 1 << STORAGE_ANNOUNCED | 1 << STORAGE_PLACED,
};

void storage_enter(struct storage *s, enum storage_state state)
{
	bool follows = next_states[s->state] & 1U << state;

	if (s->state == state)
		return;
	invariant(follows);
	log_at(follows ? LOG_DEBUG : LOG_ERR, "storage of capture %u: %s -> %s%s", s->slots->index,
	       state_names[s->state], state_names[state], follows ? "" : ": refused");
	if (follows)
		s->state = state;
}

bool storage_placed(const struct storage *s)
{
	return s->state == STORAGE_PLACED;
}

static void placed(struct storage *s)
{
	if (s->state != STORAGE_PLACED)
		s->news |= STORAGE_OPEN;
	storage_enter(s, STORAGE_PLACED);
	s->slots->due = true;
}

void storage_announce(struct storage *s, const struct message_capture *capture, bool writes)
{
	if (!writes) {
		placed(s);
		return;
	}
	if (s->state != STORAGE_PLACED)
		storage_enter(s, STORAGE_ANNOUNCED);
	archive_client_announce(files_client(s->slots->files), capture, &s->slots->list[0]);
}

void storage_forget(struct storage *s)
{
	if (s->state == STORAGE_PLACED)
		storage_enter(s, STORAGE_ANNOUNCED);
}

void storage_maintain(struct storage *s)
{
	const struct archive_target target = { .capture = s->slots->index,
					       .owner = &s->slots->list[0] };
	int refused = 0;

	if (!slot_writes(&s->slots->list[0]))
		return;
	/* If no worker writes any more, no file is removed for a refused write */
	for (unsigned i = 0; i < s->slots->count && !refused; i++)
		if (s->slots->list[i].state != SLOT_SETTLED)
			refused = s->slots->list[i].refused;
	if (s->maintenance)
		s->maintenance = refused ? MAINTENANCE_ASK_AGAIN : MAINTENANCE_ASKED;
	else if (files_retain(s->slots->files, &target, refused))
		s->maintenance = MAINTENANCE_ASKED;
}

void storage_relieve(struct storage *s)
{
	bool wanted = false;

	for (unsigned i = 0; i < s->slots->count; i++) {
		wanted |= s->slots->list[i].wants_room;
		s->slots->list[i].wants_room = false;
	}
	if (wanted)
		storage_maintain(s);
}

unsigned storage_news(struct storage *s)
{
	unsigned news = s->news;

	s->news = 0;
	return news;
}

bool storage_reserve(struct storage *s)
{
	bool changed = (s->reserve != LACKS_NOTHING) != (s->reserve_next != LACKS_NOTHING);

	s->reserve = s->reserve_next;
	for (unsigned i = 0; i < s->slots->count; i++)
		output_reserve(&s->slots->list[i].output, s->reserve != LACKS_NOTHING);
	return changed;
}

bool storage_seeks(const struct storage *s)
{
	for (unsigned i = 0; i < s->slots->count; i++)
		if (output_seeks(&s->slots->list[i].output))
			return true;
	return false;
}

/* Not before all files of the previous instance are found: making space for spare files would
 * repair them. */
void storage_spares(struct storage *s)
{
	if (storage_seeks(s))
		return;
	for (unsigned i = 0; i < s->slots->count; i++)
		output_spare(&s->slots->list[i].output);
}

void storage_tick(struct storage *s, uint64_t now_ns, int64_t sync_ns)
{
	if (s->state != STORAGE_UNKNOWN && !storage_seeks(s))
		storage_maintain(s);
	if (sync_ns <= 0 || now_ns < s->sync_at_ns)
		return;
	s->sync_at_ns = now_ns + (uint64_t)sync_ns;
	for (unsigned i = 0; i < s->slots->count; i++)
		output_sync(&s->slots->list[i].output);
}

/* Why files retain their current names; 0: they do not. */
static int naming_error(const struct storage *s)
{
	int error = files_delayed(s->slots->files, s->slots->index);

	for (unsigned i = 0; i < s->slots->count && !error; i++) {
		const struct output_file *file = s->slots->list[i].output.current;

		error = file ? file->name_error : 0;
	}
	return error;
}

void storage_review(struct storage *s)
{
	uint64_t now = clock_mono_ns(), packets = 0, files = 0;
	int error = naming_error(s);
	bool shown = false;

	for (unsigned i = 0; i < s->slots->count; i++) {
		const struct slot *slot = &s->slots->list[i];
		const struct slot_output *o = &slot->output;

		shown |= o->current && o->current->state == FILE_ASTRAY;
		shown |= o->lost_ns && now - o->lost_ns < SHOWN_NS;
		shown |= tally_debt(&slot->tally) != 0;
		packets += slot->saved->packets_lost;
		files += slot->saved->files_lost;
	}
	s->reason[0] = '\0';
	if (error)
		snprintf(s->reason, sizeof(s->reason),
			 "files cannot be given their names (%s): retrying", failure_text(error));
	else if (shown)
		snprintf(s->reason, sizeof(s->reason),
			 "files in use were lost (to another program, or in a failed "
			 "write-back): %" PRIu64 " files, %" PRIu64 " packets",
			 files, packets);
}

/* ---- what the archive answers ---- */

static void event_placed(void *owner)
{
	const struct slot *slot = owner;

	placed(slot->slots->storage);
}

static void event_opened(void *owner, struct output_file *file)
{
	struct slot *slot = owner;

	if (file->state == FILE_SOUGHT)
		inherited_found(&slot->output, file);
	else
		output_opened(&slot->output, file);
	placed(slot->slots->storage);
}

static void event_finished(void *owner, const struct ledger_file *record, bool spoiled,
			   const struct message_result *result)
{
	struct slot *slot = owner;

	output_finished(&slot->output, record, spoiled, result);
	slot->slots->due = true;
}

static void event_astray(void *owner, struct output_file *file, const char *what)
{
	struct slot *slot = owner;

	output_astray(&slot->output, file, what);
	slot->slots->due = true;
}

static void event_spoiled(void *owner, struct output_file *file)
{
	struct slot *slot = owner;

	output_spoiled(&slot->output, file);
	slot->slots->due = true;
}

static enum output_lack reserve_of(const struct message_result *result)
{
	if (!result->full)
		return LACKS_NOTHING;
	return result->no_inode ? LACKS_INODES : LACKS_SPACE;
}

static void event_retained(void *owner, const struct message_result *result, bool last)
{
	struct slot *slot = owner;
	struct storage *s = slot->slots->storage;

	output_retained(&slot->output, result);
	if (!result->error)
		s->available = result->available;
	gap_repaired(s->gap, result);
	if (!last)
		return;
	s->wanted = s->maintenance == MAINTENANCE_ASK_AGAIN;
	s->maintenance = MAINTENANCE_NONE;
	if (result->error)
		return;
	s->more = result->again;
	s->held = result->held;
	s->reserve_next = reserve_of(result);
	s->news |= STORAGE_MAINTAINED;
	s->slots->due = true;
}

static void event_failed(void *owner, struct output_file *file, const struct message_result *result)
{
	struct slot *slot = owner;
	struct storage *s = slot->slots->storage;

	s->slots->due = true;
	if (output_file_sought(file)) {
		inherited_failed(&slot->output, file, result);
	} else if (file) {
		slot_file_failed(slot, file, result);
	} else {
		output_later(&slot->output);
		storage_enter(s, STORAGE_REFUSED);
		s->error = result->error;
		memcpy(s->text, result->text, sizeof(s->text));
		s->news |= STORAGE_CLOSED;
	}
}

const struct files_events storage_events = {
	.placed = event_placed,
	.opened = event_opened,
	.finished = event_finished,
	.astray = event_astray,
	.spoiled = event_spoiled,
	.retained = event_retained,
	.failed = event_failed,
};
