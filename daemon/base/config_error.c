/* Formats where keys were set. */
#include "config_error.h"
#include "config_schema.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int config_fail(struct config_error *error, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(error->text, sizeof(error->text), format, ap);
	va_end(ap);
	return -EINVAL;
}

struct position {
	const char *source;
	unsigned line;
	const char *section, *key;
};

static const char *position_print(const struct position *position, char *buffer, size_t size)
{
	if (position->line == CONFIG_LINE_OPTION)
		snprintf(buffer, size, "-o %s.%s", position->section, position->key);
	else if (position->line != CONFIG_LINE_DEFAULT)
		snprintf(buffer, size, "%s:%u", position->source, position->line);
	else
		snprintf(buffer, size, "%s", position->source);
	return buffer;
}

static unsigned line_of(const struct config_section *section, const unsigned *lines,
			const char *key)
{
	const struct config_key *k = config_key_find(section, key);

	return k ? lines[k - section->keys] : CONFIG_LINE_DEFAULT;
}

const char *config_where(const struct config *config, const struct config_capture *capture,
			 const char *key, char *buffer, size_t size)
{
	const unsigned line = line_of(&config_capture_section, capture->lines, key);
	const struct position position = { config->source,
					   line == CONFIG_LINE_DEFAULT ? capture->line : line,
					   capture->name, key };

	return position_print(&position, buffer, size);
}

const char *config_where_daemon(const struct config *config, const char *key, char *buffer,
				size_t size)
{
	const struct position position = {
		config->source, line_of(&config_daemon_section, config->daemon.lines, key),
		"daemon", key
	};

	return position_print(&position, buffer, size);
}
