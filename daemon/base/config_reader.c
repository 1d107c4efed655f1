/* Only this file uses inih, which splits lines longer than its buffer, cuts long names silently,
 * and does not report a section without keys: each line is checked first, and a long one is passed
 * to inih in pieces that it takes for continuation lines. */
#include "config_reader.h"
#include "capture_name.h"
#include "config_value.h"
#include "failure.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES_MAX	(FILTER_BYTES + 256)
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

struct reading {
	struct config *config;
	struct config_error *error;
	FILE *file;
	unsigned line;
	bool failed;
	bool continued;	       /* the line begins with white space: more of the value before it */
	bool piece;	       /* this is not the first piece of its line */
	const char *remainder; /* of the line, not yet passed to inih; "": nothing */
	char text[LINE_BYTES_MAX + 2];
	void *base;	 /* the section's struct, NULL before the first section */
	unsigned *lines; /* and its lines[] */
	const struct config_section *section;
	char key[64], value[FILTER_BYTES + 256]; /* the last value, for continuation lines */
};

__attribute__((format(printf, 2, 3))) static void reading_fail(struct reading *r,
							       const char *format, ...)
{
	char text[CONFIG_ERROR_BYTES - 256];
	va_list ap;

	if (r->failed)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	r->failed = true;
	config_fail(r->error, "%.200s:%u: %s", r->config->source, r->line, text);
}

static void section_defaults(const struct config_section *section, void *base)
{
	char rule[128];

	for (unsigned i = 0; i < section->count; i++)
		config_value_parse(&section->keys[i], base, section->keys[i].initial, rule,
				   sizeof(rule));
}

void config_init(struct config *config)
{
	*config = (struct config){ .source = "command line" };
	section_defaults(&config_daemon_section, &config->daemon);
}

static struct config_capture *capture_find(struct config *config, const char *name)
{
	for (unsigned i = 0; i < config->captures; i++)
		if (strcmp(config->capture[i].name, name) == 0)
			return &config->capture[i];
	return NULL;
}

struct config_capture *config_add(struct config *config, const char *name, unsigned line,
				  const char *where, struct config_error *error)
{
	struct config_capture *c;

	if (!capture_name_valid(name)) {
		config_fail(error,
			    "%s: capture name \"%s\": must be 1 to %d of [A-Za-z0-9_.-], not "
			    "beginning with a dot",
			    where, name, CAPTURE_NAME_BYTES - 1);
		return NULL;
	}
	c = capture_find(config, name);
	if (c) {
		config_fail(error, "%s: capture %s is already defined (line %u)", where, name,
			    c->line);
		return NULL;
	}
	if (config->captures == CAPTURES_MAX) {
		config_fail(error, "%s: capture %s: at most %d captures", where, name,
			    CAPTURES_MAX);
		return NULL;
	}
	c = &config->capture[config->captures++];
	*c = (struct config_capture){ .line = line };
	section_defaults(&config_capture_section, c);
	strcpy(c->name, name);
	return c;
}

/* "[daemon]" or "[capture NAME]", followed by nothing but a comment. */
static void reading_section(struct reading *r, const char *line)
{
	const char *end = strchr(line, ']'),
		   *remainder = end ? end + 1 + strspn(end + 1, " \t\r\n") : NULL;
	char name[128], where[256];
	struct config_capture *c;
	size_t n = end ? (size_t)(end - line - 1) : 0;

	r->base = NULL;
	r->key[0] = '\0';
	if (!end || n >= sizeof(name) || (*remainder && *remainder != ';' && *remainder != '#')) {
		reading_fail(r, "not a section: must be [daemon] or [capture NAME]");
		return;
	}
	snprintf(name, sizeof(name), "%.*s", (int)n, line + 1);
	if (strcmp(name, "daemon") == 0) {
		r->base = &r->config->daemon;
		r->lines = r->config->daemon.lines;
		r->section = &config_daemon_section;
		return;
	}
	if (strncmp(name, "capture ", 8) != 0) {
		reading_fail(r, "unknown section [%s]: must be [daemon] or [capture NAME]", name);
		return;
	}
	snprintf(where, sizeof(where), "%.200s:%u", r->config->source, r->line);
	c = config_add(r->config, name + 8 + strspn(name + 8, " \t"), r->line, where, r->error);
	if (!c) {
		r->failed = true;
		return;
	}
	r->base = c;
	r->lines = c->lines;
	r->section = &config_capture_section;
}

/* Like fgets(), but returns the number of bytes read. */
static size_t line_get(char *buffer, size_t size, FILE *file)
{
	size_t n = 0;
	int c = 0;

	while (n + 1 < size && c != '\n' && (c = getc(file)) != EOF)
		buffer[n++] = (char)c;
	buffer[n] = '\0';
	return n;
}

