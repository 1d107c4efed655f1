/* Files in a capture's directory, accessed only by its descriptor and by names made here. */
#include "file.h"
#include "beneath.h"
#include "common.h"
#include "subject.h"

#include "../base/clock.h"
#include "../base/failure.h"
#include "../base/log.h"
#include "../format/header.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#define NAME_TRIES   1000
#define CREATE_TRIES 3
#define APPLICATION  HEADER_PROGRAM " " AFCAP_VERSION

void file_fail(struct message_result *result, int error, const char *format, ...)
{
	va_list ap;

	result->error = error ? error : EIO;
	va_start(ap, format);
	vsnprintf(result->text, sizeof(result->text), format, ap);
	va_end(ap);
}

/* The file system's alignment of O_DIRECT writes; a page if it does not report one. */
static uint32_t direct_align(int fd)
{
#ifdef STATX_DIOALIGN
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) == 0 &&
	    st.stx_mask & STATX_DIOALIGN && st.stx_dio_offset_align >= 4 &&
	    st.stx_dio_offset_align <= FILE_HEADER_BYTES)
		return st.stx_dio_offset_align;
#else
	(void)fd;
#endif
	return FILE_HEADER_BYTES;
}

uint32_t file_align(int fd, bool direct)
{
	uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE), align;

	if (!direct)
		return 4;
	align = direct_align(fd);
	return align > page ? align : page;
}

/* Returns the descriptor or -errno. */
static int file_create(const struct directory *dir, const char *name, bool direct)
{
	int flags = O_RDWR | O_CREAT | O_EXCL | (direct ? O_DIRECT : 0);
	int fd = beneath_open(dir->fd, name, flags, FILE_OWNER_MODE);

	if (fd ==
	    -EEXIST) { /* made by an archive process that died: the name has this daemon's token */
		unlinkat(dir->fd, name, 0);
		fd = beneath_open(dir->fd, name, flags, FILE_OWNER_MODE);
	}
	return fd;
}

/* Between its creation and its lock a file looks like one left by a dead daemon: another daemon of
 * the same directory may have removed it. Then tries again. */
static int file_create_locked(const struct directory *dir, const char *name, bool direct)
{
	for (int i = 0; i < CREATE_TRIES; i++) {
		int fd = file_create(dir, name, direct);
		struct stat st;

		if (fd < 0)
			return fd;
		errno = 0;
		if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 &&
		    directory_has(dir, name, &st))
			return fd;
		if (errno == ENOLCK || errno == ENOSYS || errno == EOPNOTSUPP) { /* of flock() */
			int rc = -errno;

			unlinkat(dir->fd, name, 0);
			close(fd);
			return rc;
		}
		close(fd);
	}
	return -EBUSY;
}

/* Some file systems refuse even a call that would change nothing. */
static int group_set(int fd, int64_t group)
{
	struct stat st;

	if (group < 0 || (fstat(fd, &st) == 0 && st.st_gid == (gid_t)group))
		return 0;
	return fchown(fd, (uid_t)-1, (gid_t)group);
}

static int mode_set(int fd, mode_t mode)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & 07777) == mode ? 0 : fchmod(fd, mode);
}

int file_permit(const struct directory *dir, int fd)
{
	const struct message_capture *c = &dir->capture;

	return group_set(fd, c->file_group) || mode_set(fd, c->config.file_mode | FILE_OWNER_MODE)
		       ? -errno
		       : 0;
}

/* Creates and locks a file and writes the header. Returns the descriptor or -errno. */
static int file_begin(const struct directory *dir, const char *name, const uint8_t *page,
		      bool direct)
{
	int fd = file_create_locked(dir, name, direct), rc;

	if (fd < 0)
		return fd;
	rc = file_permit(dir, fd);
	if (rc == 0) {
		ssize_t n = pwrite(fd, page, FILE_HEADER_BYTES, 0);

		if (n == FILE_HEADER_BYTES)
			return fd;
		rc = n < 0 ? -errno : -ENOSPC;
	}
	unlinkat(dir->fd, name, 0);
	close(fd);
	return rc;
}

