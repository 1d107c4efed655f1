/* Clocks, in nanoseconds, and what becomes of times when the realtime clock is set. */
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
#define clock_boot_ns() clock_ns(CLOCK_BOOTTIME) /* as monotonic, and through a suspend */

#define CLOCK_STEP_NS	  INT64_C(2000000000) /* less is no step: leap seconds are none */
#define CLOCK_SPANS	  8
#define CLOCK_OLDEST_NS	  (UINT64_C(1767225600) * 1000000000) /* 2026: before the first afcapd */
#define CLOCK_STOOD_LEAST (UINT64_C(300) * 1000000000)
#define CLOCK_STOOD_MOST  (UINT64_C(3600) * 1000000000)

/* What the realtime clock said between two settings. What it called T then is T + shift_ns by the
 * clock of today: waiting makes old, setting a clock does not. */
struct clock_span {
	uint64_t begin_ns, end_ns;
	int64_t shift_ns;
};

/* The time, and how far it is to be believed. Fixed width: it travels. */
struct clock_now {
	uint64_t real_ns;  /* 0: not known */
	uint64_t stood_ns; /* since it was set, or first looked at */
	uint64_t since_ns; /* what it said then */
	uint32_t spans, unused;
	struct clock_span span[CLOCK_SPANS]; /* before that */
};

/* Zeroed at first. */
struct clock_watch {
	struct clock_now now;
	uint64_t set_ns;    /* boottime: the clock was set, or first looked at */
	uint64_t real_ns;   /* what it said then */
	uint64_t looked_ns; /* boottime */
};

/* To be called now and then with both clocks, which run at the same rate: only setting one moves
 * them against each other. Returns by how much the realtime clock was set since the last look
 * (forward: positive), 0: it was not. Pure. */
int64_t clock_look(struct clock_watch *watch, uint64_t real_ns, uint64_t boot_ns);

/* A time that the realtime clock told once, by the clock of today; where it may have been told
 * twice, the later one. */
uint64_t clock_today(const struct clock_now *now, uint64_t ns);

/* How long the clock must have stood until what is `age_ns` old by it may be removed: a tenth of
 * that, at least 5 minutes (but not more than the age itself) and at most an hour. */
uint64_t clock_must_stand(uint64_t age_ns);

/* Whether it has. */
bool clock_stood(const struct clock_now *now, uint64_t age_ns);

/* Until what began at since_ns reaches the next multiple of the period, in (0: now). `due_ns` is
 * the boottime when that is so if nobody sets the clock; where it was set, that one counts. */
int64_t clock_left(uint64_t period_ns, uint64_t since_ns, uint64_t real_ns, uint64_t due_ns,
		   uint64_t boot_ns);

/* The boottime for clock_left(): never later than a period from now. */
uint64_t clock_due(uint64_t period_ns, uint64_t since_ns, uint64_t real_ns, uint64_t boot_ns);

#define CLOCK_TEXT_BYTES 64

/* A realtime by RFC 3339, UTC, to the millisecond, into `text`, which is returned. */
const char *clock_text(char text[CLOCK_TEXT_BYTES], uint64_t ns);

#endif
