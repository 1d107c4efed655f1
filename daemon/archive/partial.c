/* Names and finishes files in use. */
#include "partial.h"
#include "common.h"
#include "integrity.h"
#include "inventory.h"
#include "subject.h"

#include "../base/failure.h"
#include "../base/log.h"
#include "../format/header.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The current name of an open file: `text`, which is replaced if the file has another one, as a
 * repeated request finds it renamed already. Returns 0, -ENOENT if the file has no name that afcapd
 * makes, or another -errno. */
static int name_now(const struct directory *dir, int fd, struct name *name, char *text)
{
	struct stat st, named;

	if (fstat(fd, &st))
		return -errno;
	if (fstatat(dir->fd, text, &named, AT_SYMLINK_NOFOLLOW) == 0 && named.st_dev == st.st_dev &&
	    named.st_ino == st.st_ino)
		return name_parse(name, text, dir->capture.name) ? 0 : -EINVAL;
	name_parse(name, text, dir->capture.name);
	return directory_find(dir, name->worker, &st, name, text);
}

/* What another program did with the name. */
static const char *lost_how(const struct directory *dir, const char *name, int fd)
{
	const char *what = integrity_fault(dir, name, fd, 0);

	return what ? what : "was removed";
}

/* The time in the file's name: of its first packet, by the packet's clock. A file that has none, as
 * its first write failed or only losses are counted in it, is named by its first use. */
static uint64_t named_us(const struct ledger_file *file)
{
	return (file->first_ns ? file->first_ns : file->since_ns) / 1000;
}

void partial_name(struct directory *dir, const struct message_archive *request, int fd,
		  struct message_result *result)
{
	struct name now, name = { .kind = NAME_PARTIAL,
				  .worker = request->worker,
				  .time_us = named_us(&request->file) };
	char from[FILE_NAME_BYTES];
	int rc;

	memcpy(from, request->name, sizeof(from));
	rc = name_now(dir, fd, &now, from);
	if (rc == 0 && now.kind != NAME_SPARE) { /* renamed already; the answer was lost */
		memcpy(result->name, from, sizeof(from));
		return;
	}
	if (rc == 0)
		rc = -file_header_restore(dir, request, fd);
	if (rc == 0)
		rc = file_rename(dir, fd, from, name, result->name);
	if (rc == -ENOENT) {
		result->lost = 1;
		snprintf(result->text, sizeof(result->text), "%s",
			 lost_how(dir, request->name, fd));
		snprintf(result->name, sizeof(result->name), "%s", request->name);
	} else if (rc) {
		snprintf(result->name, sizeof(result->name), "%s", request->name);
		file_fail(result, -rc, "naming %s in %s: %s", request->name, dir->capture.directory,
			  failure_text(-rc));
	}
}

/* Returns 0 or -errno; `to` is the file's name then. */
static int final_name(const struct directory *dir, const struct message_archive *request, int fd,
		      struct name name, char *to)
{
	int rc = file_rename(dir, fd, request->name, name, to);

	if (rc)
		snprintf(to, FILE_NAME_BYTES, "%s", request->name);
	return rc;
}

/* Syncs the file. Returns 0 or errno, also of an earlier write or sync that has failed. */
static int write_error(const struct directory *dir, const struct message_archive *request, int fd)
{
	int error = dir->capture.config.sync ? openfiles_sync(&dir->common->open, fd) : 0;

	return error ? error : (int)request->file.error;
}

/* Verifies and seals a file. Returns 0 or errno, with result->lost if a part of what was written is
 * not in it; EBADMSG: and no write to it has failed. */
static int finished_bytes(const struct directory *dir, const struct message_archive *request,
			  int fd, struct message_result *result)
{
	const struct message_capture *c = &dir->capture;
	int error = integrity_verify(dir, fd, &request->file, &result->readable), failed = 0;

	result->lost = error == EBADMSG;
	if (!error)
		error = file_seal(fd, request->name, &request->file, false);
	if (!error || result->lost)
		failed = write_error(dir, request, fd);
	if (failed)
		error = failed;
	if (!error && ~c->config.file_mode & FILE_OWNER_MODE && fchmod(fd, c->config.file_mode))
		error = errno;
	if (result->lost)
		file_trim(fd);
	return error;
}

/* Whether the file got its final name from this request before, and not from another program: then
 * it may be in use by readers, and is not written to again. */
static bool finished_already(const struct message_archive *request, int fd, const struct name *name)
{
	uint8_t block[HEADER_STATISTICS_MAX], there[HEADER_STATISTICS_MAX];
	uint32_t bytes = header_statistics(block, &request->file);
	struct stat st;

	return name->kind == NAME_FINISHED && fstat(fd, &st) == 0 &&
	       (uint64_t)st.st_size == request->file.end + bytes &&
	       file_read(&fd, there, bytes, request->file.end) == (ssize_t)bytes &&
	       memcmp(block, there, bytes) == 0;
}

