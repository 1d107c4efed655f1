/* Times as text; steps of the realtime clock. */
#include "clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *clock_text(char text[CLOCK_TEXT_BYTES], uint64_t ns)
{
	time_t seconds = (time_t)(ns / 1000000000);
	char date[32];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, CLOCK_TEXT_BYTES, "%s.%03" PRIu64 "Z", date, ns / 1000000 % 1000);
	return text;
}

static uint64_t shifted(uint64_t ns, int64_t by)
{
	uint64_t there = ns + (uint64_t)by;

	if (by < 0)
		return there < ns ? there : 0;
	return there >= ns ? there : UINT64_MAX;
}

/* If there are too many, the first two are merged, with the larger shift: it makes files younger,
 * so that they are retained longer. */
static void span_add(struct clock_now *now, struct clock_span span)
{
	if (now->spans == CLOCK_SPANS) {
		struct clock_span *first = &now->span[0], *second = &now->span[1];

		if (second->begin_ns < first->begin_ns)
			first->begin_ns = second->begin_ns;
		if (second->end_ns > first->end_ns)
			first->end_ns = second->end_ns;
		if (second->shift_ns > first->shift_ns)
			first->shift_ns = second->shift_ns;
		memmove(second, second + 1, (CLOCK_SPANS - 2) * sizeof(*second));
		now->spans--;
	}
	now->span[now->spans++] = span;
}

int64_t clock_look(struct clock_watch *w, uint64_t real_ns, uint64_t boot_ns)
{
	struct clock_now *now = &w->now;
	uint64_t expected = w->real_ns + (boot_ns - w->set_ns);
	uint64_t unseen = boot_ns - w->looked_ns; /* the clock was set within that time */
	int64_t step = w->real_ns ? (int64_t)(real_ns - expected) : 0;

	now->real_ns = real_ns;
	w->looked_ns = boot_ns;
	now->stood_ns = boot_ns - w->set_ns;
	if (w->real_ns && step < CLOCK_STEP_NS && step > -CLOCK_STEP_NS)
		return 0;
	if (w->real_ns) {
		for (uint32_t i = 0; i < now->spans; i++)
			now->span[i].shift_ns += step;
		span_add(now, (struct clock_span){ now->since_ns, expected, step });
		now->since_ns = real_ns > unseen ? real_ns - unseen : 0;
	}
	w->set_ns = boot_ns;
	w->real_ns = real_ns;
	now->stood_ns = 0;
	return step;
}

uint64_t clock_today(const struct clock_now *now, uint64_t ns)
{
	uint64_t latest = ns >= now->since_ns && ns <= now->real_ns ? ns : 0;

	for (uint32_t i = 0; i < now->spans && i < CLOCK_SPANS; i++) {
		const struct clock_span *s = &now->span[i];

		if (ns >= s->begin_ns && ns <= s->end_ns && shifted(ns, s->shift_ns) > latest)
			latest = shifted(ns, s->shift_ns);
	}
	return latest ? latest : ns;
}

uint64_t clock_must_stand(uint64_t age_ns)
{
	uint64_t minimum = age_ns < CLOCK_STOOD_MIN ? age_ns : CLOCK_STOOD_MIN;

	if (minimum < age_ns / 10)
		minimum = age_ns / 10;
	return minimum < CLOCK_STOOD_MAX ? minimum : CLOCK_STOOD_MAX;
}

bool clock_stood(const struct clock_now *now, uint64_t age_ns)
{
	return now->real_ns && now->stood_ns >= clock_must_stand(age_ns);
}

/* Time left by the realtime clock alone. */
static int64_t real_left(uint64_t period_ns, uint64_t since_ns, uint64_t real_ns)
{
	return (int64_t)(since_ns / period_ns * period_ns + period_ns - real_ns);
}

int64_t clock_left(uint64_t period_ns, uint64_t since_ns, uint64_t real_ns, uint64_t due_ns,
		   uint64_t boot_ns)
{
	int64_t left = real_left(period_ns, since_ns, real_ns);
	int64_t waited = (int64_t)(due_ns - boot_ns);

	if (left - waited >= CLOCK_STEP_NS || left - waited <= -CLOCK_STEP_NS)
		left = waited;
	return left > 0 ? left : 0;
}

uint64_t clock_due(uint64_t period_ns, uint64_t since_ns, uint64_t real_ns, uint64_t boot_ns)
{
	int64_t left = real_left(period_ns, since_ns, real_ns);

	if (left < 0)
		left = 0;
	return boot_ns + ((uint64_t)left < period_ns ? (uint64_t)left : period_ns);
}
