/* The name of a capture: of its section, in its files' names, in commands. */
#ifndef CAPTURE_NAME_H
#define CAPTURE_NAME_H

#include <stdbool.h>

/* Whether a capture may have this name: 1 to CAPTURE_NAME_BYTES - 1 (sizes.h) of [A-Za-z0-9_.-],
 * not beginning with a dot, so that its files are neither hidden nor elsewhere. */
bool capture_name_valid(const char *name);

#endif
