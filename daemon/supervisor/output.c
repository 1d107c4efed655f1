/* Tracks the current file, the spare file, and which of them the worker has. */
#include "output.h"

#include "../base/clock.h"
#include "../base/invariant.h"
#include "../base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define RETRY_NS UINT64_C(900000000) /* after a file could not be made */

static struct checkpoint_file *saved_of(const struct slot_output *o, const struct output_file *file)
{
	return checkpoint_find(o->saved, file->serial);
}

static struct output_file *file_open(struct slot_output *o, uint64_t serial)
{
	return files_open(o->files, &o->target, serial);
}

void output_init(struct slot_output *o, struct files *files, const char *capture,
		 const struct archive_target *target)
{
	o->files = files;
	o->capture = capture;
	o->target = *target;
}

void output_check(const struct slot_output *o)
{
	(void)o;
	invariant(o->offered < 2 || o->spare);
	invariant(o->offered < 1 || (o->current && o->current->fd >= 0));
	invariant(!o->spare || o->current);
}

int output_begin(struct slot_output *o)
{
	uint64_t serial = ledger_totals(o->ledger).current.serial;

	o->current = file_open(o, serial);
	if (o->current)
		o->spare = file_open(o, serial + 1);
	return o->spare ? 0 : -ENOMEM;
}

static void file_finish(struct slot_output *o, struct output_file *file,
			const struct ledger_file *record)
{
	o->finishing++;
	files_finish(o->files, file, record);
}

static void file_discard(struct slot_output *o, struct output_file *file)
{
	checkpoint_drop(saved_of(o, file));
	files_discard(o->files, file);
}

void output_file_end(struct slot_output *o, struct output_file *file,
		     const struct ledger_file *record)
{
	struct ledger_file last = *record;

	if (!last.error)
		last.error = (uint64_t)file->spoiled;
	if (output_file_sought(file)) {
		checkpoint_end(saved_of(o, file), &last);
		if (file->state == FILE_MISSING)
			output_file_free(file);
	} else if (output_file_used(file)) {
		checkpoint_end(saved_of(o, file), &last);
		file_finish(o, file, record);
	} else {
		file_discard(o, file);
	}
}

static void file_count(struct slot_output *o, const struct output_file *file)
{
	struct checkpoint_file *saved = saved_of(o, file);

	if (saved && saved->counted)
		return;
	if (saved)
		saved->counted = 1;
	o->saved->files_opened++;
}

/* A file came into use: it gets its name, once. */
static void file_used(struct slot_output *o, const struct ledger_file *record)
{
	if (o->current->state != FILE_READY || !record->since_ns)
		return;
	files_name(o->files, o->current, record);
	file_count(o, o->current);
}

void output_end(struct slot_output *o, const struct ledger_file *record)
{
	struct ledger_file last = *record;

	/* Packets lost since the last file ended must be counted in a file. */
	if (o->current && o->current->fd >= 0 && !last.since_ns &&
	    last.finish.packets != last.begin.packets) {
		last.since_ns = last.first_ns = last.until_ns = clock_real_ns();
		file_used(o, &last);
	}
	if (o->current)
		output_file_end(o, o->current, &last);
	if (o->spare)
		file_discard(o, o->spare);
	o->current = o->spare = NULL;
	o->offered = 0;
	o->lack = LACKS_NOTHING;
	o->rotate = false;
}

void output_free(struct slot_output *o)
{
	output_file_free(o->current);
	output_file_free(o->spare);
	o->current = o->spare = NULL;
}

/* ---- the worker ---- */

bool output_known(const struct slot_output *o, const struct ledger_file *record)
{
	return !o->current || (record->end >= LEDGER_FILE_BEGIN &&
			       (record->serial == o->current->serial ||
				(o->spare && record->serial == o->spare->serial)));
}

uint64_t output_serial_max(const struct slot_output *o)
{
	if (o->spare)
		return o->spare->serial;
	return o->current ? o->current->serial : UINT64_MAX;
}

void output_follow(struct slot_output *o, const struct ledger_file *current,
		   const struct ledger_file *previous)
{
	o->record = *current;
	if (!o->current)
		return;
	if (o->spare && o->spare->fd >= 0 && current->serial == o->spare->serial &&
	    previous->serial == o->current->serial) {
		file_used(o, previous);
		output_file_end(o, o->current, previous);
		o->current = o->spare;
		o->spare = file_open(o, current->serial + 1);
		o->offered = o->offered > 1;
	}
	if (current->serial == o->current->serial)
		file_used(o, current);
}

