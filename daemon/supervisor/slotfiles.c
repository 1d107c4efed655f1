/* The output files of a slot: which one is current, which one is ahead, who has them. */
#include "slotfiles.h"
#include "capture.h"
#include "lost.h"

#include "../base/clock.h"
#include "../base/log.h"

#include <errno.h>
#include <string.h>

#define RETRY_NS UINT64_C(900000000) /* of a file that could not be made */

static struct files *slot_files(const struct slot *slot)
{
	return slot->capture->files;
}

static struct output_file *file_open(struct slot *slot, uint64_t serial)
{
	const struct archive_target target = slot_target(slot);

	return files_open(slot_files(slot), &target, serial);
}

int slotfiles_init(struct slot *slot)
{
	uint64_t serial = ledger_totals(slot->ledger).current.serial;

	if (slot->capture->config->group.output != OUTPUT_PCAPNG)
		return 0;
	slot->current = file_open(slot, serial);
	slot->spare = file_open(slot, serial + 1);
	return slot->current && slot->spare ? 0 : -ENOMEM;
}

static void file_finish(struct slot *slot, struct output_file *file,
			const struct ledger_file *record)
{
	slot->finishing++;
	files_finish(slot_files(slot), file, record);
}

/* It is finished, if it was ever used. */
static void file_end(struct slot *slot, struct output_file *file, const struct ledger_file *record)
{
	struct checkpoint_file *saved = checkpoint_find(slot->saved, file->serial);

	if (file->reopen && file->fd < 0) { /* finished as soon as it is found */
		checkpoint_end(saved, record);
		if (file->failed)
			output_file_free(file);
	} else if (file->named) {
		checkpoint_end(saved, record);
		file_finish(slot, file, record);
	} else {
		checkpoint_drop(saved);
		files_discard(slot_files(slot), file);
	}
}

bool slotfiles_awaited(const struct capture *capture)
{
	for (unsigned i = 0; i < capture->workers; i++) {
		const struct slot *slot = &capture->slots[i];

		if (slot->awaits_file ||
		    (slot->spare && slot->spare->reopen && slot->spare->fd < 0))
			return true;
	}
	return false;
}

/* Not before all that a daemon before left is found: making room for them would repair that. */
static void spares_make(struct capture *capture)
{
	if (slotfiles_awaited(capture))
		return;
	for (unsigned i = 0; i < capture->workers; i++) {
		struct slot *slot = &capture->slots[i];

		if (slot->current && !slot->spare)
			slot->spare = file_open(slot, slot->current->serial + 1);
	}
}

/* The file that the ledger tells of is not there any more. What is in it counts as it did; the slot
 * goes on in another one. */
static void file_lost(struct slot *slot)
{
	static const struct ledger_file never;
	struct ledger_totals totals = ledger_totals(slot->ledger);

	checkpoint_drop(checkpoint_find(slot->saved, totals.current.serial));
	ledger_next_file(slot->ledger);
	slot->awaits_file = false;
	if (slot->spare) /* what is in it was not committed */
		file_end(slot, slot->spare, &never);
	slot->spare = NULL;
	slot->current = file_open(slot, totals.current.serial + 2);
	if (!slot->current)
		slot_log(slot, LOG_ERR, "no memory for a file");
	slot_go_on(slot);
	spares_make(slot->capture);
}

static struct output_file *file_again(struct slot *slot, const struct checkpoint_file *saved)
{
	const struct archive_target target = slot_target(slot);

	return files_reopen(slot_files(slot), &target, saved->serial_after - 1, saved->device,
			    saved->inode);
}

/* What ended and was not finished when its daemon died is finished as soon as it is found. */
static void ended_resume(struct slot *slot, struct checkpoint_file *saved,
			 const struct ledger_totals *totals)
{
	uint64_t serial = saved->serial_after - 1;

	if (serial == totals->previous.serial && totals->previous.since_ns)
		checkpoint_end(saved, &totals->previous);
	else if (serial == totals->current.serial && totals->current.since_ns)
		checkpoint_end(saved, &totals->current); /* its ring is gone */
	if (!saved->ended || !file_again(slot, saved))
		checkpoint_drop(saved); /* repaired as any other that is left */
}

void slotfiles_resume(struct slot *slot)
{
	struct ledger_totals totals = ledger_totals(slot->ledger);
	uint64_t serial = totals.current.serial;

	if (slot->capture->config->group.output != OUTPUT_PCAPNG) {
		slot_go_on(slot);
		return;
	}
	for (unsigned i = 0; i < CHECKPOINT_FILES; i++) {
		struct checkpoint_file *saved = &slot->saved->files[i];

		if (!saved->serial_after)
			continue;
		if (saved->serial_after - 1 == serial && slot->state == SLOT_WAITING)
			slot->current = file_again(slot, saved);
		else if (saved->serial_after - 1 == serial + 1 && slot->state == SLOT_WAITING)
			slot->spare = file_again(slot, saved); /* written, perhaps, not committed */
		else
			ended_resume(slot, saved, &totals);
	}
	slot->awaits_file = slot->state == SLOT_WAITING;
}

