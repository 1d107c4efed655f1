/* What is counted of lost files, and who is told. */
#include "lost.h"
#include "capture.h"

#include "../base/clock.h"
#include "../base/failure.h"
#include "../base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SHOWN_NS UINT64_C(60000000000) /* a loss degrades the capture at least so long */

void lost_tick(struct slot *slot)
{
	struct output_file *file = slot->current;

	if (!file || file->fd < 0 || !file->named || slot->record.serial != file->serial)
		return;
	if (file->name_error && !file->naming) {
		struct ledger_file named = slot->record;
		uint64_t now = clock_real_ns();

		named.since_ns = named.since_ns > now ? now : named.since_ns;
		files_name(slot->capture->files, file, &named);
	}
	if (!file->looking && !file->astray)
		files_look(slot->capture->files, file, &slot->record);
}

void lost_seen(struct slot *slot, struct output_file *file, const char *what)
{
	uint64_t written = slot->tally.reported.written, begin = slot->record.begin.written;

	if (file->astray || file->ending)
		return;
	file->astray = true;
	slot->lost_ns = clock_mono_ns();
	if (file != slot->current)
		return;
	slot_log_file(slot, file->name, LOG_WARNING,
		      "%s %s while it was written (%" PRIu64 " packets in it so far): "
		      "continuing in the next file",
		      file->name, what,
		      written > begin && slot->record.serial == file->serial ? written - begin : 0);
	slot_say(slot, MESSAGE_ROTATE);
	lost_reason(slot->capture);
}

void lost_ended(struct slot *slot, const struct ledger_file *record, uint64_t kept,
		const char *what)
{
	uint64_t packets = tally_lose(&slot->tally, record, kept);

	slot->lost_ns = clock_mono_ns();
	slot_log(slot, LOG_ERR,
		 "%s: %" PRIu64 " packets in it are lost, and counted as "
		 "discarded_file_lost",
		 what, packets);
	lost_reason(slot->capture);
}

void lost_missing(struct slot *slot, uint64_t serial)
{
	const struct checkpoint_file *saved = checkpoint_find(slot->saved, serial);
	struct ledger_totals totals = ledger_totals(slot->ledger);
	struct ledger_file record = totals.current;
	char what[96];

	record.finish.written = totals.written;
	if (saved && saved->ended)
		record = saved->record;
	if (record.serial != serial || !record.since_ns)
		return; /* there was nothing in it */
	snprintf(what, sizeof(what),
		 "file %" PRIu64 " of the previous instance is not there any more", serial);
	lost_ended(slot, &record, 0, what);
}

/* Why files keep the name that they have; 0: they do not. */
static int naming_error(const struct capture *capture)
{
	int error = files_delayed(capture->files, capture->index);

	for (unsigned i = 0; i < capture->workers && !error; i++)
		error = capture->slots[i].current ? capture->slots[i].current->name_error : 0;
	return error;
}

void lost_reason(struct capture *capture)
{
	uint64_t now = clock_mono_ns(), packets = 0, files = 0;
	int error = naming_error(capture);
	bool shown = false;

	for (unsigned i = 0; i < capture->workers; i++) {
		const struct slot *slot = &capture->slots[i];

		shown |= slot->current && slot->current->astray;
		shown |= slot->lost_ns && now - slot->lost_ns < SHOWN_NS;
		shown |= tally_debt(&slot->tally) != 0;
		packets += slot->saved->packets_lost;
		files += slot->saved->files_lost;
	}
	capture->files_reason[0] = '\0';
	if (error)
		snprintf(capture->files_reason, sizeof(capture->files_reason),
			 "files cannot be given their names (%s): tried again",
			 failure_text(error));
	else if (shown)
		snprintf(capture->files_reason, sizeof(capture->files_reason),
			 "another program removed, moved or changed files in use: %" PRIu64
			 " files lost, %" PRIu64 " packets",
			 files, packets);
}
