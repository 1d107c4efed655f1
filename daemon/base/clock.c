/* Times as people read them. */
#include "clock.h"

#include <inttypes.h>
#include <stdio.h>

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
