/* Takes one file through its life. */
#include "trial.h"
#include "beneath.h"
#include "file.h"

#include "../base/clock.h"
#include "../base/failure.h"
#include "../format/header.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether an error means that the file system does not support an operation, not that it fails just
 * now. */
static bool for_good(int rc)
{
	return rc == -EINVAL || rc == -ENOSYS || rc == -EOPNOTSUPP || rc == -EPERM ||
	       rc == -ENOLCK || rc == -EXDEV || rc == -EBADMSG;
}

/* Repair relies on locks as the proof that a file is being written. */
static int lock_try(const struct directory *dir, const char *name)
{
	int fd = beneath_open(dir->fd, name, O_RDWR, 0), rc = 0;

	if (fd < 0)
		return fd;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		rc = -ENOLCK;
	else if (errno != EWOULDBLOCK)
		rc = -errno;
	close(fd);
	return rc;
}

static int name_try(const struct directory *dir, int fd, char *name)
{
	const char *capture = dir->capture.name;
	char to[FILE_NAME_BYTES];
	struct stat st;
	int rc;

	name_make_spare(to, capture, 0, clock_real_ns(), 0);
	rc = file_rename_new(dir->fd, name, to);
	if (rc)
		return rc;
	memcpy(name, to, sizeof(to));
	if (fstat(fd, &st))
		return -errno;
	return directory_has(dir, name, &st) ? 0 : -EINVAL;
}

static int sync_try(const struct directory *dir, int fd)
{
	if (!dir->capture.config.sync)
		return 0;
	return fsync(fd) || fsync(dir->fd) ? -errno : 0;
}

/* Returns what failed, with the error, or NULL. */
static const char *steps_try(const struct directory *dir, int fd, char *name, int *rc)
{
	*rc = lock_try(dir, name);
	if (*rc)
		return *rc == -ENOLCK ? "a second lock of a locked file does not fail"
				      : "locking a file";
	*rc = name_try(dir, fd, name);
	if (*rc)
		return "renaming a file";
	*rc = sync_try(dir, fd);
	if (*rc)
		return "syncing a file and its directory";
	*rc = file_header_check(fd, FILE_HEADER_BYTES);
	if (*rc)
		return "reading back what was written";
	*rc = unlinkat(dir->fd, name, 0) ? -errno : 0;
	return *rc ? "removing a file" : NULL;
}

void trial_run(struct directory *dir, struct message_result *result)
{
	const struct message_archive request = { .file = { .serial = 1 } };
	char name[FILE_NAME_BYTES];
	const char *step = "making a file";
	int fd = file_make_other(dir, &request, name), rc = fd;

	if (fd >= 0) {
		step = steps_try(dir, fd, name, &rc);
		if (step)
			unlinkat(dir->fd, name, 0);
		close(fd);
	} else if (rc == -EPERM) {
		return; /* perhaps the file's group: reported when the first file is made */
	}
	if (rc < 0 && !for_good(rc))
		return;
	dir->tried = true;
	if (rc < 0)
		file_fail(result, EINVAL,
			  "directory %s: its file system cannot be recorded to: %s: %s",
			  dir->capture.directory, step, failure_text(-rc));
}