/* Whether the worker writes a file that no rotation concerns, as far as is known. */
static bool has_rotated(const struct slot_output *o)
{
	return !o->current || o->current->serial >= o->rotating;
}

void output_forget(struct slot_output *o)
{
	o->offered = 0;
	o->suspended = false;
	o->rotate = !has_rotated(o) ||
		    (o->current && (o->current->spoiled || o->current->state == FILE_ASTRAY));
}

static bool file_offer(struct slot_output *o, const struct output_file *file,
		       struct message *message, int *fd)
{
	if (!file || file->fd < 0)
		return false;
	*message = (struct message){ .type = MESSAGE_FILE };
	message->file.serial = file->serial;
	message->file.align = file->align;
	*fd = file->fd;
	o->offered++;
	return true;
}

bool output_message(struct slot_output *o, struct message *message, int *fd)
{
	*fd = -1;
	if (o->offered < 2 && file_offer(o, o->offered ? o->spare : o->current, message, fd))
		return true;
	if (o->suspended != output_suspended(o)) {
		o->suspended = !o->suspended;
		*message = (struct message){ .type = MESSAGE_SUSPEND };
		message->suspend.suspended = o->suspended;
		return true;
	}
	if (!o->rotate)
		return false;
	o->rotate = false;
	*message = (struct message){ .type = MESSAGE_ROTATE };
	return true;
}

void output_reserve(struct slot_output *o, bool gone)
{
	o->reserve_gone = gone;
}

bool output_suspended(const struct slot_output *o)
{
	return o->reserve_gone || (o->lack && o->current && o->current->fd < 0);
}

enum output_lack output_lacks(const struct slot_output *o, int refused)
{
	if (refused == EDQUOT)
		return LACKS_QUOTA;
	return o->lack || !refused ? o->lack : LACKS_SPACE;
}

/* ---- now and then ---- */

static void file_retry(struct slot_output *o, struct output_file *file)
{
	if (file && file->state == FILE_MISSING)
		files_retry(o->files, file);
}

/* Checks whether the file in use still has its contents and its name. */
static void file_look(struct slot_output *o, struct output_file *file)
{
	if (!output_file_used(file) || o->record.serial != file->serial)
		return;
	if (file->name_error && !(file->pending & FILE_NAMING))
		files_name(o->files, file, &o->record);
	if (!(file->pending & FILE_LOOKING) && file->state == FILE_USED)
		files_look(o->files, file, &o->record);
}

void output_later(struct slot_output *o)
{
	o->retry_ns = clock_mono_ns() + RETRY_NS;
}

void output_tick(struct slot_output *o, uint64_t now_ns)
{
	if (!o->current)
		return;
	if (now_ns >= o->retry_ns) {
		file_retry(o, o->current);
		if (o->current->fd >= 0 || output_file_sought(o->spare))
			file_retry(o, o->spare);
	}
	file_look(o, o->current);
}

void output_sync(struct slot_output *o)
{
	struct output_file *file = o->current;

	if (output_file_used(file) && !(file->pending & FILE_SYNCING) && !file->spoiled)
		files_sync(o->files, file);
}

/* ---- rotation: of the worker, and of the next one where that dies first ---- */

/* Old files are those below the returned serial. The ledger is more recent than the last report:
 * the worker may have packets in a file, or be in the next one, and have reported neither yet.
 * `used`: so is its current one. */
static uint64_t rotation_until(const struct slot_output *o, bool *used)
{
	struct ledger_totals totals;

	if (!ledger_look(o->ledger, &totals) || !output_known(o, &totals.current)) {
		*used = output_file_used(o->current);
		return o->current->serial + *used;
	}
	*used = totals.current.since_ns != 0;
	return totals.current.serial + *used;
}

void output_rotate(struct slot_output *o)
{
	uint64_t until;
	bool used;

	if (!o->current || output_stuck(o))
		return; /* a later one may be for it, no client waits for this one */
	until = rotation_until(o, &used);
	if (until == o->current->serial || until <= o->rotating)
		return; /* no file is in use, or it is already requested */
	o->rotating = until;
	o->rotate |= used;
}