void slotfiles_resumed(struct slot *slot)
{
	if (slot->awaits_file && !slot->current)
		file_lost(slot);
}

bool slotfiles_known(const struct slot *slot, const struct ledger_file *record)
{
	return !slot->current || (record->end >= LEDGER_FILE_BEGIN &&
				  (record->serial == slot->current->serial ||
				   (slot->spare && record->serial == slot->spare->serial)));
}

static void file_offer(struct slot *slot, struct output_file *file)
{
	struct message message = { .type = MESSAGE_FILE };

	if (!file || file->fd < 0 || file->offered || slot->process.channel < 0)
		return;
	message.file.serial = file->serial;
	message.file.align = file->align;
	file->offered = true;
	slot_send(slot, &message, file->fd);
}

void slotfiles_offer(struct slot *slot)
{
	if (slot->progress < PROGRESS_JOINED || !slot->current)
		return;
	file_offer(slot, slot->current);
	if (slot->current->offered)
		file_offer(slot, slot->spare);
	slotfiles_suspend(slot);
}

void slotfiles_forget(struct slot *slot)
{
	slot->suspended = false;
	if (slot->current)
		slot->current->offered = false;
	if (slot->spare)
		slot->spare->offered = false;
}

static bool no_room(int error)
{
	return error == ENOSPC || error == EDQUOT;
}

enum slot_lack slotfiles_lack(const struct slot *slot)
{
	if (slot->no_space == EDQUOT || slot->no_room == EDQUOT)
		return SLOT_LACKS_QUOTA;
	if (slot->no_room && slot->no_inode)
		return SLOT_LACKS_INODES;
	return slot->no_space || slot->no_room ? SLOT_LACKS_SPACE : SLOT_LACKS_NOTHING;
}

bool slotfiles_stuck(const struct slot *slot)
{
	return slot->current && slot->current->named && slot->no_room &&
	       (!slot->spare || slot->spare->fd < 0);
}

bool slotfiles_suspended(const struct slot *slot)
{
	return slot->capture->full || (slot->no_room && slot->current && slot->current->fd < 0);
}

/* Told to discard: nobody may write where the reserve is not kept, and a full disk may have no room
 * for a first file. */
void slotfiles_suspend(struct slot *slot)
{
	struct message message = { .type = MESSAGE_SUSPEND };
	bool suspended = slotfiles_suspended(slot);

	if (suspended == slot->suspended || slot->progress < PROGRESS_JOINED ||
	    slot->process.channel < 0)
		return;
	slot->suspended = suspended;
	message.suspend.suspended = suspended;
	slot_send(slot, &message, -1);
}

/* A file of a daemon before, which is not in use any more. */
static void old_finish(struct slot *slot, struct output_file *file)
{
	struct checkpoint_file *saved = checkpoint_find(slot->saved, file->serial);

	file->named = true;
	if (saved && saved->ended && !saved->record.since_ns) {
		checkpoint_drop(saved);
		files_discard(slot_files(slot), file);
	} else if (saved && saved->ended)
		file_finish(slot, file, &saved->record);
	else
		output_file_free(file);
}

static void event_placed(void *owner)
{
	struct slot *slot = owner;

	capture_placed(slot->capture);
}

static void event_opened(void *owner, struct output_file *file)
{
	struct slot *slot = owner;

	capture_placed(slot->capture);
	if (file != slot->current && file != slot->spare) {
		if (file->reopen)
			old_finish(slot, file);
		return; /* else it is not needed any more, and is discarded next */
	}
	if (!file->reopen)
		checkpoint_put(slot->saved, file->serial, file->device, file->inode);
	else
		file->named = output_file_visible(file);
	if (slot->awaits_file && file == slot->current) {
		slot->awaits_file = false;
		slot_go_on(slot);
	}
	if (file->reopen)
		spares_make(slot->capture);
	slotfiles_offer(slot);
	slot->no_room = 0;
	slot->open_error = 0;
	slotfiles_suspend(slot);
}

static void event_finished(void *owner, const struct ledger_file *record, bool spoiled,
			   const struct message_result *result)
{
	struct slot *slot = owner;

	if (result && result->lost) {
		lost_ended(slot, record, result->kept, result->text);
	} else if (result) {
		slot->saved->files_completed += !result->error;
		slot->saved->sync_errors += result->error && !spoiled;
		checkpoint_drop(checkpoint_find(slot->saved, record->serial));
	}
	slot->finishing -= result != NULL;
	if (record->serial + 1 >= slot->rotating || !slotfiles_rotating(slot))
		slot->rotating = 0;
	*slot->due = true;
}

/* What is on the disk of it is not known any more: it ends, as a suspect. */
static void event_synced(void *owner, struct output_file *file, int error)
{
	struct slot *slot = owner;

	file->syncing = false;
	if (!error)
		return;
	file->spoiled = error;
	slot->saved->sync_errors++;
	if (file == slot->current)
		slot_say(slot, MESSAGE_ROTATE);
}

static void event_astray(void *owner, struct output_file *file, const char *what)
{
	lost_seen(owner, file, what);
}

