/* Memory, descriptors. */
#include "limits.h"

#include "../base/clock.h"
#include "../base/config_ring.h"
#include "../base/log.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>

#define FREED_NS      UINT64_C(5000000000)
#define FREED_LOOK    100 /* ms */
#define HUGE_BYTES    (UINT64_C(2) << 20)
#define PROCESS_BYTES (UINT64_C(2) << 20) /* of a worker, beside its buffers */
#define MIB(bytes)    (((bytes) + (1 << 20) - 1) >> 20)
#define PATH_MOST     4096
#define FILE_BLOCKS   4 /* the minimum by the configuration */
#define TAIL_BYTES    4096
#define TEXT_BYTES    128
#define AUTO_SHARE    8 /* of the memory: the remainder is for other programs and the page cache */

/* The number after a key at the beginning of a line ("": alone in its file). False: there is
 * none. */
static bool number_read(const char *path, const char *key, uint64_t *number)
{
	FILE *file = fopen(path, "re");
	size_t length = strlen(key);
	char line[256];
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file))
		found = strncmp(line, key, length) == 0 &&
			sscanf(line + length, "%" SCNu64, number) == 1;
	if (file)
		fclose(file);
	return found;
}

/* UINT64_MAX if it cannot be read. */
static uint64_t memory(const char *key)
{
	uint64_t kib;

	return number_read("/proc/meminfo", key, &kib) ? kib << 10 : UINT64_MAX;
}

static uint64_t memory_available(void)
{
	return memory("MemAvailable:");
}

/* Of version 1 and 2: the limit, the usage, and the part of it that the kernel reclaims when memory
 * is short: the page cache. */
struct group_files {
	const char *mount, *maximum, *now, *cache[2];
};

static const struct group_files group_files[] = {
	{ "memory",
	  "memory.limit_in_bytes",
	  "memory.usage_in_bytes",
	  { "total_inactive_file ", "total_active_file " } },
	{ "", "memory.max", "memory.current", { "inactive_file ", "active_file " } },
};

static uint64_t group_room(const struct group_files *files, const char *directory)
{
	char path[PATH_MOST + 32];
	uint64_t maximum, now, cache;

	snprintf(path, sizeof(path), "%s/%s", directory, files->maximum);
	if (!number_read(path, "", &maximum))
		return UINT64_MAX;
	snprintf(path, sizeof(path), "%s/%s", directory, files->now);
	if (!number_read(path, "", &now))
		return UINT64_MAX;
	snprintf(path, sizeof(path), "%s/memory.stat", directory);
	for (unsigned i = 0; i < 2; i++)
		if (number_read(path, files->cache[i], &cache))
			now -= cache < now ? cache : now;
	return maximum > now ? maximum - now : 0;
}

/* A group's limit holds for all below it. A path that does not exist (of another namespace) counts
 * as its parent. */
static uint64_t groups_room(const struct group_files *files, const char *root, const char *group)
{
	char directory[PATH_MOST];
	int base = snprintf(directory, sizeof(directory), "%s%s%s", root, *files->mount ? "/" : "",
			    files->mount);
	uint64_t room = UINT64_MAX;
	char *end;

	snprintf(directory + base, sizeof(directory) - (size_t)base, "%s", group);
	do {
		uint64_t here = group_room(files, directory);

		room = here < room ? here : room;
		end = strrchr(directory + base, '/');
		if (end)
			*end = '\0';
	} while (end);
	return room;
}

uint64_t limits_group_room(const char *groups, const char *root)
{
	FILE *file = fopen(groups, "re");
	uint64_t room = UINT64_MAX, one;
	char line[PATH_MOST];

	while (file && fgets(line, sizeof(line), file)) {
		char *names = strchr(line, ':'), *group = names ? strchr(names + 1, ':') : NULL;
		bool first = names && strncmp(names, ":memory:", 8) == 0;

		if (!group || (!first && group != names + 1))
			continue; /* another controller of version 1 */
		line[strcspn(line, "\n")] = '\0';
		one = groups_room(&group_files[first ? 0 : 1], root, group + 1);
		room = one < room ? one : room;
	}
	if (file)
		fclose(file);
	return room;
}

uint64_t limits_ring_auto(unsigned workers)
{
	uint64_t room = limits_group_room("/proc/self/cgroup", "/sys/fs/cgroup");
	uint64_t available = memory_available(), bytes;

	available = room < available ? room : available;
	if (!workers || available == UINT64_MAX)
		return CONFIG_RING_AUTO_MIN;
	bytes = config_power(available / AUTO_SHARE / workers);
	if (bytes < CONFIG_RING_AUTO_MIN)
		return CONFIG_RING_AUTO_MIN;
	return bytes < CONFIG_RING_AUTO_MAX ? bytes : CONFIG_RING_AUTO_MAX;
}

/* The kernel owns the ring and charges it to no group. */
static uint64_t rings_bytes(const struct limits_need *needs, unsigned count)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < count; i++)
		if (!needs[i].resumed) /* these rings exist already */
			sum += afcap_geometry_memory(&needs[i].ring) * needs[i].workers;
	return sum;
}

/* The staging buffer, one and a half blocks in huge pages, and the remainder of a process. */
static uint64_t workers_bytes(const struct limits_need *needs, unsigned count)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < count; i++) {
		uint64_t staging = (uint64_t)needs[i].ring.block_bytes * 3 / 2;

		staging = (staging + HUGE_BYTES - 1) / HUGE_BYTES * HUGE_BYTES;
		sum += (staging + PROCESS_BYTES) * needs[i].workers;
	}
	return sum;
}

