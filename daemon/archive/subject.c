/* Reading names, leniently. */
#include "subject.h"

#include <stdlib.h>
#include <string.h>

struct log_subject subject_of(const char *text, char *capture)
{
	struct log_subject about = { .capture = capture, .worker = -1, .file = text };
	const char *end = NULL, *begin = text + (*text == '.');

	for (const char *p = begin; (p = strstr(p, "-w")); p++)
		end = p;
	*capture = '\0';
	if (!end || end - begin >= CAPTURE_NAME_BYTES)
		return about;
	memcpy(capture, begin, (size_t)(end - begin));
	capture[end - begin] = '\0';
	about.worker = atoi(end + strlen("-w"));
	return about;
}