static void event_retained(void *owner, const struct message_result *result, bool last)
{
	struct slot *slot = owner;

	if (!last)
		slot->no_inode = result->no_inode;
	slot->saved->files_removed += result->removed;
	slot->saved->files_repaired += result->repaired;
	capture_cared(slot->capture, result, last);
}

/* A file of a daemon before. */
static void file_not_found(struct slot *slot, struct output_file *file, int error, const char *text)
{
	if (file == slot->current || error != EEXIST)
		slot_log_file(slot, file->name, LOG_WARNING, "%s", text);
	else
		slot->saved->files_completed++; /* nobody lived to count it */
	if (error == ENOENT)
		lost_missing(slot, file->serial);
	if (file == slot->current) {
		file_lost(slot);
	} else {
		checkpoint_drop(checkpoint_find(slot->saved, file->serial));
		if (file == slot->spare)
			slot->spare = NULL;
		spares_make(slot->capture);
	}
	output_file_free(file);
}

/* A process of that daemon has the file still, or this one has no means just now. */
static bool passing(int error)
{
	return error == EWOULDBLOCK || error == EMFILE || error == ENFILE || error == ENOMEM;
}

static void event_failed(void *owner, struct output_file *file, int error, const char *text)
{
	struct slot *slot = owner;

	slot->retry_ns = clock_mono_ns() + RETRY_NS;
	if (!file)
		slot->capture->placed = false;
	if (file && file->reopen) {
		if (!passing(error) || (file != slot->current && file != slot->spare))
			file_not_found(slot, file, error, text);
		return; /* else slotfiles_tick() */
	}
	if (file && no_room(error)) { /* tried again by slotfiles_tick() */
		if (!slot->no_room)
			slot_log_file(slot, file->name, LOG_WARNING,
				      "%s; tried again until there is room", text);
		slot->no_room = error;
		slotfiles_suspend(slot);
		return;
	}
	if (file && slot->state != SLOT_STARTING && slot->open_error == error)
		return; /* told */
	slot->open_error = error;
	capture_files_failed(slot->capture, file && slot->state != SLOT_STARTING, error, text);
}

const struct files_events slotfiles_events = {
	.placed = event_placed,
	.opened = event_opened,
	.finished = event_finished,
	.astray = event_astray,
	.synced = event_synced,
	.retained = event_retained,
	.failed = event_failed,
};

static void file_retry(struct slot *slot, struct output_file *file)
{
	if (file && file->failed)
		files_retry(slot_files(slot), file);
}

void slotfiles_tick(struct slot *slot)
{
	if (!slot->current || clock_mono_ns() < slot->retry_ns)
		return;
	file_retry(slot, slot->current);
	if (slot->current->fd >= 0 || (slot->spare && slot->spare->reopen))
		file_retry(slot, slot->spare);
}

void slotfiles_sync(struct slot *slot)
{
	struct output_file *file = slot->current;

	if (file && file->named && !file->syncing && !file->spoiled)
		files_sync(slot_files(slot), file);
}

static void file_count(struct slot *slot, const struct output_file *file)
{
	struct checkpoint_file *saved = checkpoint_find(slot->saved, file->serial);

	if (saved && saved->counted)
		return;
	if (saved)
		saved->counted = 1;
	slot->saved->files_opened++;
}

/* A file came into use: it gets its name, once. */
static void file_used(struct slot *slot, const struct ledger_file *record)
{
	struct ledger_file named = *record;

	if (slot->current->named || slot->current->fd < 0 || !record->since_ns)
		return;
	if (named.since_ns > clock_real_ns()) /* what is of tomorrow would be kept for ever */
		named.since_ns = clock_real_ns();
	files_name(slot_files(slot), slot->current, &named);
	file_count(slot, slot->current);
}

/* Which file is current, as the worker or its ledger says. Never more than one step ahead of what
 * is known here, since the next file is handed out only after that step. */
void slotfiles_follow(struct slot *slot, const struct ledger_file *current,
		      const struct ledger_file *previous)
{
	if (!slot->current)
		return;
	if (slot->spare && slot->spare->fd >= 0 && current->serial == slot->spare->serial &&
	    previous->serial == slot->current->serial) {
		file_used(slot, previous);
		file_end(slot, slot->current, previous);
		slot->current = slot->spare;
		slot->spare = file_open(slot, current->serial + 1);
	}
	if (current->serial == slot->current->serial)
		file_used(slot, current);
}

void slotfiles_close(struct slot *slot, const struct ledger_file *record)
{
	struct ledger_file last = *record;

	/* What was lost since the last file ended must be in one. */
	if (slot->current && slot->current->fd >= 0 && !last.since_ns &&
	    last.finish.packets != last.begin.packets) {
		last.since_ns = last.first_ns = last.until_ns = clock_real_ns();
		file_used(slot, &last);
	}
	if (slot->current)
		file_end(slot, slot->current, &last);
	if (slot->spare) {
		checkpoint_drop(checkpoint_find(slot->saved, slot->spare->serial));
		files_discard(slot_files(slot), slot->spare);
	}
	slot->current = slot->spare = NULL;
}
