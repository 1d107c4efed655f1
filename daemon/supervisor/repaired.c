/* Per worker: where its files end. */
#include "repaired.h"

#include "../base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void repaired_take(struct repaired *repaired, const struct message_result *result)
{
	for (unsigned i = 0; i < WORKERS_MOST; i++) {
		if (result->until_ns[i] <= repaired->until_ns[i])
			continue;
		repaired->until_ns[i] = result->until_ns[i];
		repaired->news |= result->until_ns[i] != LEFT_NO_PACKET;
	}
}

__attribute__((format(printf, 2, 3))) static void text_add(char *text, const char *format, ...)
{
	size_t length = strlen(text);
	va_list ap;

	va_start(ap, format);
	vsnprintf(text + length, REPAIRED_TEXT - length, format, ap);
	va_end(ap);
}

/* Such a worker had no packet for long, or had not written what its ring held. */
static void without_tell(const struct repaired *repaired, char *text)
{
	unsigned first = WORKERS_MOST, more = 0;

	for (unsigned i = 0; i < WORKERS_MOST; i++) {
		if (repaired->until_ns[i] != LEFT_NO_PACKET)
			continue;
		more += first != WORKERS_MOST;
		if (first == WORKERS_MOST)
			first = i;
	}
	if (first == WORKERS_MOST)
		return;
	text_add(text, "; what is missing of worker %u", first);
	if (more)
		text_add(text, " and %u more", more);
	text_add(text, " is not known, as no packet was left");
}

bool repaired_text(struct repaired *repaired, uint64_t since_ns, char text[REPAIRED_TEXT])
{
	char when[CLOCK_TEXT_BYTES], to[CLOCK_TEXT_BYTES];
	uint64_t earliest = UINT64_MAX, latest = 0;
	unsigned worker = 0;

	for (unsigned i = 0; i < WORKERS_MOST; i++) {
		uint64_t until = repaired->until_ns[i];

		if (until <= LEFT_NO_PACKET)
			continue;
		if (until > latest)
			latest = until;
		if (until < earliest) {
			earliest = until;
			worker = i;
		}
	}
	if (!repaired->news || latest >= since_ns)
		return false;
	repaired->news = false;
	text[0] = '\0';
	text_add(text,
		 "a daemon died before this one was started: nothing is recorded from %s, the "
		 "last packet in its files, to %s",
		 clock_text(when, latest), clock_text(to, since_ns));
	if (earliest < latest)
		text_add(text, "; some may be missing from %s on, the last packet of worker %u",
			 clock_text(when, earliest), worker);
	without_tell(repaired, text);
	return true;
}
