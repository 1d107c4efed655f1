/* Removing files. */
#include "keep.h"
#include "beneath.h"

#include "../base/clock.h"
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

#define GROWTH_MOST (UINT64_C(256) << 20)

#define AGAIN_LEAST_NS UINT64_C(1000000000)
#define AGAIN_MOST_NS  UINT64_C(60000000000)

struct kept {
	struct name name;
	uint64_t bytes;
	uint64_t freed; /* what its removal gives back to the file system */
};

struct keep {
	struct file_place *place;
	struct kept *files; /* finished and suspect */
	size_t count, room;
	uint64_t bytes;	    /* of all files, with what those in use may grow to */
	uint64_t oldest_us; /* what is older than that goes */
	uint64_t growth;    /* what files in use may still take of the file system */
	uint64_t unused;    /* what was preallocated for them and is not written yet */
	struct file_room disk;
	int failed; /* errno of what could not be removed */
};

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Somebody who may read the directory but not that file cannot tell: it counts as held then. */
static bool is_held(const struct file_place *place, const char *name)
{
	int fd = file_lock(place, name, O_RDONLY);

	if (fd >= 0)
		close(fd);
	return fd < 0 && fd != -ENOENT;
}

static int list_add(struct keep *k, const struct kept *file)
{
	if (k->count == k->room) {
		size_t room = k->room ? 2 * k->room : LIST_FIRST;
		struct kept *files = reallocarray(k->files, room, sizeof(*files));

		if (!files)
			return -ENOMEM;
		k->files = files;
		k->room = room;
	}
	k->files[k->count++] = *file;
	return 0;
}

/* A file that is much larger than files are made is as large as what it takes of the disk: a worker
 * that was taken over can make its own seem large, and others would go for it. */
static uint64_t size_of(const struct message_capture *c, const struct stat *st)
{
	uint64_t size = (uint64_t)st->st_size, on_disk = (uint64_t)st->st_blocks * BLOCK_BYTES;

	return size <= 2 * c->file_bytes || size < on_disk ? size
							   : larger(on_disk, 2 * c->file_bytes);
}

/* Counts a file of the directory, if it is one of the capture's. */
static int file_count(struct keep *k, const char *text)
{
	const struct message_capture *c = &k->place->capture;
	uint64_t size, on_disk;
	struct kept file;
	struct stat st;

	if (!name_parse(&file.name, text, c->name) ||
	    fstatat(k->place->directory, text, &st, AT_SYMLINK_NOFOLLOW) ||
	    !file_is_ours(k->place, &st))
		return 0;
	size = size_of(c, &st);
	on_disk = (uint64_t)st.st_blocks * BLOCK_BYTES;
	if (file.name.kind == NAME_PARTIAL || file.name.kind == NAME_SPARE) {
		/* One that a dead daemon left does not grow, but keeps what was preallocated. */
		if (!is_held(k->place, text)) {
			k->bytes += larger(size, on_disk);
			return 0;
		}
		k->bytes += larger(size, c->file_bytes);
		k->growth += c->file_bytes > on_disk ? c->file_bytes - on_disk : 0;
		k->unused += on_disk > size ? on_disk - size : 0;
		return 0;
	}
	file.bytes = size;
	file.freed = st.st_nlink == 1 ? on_disk : 0;
	k->bytes += size;
	return list_add(k, &file);
}

/* Returns 0 or -errno. */
static int directory_scan(struct keep *k)
{
	DIR *list = beneath_list(k->place->directory);
	struct dirent *entry;
	int rc;

	if (!list)
		return -errno;
	do {
		errno = 0;
		entry = readdir(list);
		rc = entry ? file_count(k, entry->d_name) : -errno;
	} while (entry && rc == 0);
	closedir(list);
	return rc;
}

static int age_compare(const void *left, const void *right)
{
	const struct name *a = &((const struct kept *)left)->name,
			  *b = &((const struct kept *)right)->name;

	if (a->time_us != b->time_us)
		return a->time_us < b->time_us ? -1 : 1;
	if (a->worker != b->worker)
		return a->worker < b->worker ? -1 : 1;
	return (int)a->kind - (int)b->kind;
}

static const char reserve_short[] = "less than disk_reserve would stay available";

/* Why the oldest file that is left goes; NULL: it stays. */
static const char *reason(const struct keep *k, const struct kept *oldest)
{
	const struct message_capture *c = &k->place->capture;

	if (oldest->name.time_us < k->oldest_us)
		return "it is older than max_age";
	if (c->disk_budget && k->bytes > c->disk_budget)
		return "the capture's files would exceed disk_budget";
	if (k->disk.available < k->disk.reserve + k->growth)
		return reserve_short;
	return NULL;
}

