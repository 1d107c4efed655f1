/* Clocks, in nanoseconds, and how to correct times once the realtime clock was set. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdbool.h>
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
#define clock_boot_ns() clock_ns(CLOCK_BOOTTIME) /* as monotonic, but runs during suspend, too */

#define CLOCK_STEP_NS	INT64_C(2000000000) /* less is not a step: leap seconds are not */
#define CLOCK_SPANS	8
#define CLOCK_OLDEST_NS (UINT64_C(1767225600) * 1000000000) /* 2026: before the first afcapd */
#define CLOCK_STOOD_MIN (UINT64_C(300) * 1000000000)
#define CLOCK_STOOD_MAX (UINT64_C(3600) * 1000000000)

/* The realtime clock's range between two settings. A time T of that range is T + shift_ns by the
 * current clock: a file ages as time passes, not when a clock is set. */
struct clock_span {
	uint64_t begin_ns, end_ns;
	int64_t shift_ns;
};

/* The time, and how far it can be trusted. Fixed width: it is part of messages. */
struct clock_now {
	uint64_t real_ns;  /* 0: not known */
	uint64_t stood_ns; /* since it was set, or first read */
	uint64_t since_ns; /* its value then */
	uint32_t spans, unused;
	struct clock_span span[CLOCK_SPANS]; /* earlier settings */
};

/* Zeroed by the owner before the first clock_look(). */
struct clock_watch {
	struct clock_now now;
	uint64_t set_ns;    /* boottime: the clock was set, or first read */
	uint64_t real_ns;   /* its value then */
	uint64_t looked_ns; /* boottime */
};

/* Detects that the realtime clock was set; to be called periodically with both clocks, which run at
 * the same rate: only setting one changes their difference. Returns by how much the realtime clock
 * was set since the last call (forward: positive), 0: it was not. Pure. */
int64_t clock_look(struct clock_watch *watch, uint64_t real_ns, uint64_t boot_ns);

/* Converts an earlier time of the realtime clock to the current clock; of several possible results,
 * as the clock was set back, the latest. */
uint64_t clock_today(const struct clock_now *now, uint64_t ns);

/* How long the clock must have been stable before a file that is `age_ns` old by it may be removed:
 * a tenth of that, at least 5 minutes (but not more than the age itself) and at most an hour. */
uint64_t clock_must_stand(uint64_t age_ns);

/* Whether the clock has been stable for clock_must_stand(). */
bool clock_stood(const struct clock_now *now, uint64_t age_ns);

/* Time left until the period in which since_ns lies ends, at a multiple of its length (0: it is
 * over). `due_ns` is the boottime of that end if the clock is not set; if it was set, due_ns
 * decides. */
int64_t clock_left(uint64_t period_ns, uint64_t since_ns, uint64_t real_ns, uint64_t due_ns,
		   uint64_t boot_ns);

/* due_ns for clock_left(): never later than a period from now. */
uint64_t clock_due(uint64_t period_ns, uint64_t since_ns, uint64_t real_ns, uint64_t boot_ns);

#define CLOCK_TEXT_BYTES 64

/* A realtime by RFC 3339, UTC, to the millisecond, into `text`, which is returned. */
const char *clock_text(char text[CLOCK_TEXT_BYTES], uint64_t ns);

#endif