/* Advice on the error, for the message. */
static const char *begin_advice(const struct directory *dir, int error)
{
	if (error == EINVAL && dir->capture.config.direct == DIRECT_YES)
		return " (direct = yes, but this file system has no O_DIRECT)";
	if (error == EPERM && dir->capture.file_group >= 0)
		return " (file_group: the user who runs afcapd must be a member of the group)";
	return "";
}

/* Makes a file under a hidden name, which is stored in `name`. The next name is predictable from
 * the last, so another user may have put something there that cannot be removed: the second try has
 * an unpredictable name. Returns the descriptor or -errno. */
static int file_make(struct directory *dir, const struct message_archive *request,
		     const uint8_t *page, bool direct, char *name)
{
	const struct message_capture *c = &dir->capture;
	int fd;

	name_make_spare(name, c->name, request->worker, c->token, request->file.serial);
	fd = file_begin(dir, name, page, direct);
	if (fd != -EEXIST)
		return fd;
	name_make_spare(name, c->name, request->worker, clock_real_ns(), request->file.serial);
	return file_begin(dir, name, page, direct);
}

const uint8_t *file_header(const struct directory *dir, uint32_t worker)
{
	uint8_t *page = dir->common->header_page;
	const struct message_capture *c = &dir->capture;
	struct utsname uts = { 0 };
	char os[sizeof(uts.sysname) + sizeof(uts.release) + 2];
	const struct header header = { .capture = c->name,
				       .worker = worker,
				       .link_type = c->link_type,
				       .interface = c->interface,
				       .device = c->device,
				       .filter = c->filter,
				       .machine = c->machine,
				       .boot = c->boot,
				       .os = os,
				       .application = APPLICATION };

	uname(&uts);
	snprintf(os, sizeof(os), "%s %s", uts.sysname, uts.release);
	header_make(page, &header);
	return page;
}

int file_header_renew(const struct directory *dir, uint32_t worker, int fd)
{
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st))
		return -errno;
	if (st.st_size != FILE_HEADER_BYTES)
		return 0;
	n = pwrite(fd, file_header(dir, worker), FILE_HEADER_BYTES, 0);
	return n == FILE_HEADER_BYTES ? 0 : n < 0 ? -errno : -EIO;
}

int file_header_restore(const struct directory *dir, const struct message_archive *request, int fd)
{
	_Alignas(FILE_HEADER_BYTES) uint8_t page[FILE_HEADER_BYTES]; /* it may have O_DIRECT */
	ssize_t n = pread(fd, page, FILE_HEADER_BYTES, 0);

	if (n == FILE_HEADER_BYTES && header_valid(page))
		return 0;
	if (n < 0)
		return errno;
	file_log(request->name, LOG_WARNING,
		 "the spare file %s has lost its header, by another program or a failing disk: it "
		 "is written again",
		 request->name);
	n = pwrite(fd, file_header(dir, request->worker), FILE_HEADER_BYTES, 0);
	return n == FILE_HEADER_BYTES ? 0 : n < 0 ? errno : EIO;
}

int file_make_other(const struct directory *dir, const struct message_archive *request, char *name)
{
	name_make_spare(name, dir->capture.name, request->worker, clock_real_ns(),
			request->file.serial);
	return file_begin(dir, name, file_header(dir, request->worker), false);
}

int file_open(struct directory *dir, const struct message_archive *request,
	      struct message_result *result)
{
	const uint8_t *page = file_header(dir, request->worker);
	bool direct = dir->capture.config.direct != DIRECT_NO;
	struct stat st;
	int fd;

