/* The output files of a slot: which one is current, which one is ahead, who has them. */
#include "slotfiles.h"
#include "capture.h"
#include "supervisor.h"

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
}

void slotfiles_forget(struct slot *slot)
{
	if (slot->current)
		slot->current->offered = false;
	if (slot->spare)
		slot->spare->offered = false;
}

static void event_opened(void *owner, struct output_file *file)
{
	struct slot *slot = owner;

	if (file == slot->current || file == slot->spare)
		slotfiles_offer(slot);
}

static void event_finished(void *owner, bool ok)
{
	struct slot *slot = owner;

	slot->files_completed += ok;
	capture_changed(slot->capture);
}

static void event_idle(void *context)
{
	supervisor_changed(context);
}

static void event_failed(void *owner, struct output_file *file, int error, const char *text)
{
	struct slot *slot = owner;

	capture_files_failed(slot->capture, file && slot->state != SLOT_STARTING, error, text);
}

const struct files_events slotfiles_events = { event_opened, event_finished, event_failed,
					       event_idle };

void slotfiles_tick(struct slot *slot)
{
	if (slot->spare && slot->spare->failed && slot->state != SLOT_ENDED)
		files_retry(slot_files(slot), slot->capture->index, slot->index, slot->spare, slot);
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
		files_finish(slot_files(slot), c->index, slot->index, slot->current, previous,
			     slot);
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
		files_finish(slot_files(slot), capture, slot->index, slot->current, record, slot);
	else if (slot->current)
		files_discard(slot_files(slot), capture, slot->index, slot->current, slot);
	if (slot->spare)
		files_discard(slot_files(slot), capture, slot->index, slot->spare, slot);
	slot->current = slot->spare = NULL;
}
