/* A command line of afctl, read by tables: each verb is a row, with its own options. */
#ifndef COMMAND_H
#define COMMAND_H

#include "output.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define COMMAND_OPTIONS	       16 /* of a verb, and as many of all verbs, at most */
#define COMMAND_SETTINGS_BYTES 64

/* What all verbs have. */
struct common {
	const char *socket; /* path */
	enum color color;
	bool json;
};

struct command_option {
	const char *name;     /* --name */
	char letter;	      /* -l; 0: none */
	const char *argument; /* its name in the usage; NULL: it has none */
	bool optional;	      /* the argument: may be left out, else follows "=" */
	const char *help;
	/* Sets what the option is for in `settings`, the verb's own. `argument` is borrowed for the
	 * program's life, NULL: not given. Returns NULL, or what it must be. */
	const char *(*parse)(void *settings, const char *argument);
};

struct verb {
	const char *name, *arguments, *help; /* arguments: their names in the usage */
	unsigned arguments_min, arguments_max;
	const struct command_option *options; /* ended by a NULL name; NULL: none */
	/* `settings` is zero but for what the options set; `arguments` are ended by NULL. Returns
	 * the exit code, the reason of a failure printed. */
	int (*run)(const struct common *common, const void *settings, char *const *arguments);
};

struct command {
	const struct verb *verb; /* NULL: none, where `help` is all that was asked for */
	bool help, version;
	struct common common;
	_Alignas(max_align_t) char settings[COMMAND_SETTINGS_BYTES]; /* what the verb's options set
								      */
	char *const *arguments; /* the verb's, ended by NULL; borrowed from argv */
};

/* Parses `argv`, which is reordered. The options that all verbs have may be anywhere, those of a
 * verb follow it. `verbs` is ended by NULL; without one in `argv` it is the first, and
 * --version before any is the one of that name, which must be there. Returns 0; or AFCTL_USAGE,
 * what is wrong and the verb's usage printed to stderr. Not for several threads (getopt_long(3)).
 */
int command_parse(struct command *out, const struct verb *const *verbs, int argc, char **argv);

/* Prints the usage: of `verb` and its options, or of all where it is NULL. */
void command_help(FILE *to, const struct verb *const *verbs, const struct verb *verb);

#endif
