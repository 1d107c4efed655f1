/* The only file that follows paths: to open a directory, and to check where its path leads. */
#include "directory.h"
#include "beneath.h"

#include "../base/failure.h"
#include "../base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Sets the descriptor, which the directory owns on success. Returns 0 or -errno. */
static int directory_set(struct directory *dir, int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	dir->fd = fd;
	dir->owner = st.st_uid;
	dir->user = geteuid();
	return 0;
}

static const struct {
	uint32_t magic;
	const char *name;
} remote_types[] = {
	{ NFS_SUPER_MAGIC, "NFS" }, { 0xff534d42, "CIFS" },	  { 0xfe534d42, "SMB" },
	{ V9FS_MAGIC, "9p" },	    { FUSE_SUPER_MAGIC, "FUSE" }, { AFS_SUPER_MAGIC, "AFS" },
	{ 0x00c36400, "Ceph" },	    { 0x0bd00bd0, "Lustre" },	  { 0x47504653, "GPFS" },
};

const char *directory_shared(const struct directory *dir)
{
	struct statfs fs;

	if (fstatfs(dir->fd, &fs))
		return NULL;
	for (size_t i = 0; i < sizeof(remote_types) / sizeof(*remote_types); i++)
		if (remote_types[i].magic == (uint32_t)fs.f_type)
			return remote_types[i].name;
	return NULL;
}

/* Warns of other users who may rename, remove and replace files there. */
static void others_warn(const struct directory *dir)
{
	const struct message_capture *c = &dir->capture;
	const char *shared = directory_shared(dir);
	struct stat st;

	if (shared)
		directory_log(
			dir, LOG_WARNING,
			"the directory %s is on %s, where locks may not reach other machines: "
			"no other afcapd may record there; files of a dead one are repaired once "
			"they have not grown for 10 minutes",
			c->directory, shared);
	if (fstat(dir->fd, &st))
		return;
	if (st.st_uid != 0 && st.st_uid != dir->user)
		directory_log(dir, LOG_WARNING,
			      "the directory %s belongs to user %u, who may rename and remove the "
			      "files recorded there",
			      c->directory, (unsigned)st.st_uid);
	if (st.st_mode & S_IWOTH && !(st.st_mode & S_ISVTX))
		directory_log(dir, LOG_WARNING,
			      "every user may write to the directory %s, and rename and remove the "
			      "files recorded there (chmod o-w, or +t)",
			      c->directory);
}

static const char powerless[] = " (afcapd does not retain root's access to other users' files: "
				"give the directory to root, or set user = to its owner)";
static const char foreign[] = " (give it to that user: chown, chmod)";

void directory_open(struct directory *dir, struct message_result *result)
{
	const char *path = dir->capture.directory, *advice = "";
	int fd = beneath_start(path), rc = fd < 0 ? fd : directory_set(dir, fd);

	if (rc) {
		result->error = -rc;
		snprintf(result->text, sizeof(result->text), "directory %s: %s%s", path,
			 failure_text(-rc),
			 rc == -ENOENT || rc == -ENOTDIR
				 ? " (create it first, owned by the user that runs afcapd)"
				 : "");
		if (fd >= 0)
			close(fd);
		return;
	}
	if (faccessat(dir->fd, ".", W_OK | X_OK, AT_EACCESS) == 0) {
		others_warn(dir);
		return;
	}
	result->error = errno;
	if (errno == EACCES || errno == EPERM)
		advice = geteuid() ? foreign : powerless;
	snprintf(result->text, sizeof(result->text),
		 "directory %s is not writable by user %u, which runs afcapd: %s%s", path,
		 (unsigned)geteuid(), failure_text(result->error), advice);
	directory_close(dir);
}

int directory_adopt(struct directory *dir, int fd)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0), rc = own < 0 ? -errno : directory_set(dir, own);

	if (rc && own >= 0)
		close(own);
	return rc;
}

void directory_close(struct directory *dir)
{
	if (dir->fd >= 0)
		close(dir->fd);
	dir->fd = -1;
}

bool directory_removed(const struct directory *dir)
{
	struct stat st;

	return dir->fd >= 0 && (fstat(dir->fd, &st) ? errno == ESTALE : st.st_nlink == 0);
}

