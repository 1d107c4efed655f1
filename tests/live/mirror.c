/* A FUSE file system for the tests: a mirror of a directory that cannot do all that one can.
 *
 *     mirror DIRECTORY MOUNTPOINT [no-flags] [no-links] [no-rename] [no-unlink] [no-locks]
 * [no-fsync]
 *
 * no-flags: rename with flags is an invalid argument; no-locks: every lock is granted. As long
 * as there is a file DIRECTORY.hold whoever closes a file waits; where a process is named in it,
 * that one alone. Stays in the foreground. */
#define FUSE_USE_VERSION 31
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

static int root;
static char hold[4096];
static bool no_flags, no_links, no_rename, no_unlink, no_locks, no_fsync;

static const struct {
	const char *name;
	bool *set;
} refusals[] = {
	{ "no-flags", &no_flags },   { "no-links", &no_links }, { "no-rename", &no_rename },
	{ "no-unlink", &no_unlink }, { "no-locks", &no_locks }, { "no-fsync", &no_fsync },
};

/* Relative to the root. */
static const char *below(const char *path)
{
	return path[1] ? path + 1 : ".";
}

static int result(int rc)
{
	return rc < 0 ? -errno : rc;
}

static void *mirror_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
	(void)connection;
	config->use_ino = 1;
	config->hard_remove = 1;
	config->attr_timeout = config->entry_timeout = config->negative_timeout = 0;
	return NULL;
}

static int mirror_getattr(const char *path, struct stat *st, struct fuse_file_info *info)
{
	return result(info ? fstat((int)info->fh, st)
			   : fstatat(root, below(path), st, AT_SYMLINK_NOFOLLOW));
}

static int mirror_readdir(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset,
			  struct fuse_file_info *info, enum fuse_readdir_flags flags)
{
	int fd = openat(root, below(path), O_RDONLY | O_DIRECTORY);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	(void)offset;
	(void)info;
	(void)flags;
	if (!list)
		return -errno;
	while ((entry = readdir(list)))
		fill(buffer, entry->d_name, NULL, 0, 0);
	closedir(list);
	return 0;
}

static int mirror_create(const char *path, mode_t mode, struct fuse_file_info *info)
{
	int fd = openat(root, below(path), (info->flags & ~O_DIRECT) | O_CREAT, mode);

	info->fh = (uint64_t)fd;
	return fd < 0 ? -errno : 0;
}

static int mirror_open(const char *path, struct fuse_file_info *info)
{
	int fd = openat(root, below(path), info->flags & ~O_DIRECT);

	info->fh = (uint64_t)fd;
	return fd < 0 ? -errno : 0;
}

static bool held(pid_t who)
{
	FILE *file = fopen(hold, "re");
	int named;
	bool all;

	if (!file)
		return false;
	all = fscanf(file, "%d", &named) != 1;
	fclose(file);
	return all || named == who;
}

/* At each close() of each descriptor. */
static int mirror_flush(const char *path, struct fuse_file_info *info)
{
	const struct timespec pause = { 0, 10000000 };

	(void)path;
	(void)info;
	while (held(fuse_get_context()->pid))
		nanosleep(&pause, NULL);
	return 0;
}

static int mirror_release(const char *path, struct fuse_file_info *info)
{
	(void)path;
	return result(close((int)info->fh));
}

static int mirror_read(const char *path, char *buffer, size_t bytes, off_t offset,
		       struct fuse_file_info *info)
{
	(void)path;
	return result((int)pread((int)info->fh, buffer, bytes, offset));
}

static int mirror_write(const char *path, const char *buffer, size_t bytes, off_t offset,
			struct fuse_file_info *info)
{
	(void)path;
	return result((int)pwrite((int)info->fh, buffer, bytes, offset));
}

static int mirror_truncate(const char *path, off_t size, struct fuse_file_info *info)
{
	int fd = info ? (int)info->fh : openat(root, below(path), O_WRONLY), rc;

	if (fd < 0)
		return -errno;
	rc = result(ftruncate(fd, size));
	if (!info)
		close(fd);
	return rc;
}

static int mirror_fsync(const char *path, int data, struct fuse_file_info *info)
{
	(void)path;
	(void)data;
	if (no_fsync)
		return -EINVAL;
	return result(fsync((int)info->fh));
}

static int mirror_unlink(const char *path)
{
	return no_unlink ? -EPERM : result(unlinkat(root, below(path), 0));
}

static int mirror_rename(const char *from, const char *to, unsigned flags)
{
	if (no_rename)
		return -EOPNOTSUPP;
	if (flags && no_flags)
		return -EINVAL;
	return result(renameat2(root, below(from), root, below(to), flags));
}

static int mirror_link(const char *from, const char *to)
{
	return no_links ? -EPERM : result(linkat(root, below(from), root, below(to), 0));
}

static int mirror_chmod(const char *path, mode_t mode, struct fuse_file_info *info)
{
	(void)info;
	return result(fchmodat(root, below(path), mode, 0));
}

static int mirror_chown(const char *path, uid_t user, gid_t group, struct fuse_file_info *info)
{
	(void)info;
	return result(fchownat(root, below(path), user, group, AT_SYMLINK_NOFOLLOW));
}

static int mirror_utimens(const char *path, const struct timespec times[2],
			  struct fuse_file_info *info)
{
	(void)info;
	return result(utimensat(root, below(path), times, AT_SYMLINK_NOFOLLOW));
}

static int mirror_statfs(const char *path, struct statvfs *fs)
{
	(void)path;
	return result(fstatvfs(root, fs));
}

static int mirror_flock(const char *path, struct fuse_file_info *info, int operation)
{
	(void)path;
	(void)info;
	(void)operation;
	return 0;
}

int main(int argc, char **argv)
{
	static struct fuse_operations operations = {
		.init = mirror_init,
		.getattr = mirror_getattr,
		.readdir = mirror_readdir,
		.create = mirror_create,
		.open = mirror_open,
		.flush = mirror_flush,
		.release = mirror_release,
		.read = mirror_read,
		.write = mirror_write,
		.truncate = mirror_truncate,
		.fsync = mirror_fsync,
		.fsyncdir = mirror_fsync,
		.unlink = mirror_unlink,
		.rename = mirror_rename,
		.link = mirror_link,
		.chmod = mirror_chmod,
		.chown = mirror_chown,
		.utimens = mirror_utimens,
		.statfs = mirror_statfs,
	};
	char *arguments[] = { argv[0], argc > 2 ? argv[2] : NULL, "-f", NULL };

	if (argc < 3 || (root = open(argv[1], O_RDONLY | O_DIRECTORY)) < 0) {
		fprintf(stderr, "usage: mirror DIRECTORY MOUNTPOINT [REFUSAL]...\n");
		return 2;
	}
	snprintf(hold, sizeof(hold), "%s.hold", argv[1]);
	for (int i = 3; i < argc; i++)
		for (size_t k = 0; k < sizeof(refusals) / sizeof(*refusals); k++)
			if (strcmp(argv[i], refusals[k].name) == 0)
				*refusals[k].set = true;
	if (no_locks)
		operations.flock = mirror_flock; /* else the kernel's, of this mount */
	if (!no_fsync)
		operations.fsyncdir = NULL;
	return fuse_main(3, arguments, &operations, NULL);
}
