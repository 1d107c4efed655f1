/* Files in a capture's directory, by the directory's descriptor and names made here alone. */
#include "file.h"
#include "head.h"

#include "../base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define PARTIAL	    ".pcapng.partial"
#define FINISHED    ".pcapng"
#define SUSPECT	    ".suspect.pcapng"
#define NAME_TRIES  1000
#define APPLICATION "afcapd " AFCAP_VERSION

__attribute__((format(printf, 3, 4))) static void fail(struct message_result *result, int error,
						       const char *format, ...)
{
	va_list ap;

	result->error = error ? error : EIO;
	va_start(ap, format);
	vsnprintf(result->text, sizeof(result->text), format, ap);
	va_end(ap);
}

void file_place_open(struct file_place *place, struct message_result *result)
{
	const char *path = place->capture.directory;

	place->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (place->directory < 0)
		fail(result, errno, "directory %s: %s%s", path, strerror(errno),
		     errno == ENOENT ? " (make it first, owned by the user who runs afcapd)" : "");
	else if (faccessat(place->directory, ".", W_OK | X_OK, AT_EACCESS))
		fail(result, errno, "directory %s is not writable: %s", path, strerror(errno));
}

/* What the file system wants writes with O_DIRECT to be multiples of; a page where it does not
 * tell. */
static uint32_t direct_align(int fd)
{
#ifdef STATX_DIOALIGN
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) == 0 &&
	    st.stx_mask & STATX_DIOALIGN && st.stx_dio_offset_align >= 4 &&
	    st.stx_dio_offset_align <= HEAD_BYTES)
		return st.stx_dio_offset_align;
#else
	(void)fd;
#endif
	return HEAD_BYTES;
}

static int file_create(const struct file_place *place, const char *name, bool direct)
{
	int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | (direct ? O_DIRECT : 0);
	int fd = openat(place->directory, name, flags, 0600);

	if (fd < 0 && errno == EEXIST) { /* ours, of an archive process that died: the name has our
					    parent's pid */
		unlinkat(place->directory, name, 0);
		fd = openat(place->directory, name, flags, 0600);
	}
	return fd;
}

/* Creates, locks, writes the head. -1 with errno. */
static int file_begin(const struct file_place *place, const char *name, const uint8_t *head,
		      bool direct)
{
	int fd = file_create(place, name, direct), saved;

	if (fd < 0)
		return -1;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fchmod(fd, place->capture.file_mode) == 0) {
		ssize_t n = pwrite(fd, head, HEAD_BYTES, 0);

		if (n == HEAD_BYTES)
			return fd;
		if (n >= 0)
			errno = ENOSPC;
	}
	saved = errno;
	unlinkat(place->directory, name, 0);
	close(fd);
	errno = saved;
	return -1;
}

int file_open(struct file_place *place, const struct message_archive *request,
	      struct message_result *result)
{
	static _Alignas(HEAD_BYTES) uint8_t head[HEAD_BYTES];
	bool direct = place->capture.direct != DIRECT_NO;
	struct utsname uts = { 0 };
	char os[sizeof(uts.sysname) + sizeof(uts.release) + 2];
	int fd;

	uname(&uts);
	snprintf(os, sizeof(os), "%s %s", uts.sysname, uts.release);
	head_make(head, &place->capture, request->worker, os, APPLICATION);
	snprintf(result->name, sizeof(result->name), ".%s-w%u-%llx-%llu.spare", place->capture.name,
		 request->worker, (unsigned long long)place->capture.token,
		 (unsigned long long)request->file.serial);
	fd = file_begin(place, result->name, head, direct);
	if (fd < 0 && errno == EINVAL && place->capture.direct == DIRECT_AUTO) {
		direct = false;
		fd = file_begin(place, result->name, head, false);
		if (fd >= 0 && !place->plain_told++)
			log_notice("%s: %s does not take O_DIRECT: plain writes",
				   place->capture.name, place->capture.directory);
	}
	if (fd < 0) {
		fail(result, errno, "making a file in %s: %s%s", place->capture.directory,
		     strerror(errno),
		     errno == EINVAL ? " (direct = yes, but this file system has no O_DIRECT)"
				     : "");
		return -1;
	}
	result->align = direct ? direct_align(fd) : 4;
	return fd;
}

