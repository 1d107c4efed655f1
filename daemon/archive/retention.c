/* Removing files. */
#include "retention.h"
#include "beneath.h"
#include "openfiles.h"
#include "subject.h"

#include "../base/clock.h"
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

#define GROWTH_MOST (UINT64_C(256) << 20)

#define YIELD_NS UINT64_C(1000000000)
#define ORDER_NS 1000u /* what file systems tell apart */

#define AGAIN_LEAST_NS UINT64_C(1000000000)
#define AGAIN_MOST_NS  UINT64_C(60000000000)

struct kept {
	struct name name;
	uint64_t finished_ns; /* its modification time */
	uint64_t bytes;
	uint64_t freed; /* what its removal gives back to the file system */
	bool alone;	/* it has no other name */
	bool gone;
};

struct retention {
	struct directory *dir;
	struct kept *files; /* finished and suspect */
	size_t count, room;
	uint64_t bytes;	 /* of all files, with what those in use may grow to */
	uint64_t growth; /* what files in use may still take of the file system */
	uint64_t unused; /* what was preallocated for them and is not written yet */
	unsigned ahead;	 /* files about to be made */
	struct directory_room disk;
	bool tried; /* to remove one */
	int failed; /* errno of what could not be removed */
};

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Somebody who may read the directory but not that file cannot tell: it counts as held then. */
static bool is_held(const struct directory *dir, const char *name, const struct stat *st)
{
	int fd;

	if (openfiles_has(st))
		return true;
	fd = file_lock(dir, name, O_RDONLY);
	if (fd >= 0)
		close(fd);
	return fd < 0 && fd != -ENOENT;
}

static int list_add(struct retention *k, const struct kept *file)
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

static uint64_t finished_ns(const struct stat *st)
{
	return st->st_mtim.tv_sec < 0
		       ? 0
		       : (uint64_t)st->st_mtim.tv_sec * 1000000000 + (uint64_t)st->st_mtim.tv_nsec;
}

/* Counts a file of the directory, if it is one of the capture's. */
static int file_count(struct retention *k, const char *text)
{
	const struct message_capture *c = &k->dir->capture;
	uint64_t size, on_disk;
	struct kept file = { 0 };
	struct stat st;

	if (!name_parse(&file.name, text, c->name) ||
	    fstatat(k->dir->fd, text, &st, AT_SYMLINK_NOFOLLOW) || !directory_owns(k->dir, &st))
		return 0;
	size = size_of(c, &st);
	on_disk = (uint64_t)st.st_blocks * BLOCK_BYTES;
	if (file.name.kind == NAME_PARTIAL || file.name.kind == NAME_SPARE) {
		/* One that a dead daemon left does not grow, but keeps what was preallocated. */
		if (!is_held(k->dir, text, &st)) {
			k->bytes += larger(size, on_disk);
			return 0;
		}
		k->bytes += larger(size, c->file_bytes);
		k->growth += c->file_bytes > on_disk ? c->file_bytes - on_disk : 0;
		k->unused += on_disk > size ? on_disk - size : 0;
		return 0;
	}
	file.finished_ns = finished_ns(&st);
	file.bytes = size;
	file.alone = st.st_nlink == 1;
	file.freed = file.alone ? on_disk : 0;
	k->bytes += size;
	return list_add(k, &file);
}

