/* The output files of a slot: which one is current, which one is ahead, who has them. */
#include "slotfiles.h"
#include "capture.h"
#include "supervisor.h"

#include "../base/clock.h"
#include "../base/log.h"

#include <errno.h>

#define RETRY_NS UINT64_C(900000000) /* of a file that could not be made */

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
	slot->open_error = 0;
	slotfiles_suspend(slot);
}

static void event_finished(void *owner, const struct ledger_file *record, bool spoiled, bool ok)
{
	struct slot *slot = owner;

	slot->files_completed += ok;
	slot->sync_errors += !ok && !spoiled;
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

	slot->retry_ns = clock_mono_ns() + RETRY_NS;
	if (file && no_room(error)) { /* tried again by slotfiles_tick() */
		if (!slot->no_room)
			log_warning("%s/%u: %s; tried again until there is room",
				    slot->capture->config->name, slot->index, text);
		slot->no_room = true;
		slotfiles_suspend(slot);
		return;
	}
	if (file && slot->state != SLOT_STARTING && slot->open_error == error)
		return; /* told */
	slot->open_error = error;
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
	if (slot->state == SLOT_ENDED || clock_mono_ns() < slot->retry_ns)
		return;
	file_retry(slot, slot->current);
	if (slot->current && slot->current->fd >= 0)
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
	if (slot->rotating == slot->current->serial + 1)
		return;		  /* asked for */
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

/* It is finished, if it was ever used. */
static void file_end(struct slot *slot, struct output_file *file, const struct ledger_file *record)
{
	unsigned capture = slot->capture->index;

	if (file->named)
		files_finish(slot_files(slot), capture, slot->index, file, record, slot);
	else
		files_discard(slot_files(slot), capture, slot->index, file, slot);
}

/* Which file is current, as the worker or its ledger says. Never more than one step ahead of what
 * is known here, since the next file is handed out only after that step. */
void slotfiles_follow(struct slot *slot, const struct ledger_file *current,
		      const struct ledger_file *previous)
{
	unsigned capture = slot->capture->index;

	if (!slot->current)
		return;
	if (slot->spare && slot->spare->fd >= 0 && current->serial == slot->spare->serial &&
	    previous->serial == slot->current->serial) {
		file_used(slot, previous);
		file_end(slot, slot->current, previous);
		slot->current = slot->spare;
		slot->spare = files_open(slot_files(slot), capture, slot->index,
					 current->serial + 1, slot);
	}
	if (current->serial == slot->current->serial)
		file_used(slot, current);
}

void slotfiles_close(struct slot *slot, const struct ledger_file *record)
{
	unsigned capture = slot->capture->index;
	struct ledger_file last = *record;

	/* What was lost since the last file ended must be in one. */
	if (slot->current && slot->current->fd >= 0 && !last.since_ns &&
	    last.finish.packets != last.begin.packets) {
		last.since_ns = last.first_ns = last.until_ns = clock_real_ns();
		file_used(slot, &last);
	}
	if (slot->current)
		file_end(slot, slot->current, &last);
	if (slot->spare)
		files_discard(slot_files(slot), capture, slot->index, slot->spare, slot);
	slot->current = slot->spare = NULL;
}