/* False where it cannot be removed. Another program may have been faster: then it is gone all the
 * same. */
static bool file_remove(struct keep *k, const struct kept *file, const char *why,
			struct message_result *result)
{
	struct file_place *place = k->place;
	const char *capture = place->capture.name;
	char text[FILE_NAME_BYTES];
	int error;

	name_make(text, capture, &file->name);
	if (unlinkat(place->directory, text, 0) == 0) {
		result->removed++;
		place->removed = true;
		log_info("%s: removed %s (%" PRIu64 " bytes): %s", capture, text, file->bytes, why);
		return true;
	}
	error = errno;
	if (error == ENOENT)
		return true;
	if (error != place->remove_told && error != k->failed)
		log_error("%s: removing %s in %s: %s; it stays (%s)", capture, text,
			  place->capture.directory, strerror(error), why);
	k->failed = error;
	return false;
}

/* How much is kept free beyond the reserve: for a second or so; not so much that small disks keep
 * no file, nothing where nothing is reserved. */
static uint64_t growth_most(const struct file_room *room)
{
	return room->reserve < GROWTH_MOST ? room->reserve : GROWTH_MOST;
}

/* Some file systems free what was removed with their next commit, which may be half a minute away:
 * before a file goes because there is too little room, what went before must count. */
static void room_measure(struct keep *k)
{
	if (file_room(k->place, &k->disk)) { /* not known: no file goes for it */
		k->disk = (struct file_room){ 0 };
		k->growth = 0;
		return;
	}
	/* What must stay is not touched by the next second's writes either. */
	if (k->growth > growth_most(&k->disk))
		k->growth = growth_most(&k->disk);
	if (k->disk.available < k->disk.reserve + k->growth && k->place->removed) {
		k->place->removed = false;
		if (syncfs(k->place->directory) == 0)
			file_room(k->place, &k->disk);
	}
}

/* A file that is still being read is freed when its reader closes it. What was removed is counted
 * all the same, or more would be removed than is needed. */
static void room_count(struct keep *k, uint64_t freed)
{
	struct file_room now;

	k->disk.available += freed;
	if (file_room(k->place, &now) == 0)
		k->disk.available = larger(k->disk.available, now.available);
}

static void files_remove(struct keep *k, struct message_result *result)
{
	bool tried = false;
	const char *why;

	qsort(k->files, k->count, sizeof(*k->files), age_compare);
	for (size_t i = 0; i < k->count && (why = reason(k, &k->files[i])); i++) {
		if (why == reserve_short && !k->files[i].freed)
			continue; /* it has another name: nothing is gained */
		tried = true;
		if (!file_remove(k, &k->files[i], why, result))
			continue;
		k->bytes -= k->files[i].bytes;
		room_count(k, k->files[i].freed);
	}
	if (tried) /* told again once it was better */
		k->place->remove_told = k->failed;
}

bool keep_enforce(struct file_place *place, unsigned ahead, struct message_result *result)
{
	const struct message_capture *c = &place->capture;
	uint64_t now_ns = clock_real_ns();
	struct keep k = { .place = place,
			  .bytes = ahead * c->file_bytes,
			  .growth = ahead * c->file_bytes };
	struct file_room now;
	int rc = directory_scan(&k);

	if (rc != -place->scan_told && rc)
		log_error("%s: reading the directory %s: %s", c->name, c->directory, strerror(-rc));
	place->scan_told = -rc;
	if (c->max_age_ns && c->max_age_ns < now_ns)
		k.oldest_us = (now_ns - c->max_age_ns) / 1000;
	room_measure(&k);
	if (k.count)
		files_remove(&k, result);
	free(k.files);
	result->full = k.disk.available + k.unused < k.disk.reserve;
	result->available = file_room(place, &now) ? UINT64_MAX : now.available;
	place->kept_ns = clock_mono_ns();
	place->over_budget = c->disk_budget && k.bytes > c->disk_budget;
	return !place->over_budget;
}

bool keep_due(const struct file_place *place, struct message_result *result)
{
	uint64_t passed = clock_mono_ns() - place->kept_ns;
	uint64_t again = place->capture.max_age_ns / 10;
	struct file_room room;

	if (again < AGAIN_LEAST_NS)
		again = AGAIN_LEAST_NS;
	if (!place->capture.max_age_ns || again > AGAIN_MOST_NS)
		again = AGAIN_MOST_NS;
	if (!place->kept_ns || place->over_budget || passed >= again || file_room(place, &room) ||
	    room.available < room.reserve + growth_most(&room))
		return true;
	result->available = room.available;
	return false;
}
