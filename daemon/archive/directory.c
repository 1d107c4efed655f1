/* Paths are followed here alone, and only when a directory is opened. */
#include "directory.h"
#include "beneath.h"
#include "trial.h"

#include "../base/failure.h"
#include "../base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Takes the descriptor. Returns 0 or -errno. */
static int directory_set(struct file_place *place, int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	place->directory = fd;
	place->owner = st.st_uid;
	place->user = geteuid();
	return 0;
}

/* Who besides this user may rename, remove and replace what is there. */
static void others_tell(const struct file_place *place)
{
	const struct message_capture *c = &place->capture;
	const char *shared = trial_shared(place);
	struct stat st;

	if (shared)
		directory_log(
			place, LOG_WARNING,
			"the directory %s is on %s, where locks may not reach other machines: "
			"no other afcapd may record there; what a dead one left is repaired when "
			"it has not grown for 10 minutes",
			c->directory, shared);
	if (fstat(place->directory, &st))
		return;
	if (st.st_uid != 0 && st.st_uid != place->user)
		directory_log(place, LOG_WARNING,
			      "the directory %s belongs to user %u, who may rename and remove "
			      "whatever is recorded there",
			      c->directory, (unsigned)st.st_uid);
	if (st.st_mode & S_IWOTH && !(st.st_mode & S_ISVTX))
		directory_log(place, LOG_WARNING,
			      "everybody may write to the directory %s, and rename and remove "
			      "whatever is recorded there (chmod o-w, or +t)",
			      c->directory);
}

static const char powerless[] =
	" (afcapd keeps none of root's power over what is others': give the "
	"directory to root, or set user = to its owner)";
static const char foreign[] = " (give it to that user: chown, chmod)";

void file_place_open(struct file_place *place, struct message_result *result)
{
	const char *path = place->capture.directory, *advice = "";
	int fd = beneath_start(path), rc = fd < 0 ? fd : directory_set(place, fd);

	if (rc) {
		result->error = -rc;
		snprintf(result->text, sizeof(result->text), "directory %s: %s%s", path,
			 failure_text(-rc),
			 rc == -ENOENT || rc == -ENOTDIR
				 ? " (make it first, owned by the user who runs afcapd)"
				 : "");
		if (fd >= 0)
			close(fd);
		return;
	}
	if (faccessat(place->directory, ".", W_OK | X_OK, AT_EACCESS) == 0) {
		others_tell(place);
		return;
	}
	result->error = errno;
	if (errno == EACCES || errno == EPERM)
		advice = geteuid() ? foreign : powerless;
	snprintf(result->text, sizeof(result->text),
		 "directory %s is not writable by user %u, who runs afcapd: %s%s", path,
		 (unsigned)geteuid(), failure_text(result->error), advice);
	file_place_close(place);
}

int file_place_take(struct file_place *place, int fd)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0), rc = own < 0 ? -errno : directory_set(place, own);

	if (rc && own >= 0)
		close(own);
	return rc;
}

void file_place_close(struct file_place *place)
{
	if (place->directory >= 0)
		close(place->directory);
	place->directory = -1;
}

bool file_place_removed(const struct file_place *place)
{
	struct stat st;

	return place->directory >= 0 &&
	       (fstat(place->directory, &st) ? errno == ESTALE : st.st_nlink == 0);
}

void file_place_look(struct file_place *place)
{
	const struct message_capture *c = &place->capture;
	struct stat opened, there;
	bool moved;

	if (fstat(place->directory, &opened))
		return;
	if (fstatat(AT_FDCWD, c->directory, &there, AT_NO_AUTOMOUNT))
		moved = errno == ENOENT || errno == ENOTDIR || errno == ELOOP;
	else
		moved = there.st_dev != opened.st_dev || there.st_ino != opened.st_ino;
	if (moved && !place->moved)
		directory_log(place, LOG_WARNING,
			      "%s is not the directory any more that was opened, which is used "
			      "all the same, wherever it was moved (a restart opens the path anew)",
			      c->directory);
	place->moved = moved;
}

struct file_room file_room_of(const struct message_capture *c, const struct statvfs *fs)
{
	/* Some file systems in memory do not tell; some make inodes as they need them. */
	bool counted = fs->f_files && fs->f_favail <= fs->f_files;

	return (struct file_room){
		.available = fs->f_blocks ? (uint64_t)fs->f_bavail * fs->f_frsize : UINT64_MAX,
		.reserve = c->disk_reserve ? c->disk_reserve
					   : (uint64_t)fs->f_blocks * fs->f_frsize / 100 *
						     c->disk_reserve_percent,
		.inodes = counted ? fs->f_favail : UINT64_MAX,
		.inode_reserve = !counted || c->disk_reserve
					 ? 0
					 : (uint64_t)fs->f_files / 100 * c->disk_reserve_percent,
	};
}

int file_room(const struct file_place *place, struct file_room *room)
{
	struct statvfs fs;

	if (fstatvfs(place->directory, &fs))
		return -errno;
	*room = file_room_of(&place->capture, &fs);
	return 0;
}

bool file_is_refusal(int error)
{
	return error == ENOSPC || error == EDQUOT;
}

bool file_inodes_out(const struct file_place *place)
{
	struct statvfs fs;

	return fstatvfs(place->directory, &fs) == 0 && fs.f_files && !fs.f_favail;
}

int file_room_try(const struct file_place *place)
{
	const struct message_capture *c = &place->capture;
	uint64_t bytes =
		c->file_bytes && c->file_bytes < FILE_TRY_BYTES ? c->file_bytes : FILE_TRY_BYTES;
	int fd = beneath_unnamed(place->directory), error = fd < 0 ? -fd : 0;

	if (fd < 0)
		return file_is_refusal(error) ? error : 0;
	/* A group's quota is that of the group */
	if (c->file_group >= 0 && fchown(fd, (uid_t)-1, (gid_t)c->file_group))
		error = errno;
	if (!error && fallocate(fd, 0, 0, (off_t)bytes))
		error = errno;
	close(fd);
	return file_is_refusal(error) ? error : 0;
}

bool file_is_ours(const struct file_place *place, const struct stat *file)
{
	return S_ISREG(file->st_mode) &&
	       (file->st_uid == place->user || file->st_uid == 0 || file->st_uid == place->owner);
}

bool file_is_named(const struct file_place *place, const char *name, const struct stat *file)
{
	struct stat st;

	return fstatat(place->directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_dev == file->st_dev && st.st_ino == file->st_ino;
}

int file_find(const struct file_place *place, uint32_t worker, uint64_t device, uint64_t inode,
	      struct name *name, char *text)
{
	DIR *list = beneath_list(place->directory);
	struct stat file = { .st_dev = device, .st_ino = inode };
	struct dirent *entry;
	int rc = -ENOENT;

	if (!list)
		return -errno;
	while (rc == -ENOENT && (entry = readdir(list)))
		if (name_parse(name, entry->d_name, place->capture.name) &&
		    name->worker == worker && file_is_named(place, entry->d_name, &file)) {
			snprintf(text, FILE_NAME_BYTES, "%.*s", FILE_NAME_BYTES - 1, entry->d_name);
			rc = 0;
		}
	closedir(list);
	return rc;
}
