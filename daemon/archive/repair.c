/* Repairs files. Files that are found are not trusted: neither their contents nor their type. */
#include "repair.h"
#include "beneath.h"
#include "common.h"
#include "inventory.h"
#include "subject.h"

#include "../base/clock.h"
#include "../base/failure.h"
#include "../base/log.h"
#include "../format/header.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* If the table is full, the file is tried again and not logged. */
static void give_up(const struct directory *dir, const char *name, const char *why)
{
	struct stat st;

	if (fstatat(dir->fd, name, &st, AT_SYMLINK_NOFOLLOW) ||
	    !givenup_add(&dir->common->given_up, &st))
		return;
	file_log(name, LOG_WARNING, "%s in %s cannot be repaired, and is left as it is: %s", name,
		 dir->capture.directory, why);
}

/* The counts are those in the chunks: the drops before the first one are unknown. */
static struct ledger_file record_of(const struct walk *chunks)
{
	struct ledger_file record = { .first_ns = chunks->first_ns,
				      .until_ns = chunks->last_ns,
				      .end = chunks->end };

	if (chunks->last_drops > chunks->first_drops)
		record.finish.drops = chunks->last_drops - chunks->first_drops;
	record.finish.packets = chunks->packets + record.finish.drops;
	record.finish.written = chunks->packets;
	return record;
}

int repair_file(const struct directory *dir, int fd, const char *name, struct walk *chunks)
{
	struct walk_source source = { .read = file_read,
				      .context = &fd,
				      .buffer = dir->common->buffer,
				      .buffer_bytes = sizeof(dir->common->buffer) };
	struct ledger_file record;
	struct stat st;
	int rc;

	if (fstat(fd, &st))
		return -errno;
	source.size = (uint64_t)st.st_size;
	rc = file_header_check(fd, source.size);
	if (rc == 0)
		rc = walk_chunks(&source, chunks);
	if (rc)
		return rc;
	if (chunks->finished)
		return fsync(fd) ? -errno : REPAIR_FINISHED;
	if (chunks->count == 0)
		return REPAIR_EMPTY;
	record = record_of(chunks);
	rc = file_seal(fd, name, &record, true);
	return rc ? -rc : REPAIR_CUT;
}

/* Whether nothing is lost with a file that has no complete chunk: its first write was interrupted,
 * or it has only zeros. */
static bool nothing_in_it(const struct directory *dir, int fd, uint64_t size,
			  const struct walk *chunks)
{
	uint8_t *buffer = dir->common->buffer;

	if (chunks->cut_short)
		return true;
	for (uint64_t at = FILE_HEADER_BYTES; at < size; at += COMMON_BUFFER_BYTES) {
		ssize_t n = file_read(&fd, buffer, COMMON_BUFFER_BYTES, at);

		for (ssize_t i = 0; i < n; i++)
			if (buffer[i])
				return false;
		if (n < (ssize_t)COMMON_BUFFER_BYTES)
			return n >= 0;
	}
	return true;
}

/* Keeps the maximum, as the files of a worker are found in any order. */
static void until_note(struct message_result *result, uint32_t worker, uint64_t last_ns)
{
	uint64_t *until = &result->until_ns[worker];

	if (last_ns < LEFT_NO_PACKET)
		last_ns = LEFT_NO_PACKET;
	if (last_ns > *until)
		*until = last_ns;
}

/* The file is locked and not cut yet. Returns 0 or -errno. */
static int leftover_repair(struct directory *dir, int fd, const char *text, struct name name,
			   struct message_result *result)
{
	const char *directory = dir->capture.directory;
	char finished[FILE_NAME_BYTES], when[CLOCK_TEXT_BYTES];
	struct walk chunks = { 0 };
	uint64_t cut;
	struct stat st;
	bool suspect;
	int rc;