void directory_path_check(struct directory *dir)
{
	const struct message_capture *c = &dir->capture;
	struct stat opened, there;
	bool moved;

	if (fstat(dir->fd, &opened))
		return;
	if (fstatat(AT_FDCWD, c->directory, &there, AT_NO_AUTOMOUNT))
		moved = errno == ENOENT || errno == ENOTDIR || errno == ELOOP;
	else
		moved = there.st_dev != opened.st_dev || there.st_ino != opened.st_ino;
	if (moved && !dir->moved)
		directory_log(dir, LOG_WARNING,
			      "%s no longer leads to the directory that was opened, which is still "
			      "used, wherever it was moved (a restart opens the path again)",
			      c->directory);
	dir->moved = moved;
}

struct directory_space directory_space_of(const struct message_capture *c, const struct statvfs *fs)
{
	/* Some in-memory file systems do not count; others create inodes on demand. */
	bool counted = fs->f_files && fs->f_favail <= fs->f_files;
	int64_t reserve = c->config.disk_reserve;
	uint64_t percent = reserve < 0 ? (uint64_t)-reserve : 0;

	return (struct directory_space){
		.available = fs->f_blocks ? (uint64_t)fs->f_bavail * fs->f_frsize : UINT64_MAX,
		.reserve = reserve > 0 ? (uint64_t)reserve
				       : (uint64_t)fs->f_blocks * fs->f_frsize / 100 * percent,
		.inodes = counted ? fs->f_favail : UINT64_MAX,
		.inode_reserve = counted ? (uint64_t)fs->f_files / 100 * percent : 0,
	};
}

int directory_space(const struct directory *dir, struct directory_space *space)
{
	struct statvfs fs;

	if (fstatvfs(dir->fd, &fs))
		return -errno;
	*space = directory_space_of(&dir->capture, &fs);
	return 0;
}

bool directory_is_refusal(int error)
{
	return error == ENOSPC || error == EDQUOT;
}

bool directory_inodes_out(const struct directory *dir)
{
	struct statvfs fs;

	return fstatvfs(dir->fd, &fs) == 0 && fs.f_files && !fs.f_favail;
}

int directory_space_try(const struct directory *dir)
{
	const struct message_capture *c = &dir->capture;
	uint64_t bytes = c->file_bytes && c->file_bytes < DIRECTORY_TRY_BYTES ? c->file_bytes
									      : DIRECTORY_TRY_BYTES;
	int fd = beneath_unnamed(dir->fd), error = fd < 0 ? -fd : 0;

	if (fd < 0)
		return directory_is_refusal(error) ? error : 0;
	/* A group quota applies by the file's group */
	if (c->file_group >= 0 && fchown(fd, (uid_t)-1, (gid_t)c->file_group))
		error = errno;
	if (!error && fallocate(fd, 0, 0, (off_t)bytes))
		error = errno;
	close(fd);
	return directory_is_refusal(error) ? error : 0;
}

bool directory_owns(const struct directory *dir, const struct stat *file)
{
	return S_ISREG(file->st_mode) &&
	       (file->st_uid == dir->user || file->st_uid == 0 || file->st_uid == dir->owner);
}

bool directory_has(const struct directory *dir, const char *name, const struct stat *file)
{
	struct stat st;

	return fstatat(dir->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev == file->st_dev &&
	       st.st_ino == file->st_ino;
}

int directory_find(const struct directory *dir, uint32_t worker, const struct stat *file,
		   struct name *name, char *text)
{
	DIR *list = beneath_list(dir->fd);
	struct dirent *entry;
	int rc = -ENOENT;

	if (!list)
		return -errno;
	while (rc == -ENOENT && (entry = readdir(list)))
		if (name_parse(name, entry->d_name, dir->capture.name) && name->worker == worker &&
		    directory_has(dir, entry->d_name, file)) {
			snprintf(text, FILE_NAME_BYTES, "%.*s", FILE_NAME_BYTES - 1, entry->d_name);
			rc = 0;
		}
	closedir(list);
	return rc;
}
