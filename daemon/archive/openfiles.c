/* A list of inodes. */
#include "openfiles.h"
#include "beneath.h"
#include "directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define LIST_FIRST 64u

static struct openfile *find(const struct openfiles *open, const struct stat *file)
{
	for (size_t i = 0; i < open->count; i++)
		if (open->list[i].device == file->st_dev && open->list[i].inode == file->st_ino)
			return &open->list[i];
	return NULL;
}

static struct openfile *find_fd(const struct openfiles *open, int fd)
{
	struct stat st;

	return fstat(fd, &st) ? NULL : find(open, &st);
}

static void errors_close(const struct openfile *file)
{
	if (file->errors_fd >= 0)
		close(file->errors_fd);
}

void openfiles_free(struct openfiles *open)
{
	for (size_t i = 0; i < open->count; i++)
		errors_close(&open->list[i]);
	free(open->list);
	*open = (struct openfiles){ 0 };
}

/* False: no memory; its lock shows that it is in use, too. */
static bool list_grow(struct openfiles *open)
{
	size_t capacity = open->capacity ? 2 * open->capacity : LIST_FIRST;
	struct openfile *larger;

	if (open->count < open->capacity)
		return true;
	larger = reallocarray(open->list, capacity, sizeof(*larger));
	if (!larger)
		return false;
	open->list = larger;
	open->capacity = capacity;
	return true;
}

void openfiles_add(struct openfiles *open, int fd, int errors_fd)
{
	struct openfile file = { .errors_fd = errors_fd };
	struct stat st;

	if (fstat(fd, &st) || find(open, &st) || !list_grow(open)) {
		errors_close(&file);
		return;
	}
	file.device = st.st_dev;
	file.inode = st.st_ino;
	open->list[open->count++] = file;
}

int openfiles_errors(const struct directory *dir, const char *name, int fd)
{
	struct stat st, found;
	int own, high = -1;

	/* Checked before, as opening anything but a file may have side effects */
	if (fstat(fd, &st) || !directory_has(dir, name, &st))
		return -1;
	own = beneath_open(dir->fd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (own < 0)
		return -1;
	if (fstat(own, &found) == 0 && found.st_dev == st.st_dev && found.st_ino == st.st_ino)
		high = fcntl(own, F_DUPFD_CLOEXEC, OPENFILES_FROM);
	close(own);
	return high;
}

/* What a write-back fails with. A file system may refuse to sync a read-only descriptor. */
static int write_back_error(int fd)
{
	if (fd < 0 || fdatasync(fd) == 0)
		return 0;
	return errno == EIO || errno == ENOSPC || errno == EDQUOT ? errno : 0;
}

int openfiles_sync(struct openfiles *open, int fd)
{
	struct openfile unlisted = { .errors_fd = -1 }, *file = find_fd(open, fd);
	int error = fsync(fd) ? errno : 0;

	if (!file)
		file = &unlisted;
	if (!file->error)
		file->error = error;
	error = write_back_error(file->errors_fd);
	if (!file->error)
		file->error = error;
	return file->error;
}

void openfiles_remove(struct openfiles *open, int fd)
{
	struct openfile *file = find_fd(open, fd);

	if (!file)
		return;
	errors_close(file);
	*file = open->list[--open->count];
}

bool openfiles_has(const struct openfiles *open, const struct stat *file)
{
	return find(open, file) != NULL;
}
