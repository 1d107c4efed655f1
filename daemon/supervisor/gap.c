/* Tracks one gap, and where each worker's files end. */
#include "gap.h"

#include "../base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void gap_restore(struct gap *gap, uint64_t since_ns, const char *why)
{
	gap->since_ns = since_ns;
	if (why != gap->why)
		snprintf(gap->why, sizeof(gap->why), "%s", why);
}

bool gap_open(struct gap *gap, uint64_t now_ns, const char *why)
{
	if (gap->since_ns)
		return false;
	gap_restore(gap, now_ns, why);
	return true;
}

void gap_refuse(struct gap *gap, const char *why)
{
	gap->refused = true;
	gap_restore(gap, gap->since_ns, why);
}

bool gap_close(struct gap *gap, uint64_t now_ns, char text[GAP_TEXT])
{
	char from[CLOCK_TEXT_BYTES], to[CLOCK_TEXT_BYTES];

	if (!gap->since_ns)
		return false;
	snprintf(text, GAP_TEXT, "nothing is recorded from %s to %s: %s",
		 clock_text(from, gap->since_ns), clock_text(to, now_ns), gap->why);
	gap->since_ns = 0;
	return true;
}

void gap_clock(struct gap *gap, int64_t step_ns)
{
	if (gap->since_ns)
		gap->since_ns += (uint64_t)step_ns;
}

void gap_repaired(struct gap *gap, const struct message_result *result)
{
	for (unsigned i = 0; i < WORKERS_MAX; i++) {
		if (result->until_ns[i] <= gap->until_ns[i])
			continue;
		gap->until_ns[i] = result->until_ns[i];
		gap->news |= result->until_ns[i] != LEFT_NO_PACKET;
	}
}

__attribute__((format(printf, 2, 3))) static void text_add(char *text, const char *format, ...)
{
	size_t length = strlen(text);
	va_list ap;

	va_start(ap, format);
	vsnprintf(text + length, GAP_TEXT - length, format, ap);
	va_end(ap);
}

/* Such a worker had received no packet for long, or had not written the packets in its ring. */
static void without_add(const struct gap *gap, char *text)
{
	unsigned first = WORKERS_MAX, more = 0;

	for (unsigned i = 0; i < WORKERS_MAX; i++) {
		if (gap->until_ns[i] != LEFT_NO_PACKET)
			continue;
		more += first != WORKERS_MAX;
		if (first == WORKERS_MAX)
			first = i;
	}
	if (first == WORKERS_MAX)
		return;
	text_add(text, "; the loss of worker %u", first);
	if (more)
		text_add(text, " and %u more", more);
	text_add(text, " is unknown, as its files had no packet");
}

bool gap_repaired_text(struct gap *gap, uint64_t since_ns, char text[GAP_TEXT])
{
	char when[CLOCK_TEXT_BYTES], to[CLOCK_TEXT_BYTES];
	uint64_t earliest = UINT64_MAX, latest = 0;
	unsigned worker = 0;

	for (unsigned i = 0; i < WORKERS_MAX; i++) {
		uint64_t until = gap->until_ns[i];

		if (until <= LEFT_NO_PACKET)
			continue;
		if (until > latest)
			latest = until;
		if (until < earliest) {
			earliest = until;
			worker = i;
		}
	}
	if (gap->refused || !gap->news || latest >= since_ns)
		return false;
	gap->news = false;
	text[0] = '\0';
	text_add(text,
		 "the previous instance died: nothing is recorded from %s, the "
		 "last packet in its files, to %s",
		 clock_text(when, latest), clock_text(to, since_ns));
	if (earliest < latest)
		text_add(text, "; some may be missing from %s on, the last packet of worker %u",
			 clock_text(when, earliest), worker);
	without_add(gap, text);
	return true;
}
