/* Parses names by format/name.h. */
#include "subject.h"

#include "../format/name.h"

struct log_subject subject_of(const char *text, char *capture)
{
	struct log_subject about = { .capture = capture, .worker = -1, .file = text };
	struct name name;

	if (name_read(&name, text, capture))
		about.worker = (int)name.worker;
	else
		*capture = '\0';
	return about;
}
