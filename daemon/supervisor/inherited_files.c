/* Files that are sought, found, lost. */
#include "inherited_files.h"

#include "../base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* The file that the ledger names does not exist any more. Its packets still count; the worker
 * continues in another file. */
static void current_lost(struct slot_output *o)
{
	static const struct ledger_file never;
	struct ledger_totals totals = ledger_totals(o->ledger);

	checkpoint_drop(checkpoint_find(o->saved, totals.current.serial));
	ledger_next_file(o->ledger);
	if (o->spare) /* its contents were not committed */
		output_file_end(o, o->spare, &never);
	o->spare = NULL;
	o->current = files_open(o->files, &o->target, totals.current.serial + 2);
	if (!o->current)
		output_log(o, NULL, LOG_ERR, "no memory for a file");
}

static struct output_file *seek(struct slot_output *o, const struct checkpoint_file *saved)
{
	return files_reopen(o->files, &o->target, saved->serial_after - 1, saved->device,
			    saved->inode);
}

/* Files that had ended and were not finished when their daemon died are finished as soon as they
 * are found. */
static void ended_resume(struct slot_output *o, struct checkpoint_file *saved,
			 const struct ledger_totals *totals)
{
	uint64_t serial = saved->serial_after - 1;

	if (serial == totals->previous.serial && totals->previous.since_ns)
		checkpoint_end(saved, &totals->previous);
	else if (serial == totals->current.serial && totals->current.since_ns)
		checkpoint_end(saved, &totals->current); /* its ring is closed */
	if (!saved->ended || !seek(o, saved))
		checkpoint_drop(saved); /* repaired like any other inherited file */
}

void inherited_seek(struct slot_output *o, bool ring)
{
	struct ledger_totals totals = ledger_totals(o->ledger);
	uint64_t serial = totals.current.serial;

	for (unsigned i = 0; i < CHECKPOINT_FILES; i++) {
		struct checkpoint_file *saved = &o->saved->files[i];

		if (!saved->serial_after)
			continue;
		if (saved->serial_after - 1 == serial && ring)
			o->current = seek(o, saved);
		else if (saved->serial_after - 1 == serial + 1 && ring)
			o->spare = seek(o, saved); /* written, perhaps, not committed */
		else
			ended_resume(o, saved, &totals);
	}
}

void inherited_continue(struct slot_output *o)
{
	if (!o->current)
		current_lost(o);
}

void inherited_found(struct slot_output *o, struct output_file *file)
{
	const struct checkpoint_file *saved = checkpoint_find(o->saved, file->serial);

	if (file == o->current || file == o->spare) {
		output_opened(o, file);
		return;
	}
	if (!saved || !saved->ended) {
		output_file_free(file);
		return;
	}
	output_file_enter(file, saved->record.since_ns ? FILE_USED : FILE_READY);
	output_file_end(o, file, &saved->record);
}

static void missing(struct slot_output *o, uint64_t serial)
{
	const struct checkpoint_file *saved = checkpoint_find(o->saved, serial);
	struct ledger_totals totals = ledger_totals(o->ledger);
	struct ledger_file record = totals.current;
	char what[96];

	record.finish.written = totals.written;
	if (saved && saved->ended)
		record = saved->record;
	if (record.serial != serial || !record.since_ns)
		return; /* it was empty */
	snprintf(what, sizeof(what),
		 "file %" PRIu64 " of the previous instance does not exist any more", serial);
	output_lose(o, &record, 0, what);
}

/* A process of that daemon still has the file, or this one lacks resources at the moment. */
static bool passing(int error)
{
	return error == EWOULDBLOCK || error == EMFILE || error == ENFILE || error == ENOMEM;
}

void inherited_failed(struct slot_output *o, struct output_file *file,
		      const struct message_result *result)
{
	output_later(o);
	if (passing(result->error) && (file == o->current || file == o->spare))
		return; /* output_tick() */
	if (file == o->current || result->error != EEXIST)
		output_log(o, file->name, LOG_WARNING, "%s", result->text);
	else
		o->saved->files_completed++; /* no process lived to count it */
	if (result->error == ENOENT)
		missing(o, file->serial);
	if (file == o->current) {
		current_lost(o);
	} else {
		checkpoint_drop(checkpoint_find(o->saved, file->serial));
		if (file == o->spare)
			o->spare = NULL;
	}
	output_file_free(file);
}