	if (fstat(fd, &st))
		return -errno;
	rc = repair_file(dir, fd, text, &chunks);
	if (rc == REPAIR_EMPTY && nothing_in_it(dir, fd, (uint64_t)st.st_size, &chunks)) {
		if (unlinkat(dir->fd, text, 0))
			return -errno;
		if (name.kind == NAME_PARTIAL)
			file_log(text, LOG_NOTICE,
				 "removed %s in %s, which no process writes any more: it had no "
				 "packet",
				 text, directory);
		until_note(result, name.worker, LEFT_NO_PACKET);
		return 0;
	}
	if (rc < 0 && rc != -EIO)
		return rc;
	/* Bytes that are no chunk, or that could not be synced, are left for inspection. */
	suspect = rc < 0 || rc == REPAIR_EMPTY;
	cut = suspect || rc == REPAIR_FINISHED ? 0 : (uint64_t)st.st_size - chunks.end;
	if (suspect || rc == REPAIR_FINISHED)
		file_trim(fd);
	if (name.kind == NAME_SPARE) /* written to before it was named: the same name */
		name.time_us = (chunks.count ? chunks.first_ns : clock_real_ns()) / 1000;
	name.kind = suspect ? NAME_SUSPECT : NAME_FINISHED;
	inventory_stamp(dir, fd);
	rc = file_rename(dir, fd, text, name, finished);
	if (rc == 0 && fsync(dir->fd))
		rc = -errno;
	if (rc)
		return rc;
	until_note(result, name.worker, suspect ? LEFT_NO_PACKET : chunks.last_ns);
	if (suspect) {
		file_log(finished, LOG_WARNING,
			 "%s in %s was not written by afcapd, or could not be synced", finished,
			 directory);
		return 0;
	}
	result->repaired++;
	file_log(finished, LOG_NOTICE,
		 "repaired %s in %s: %" PRIu64 " packets, the last at %s, %" PRIu64
		 " bytes after them cut off",
		 finished, directory, chunks.packets, clock_text(when, chunks.last_ns), cut);
	return 0;
}

/* Whether an error is permanent. Others are temporary: a full disk, no descriptor left. */
static bool for_good(int rc)
{
	return rc == -EBADMSG || rc == -EINVAL || rc == -EREMOTE || rc == -EMLINK ||
	       rc == -EACCES || rc == -EPERM;
}

static const char *failure(int rc)
{
	if (rc == -EBADMSG)
		return "its first page is not what afcap writes";
	if (rc == -EINVAL)
		return "not a regular file";
	if (rc == -EREMOTE)
		return "it belongs to another user";
	if (rc == -EMLINK)
		return "it has another hard link";
	return failure_text(-rc);
}

/* As a reader first: closing a descriptor open for writing reports a complete file to programs that
 * watch the directory (inotify(7), IN_CLOSE_WRITE), while another process may still be writing
 * it. */
static int leftover_lock(const struct directory *dir, const char *text)
{
	int fd = file_lock(dir, text, O_RDONLY);

	if (fd < 0)
		return fd;
	close(fd);
	return file_lock(dir, text, O_RDWR);
}

/* Returns 1 if it was repaired or removed, 0 if there is nothing to do, or -errno. */
static int leftover_treat(struct directory *dir, const char *text, struct name name,
			  struct message_result *result)
{
	struct stat st;
	int fd, rc;

	if (fstatat(dir->fd, text, &st, AT_SYMLINK_NOFOLLOW) ||
	    givenup_has(&dir->common->given_up, &st) || openfiles_has(&dir->common->open, &st))
		return 0;
	fd = leftover_lock(dir, text);
	if (fd == -EWOULDBLOCK)
		result->held = 1;
	if (fd == -EWOULDBLOCK || fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	if (foreign_busy(&dir->common->seen, dir, fd, clock_mono_ns())) {
		close(fd);
		return 0;
	}
	rc = leftover_repair(dir, fd, text, name, result);
	close(fd);
	return rc ? rc : 1;
}

int repair_leftover(struct directory *dir, const char *text, struct name name,
		    struct message_result *result)
{
	int rc = leftover_treat(dir, text, name, result);

	if (rc < 0 && for_good(rc))
		give_up(dir, text, failure(rc));
	else if (rc < 0 && rc != -dir->repair_logged)
		file_log(text, LOG_WARNING, "repairing %s in %s: %s; retrying", text,
			 dir->capture.directory, failure_text(-rc));
	if (rc)
		dir->repair_logged = rc < 0 ? -rc : 0;
	return rc;
}

bool repair_step(struct directory *dir, struct message_result *result)
{
	DIR *list = beneath_list(dir->fd);
	struct dirent *entry;
	uint32_t before = result->repaired;
	bool done = false;

	result->again = result->held = 0;
	if (!list)
		return false; /* retention_enforce() logs it */
	while ((entry = readdir(list))) {
		struct name name;

		if (!name_parse(&name, entry->d_name, dir->capture.name) ||
		    !(name.kind == NAME_SPARE || (name.kind == NAME_PARTIAL && !result->again)) ||
		    repair_leftover(dir, entry->d_name, name, result) <= 0)
			continue;
		done = true;
		result->again |= name.kind == NAME_PARTIAL || result->repaired != before;
	}
	closedir(list);
	return done;
}
