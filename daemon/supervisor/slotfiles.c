/* The output files of a slot: which one is current, which one is ahead, who has them. */
#include "slotfiles.h"
#include "capture.h"
#include "supervisor.h"

#include "../base/log.h"

#include <errno.h>

static struct files *slot_files(const struct slot *slot)
{
	return slot->capture->files;
}

int slotfiles_init(struct slot *slot)
{
	unsigned capture = slot->capture->index;

	if (slot->capture->config->output != OUTPUT_PCAPNG)
		return 0;
	slot->current = files_open(slot_files(slot), capture, slot->index, 0, slot);
	slot->spare = files_open(slot_files(slot), capture, slot->index, 1, slot);
	return slot->current && slot->spare ? 0 : -ENOMEM;
}

static void file_offer(struct slot *slot, struct output_file *file)
{
	struct message message = { .type = MESSAGE_FILE };

	if (!file || file->fd < 0 || file->offered || slot->channel < 0)
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

	if (suspended == slot->suspended || slot->progress < PROGRESS_JOINED || slot->channel < 0)
		return;
	slot->suspended = suspended;
	message.suspend.suspended = suspended;
	slot_send(slot, &message, -1);
}

static void event_opened(void *owner, struct output_file *file)
{
	struct slot *slot = owner;

	if (file == slot->current || file == slot->spare)
		slotfiles_offer(slot);
	slot->no_room = false;
	slotfiles_suspend(slot);
}

static void event_finished(void *owner, const struct ledger_file *record, bool ok)
{
	struct slot *slot = owner;

	slot->files_completed += ok;
	slot->sync_errors += !ok && !record->error; /* that one is counted already */
	if (slot->rotating && record->serial + 1 >= slot->rotating)
		slot->rotating = 0;
	capture_changed(slot->capture);
}

/* What is on the disk of it is not known any more: it ends, as a suspect. */
static void event_synced(void *owner, struct output_file *file, int error)
{
	struct slot *slot = owner;

	file->syncing = false;
	if (!error)
		return;
	file->spoiled = error;
	slot->sync_errors++;
	if (file == slot->current)
		slot_say(slot, MESSAGE_ROTATE);
}

static void event_cared(void *owner, const struct message_result *result, bool last)
{
	struct slot *slot = owner;

	slot->files_removed += result->removed;
	slot->files_repaired += result->repaired;
	capture_cared(slot->capture, result, last);
}

static void event_idle(void *context)
{
	supervisor_changed(context);
}

static void event_failed(void *owner, struct output_file *file, int error, const char *text)
{
	struct slot *slot = owner;

	if (file && no_room(error)) { /* tried again by slotfiles_tick() */
		if (!slot->no_room)
			log_warning("%s/%u: %s; tried again until there is room",
				    slot->capture->config->name, slot->index, text);
		slot->no_room = true;
		slotfiles_suspend(slot);
		return;
	}
	capture_files_failed(slot->capture, file && slot->state != SLOT_STARTING, error, text);
}

const struct files_events slotfiles_events = {
	.opened = event_opened,
	.finished = event_finished,
	.synced = event_synced,
	.cared = event_cared,
	.failed = event_failed,
	.idle = event_idle,
};

static void file_retry(struct slot *slot, struct output_file *file)
{
	if (file && file->failed)
		files_retry(slot_files(slot), slot->capture->index, slot->index, file, slot);
}

void slotfiles_tick(struct slot *slot)
{
	if (slot->state == SLOT_ENDED)
		return;
	file_retry(slot, slot->current);
	file_retry(slot, slot->spare);
}

void slotfiles_sync(struct slot *slot)
{
	struct output_file *file = slot->current;

	if (file && file->named && !file->syncing && !file->spoiled)
		files_sync(slot_files(slot), slot->capture->index, slot->index, file, slot);
}

void slotfiles_rotate(struct slot *slot)
{
	if (!slot->current || slot->state == SLOT_ENDED)
		return;
	if (slot->current->named) /* else the worker may know better, but nobody waits for it */
		slot->rotating = slot->current->serial + 1;
	slot_say(slot, MESSAGE_ROTATE);
}

/* A file came into use: it gets its name, once. */
static void file_used(struct slot *slot, const struct ledger_file *record)
{
	if (slot->current->named || !record->since_ns)
		return;
	files_name(slot_files(slot), slot->capture->index, slot->index, slot->current, record,
		   slot);
	slot->files_opened++;
}

static void file_finish(struct slot *slot, struct output_file *file,
			const struct ledger_file *record)
{
	struct ledger_file r = *record;

	if (file->spoiled)
		r.error = (uint64_t)file->spoiled;
	files_finish(slot_files(slot), slot->capture->index, slot->index, file, &r, slot);
}

/* Which file is current, as the worker or its ledger says. Never more than one step ahead of what
 * is known here, since the next file is handed out only after that step. */
void slotfiles_follow(struct slot *slot, const struct ledger_file *current,
		      const struct ledger_file *previous)
{
	struct capture *c = slot->capture;

	if (!slot->current)
		return;
	if (slot->spare && slot->spare->fd >= 0 && current->serial == slot->spare->serial &&
	    previous->serial == slot->current->serial) {
		file_used(slot, previous);
		file_finish(slot, slot->current, previous);
		slot->current = slot->spare;
		slot->spare = files_open(slot_files(slot), c->index, slot->index,
					 current->serial + 1, slot);
	}
	if (current->serial == slot->current->serial)
		file_used(slot, current);
}

void slotfiles_close(struct slot *slot, const struct ledger_file *record)
{
	unsigned capture = slot->capture->index;

	if (slot->current && slot->current->named)
		file_finish(slot, slot->current, record);
	else if (slot->current)
		files_discard(slot_files(slot), capture, slot->index, slot->current, slot);
	if (slot->spare)
		files_discard(slot_files(slot), capture, slot->index, slot->spare, slot);
	slot->current = slot->spare = NULL;
}
