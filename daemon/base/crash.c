/* Kills the process at random, for tests. */
#include "crash.h"

#ifdef CRASH_STEPS

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define RARE 16 /* steps that do not occur with every block are so much more likely */

static unsigned long one_in, poisoned;
static uint64_t state;
static int log_fd = -1;

static unsigned long setting(const char *name)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 10) : 0;
}

void crash_begin(void)
{
	const char *path = getenv("AFCAP_CRASH_LOG");
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	state = (uint64_t)now.tv_nsec << 20 ^ (uint64_t)getpid() ^ (uint64_t)now.tv_sec << 40;
	one_in = setting("AFCAP_CRASH_ONE_IN");
	poisoned = setting("AFCAP_CRASH_BLOCK");
	if (path)
		log_fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
}

static uint64_t next_random(void)
{
	uint64_t z = __atomic_add_fetch(&state, UINT64_C(0x9e3779b97f4a7c15), __ATOMIC_RELAXED);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

void crash_step(enum crash_step step)
{
	char letter = (char)('A' + step);

	bool rare = step == CRASH_NEXT_FILE || step >= CRASH_TAKEN;
	unsigned long n = rare ? one_in / RARE + 1 : one_in;

	if (!one_in || next_random() % n)
		return;
	if (log_fd >= 0 && write(log_fd, &letter, 1) != 1)
		return;
	raise(SIGKILL);
}

void crash_block(uint64_t sequence)
{
	if (poisoned && sequence == poisoned)
		raise(SIGSEGV);
}

#endif