static void needs_log(const struct limits_need *needs, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		log_error("capture %s: %u workers, each a ring_size of %" PRIu64
			  " MiB in memory, a block_size of %" PRIu64 " KiB",
			  needs[i].capture, needs[i].workers,
			  MIB(afcap_geometry_memory(&needs[i].ring)),
			  (uint64_t)needs[i].ring.block_bytes >> 10);
}

static void memory_log(int level, const struct limits_need *needs, unsigned count, const char *has)
{
	log_at(level,
	       "the rings need %" PRIu64 " MiB and the workers' buffers %" PRIu64
	       " MiB, but %s: use smaller rings or fewer workers",
	       MIB(rings_bytes(needs, count)), MIB(workers_bytes(needs, count)), has);
}

/* The kernel would kill other programs before it refused the memory. */
static int available_check(const struct limits_need *needs, unsigned count, bool freed)
{
	uint64_t rings = rings_bytes(needs, count), own = workers_bytes(needs, count);
	uint64_t available = memory_available(), begin = clock_mono_ns();
	char has[TEXT_BYTES];

	while (rings + own > available && freed && clock_mono_ns() - begin < FREED_NS) {
		poll(NULL, 0, FREED_LOOK);
		available = memory_available();
	}
	if (rings + own <= available)
		return 0;
	needs_log(needs, count);
	snprintf(has, sizeof(has), "%" PRIu64 " MiB of memory are available (MemAvailable)",
		 available >> 20);
	memory_log(LOG_ERR, needs, count, has);
	return EX_CONFIG;
}

int limits_memory(const struct limits_need *needs, unsigned count, bool freed)
{
	int rc = available_check(needs, count, freed);
	uint64_t own = workers_bytes(needs, count);
	uint64_t room = rc ? UINT64_MAX : limits_group_room("/proc/self/cgroup", "/sys/fs/cgroup");

	if (own <= room)
		return rc;
	needs_log(needs, count);
	log_error("the workers' buffers need %" PRIu64 " MiB beside the rings, but the memory "
		  "limit of this control group (MemoryMax=, or the container's) leaves %" PRIu64
		  " MiB: use smaller blocks or fewer workers, or raise the limit (rings are not "
		  "charged to it)",
		  MIB(own), room >> 20);
	return EX_CONFIG;
}

int limits_foresee(const struct limits_need *needs, unsigned count)
{
	uint64_t wanted = rings_bytes(needs, count) + workers_bytes(needs, count);
	uint64_t total = memory("MemTotal:"), available = memory_available();
	char has[TEXT_BYTES];

	if (wanted > total) {
		snprintf(has, sizeof(has), "this machine has %" PRIu64 " MiB of memory (MemTotal)",
			 total >> 20);
		needs_log(needs, count);
		memory_log(LOG_ERR, needs, count, has);
		return EX_CONFIG;
	}
	snprintf(has, sizeof(has),
		 "only %" PRIu64 " MiB of memory are available now (MemAvailable; an afcapd that "
		 "runs may have them)",
		 available >> 20);
	if (wanted > available)
		memory_log(LOG_WARNING, needs, count, has);
	return 0;
}

/* Leaves space for the statistics after the written chunks. UINT64_MAX: no limit. */
static uint64_t file_maximum(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_FSIZE, &limit))
		return UINT64_MAX;
	if (limit.rlim_cur != limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_FSIZE, &limit);
	}
	if (limit.rlim_max == RLIM_INFINITY)
		return UINT64_MAX;
	return limit.rlim_max > TAIL_BYTES ? limit.rlim_max - TAIL_BYTES : 0;
}

uint64_t limits_file_bytes(uint64_t bytes)
{
	uint64_t maximum = file_maximum();

	return bytes < maximum ? bytes : maximum;
}

int limits_file_size(const struct config *config, const struct config_capture *c,
		     struct capture_error *error)
{
	uint64_t block_bytes = config_block_max(&c->group);
	uint64_t maximum = file_maximum(), size = c->worker.file_bytes,
		 minimum = c->group.output == OUTPUT_PCAPNG ? FILE_BLOCKS * block_bytes : 0;
	char where[256];

	if (minimum < sizeof(struct checkpoint))
		minimum = sizeof(struct checkpoint);
	config_where(config, c, "file_size", where, sizeof(where));
	if (maximum < minimum)
		return capture_error(error, EX_CONFIG,
				     "%s: file_size: files of this process may be no larger than "
				     "%" PRIu64 " KiB, %" PRIu64 " KiB are needed: raise the limit "
				     "(LimitFSIZE=, ulimit -f), or use a smaller block_size",
				     where, (maximum + TAIL_BYTES) >> 10,
				     (minimum + TAIL_BYTES + 1023) >> 10);
	if (maximum < size && c->group.output == OUTPUT_PCAPNG)
		log_about(LOG_WARNING, &(struct log_subject){ c->name, -1, NULL },
			  "files end at %" PRIu64 " KiB, below file_size: those of this process "
			  "may be no larger (LimitFSIZE=, ulimit -f)",
			  maximum >> 10);
	return 0;
}

/* About five descriptors a worker, and those of clients: as many as the system allows. */
void limits_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}