/* Returns 0 or -errno. */
static int directory_scan(struct retention *k)
{
	DIR *list = beneath_list(k->dir->fd);
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

/* As they were finished, which retention_order() has modification times tell. */
static int order_compare(const void *left, const void *right)
{
	const struct kept *l = left, *r = right;
	const struct name *a = &l->name, *b = &r->name;

	if (l->finished_ns != r->finished_ns)
		return l->finished_ns < r->finished_ns ? -1 : 1;
	if (a->time_us != b->time_us)
		return a->time_us < b->time_us ? -1 : 1;
	if (a->worker != b->worker)
		return a->worker < b->worker ? -1 : 1;
	return (int)a->kind - (int)b->kind;
}

/* Its age counts from the time in its name, by the clock of today. A name from before there was
 * any afcapd was given by a clock that did not know the time; one from the future likewise: then
 * the file's end counts. */
static bool too_old(const struct retention *k, const struct kept *file)
{
	const struct clock_now *clock = &k->dir->clock;
	uint64_t age = k->dir->capture.max_age_ns, now = clock->real_ns;
	uint64_t made = file->name.time_us * 1000;

	if (made < CLOCK_OLDEST_NS)
		return false;
	made = clock_today(clock, made);
	if (made > now)
		made = clock_today(clock, file->finished_ns);
	return made < now && now - made > age;
}

/* A daemon does not know what the clock did before its start, but finished files tell: one that was
 * finished shortly before, and one that began by the same clock before that. After a step neither
 * lies where it should. */
static bool clock_vouched(const struct retention *k)
{
	const struct clock_now *clock = &k->dir->clock;
	uint64_t age = k->dir->capture.max_age_ns, stand = clock_must_stand(age);
	uint64_t start = clock->real_ns - clock->stood_ns;
	bool shortly = false, before = false;

	if (!clock->real_ns || clock->spans || start < stand)
		return false;
	for (size_t i = 0; i < k->count; i++) {
		const struct kept *f = &k->files[i];
		uint64_t began = f->name.time_us * 1000;

		shortly |= f->finished_ns <= start && f->finished_ns >= start - stand;
		before |= began <= start - stand && clock->real_ns - began <= age;
	}
	return shortly && before;
}

static const char aged[] = "it is older than max_age";
static const char budget_exceeded[] = "the capture's files would exceed disk_budget";
static const char reserve_short[] = "less than disk_reserve would stay available";
static const char inodes_short[] = "fewer inodes than disk_reserve would stay available";

/* As with bytes, those of the next files stay beyond the reserve, none where nothing is reserved.
 */
static bool inodes_lack(const struct retention *k)
{
	return k->disk.inode_reserve && k->disk.inodes < k->disk.inode_reserve + k->ahead;
}

/* Why the oldest file that is left goes; NULL: it stays. */
static const char *reason(const struct retention *k)
{
	const struct message_capture *c = &k->dir->capture;

	if (c->disk_budget && k->bytes > c->disk_budget)
		return budget_exceeded;
	if (k->disk.available < k->disk.reserve + k->growth)
		return reserve_short;
	if (inodes_lack(k))
		return inodes_short;
	return NULL;
}

/* False where it cannot be removed. Another program may have been faster: then it is gone all the
 * same. */
static bool file_remove(struct retention *k, const struct kept *file, const char *why,
			struct message_result *result)
{
	struct directory *dir = k->dir;
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
	if (error != dir->remove_told && error != k->failed)
		file_log(text, LOG_ERR, "removing %s in %s: %s; it stays (%s)", text,
			 dir->capture.directory, failure_text(error), why);
	k->failed = error;
	return false;
}

/* How much is kept free beyond the reserve: for a second or so; not so much that small disks keep
 * no file, nothing where nothing is reserved. */
static uint64_t growth_most(const struct directory_room *room)
{
	return room->reserve < GROWTH_MOST ? room->reserve : GROWTH_MOST;
}

/* Some file systems free what was removed with their next commit, which may be half a minute away:
 * before a file goes because there is too little room, what went before must count. */
static void room_measure(struct retention *k)
{
	if (directory_room(k->dir, &k->disk)) { /* not known: no file goes for it */
		k->disk = (struct directory_room){ .inodes = UINT64_MAX };
		k->growth = 0;
		return;
	}
	/* What must stay is not touched by the next second's writes either. */
	if (k->growth > growth_most(&k->disk))
		k->growth = growth_most(&k->disk);
	if ((k->disk.available < k->disk.reserve + k->growth || inodes_lack(k)) &&
	    k->dir->removed) {
		k->dir->removed = false;
		if (syncfs(k->dir->fd) == 0)
			directory_room(k->dir, &k->disk);
	}
}

/* A file that is still being read is freed when its reader closes it. What was removed is counted
 * all the same, or more would be removed than is needed. */
static void room_count(struct retention *k, const struct kept *file)
{
	struct directory_room now;

	k->disk.available += file->freed;
	if (k->disk.inodes != UINT64_MAX)
		k->disk.inodes += file->alone;
	if (directory_room(k->dir, &now))
		return;
	k->disk.available = larger(k->disk.available, now.available);
	k->disk.inodes = larger(k->disk.inodes, now.inodes);
}

static void kept_remove(struct retention *k, struct kept *file, const char *why,
			struct message_result *result)
{
	k->tried = true;
	if (!file_remove(k, file, why, result))
		return;
	k->bytes -= file->bytes;
	room_count(k, file);
	file->gone = true;
}

static void files_remove(struct retention *k, struct message_result *result)
{
	uint64_t age = k->dir->capture.max_age_ns;
	const char *why;
	bool by_age = age && (clock_stood(&k->dir->clock, age) || clock_vouched(k));

	qsort(k->files, k->count, sizeof(*k->files), order_compare);
	k->dir->newest_ns = k->files[k->count - 1].finished_ns;
	for (size_t i = 0; i < k->count && by_age; i++)
		if (too_old(k, &k->files[i]))
			kept_remove(k, &k->files[i], aged, result);
	for (size_t i = 0; i < k->count && (why = reason(k)); i++) {
		if (k->files[i].gone || (why == reserve_short && !k->files[i].freed) ||
		    (why == inodes_short && !k->files[i].alone))
			continue; /* it has another name: nothing is gained */
		kept_remove(k, &k->files[i], why, result);
	}
	if (k->tried) /* told again once it was better */
		k->dir->remove_told = k->failed;
}

bool retention_enforce(struct directory *dir, unsigned ahead, struct message_result *result)
{
	const struct message_capture *c = &dir->capture;
	struct retention k = { .dir = dir,
			       .bytes = ahead * c->file_bytes,
			       .growth = ahead * c->file_bytes,
			       .ahead = ahead };
	struct directory_room now;
	int rc = directory_scan(&k);

	if (rc != -dir->scan_told && rc)
		directory_log(dir, LOG_ERR, "reading the directory %s: %s", c->directory,
			      failure_text(-rc));
	dir->scan_told = -rc;
	room_measure(&k);
	dir->newest_ns = 0;
	if (k.count)
		files_remove(&k, result);
	free(k.files);
	result->no_inode = k.disk.available + k.unused >= k.disk.reserve;
	result->full = !result->no_inode || k.disk.inodes < k.disk.inode_reserve;
	result->available = directory_room(dir, &now) ? UINT64_MAX : now.available;
	dir->kept_ns = clock_mono_ns();
	dir->over_budget = c->disk_budget && k.bytes > c->disk_budget;
	return !dir->over_budget;
}

bool retention_due(const struct directory *dir, struct message_result *result)
{
	uint64_t passed = clock_mono_ns() - dir->kept_ns;
	uint64_t again = dir->capture.max_age_ns / 10;
	struct directory_room room;

	if (again < AGAIN_LEAST_NS)
		again = AGAIN_LEAST_NS;
	if (!dir->capture.max_age_ns || again > AGAIN_MOST_NS)
		again = AGAIN_MOST_NS;
	if (!dir->kept_ns || dir->over_budget || passed >= again || directory_room(dir, &room) ||
	    room.available < room.reserve + growth_most(&room) || room.inodes < room.inode_reserve)
		return true;
	result->available = room.available;
	return false;
}

static const char *refusal(const struct directory *dir, int error)
{
	if (error == EDQUOT)
		return "a quota is used up";
	return directory_inodes_out(dir) ? "the file system has no inode left" : "the disk is full";
}

/* A reader or a snapshot may have it still: some more than was wanted, and no more. */
static void yield_count(struct directory *dir, const struct kept *file, uint64_t wanted)
{
	if (dir->yielded >= wanted && ++dir->in_vain == YIELDS)
		directory_log(dir, LOG_WARNING,
			      "removing files makes no room in %s (who has them open, or in a "
			      "snapshot?): no more go until there is some",
			      dir->capture.directory);
	dir->yielded += file->freed;
}

void retention_granted(struct directory *dir)
{
	dir->yielded = 0;
	dir->in_vain = 0;
}

bool retention_yield(struct directory *dir, uint64_t bytes, int error,
		     struct message_result *result)
{
	struct retention k = { .dir = dir };
	struct directory_room room;
	uint64_t sum = 0;
	bool yielded = false;

	if (!directory_is_refusal(error) || dir->in_vain >= YIELDS || directory_scan(&k) ||
	    !k.count) {
		free(k.files);
		return false;
	}
	qsort(k.files, k.count, sizeof(*k.files), order_compare);
	for (size_t i = 0; i < k.count; i++)
		sum += k.files[i].freed;
	for (size_t i = 0; i < k.count && !yielded && sum >= bytes; i++) {
		yielded = k.files[i].alone &&
			  file_remove(&k, &k.files[i], refusal(dir, error), result);
		if (yielded)
			yield_count(dir, &k.files[i], larger(bytes, DIRECTORY_TRY_BYTES));
	}
	if (k.failed)
		dir->remove_told = k.failed;
	free(k.files);
	result->available = directory_room(dir, &room) ? UINT64_MAX : room.available;
	return yielded;
}

void retention_refused(struct directory *dir, int error, struct message_result *result)
{
	uint64_t now = clock_mono_ns();
	int own, before = (int)result->removed;

	if (!error) {
		if (dir->refused_ns)
			retention_granted(dir);
		dir->refused_ns = 0;
		dir->yields = 0;
		return;
	}
	while ((own = directory_room_try(dir)) && retention_yield(dir, 0, own, result))
		;
	if (!own)
		retention_granted(dir);
	if (own || (int)result->removed != before || !dir->refused_ns) {
		dir->refused_ns = now;
	} else if (now - dir->refused_ns >= YIELD_NS && dir->yields < YIELDS &&
		   retention_yield(dir, 0, error, result)) {
		dir->refused_ns = now;
		dir->yields++;
	}
}

/* What a directory holds that is not kept in mind yet. */
static uint64_t newest_find(struct directory *dir)
{
	struct retention k = { .dir = dir };
	uint64_t newest = 0;

	directory_scan(&k);
	for (size_t i = 0; i < k.count; i++)
		newest = larger(newest, k.files[i].finished_ns);
	free(k.files);
	return newest;
}

void retention_order(struct directory *dir, int fd)
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
	futimens(fd, times); /* where it cannot be, the order is the names' */
}
