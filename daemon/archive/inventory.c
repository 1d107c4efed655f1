/* Reads directories. */
#include "inventory.h"
#include "beneath.h"
#include "common.h"
#include "file.h"
#include "subject.h"

#include "../base/failure.h"
#include "../base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_BYTES 512u /* of st_blocks, stat(2) */
#define LIST_FIRST  256u
#define ORDER_NS    1000u /* granularity of file systems' times */

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* If the file cannot be opened although the directory can be read, this is unknown: it counts as
 * held. */
static bool is_held(const struct directory *dir, const char *name, const struct stat *st)
{
	int fd;

	if (openfiles_has(&dir->common->open, st))
		return true;
	fd = file_lock(dir, name, O_RDONLY);
	if (fd >= 0)
		close(fd);
	return fd < 0 && fd != -ENOENT;
}

static int list_add(struct inventory *list, const struct inventory_file *file)
{
	if (list->count == list->capacity) {
		size_t capacity = list->capacity ? 2 * list->capacity : LIST_FIRST;
		struct inventory_file *files = reallocarray(list->files, capacity, sizeof(*files));

		if (!files)
			return -ENOMEM;
		list->files = files;
		list->capacity = capacity;
	}
	list->files[list->count++] = *file;
	return 0;
}

/* A file much larger than file_bytes counts with what it takes on the disk: a compromised worker
 * can make its own file seem large, and others would be removed for it. */
static uint64_t size_of(const struct message_capture *c, const struct stat *st)
{
	uint64_t size = (uint64_t)st->st_size, on_disk = (uint64_t)st->st_blocks * BLOCK_BYTES;

	return size <= 2 * c->file_bytes || size < on_disk ? size
							   : larger(on_disk, 2 * c->file_bytes);
}

static uint64_t finished_ns(const struct stat *st)
{
	return st->st_mtim.tv_sec < 0
		       ? 0
		       : (uint64_t)st->st_mtim.tv_sec * 1000000000 + (uint64_t)st->st_mtim.tv_nsec;
}

/* Counts a file of the directory, if it is one of the capture's. */
static int file_count(struct inventory *list, const char *text)
{
	const struct message_capture *c = &list->dir->capture;
	uint64_t size, on_disk;
	struct inventory_file file = { 0 };
	struct stat st;

	if (!name_parse(&file.name, text, c->name) ||
	    fstatat(list->dir->fd, text, &st, AT_SYMLINK_NOFOLLOW) ||
	    !directory_owns(list->dir, &st))
		return 0;
	size = size_of(c, &st);
	on_disk = (uint64_t)st.st_blocks * BLOCK_BYTES;
	if (file.name.kind == NAME_PARTIAL || file.name.kind == NAME_SPARE) {
		/* One left by a dead daemon does not grow, but keeps its preallocated space. */
		if (!is_held(list->dir, text, &st)) {
			list->bytes += larger(size, on_disk);
			return 0;
		}
		list->bytes += larger(size, c->file_bytes);
		list->growth += c->file_bytes > on_disk ? c->file_bytes - on_disk : 0;
		list->unused += on_disk > size ? on_disk - size : 0;
		return 0;
	}
	file.finished_ns = finished_ns(&st);
	file.bytes = size;
	file.alone = st.st_nlink == 1;
	file.freed = file.alone ? on_disk : 0;
	list->bytes += size;
	return list_add(list, &file);
}

int inventory_take(struct inventory *list)
{
	DIR *entries = beneath_list(list->dir->fd);
	struct dirent *entry;
	int rc;

	if (!entries)
		return -errno;
	do {
		errno = 0;
		entry = readdir(entries);
		rc = entry ? file_count(list, entry->d_name) : -errno;
	} while (entry && rc == 0);
	closedir(entries);
	return rc;
}

/* The order of finishing: inventory_stamp() ensures that modification times have it. */
static int order_compare(const void *left, const void *right)
{
	const struct inventory_file *l = left, *r = right;
	const struct name *a = &l->name, *b = &r->name;

	if (l->finished_ns != r->finished_ns)
		return l->finished_ns < r->finished_ns ? -1 : 1;
	if (a->time_us != b->time_us)
		return a->time_us < b->time_us ? -1 : 1;
	if (a->worker != b->worker)
		return a->worker < b->worker ? -1 : 1;
	return (int)a->kind - (int)b->kind;
}

void inventory_sort(struct inventory *list)
{
	if (list->count)
		qsort(list->files, list->count, sizeof(*list->files), order_compare);
}

void inventory_free(struct inventory *list)
{
	free(list->files);
}

bool inventory_remove(struct inventory *list, const struct inventory_file *file, const char *why,
		      struct message_result *result)
{
	struct directory *dir = list->dir;
	const char *capture = dir->capture.name;
	char text[FILE_NAME_BYTES];
	int error;

	name_make(text, capture, &file->name);
	if (unlinkat(dir->fd, text, 0) == 0) {
		result->removed++;
		dir->removed = true;
		file_log(text, LOG_INFO, "removed %s (%" PRIu64 " bytes): %s", text, file->bytes,
			 why);
		return true;
	}
	error = errno;
	if (error == ENOENT)
		return true;
	if (error != dir->remove_logged && error != list->failed)
		file_log(text, LOG_ERR, "removing %s in %s: %s; it stays (%s)", text,
			 dir->capture.directory, failure_text(error), why);
	list->failed = error;
	return false;
}

/* The modification time of the file finished last, from the directory. */
static uint64_t newest_find(struct directory *dir)
{
	struct inventory list = { .dir = dir };
	uint64_t newest = 0;

	inventory_take(&list);
	for (size_t i = 0; i < list.count; i++)
		newest = larger(newest, list.files[i].finished_ns);
	inventory_free(&list);
	return newest;
}

void inventory_stamp(struct directory *dir, int fd)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };
	struct stat st;

	if (fstat(fd, &st))
		return;
	if (!dir->newest_ns)
		dir->newest_ns = newest_find(dir);
	if (finished_ns(&st) > dir->newest_ns) {
		dir->newest_ns = finished_ns(&st);
		return;
	}
	dir->newest_ns += ORDER_NS;
	times[1] = (struct timespec){ (time_t)(dir->newest_ns / 1000000000),
				      (long)(dir->newest_ns % 1000000000) };
	futimens(fd, times); /* if it fails, names decide between equal times */
}