	fd = file_make(dir, request, page, direct, result->name);
	if (fd == -EINVAL && dir->capture.config.direct == DIRECT_AUTO) {
		direct = false;
		fd = file_make(dir, request, page, false, result->name);
		if (fd >= 0 && !dir->plain_logged++)
			directory_log(dir, LOG_NOTICE,
				      "%s does not support O_DIRECT: using buffered writes",
				      dir->capture.directory);
	}
	if (fd < 0) {
		file_fail(result, -fd, "making a file in %s: %s%s", dir->capture.directory,
			  failure_text(-fd), begin_advice(dir, -fd));
		return -1;
	}
	if (fstat(fd, &st) == 0) {
		result->device = st.st_dev;
		result->inode = st.st_ino;
		dir->user = st.st_uid; /* some file systems map it */
	}
	result->align = file_align(fd, direct);
	return fd;
}

int file_preallocate(const struct directory *dir, int fd)
{
	const struct message_capture *c = &dir->capture;
	struct directory_space space;
	int error;

	if (c->file_bytes == 0 || directory_space(dir, &space) || space.available < c->file_bytes ||
	    space.available - c->file_bytes < space.reserve)
		return 0;
	if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)c->file_bytes) == 0)
		return 0;
	error = errno; /* a part allocated is freed when the file is cut at its end */
	directory_log(dir, LOG_DEBUG, "no preallocation in %s: %s", c->directory, strerror(error));
	return error;
}

/* Whether link(2) and unlink(2) may stand in for a rename. Many FUSE file systems identify an open
 * file by the path that it was opened with (libfuse's high-level interface): it is stale when that
 * name is removed and another one remains. */
static bool directory_links(int directory)
{
	struct statfs fs;

	return fstatfs(directory, &fs) || (uint32_t)fs.f_type != FUSE_SUPER_MAGIC;
}

static int link_new(int directory, const char *from, const char *to)
{
	int error;

	if (linkat(directory, from, directory, to, 0))
		return -errno;
	if (unlinkat(directory, from, 0) == 0)
		return 0;
	error = errno;
	unlinkat(directory, to, 0);
	return -error;
}

