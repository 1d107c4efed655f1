/* Log lines about a file: their capture and worker are parsed from its name. */
#ifndef SUBJECT_H
#define SUBJECT_H

#include "../base/log.h"
#include "../base/sizes.h"

/* The subject of log lines about the file, parsed from its name; without capture and worker if the
 * name is not one that afcapd makes. `capture` has CAPTURE_NAME_BYTES; the result borrows it and
 * `text`. */
struct log_subject subject_of(const char *text, char *capture);

#define file_log(name, level, ...)                                                                 \
	do {                                                                                       \
		char capture_named[CAPTURE_NAME_BYTES];                                            \
		struct log_subject about_it = subject_of(name, capture_named);                     \
                                                                                                   \
		log_about(level, &about_it, __VA_ARGS__);                                          \
	} while (0)

#endif