bool output_rotating(const struct slot_output *o)
{
	return o->rotating && (o->finishing || !has_rotated(o));
}

bool output_stuck(const struct slot_output *o)
{
	return output_file_used(o->current) && o->lack && (!o->spare || o->spare->fd < 0);
}

bool output_awaits(const struct slot_output *o)
{
	return output_file_sought(o->current);
}

bool output_seeks(const struct slot_output *o)
{
	return output_file_sought(o->current) || output_file_sought(o->spare);
}

void output_spare(struct slot_output *o)
{
	if (o->current && !o->spare)
		o->spare = file_open(o, o->current->serial + 1);
}

/* ---- what the archive answers ---- */

void output_opened(struct slot_output *o, struct output_file *file)
{
	bool sought = file->state == FILE_SOUGHT;

	output_file_enter(file, sought && output_file_visible(file) ? FILE_USED : FILE_READY);
	if (!sought)
		checkpoint_put(o->saved, file->serial, file->device, file->inode);
	o->lack = LACKS_NOTHING;
	o->open_error = 0;
}

void output_lose(struct slot_output *o, const struct ledger_file *record, uint64_t kept,
		 const char *what)
{
	uint64_t packets = tally_lose(o->tally, record, kept);

	o->lost_ns = clock_mono_ns();
	output_log(o, NULL, LOG_ERR,
		   "%s: %" PRIu64 " packets in it are lost, and counted as discarded_file_lost",
		   what, packets);
}

void output_finished(struct slot_output *o, const struct ledger_file *record, bool spoiled,
		     const struct message_result *result)
{
	if (result && result->lost) {
		/* Its write-back may have failed, and nobody has counted that */
		o->saved->sync_errors += result->spoiled && result->spoiled != EBADMSG && !spoiled;
		output_lose(o, record, result->readable, result->text);
	} else if (result) {
		o->saved->files_completed += !result->error;
		o->saved->sync_errors += result->error && !spoiled;
		checkpoint_drop(checkpoint_find(o->saved, record->serial));
	}
	o->finishing -= result != NULL;
	if (record->serial + 1 >= o->rotating || !output_rotating(o))
		o->rotating = 0;
}

void output_astray(struct slot_output *o, struct output_file *file, const char *what)
{
	uint64_t written = o->tally->reported.written, begin = o->record.begin.written;

	if (file != o->current || file->state != FILE_USED)
		return;
	output_file_enter(file, FILE_ASTRAY);
	o->lost_ns = clock_mono_ns();
	output_log(o, file->name, LOG_WARNING,
		   "%s %s while it was written (%" PRIu64 " packets in it so far): continuing in "
		   "the next file",
		   file->name, what,
		   written > begin && o->record.serial == file->serial ? written - begin : 0);
	o->rotate = true;
}

void output_spoiled(struct slot_output *o, struct output_file *file)
{
	struct checkpoint_file *saved = saved_of(o, file);

	o->saved->sync_errors++;
	o->rotate |= file == o->current;
	if (saved && saved->ended && !saved->record.error) /* for the next instance */
		saved->record.error = (uint64_t)file->spoiled;
}

void output_retained(struct slot_output *o, const struct message_result *result)
{
	o->saved->files_removed += result->removed;
	o->saved->files_repaired += result->repaired;
}

static enum output_lack lack_of(const struct message_result *result)
{
	if (result->error == EDQUOT)
		return LACKS_QUOTA;
	if (result->error != ENOSPC)
		return LACKS_NOTHING;
	return result->no_inode ? LACKS_INODES : LACKS_SPACE;
}

enum output_failure output_failed(struct slot_output *o, struct output_file *file,
				  const struct message_result *result)
{
	enum output_lack lack = lack_of(result);
	bool again = o->open_error == result->error;

	output_later(o);
	if (lack) {
		if (!o->lack)
			output_log(o, file->name, LOG_WARNING, "%s; retrying until there is space",
				   result->text);
		o->lack = lack;
		return OUTPUT_HANDLED;
	}
	o->open_error = result->error;
	return again ? OUTPUT_REFUSED_AGAIN : OUTPUT_REFUSED;
}
