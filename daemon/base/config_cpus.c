/* CPU lists, and the CPUs that this process may use. */
#include "config_cpus.h"

#include <ctype.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define WORKERS_AUTO_MAX 8

/* The CPU list "0-3,8" as numbers. Returns how many, or -EINVAL. */
static int cpus_parse(const char *text, int *cpus, int max)
{
	int count = 0;

	while (*text) {
		char *end;
		long from, to;

		if (!isdigit((unsigned char)*text))
			return -EINVAL;
		from = to = strtol(text, &end, 10);
		if (*end == '-' && isdigit((unsigned char)end[1]))
			to = strtol(end + 1, &end, 10);
		if (from > to || to >= CPU_SETSIZE || (*end && *end != ','))
			return -EINVAL;
		for (; from <= to && count < max; from++)
			cpus[count++] = (int)from;
		text = *end ? end + 1 : end;
	}
	return count ? count : -EINVAL;
}

/* The CPUs that this process may use. */
static int cpus_allowed(int *cpus, int max)
{
	cpu_set_t set;
	int count = 0;

	if (sched_getaffinity(0, sizeof(set), &set))
		return 0;
	for (int i = 0; i < CPU_SETSIZE && count < max; i++)
		if (CPU_ISSET(i, &set))
			cpus[count++] = i;
	return count;
}

unsigned config_workers(const struct config_capture *capture)
{
	int cpus[WORKERS_AUTO_MAX], n;

	if (capture->group.workers != CONFIG_AUTO)
		return (unsigned)capture->group.workers;
	n = cpus_allowed(cpus, WORKERS_AUTO_MAX);
	return n > 0 ? (unsigned)n : 1;
}

int config_cpu(const struct config_capture *capture, unsigned workers, unsigned worker)
{
	int cpus[CPU_SETSIZE], n;

	if (strcmp(capture->cpus, "none") == 0)
		return -1;
	if (strcmp(capture->cpus, "auto") == 0) {
		n = cpus_allowed(cpus, CPU_SETSIZE);
		/* A single worker is not bound to a CPU: the scheduler finds one that the
		 * interrupts leave idle. */
		return workers > 1 && (unsigned)n >= workers ? cpus[worker] : -1;
	}
	n = cpus_parse(capture->cpus, cpus, CPU_SETSIZE);
	return n > 0 ? cpus[worker % (unsigned)n] : -1;
}

bool config_cpus_valid(const char *text)
{
	int cpus[CPU_SETSIZE];

	return cpus_parse(text, cpus, CPU_SETSIZE) > 0;
}
