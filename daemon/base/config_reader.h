/* The configuration's text: files and command lines are read into a struct config, which is printed
 * as a file again. */
#ifndef CONFIG_READER_H
#define CONFIG_READER_H

#include "config_error.h"

#include <stdio.h>

/* Fills in defaults, no captures. */
void config_init(struct config *config);

/* Reads a file, over the values set so far. `name` is borrowed as config->source. Returns 0,
 * -EINVAL or -errno of opening, with *error. */
int config_read(struct config *config, const char *name, struct config_error *error);

/* Adds a capture; NULL with *error when the name is bad, known already, or one too many. `where`
 * precedes the message. */
struct config_capture *config_add(struct config *config, const char *name, unsigned line,
				  const char *where, struct config_error *error);

/* Sets "[SECTION.]KEY=VALUE" as a command line does: SECTION is daemon or a capture's name, and may
 * be left out where there is one capture only. It takes precedence over a file's. Returns 0, or
 * -EINVAL with *error. */
int config_override(struct config *config, const char *assignment, struct config_error *error);
/* Likewise, for an option that has its own letter: `where` precedes the message. */
int config_option(struct config *config, const char *where, const char *assignment,
		  struct config_error *error);

/* Prints the effective configuration; it parses back to itself. */
void config_print(const struct config *config, FILE *out);

#endif