static void finish_named(struct directory *dir, const struct message_archive *request, int fd,
			 struct name name, struct message_result *result)
{
	const char *directory = dir->capture.directory;
	int error = 0, rc = 0;

	if (!finished_already(request, fd, &name)) {
		error = finished_bytes(dir, request, fd, result);
		inventory_stamp(dir, fd);
	}
	snprintf(result->name, sizeof(result->name), "%s", request->name);
	if (name.kind == NAME_SPARE)
		name.time_us = named_us(&request->file);
	if (name.kind == NAME_PARTIAL || name.kind == NAME_SPARE) {
		name.kind = error ? NAME_SUSPECT : NAME_FINISHED;
		rc = final_name(dir, request, fd, name, result->name);
	}
	if (rc == 0 && dir->capture.config.sync && fsync(dir->fd))
		rc = -errno;
	result->spoiled = error;
	if (rc) {
		result->later = 1;
		result->lost = 0;
		file_fail(result, -rc, "finishing %s in %s: %s", request->name, directory,
			  failure_text(-rc));
	} else if (error == EBADMSG) {
		file_fail(result, error,
			  "%s in %s was changed while it was written, by another program "
			  "or a failing disk",
			  result->name, directory);
	} else if (error) {
		file_fail(result, error, "finishing %s in %s: %s%s", result->name, directory,
			  request->file.error || result->lost ? "a write to it failed: " : "",
			  failure_text(error));
	} else if (name.kind ==
		   NAME_SUSPECT) { /* by a previous process, which died before it answered */
		file_fail(result, EIO, "finishing %s in %s: %s", result->name, directory,
			  failure_text(EIO));
	}
}

static void finish_lost(const struct directory *dir, const struct message_archive *request, int fd,
			struct message_result *result)
{
	const char *how = lost_how(dir, request->name, fd);
	struct stat st;

	result->lost = 1;
	snprintf(result->name, sizeof(result->name), "%s", request->name);
	file_fail(result, ENOENT, "%s in %s %s", request->name, dir->capture.directory, how);
	/* Completes the file where it was moved to */
	if (fstat(fd, &st) == 0 && st.st_nlink)
		file_seal(fd, request->name, &request->file, false);
}

static int chunks_copy(const struct directory *dir, int from, int to, uint64_t end)
{
	uint8_t *buffer = dir->common->buffer;
	uint64_t at = FILE_HEADER_BYTES;

	while (at < end) {
		size_t maximum =
			end - at < COMMON_BUFFER_BYTES ? (size_t)(end - at) : COMMON_BUFFER_BYTES;
		ssize_t n = file_read(&from, buffer, maximum, at);

		if (n <= 0)
			return n < 0 ? (int)n : -EIO;
		errno = ENOSPC;
		if (pwrite(to, buffer, (size_t)n, (off_t)at) != n)
			return -errno;
		at += (uint64_t)n;
	}
	return 0;
}

/* Copies a hidden file, whose name another program took away before it was named, to a new hidden
 * file, whose name request->name is then. Returns its descriptor or -errno. */
static int partial_copy(struct directory *dir, struct message_archive *request, int fd)
{
	const char *what = integrity_fault(dir, request->name, fd, 0);
	char gone[FILE_NAME_BYTES];
	int to, rc;

	memcpy(gone, request->name, sizeof(gone));
	if (file_end_begin(fd))
		return -errno;
	to = file_make_other(dir, request, request->name);
	if (to < 0)
		return to;
	rc = chunks_copy(dir, fd, to, request->file.end);
	if (rc == 0) {
		file_log(gone, LOG_WARNING,
			 "the spare file %s %s before it was named: %" PRIu64
			 " bytes are copied to another file",
			 gone, what ? what : "was removed", request->file.end - FILE_HEADER_BYTES);
		return to;
	}
	unlinkat(dir->fd, request->name, 0);
	close(to);
	return rc;
}

void partial_finish(struct directory *dir, const struct message_archive *request, int fd,
		    struct message_result *result)
{
	struct message_archive own = *request;
	struct name name = { 0 };
	bool hidden = *request->name == '.';
	int copy = -1, rc = name_now(dir, fd, &name, own.name);

	if (rc == -ENOENT && hidden) {
		memcpy(own.name, request->name, sizeof(own.name));
		copy = partial_copy(dir, &own, fd);
		name = (struct name){ .kind = NAME_SPARE, .worker = request->worker };
	}
	if (rc == -ENOENT && copy < 0) {
		finish_lost(dir, request, fd, result);
	} else if (rc && rc != -ENOENT) {
		result->later = 1;
		file_fail(result, -rc, "finishing %s in %s: %s", request->name,
			  dir->capture.directory, failure_text(-rc));
	} else {
		finish_named(dir, &own, copy < 0 ? fd : copy, name, result);
	}
	if (copy < 0)
		return;
	if (result->later) { /* the next try copies again */
		unlinkat(dir->fd, own.name, 0);
		snprintf(result->name, sizeof(result->name), "%s", request->name);
	}
	close(copy);
}
