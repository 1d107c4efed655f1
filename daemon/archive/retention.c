/* Chooses and removes files. */
#include "retention.h"
#include "inventory.h"

#include "../base/clock.h"
#include "../base/failure.h"
#include "../base/log.h"

#include <unistd.h>

#define GROWTH_MAX (UINT64_C(256) << 20)

#define AGAIN_MIN_NS UINT64_C(1000000000)
#define AGAIN_MAX_NS UINT64_C(60000000000)

struct retention {
	struct inventory list;
	unsigned next_files; /* files about to be made */
	struct directory_space disk;
	bool tried; /* to remove one */
};

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* The age counts from the time in the name, of the first packet, converted to the current clock. A
 * time before afcapd existed, or in the future, is of a clock that was not set, or of a packet with
 * another clock than this system's: then the time of finishing counts. If that is before afcapd
 * existed, too, the file is never too old. */
static bool too_old(const struct retention *r, const struct inventory_file *file)
{
	const struct clock_now *clock = &r->list.dir->clock;
	uint64_t age = r->list.dir->capture.config.max_age_ns, now = clock->real_ns;
	uint64_t made = file->name.time_us * 1000;

	if (made < CLOCK_OLDEST_NS || clock_today(clock, made) > now)
		made = file->finished_ns;
	if (made < CLOCK_OLDEST_NS)
		return false;
	made = clock_today(clock, made);
	return made < now && now - made > age;
}

/* Whether finished files show that the clock was not stepped before the daemon's start: one that
 * was finished shortly before it, and one that began by the same clock before that. After a step
 * neither is where it should be. */
static bool clock_vouched(const struct retention *r)
{
	const struct clock_now *clock = &r->list.dir->clock;
	uint64_t age = r->list.dir->capture.config.max_age_ns, stand = clock_must_stand(age);
	uint64_t start = clock->real_ns - clock->stood_ns;
	bool shortly = false, before = false;

	if (!clock->real_ns || clock->spans || start < stand)
		return false;
	for (size_t i = 0; i < r->list.count; i++) {
		const struct inventory_file *f = &r->list.files[i];
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

/* As with bytes, the inodes of the next files stay free beyond the reserve; none without a
 * reserve. */
static bool inodes_lack(const struct retention *r)
{
	return r->disk.inode_reserve && r->disk.inodes < r->disk.inode_reserve + r->next_files;
}

/* Why the oldest remaining file must be removed; NULL: it stays. */
static const char *reason(const struct retention *r)
{
	const struct message_capture *c = &r->list.dir->capture;

	if (c->config.disk_budget && r->list.bytes > c->config.disk_budget)
		return budget_exceeded;
	if (r->disk.available < r->disk.reserve + r->list.growth)
		return reserve_short;
	if (inodes_lack(r))
		return inodes_short;
	return NULL;
}

/* Maximum of bytes left free beyond the reserve: about a second's writes; not so much that small
 * disks retain no file, nothing without a reserve. */
static uint64_t growth_max(const struct directory_space *space)
{
	return space->reserve < GROWTH_MAX ? space->reserve : GROWTH_MAX;
}

/* Some file systems free what was removed with their next commit, which may be half a minute away:
 * before a file is removed for lack of space, earlier removals must count. */
static void space_measure(struct retention *r)
{
	if (directory_space(r->list.dir, &r->disk)) { /* unknown: no file is removed for it */
		r->disk = (struct directory_space){ .inodes = UINT64_MAX };
		r->list.growth = 0;
		return;
	}
	/* The reserve must not be touched by the next second's writes either. */
	if (r->list.growth > growth_max(&r->disk))
		r->list.growth = growth_max(&r->disk);
	if ((r->disk.available < r->disk.reserve + r->list.growth || inodes_lack(r)) &&
	    r->list.dir->removed) {
		r->list.dir->removed = false;
		if (syncfs(r->list.dir->fd) == 0)
			directory_space(r->list.dir, &r->disk);
	}
}

/* A removed file that is still being read is freed when its reader closes it. It is counted at
 * once, or more files would be removed than needed. */
static void space_count(struct retention *r, const struct inventory_file *file)
{
	struct directory_space now;

	r->disk.available += file->freed;
	if (r->disk.inodes != UINT64_MAX)
		r->disk.inodes += file->alone;
	if (directory_space(r->list.dir, &now))
		return;
	r->disk.available = larger(r->disk.available, now.available);
	r->disk.inodes = larger(r->disk.inodes, now.inodes);
}

static void one_remove(struct retention *r, struct inventory_file *file, const char *why,
		       struct message_result *result)
{
	r->tried = true;
	if (!inventory_remove(&r->list, file, why, result))
		return;
	r->list.bytes -= file->bytes;
	space_count(r, file);
	file->gone = true;
}

static void files_remove(struct retention *r, struct message_result *result)
{
	uint64_t age = r->list.dir->capture.config.max_age_ns;
	const char *why;
	bool by_age = age && (clock_stood(&r->list.dir->clock, age) || clock_vouched(r));

	inventory_sort(&r->list);
	r->list.dir->newest_ns = r->list.files[r->list.count - 1].finished_ns;
	for (size_t i = 0; i < r->list.count && by_age; i++)
		if (too_old(r, &r->list.files[i]))
			one_remove(r, &r->list.files[i], aged, result);
	for (size_t i = 0; i < r->list.count && (why = reason(r)); i++) {
		if (r->list.files[i].gone || (why == reserve_short && !r->list.files[i].freed) ||
		    (why == inodes_short && !r->list.files[i].alone))
			continue; /* it has another name: nothing would be freed */
		one_remove(r, &r->list.files[i], why, result);
	}
	if (r->tried) /* a failure after a success is logged again */
		r->list.dir->remove_logged = r->list.failed;
}

bool retention_enforce(struct directory *dir, unsigned next_files, struct message_result *result)
{
	const struct message_capture *c = &dir->capture;
	struct retention r = { .list = { .dir = dir,
					 .bytes = next_files * c->file_bytes,
					 .growth = next_files * c->file_bytes },
			       .next_files = next_files };
	struct directory_space now;
	int rc = inventory_take(&r.list);

	if (rc != -dir->scan_logged && rc)
		directory_log(dir, LOG_ERR, "reading the directory %s: %s", c->directory,
			      failure_text(-rc));
	dir->scan_logged = -rc;
	space_measure(&r);
	dir->newest_ns = 0;
	if (r.list.count)
		files_remove(&r, result);
	inventory_free(&r.list);
	result->no_inode = r.disk.available + r.list.unused >= r.disk.reserve;
	result->full = !result->no_inode || r.disk.inodes < r.disk.inode_reserve;
	result->available = directory_space(dir, &now) ? UINT64_MAX : now.available;
	dir->maintained_ns = clock_mono_ns();
	dir->over_budget = c->config.disk_budget && r.list.bytes > c->config.disk_budget;
	return !dir->over_budget;
}

bool retention_due(const struct directory *dir, struct message_result *result)
{
	uint64_t passed = clock_mono_ns() - dir->maintained_ns;
	uint64_t again = dir->capture.config.max_age_ns / 10;
	struct directory_space space;

	if (again < AGAIN_MIN_NS)
		again = AGAIN_MIN_NS;
	if (!dir->capture.config.max_age_ns || again > AGAIN_MAX_NS)
		again = AGAIN_MAX_NS;
	if (!dir->maintained_ns || dir->over_budget || passed >= again ||
	    directory_space(dir, &space) || space.available < space.reserve + growth_max(&space) ||
	    space.inodes < space.inode_reserve)
		return true;
	result->available = space.available;
	return false;
}
