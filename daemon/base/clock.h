/* The two clocks, in nanoseconds. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

#define clock_mono_ns() clock_ns(CLOCK_MONOTONIC)
#define clock_real_ns() clock_ns(CLOCK_REALTIME)

#define CLOCK_TEXT_BYTES 64

/* A realtime by RFC 3339, UTC, to the millisecond, into `text`, which is returned. */
const char *clock_text(char text[CLOCK_TEXT_BYTES], uint64_t ns);

#endif