/* renameat2(RENAME_NOREPLACE), or what comes to the same where the file system cannot. */
static int rename_new(int directory, const char *from, const char *to)
{
	if (renameat2(directory, from, directory, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (linkat(directory, from, directory, to, 0) || unlinkat(directory, from, 0))
		return -errno;
	return 0;
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), tail = strlen(end);

	return n >= tail && strcmp(text + n - tail, end) == 0;
}

/* A request that is repeated finds its work done: the file itself says what it is called now. */
static bool renamed_already(int fd, const char *suffix, char *name, size_t size)
{
	char link[64], path[4096];
	const char *base;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n <= 0)
		return false;
	path[n] = '\0';
	base = strrchr(path, '/');
	base = base ? base + 1 : path;
	if (strlen(base) >= size || !ends_with(base, suffix) || ends_with(base, SUSPECT))
		return false;
	strcpy(name, base);
	return true;
}

void file_name(struct file_place *place, const struct message_archive *request, int fd,
	       struct message_result *result)
{
	uint64_t us = request->file.since_ns / 1000;
	int rc = -EEXIST;

	for (int i = 0; i < NAME_TRIES && rc == -EEXIST; i++, us++) {
		time_t seconds = (time_t)(us / 1000000);
		char stamp[32], finished[FILE_NAME_BYTES];
		struct tm tm;

		gmtime_r(&seconds, &tm);
		strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%S", &tm);
		snprintf(finished, sizeof(finished), "%s-w%u-%s.%06uZ" FINISHED,
			 place->capture.name, request->worker, stamp, (unsigned)(us % 1000000));
		snprintf(result->name, sizeof(result->name), "%.100s.partial", finished);
		if (faccessat(place->directory, finished, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			continue; /* the clock was set back */
		rc = rename_new(place->directory, request->name, result->name);
	}
	if (rc == 0 ||
	    (rc == -ENOENT && renamed_already(fd, PARTIAL, result->name, sizeof(result->name))))
		return;
	snprintf(result->name, sizeof(result->name), "%s", request->name);
	fail(result, -rc, "naming %s in %s: %s", request->name, place->capture.directory,
	     strerror(-rc));
}

/* Cut, statistics, sync. Returns 0 or errno. */
static int file_close(const struct message_archive *request, int fd)
{
	uint8_t block[HEAD_STATISTICS_MAX];
	uint32_t bytes = head_statistics(block, &request->file);
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 ||
	    fcntl(fd, F_SETFL, flags & ~O_DIRECT)) /* the statistics are no multiple of anything */
		return errno;
	if (ftruncate(fd, (off_t)request->file.end))
		return errno;
	errno = ENOSPC;
	if (pwrite(fd, block, bytes, (off_t)request->file.end) != (ssize_t)bytes) {
		int saved = errno;

		if (ftruncate(fd, (off_t)request->file.end))
			return errno;
		if (saved != ENOSPC && saved != EDQUOT && saved != EFBIG)
			return saved;
		log_warning("%s: no room for its statistics block: finished without",
			    request->name);
	}
	return fsync(fd) ? errno : 0;
}

void file_finish(struct file_place *place, const struct message_archive *request, int fd,
		 struct message_result *result)
{
	size_t tail = strlen(PARTIAL), length;
	struct message_archive named = *request;
	int closed = file_close(request, fd), rc;

	if (!ends_with(request->name, PARTIAL)) { /* naming it failed before */
		file_name(place, request, fd, result);
		if (result->error)
			return;
		memcpy(named.name, result->name, sizeof(named.name));
	}
	request = &named;
	length = strlen(request->name);
	snprintf(result->name, sizeof(result->name), "%.*s%s", (int)(length - tail), request->name,
		 closed ? SUSPECT : FINISHED);
	rc = rename_new(place->directory, request->name, result->name);
	if (rc == -ENOENT && renamed_already(fd, FINISHED, result->name, sizeof(result->name)))
		rc = 0;
	if (rc) {
		snprintf(result->name, sizeof(result->name), "%s", request->name);
		fail(result, -rc, "finishing %s in %s: %s", request->name, place->capture.directory,
		     strerror(-rc));
	} else if (fsync(place->directory)) {
		fail(result, errno, "syncing directory %s: %s", place->capture.directory,
		     strerror(errno));
	}
	if (closed)
		fail(result, closed, "finishing %s in %s: %s", result->name,
		     place->capture.directory, strerror(closed));
}

void file_discard(struct file_place *place, const struct message_archive *request,
		  struct message_result *result)
{
	if (unlinkat(place->directory, request->name, 0) && errno != ENOENT)
		fail(result, errno, "removing %s in %s: %s", request->name,
		     place->capture.directory, strerror(errno));
}