int file_rename_new(int directory, const char *from, const char *to)
{
	int rc;

	if (renameat2(directory, from, directory, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
		return -errno;
	rc = directory_links(directory) ? link_new(directory, from, to) : -EOPNOTSUPP;
	if (rc != -EPERM && rc != -ENOSYS && rc != -EOPNOTSUPP && rc != -EINVAL)
		return rc;
	if (faccessat(directory, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	if (errno != ENOENT)
		return -errno;
	return renameat(directory, from, directory, to) ? -errno : 0;
}

/* Whether another file than `from` has the name, of any kind: as two packets have the same time, or
 * the clock was set back. */
static bool name_taken(const struct directory *dir, struct name name, const char *from)
{
	static const enum name_kind kinds[] = { NAME_FINISHED, NAME_SUSPECT, NAME_PARTIAL };
	char text[FILE_NAME_BYTES];

	for (unsigned i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		name.kind = kinds[i];
		name_make(text, dir->capture.name, &name);
		if (strcmp(text, from) != 0 &&
		    faccessat(dir->fd, text, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return true;
	}
	return false;
}

int file_rename(const struct directory *dir, int fd, const char *from, struct name as, char *to)
{
	int rc = -EEXIST;
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (!directory_has(dir, from, &st)) /* or another file was put in its place */
		return -ENOENT;
	for (int i = 0; i < NAME_TRIES && rc == -EEXIST; i++, as.time_us++) {
		if (name_taken(dir, as, from))
			continue;
		name_make(to, dir->capture.name, &as);
		rc = file_rename_new(dir->fd, from, to);
	}
	return rc;
}

int file_end_begin(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -1;
	flags &= ~O_DIRECT;
	/* Some servers map the owner: then O_NOATIME is refused */
	return fcntl(fd, F_SETFL, flags | O_NOATIME) ? fcntl(fd, F_SETFL, flags) : 0;
}

int file_seal(int fd, const char *name, const struct ledger_file *record, bool sync)
{
	uint8_t block[HEADER_STATISTICS_MAX];
	uint32_t bytes = header_statistics(block, record);
	struct stat st;

	if (file_end_begin(fd)) /* the statistics block is not aligned */
		return errno;
	if (fstat(fd, &st))
		return errno;
	if (record->end > (uint64_t)st.st_size) /* reported by a worker, and wrong */
		return ERANGE;
	errno = ENOSPC;
	if (pwrite(fd, block, bytes, (off_t)record->end) == (ssize_t)bytes) {
		/* Frees space preallocated past it, too */
		if (ftruncate(fd, (off_t)(record->end + bytes)))
			return errno;
	} else {
		int saved = errno;

		if (ftruncate(fd, (off_t)record->end))
			return errno;
		if (saved != ENOSPC && saved != EDQUOT && saved != EFBIG)
			return saved;
		file_log(name, LOG_WARNING,
			 "no space for its statistics block: finished without it");
	}
	return sync && fsync(fd) ? errno : 0;
}

void file_trim(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && ftruncate(fd, st.st_size))
		log_debug("freeing what was preallocated: %s", failure_text(errno));
}

void file_discard(struct directory *dir, const struct message_archive *request,
		  struct message_result *result)
{
	if (unlinkat(dir->fd, request->name, 0) && errno != ENOENT)
		file_fail(result, errno, "removing %s in %s: %s", request->name,
			  dir->capture.directory, failure_text(errno));
}

void file_sync(const struct directory *dir, const struct message_archive *request, int fd,
	       struct message_result *result)
{
	snprintf(result->name, sizeof(result->name), "%s", request->name);
	if (fdatasync(fd))
		file_fail(result, errno, "syncing %s in %s: %s", request->name,
			  dir->capture.directory, failure_text(errno));
}

ssize_t file_read(void *context, void *buffer, size_t bytes, uint64_t offset)
{
	const int *fd = context;
	ssize_t n;

	do
		n = pread(*fd, buffer, bytes, (off_t)offset);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int file_header_check(int fd, uint64_t size)
{
	uint8_t page[FILE_HEADER_BYTES];
	ssize_t n;

	n = file_read(&fd, page, sizeof(page), 0);
	if (n < 0)
		return (int)n;
	if (size < FILE_HEADER_BYTES)
		return header_begun(page, (uint32_t)n) ? 0 : -EBADMSG;
	return n == FILE_HEADER_BYTES && header_valid(page) ? 0 : -EBADMSG;
}

static int found_check(const struct directory *dir, const struct stat *st, int flags)
{
	if (!S_ISREG(st->st_mode))
		return -EINVAL;
	if ((flags & O_ACCMODE) == O_RDONLY)
		return 0;
	if (!directory_owns(dir, st))
		return -EREMOTE;
	return st->st_nlink == 1 ? 0 : -EMLINK; /* with another name it is used elsewhere, too */
}

int file_lock(const struct directory *dir, const char *name, int flags)
{
	int lock = (flags & O_ACCMODE) == O_RDONLY ? LOCK_SH : LOCK_EX, fd, rc;
	struct stat st;

	/* Checked before it is opened, as opening anything but a regular file may have side
	 * effects; and again after, as the name may refer to something else by then: to a FIFO,
	 * hence O_NONBLOCK. */
	if (fstatat(dir->fd, name, &st, AT_SYMLINK_NOFOLLOW))
		return -errno;
	rc = found_check(dir, &st, flags);
	if (rc)
		return rc;
	fd = beneath_open(dir->fd, name, flags | O_NONBLOCK | O_NOCTTY | O_NOATIME, 0);
	if (fd < 0)
		return fd == -ELOOP ? -EINVAL : fd;
	rc = fstat(fd, &st) ? -errno : found_check(dir, &st, flags);
	if (rc == 0 && flock(fd, lock | LOCK_NB))
		rc = -errno;
	else if (rc == 0 && !directory_has(dir, name, &st)) /* finished since, and renamed */
		rc = -ENOENT;
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}
