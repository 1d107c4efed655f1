/* Lines about a file: what they are about is read from its name. */
#ifndef SUBJECT_H
#define SUBJECT_H

#include "../base/log.h"
#include "../base/sizes.h"

/* What a line about the file is about, as its name says; where that is no name of ours, nothing in
 * particular. `capture` has CAPTURE_NAME_BYTES; it and `text` are borrowed by what is returned. */
struct log_subject subject_of(const char *text, char *capture);

#define file_log(name, level, ...)                                                                 \
	do {                                                                                       \
		char capture_named[CAPTURE_NAME_BYTES];                                            \
		struct log_subject about_it = subject_of(name, capture_named);                     \
                                                                                                   \
		log_about(level, &about_it, __VA_ARGS__);                                          \
	} while (0)

#endif