static bool line_is_empty(const char *text)
{
	return !*text || strchr(";#\r\n", *text);
}

/* Whether inih finds a key in the line. */
static bool line_has_key(const char *text)
{
	const char *end = text + strcspn(text, "=:");

	for (const char *p = text; p < end; p++)
		if (*p == ';' && p > text && isspace((unsigned char)p[-1]))
			return false;
	return *end != '\0';
}

/* Reads the next line of the file into r->text and checks it. False: end of file, or an invalid
 * line. */
static bool line_next(struct reading *r)
{
	size_t n = line_get(r->text, sizeof(r->text), r->file);
	const char *text = r->text;

	if (n == 0)
		return false;
	r->line++;
	if (strlen(r->text) != n) {
		reading_fail(r, "a NUL byte: must be text");
		return false;
	}
	if (n == LINE_BYTES_MAX + 1 && r->text[n - 1] != '\n' && !feof(r->file)) {
		reading_fail(
			r,
			"line longer than %d characters: continue in the next line, which must "
			"begin with a space",
			LINE_BYTES_MAX);
		return false;
	}
	if (r->line == 1 && strncmp(text, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0)
		text += strlen(BYTE_ORDER_MARK); /* inih skips it, too */
	text += strspn(text, " \t");
	r->continued = text != r->text && !line_is_empty(text);
	if (*text == '[' && !(r->continued && *r->key)) {
		r->continued = false;
		reading_section(r, text);
	} else if (!line_is_empty(text) && !(r->continued && *r->key) && !line_has_key(text)) {
		reading_fail(r, "must be KEY = VALUE, a [section], or a comment");
	}
	return !r->failed;
}

/* Ends the line at its comment, as inih would: a later piece would not be recognised as a
 * comment. */
static void comment_cut(char *line)
{
	char *at = line + strspn(line, " \t");

	if (line_is_empty(at))
		*line = '\0';
	while ((at = strchr(at, ';')) && !isspace((unsigned char)at[-1]))
		at++;
	if (at && at > line)
		*at = '\0';
}

/* How much of a long line goes into a piece of `size`: up to between two characters that inih
 * neither strips nor takes for a comment. 0: no such position. */
static size_t piece_length(const struct reading *r, size_t size)
{
	size_t n = size, from = 0;

	if (!r->piece && !(r->continued && *r->key))
		from = strcspn(r->remainder, "=:") + 1;

	while (n > from && (isspace((unsigned char)r->remainder[n - 1]) ||
			    strchr(" \t\r\n;#", r->remainder[n])))
		n--;
	return n > from ? n : 0;
}

/* inih's reader, like fgets(). */
static char *reading_line(char *buffer, int size, void *context)
{
	struct reading *r = context;
	size_t n, space;

	r->piece = *r->remainder != '\0';
	if (r->failed || (!r->piece && !line_next(r)))
		return NULL;
	if (!r->piece) {
		r->remainder = r->text;
		if (strlen(r->text) >= (size_t)size - 1)
			comment_cut(r->text);
	}
	/* Leaves space for a leading space and the NUL. From version 59 on inih takes a full buffer
	 * for an incomplete line, and reads and discards what follows up to a line break. */
	space = (size_t)size - (r->piece ? 3 : 2);
	n = strlen(r->remainder);
	if (n > space)
		n = piece_length(r, space);
	if (n == 0 && *r->remainder) {
		reading_fail(r, "must be KEY = VALUE, a [section], or a comment, without white "
				"space as long as a line");
		return NULL;
	}
	snprintf(buffer, (size_t)size, "%s%.*s", r->piece ? " " : "", (int)n, r->remainder);
	r->remainder += n;
	return buffer;
}

/* Sets a key of the section. Returns its row, or -EINVAL; *why names no file and line. */
static int section_set(const struct config_section *section, void *base, const char *name,
		       const char *value, struct config_error *why)
{
	const struct config_key *key = config_key_find(section, name);
	char rule[256];

	if (!key)
		return config_fail(why, "unknown key %.64s in section [%s]", name, section->name);
	if (config_value_parse(key, base, value, rule, sizeof(rule)))
		return config_fail(why, "%s = %.64s: %s", name, value, rule);
	return (int)(key - section->keys);
}

static int reading_value(void *context, const char *section, const char *name, const char *value)
{
	struct reading *r = context;
	const struct config_key *key;
	struct config_error why;
	int row;

	(void)section; /* r->section has it, from reading_line() */
	if (!r->base) {
		reading_fail(r, "%.64s: before the first section", name);
		return 0;
	}
	key = config_key_find(r->section, name);
	if (key && r->lines[key - r->section->keys] &&
	    !((r->continued || r->piece) && strcmp(r->key, name) == 0)) {
		reading_fail(r, "key %s is already set (line %u)", name,
			     r->lines[key - r->section->keys]);
		return 0;
	}
	if ((r->continued || r->piece) && strcmp(r->key, name) == 0) {
		size_t n = strlen(r->value);

		snprintf(r->value + n, sizeof(r->value) - n, "%s%s", n && !r->piece ? " " : "",
			 value);
	} else {
		snprintf(r->key, sizeof(r->key), "%s", name);
		snprintf(r->value, sizeof(r->value), "%s", value);
	}
	row = section_set(r->section, r->base, name, r->value, &why);
	if (row < 0) {
		reading_fail(r, "%s", why.text);
		return 0;
	}
	r->lines[row] = r->line;
	return 1;
}

int config_read(struct config *config, const char *name, struct config_error *error)
{
	struct reading r = { .config = config, .error = error, .remainder = "" };
	int line, saved;

	config->source = name;
	r.file = fopen(name, "re");
	if (!r.file) {
		saved = errno;
		config_fail(error, "%s: %s", name, failure_text(saved));
		return -saved;
	}
	line = ini_parse_stream(reading_line, &r, reading_value, &r);
	saved = ferror(r.file) ? errno : 0;
	fclose(r.file);
	if (saved) {
		config_fail(error, "%s: %s", name, failure_text(saved));
		return -saved;
	}
	if (!r.failed && line) {
		r.line = (unsigned)line;
		reading_fail(&r, "must be KEY = VALUE, a [section], or a comment");
	}
	return r.failed ? -EINVAL : 0;
}

/* Copies a value without the white space around it, as in a file. */
static void value_trim(const char *text, char *value, size_t size)
{
	size_t n;

	text += strspn(text, " \t");
	n = strlen(text);
	while (n && isspace((unsigned char)text[n - 1]))
		n--;
	snprintf(value, size, "%.*s", (int)n, text);
}

int config_override(struct config *config, const char *assignment, struct config_error *error)
{
	char where[80];

	snprintf(where, sizeof(where), "-o %.64s", assignment);
	return config_option(config, where, assignment, error);
}

int config_option(struct config *config, const char *where, const char *assignment,
		  struct config_error *error)
{
	const char *equals = strchr(assignment, '='), *dot;
	const struct config_section *section = &config_capture_section;
	char name[128], value[FILTER_BYTES + 256];
	struct config_error why;
	struct config_capture *c = NULL;
	void *base;
	int row;

	if (!equals || equals == assignment || equals - assignment >= (int)sizeof(name))
		return config_fail(error, "%s: must be [SECTION.]KEY=VALUE", where);
	snprintf(name, sizeof(name), "%.*s", (int)(equals - assignment), assignment);
	dot = strrchr(name, '.');
	if (!dot) {
		if (config->captures != 1)
			return config_fail(error, "%s: there are several captures: write NAME.%s",
					   where, name);
		c = &config->capture[0];
	} else if (strncmp(name, "daemon.", 7) == 0) {
		section = &config_daemon_section;
	} else {
		name[dot - name] = '\0';
		c = capture_find(config, name);
		if (!c)
			return config_fail(
				error, "%s: no section \"%s\": must be daemon or a capture's name",
				where, name);
	}
	base = c ? (void *)c : (void *)&config->daemon;
	value_trim(equals + 1, value, sizeof(value));
	row = section_set(section, base, dot ? dot + 1 : name, value, &why);
	if (row < 0)
		return config_fail(error, "%s: %s", where, why.text);
	(c ? c->lines : config->daemon.lines)[row] = CONFIG_LINE_OPTION;
	return 0;
}

/* `decided`: the key whose value depends on the interface, and which is printed as auto; NULL:
 * none */
static void section_print(const struct config_section *section, const void *base,
			  const char *decided, FILE *out)
{
	for (unsigned i = 0; i < section->count; i++) {
		const struct config_key *key = &section->keys[i];

		fprintf(out, "%s = ", key->name);
		if (decided && strcmp(key->name, decided) == 0)
			fputs("auto", out);
		else
			config_value_print(key, base, out);
		fputc('\n', out);
	}
}

void config_print(const struct config *config, FILE *out)
{
	fputs("[daemon]\n", out);
	section_print(&config_daemon_section, &config->daemon, NULL, out);
	for (unsigned i = 0; i < config->captures; i++) {
		const struct config_capture *c = &config->capture[i];

		fprintf(out, "\n[capture %s]\n", c->name);
		section_print(&config_capture_section, c,
			      c->group.fanout_flags_auto ? "fanout_flags" : NULL, out);
	}
}
