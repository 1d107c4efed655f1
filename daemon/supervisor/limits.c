/* Memory, descriptors. */
#include "limits.h"

#include "../base/clock.h"
#include "../base/log.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sysexits.h>

#define FREED_NS   UINT64_C(5000000000)
#define FREED_LOOK 100 /* ms */

/* MemAvailable in bytes; UINT64_MAX where it cannot be read. */
static uint64_t memory_available(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	uint64_t kib = UINT64_MAX >> 10;
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "MemAvailable: %" SCNu64, &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib << 10;
}

static uint64_t rings_bytes(const struct capture *captures, unsigned count)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < count; i++)
		if (!captures[i].resume) /* those are there already */
			sum += afcap_geometry_memory(&captures[i].ring) * captures[i].workers;
	return sum;
}

/* The kernel would try hard, and end other programs, before it says no. */
int limits_memory(const struct capture *captures, unsigned count, bool freed)
{
	uint64_t sum = rings_bytes(captures, count), available = memory_available();
	uint64_t begin = clock_mono_ns();

	while (sum > available && freed && clock_mono_ns() - begin < FREED_NS) {
		poll(NULL, 0, FREED_LOOK);
		available = memory_available();
	}
	if (sum <= available)
		return 0;
	for (unsigned i = 0; i < count; i++)
		log_error("capture %s: ring_size = %" PRIu64 " MiB x %u workers",
			  captures[i].config->name, afcap_geometry_memory(&captures[i].ring) >> 20,
			  captures[i].workers);
	log_error("the rings need %" PRIu64 " MiB, but %" PRIu64
		  " MiB of memory are available: take smaller rings or "
		  "fewer workers",
		  sum >> 20, available >> 20);
	return EX_CONFIG;
}

/* Some five descriptors a worker, and the clients': as many as the system allows. */
void limits_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}
