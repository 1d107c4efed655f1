/* The schema: every key is a row. Used only by the config files here and by the tests. Knows the
 * structs, not how values are written. */
#ifndef CONFIG_SCHEMA_H
#define CONFIG_SCHEMA_H

#include "config.h"

#include <stddef.h>

struct config_word {
	const char *word;
	int32_t value;
};

enum config_type {
	CONFIG_STRING,	 /* char[max + 1], zero behind its end */
	CONFIG_NUMBER,	 /* 64 bits; like the next three also one of words, if there are any */
	CONFIG_SIZE,	 /* 64 bits, bytes, K M G T */
	CONFIG_SHARE,	 /* int64_t, the same, or percent: their negative number */
	CONFIG_DURATION, /* 64 bits, ns, us ms s m h d */
	CONFIG_MODE,	 /* 64 bits, octal */
	CONFIG_CHOICE,	 /* int32_t, one of words */
	CONFIG_FLAGS,	 /* uint32_t, any of words; "none" */
};

struct config_key {
	const char *name;
	enum config_type type;
	size_t offset;
	const char *initial;
	int64_t min, max;
	const struct config_word *words; /* ended by a NULL word; a number's are below min */
};

struct config_section {
	const char *name; /* as it is printed: "daemon", "capture NAME" */
	const struct config_key *keys;
	unsigned count;
};

extern const struct config_section config_daemon_section, config_capture_section;

const struct config_key *config_key_find(const struct config_section *section, const char *name);

#endif
