/* Parses and prints, by the type of the key. */
#include "config_value.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define LINE_COLUMNS 100 /* a longer value continues in the next line */

struct unit {
	const char *name;
	int64_t factor;
};

/* Smallest first; printed with the largest that divides the value. */
static const struct unit size_units[] = { { "", 1 },
					  { "K", INT64_C(1) << 10 },
					  { "M", INT64_C(1) << 20 },
					  { "G", INT64_C(1) << 30 },
					  { "T", INT64_C(1) << 40 },
					  { NULL, 0 } };
static const struct unit time_units[] = { { "us", 1000 },
					  { "ms", 1000000 },
					  { "s", 1000000000 },
					  { "m", INT64_C(60000000000) },
					  { "h", INT64_C(3600000000000) },
					  { "d", INT64_C(86400000000000) },
					  { NULL, 0 } };
static const struct unit no_units[] = { { "", 1 }, { NULL, 0 } };

static void unit_print(const struct unit *units, int64_t value, FILE *out)
{
	const struct unit *best = units;

	for (const struct unit *u = units; u->name; u++)
		if (value && value % u->factor == 0)
			best = u;
	fprintf(out, "%" PRId64 "%s", value / best->factor, value ? best->name : "");
}

const char *config_size_text(int64_t bytes, char *text)
{
	FILE *out = fmemopen(text, CONFIG_SIZE_BYTES, "w");

	*text = '\0';
	if (out) {
		unit_print(size_units, bytes, out);
		fclose(out);
	}
	return text;
}

/* Digits and one unit, nothing else. Where the units have names, only 0 may be without one. */
static int unit_parse(const struct unit *units, const char *text, int64_t *value)
{
	unsigned long long number;
	char *end;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno || number > INT64_MAX)
		return -EINVAL;
	if (number == 0 && !*end) {
		*value = 0;
		return 0;
	}
	for (const struct unit *u = units; u->name; u++)
		if (strcmp(u->name, end) == 0) {
			if ((int64_t)number > INT64_MAX / u->factor)
				return -EINVAL;
			*value = (int64_t)number * u->factor;
			return 0;
		}
	return -EINVAL;
}

static const struct unit *key_units(const struct config_key *key)
{
	if (key->type == CONFIG_SIZE || key->type == CONFIG_SHARE)
		return size_units;
	return key->type == CONFIG_DURATION ? time_units : no_units;
}

static void rule_range(const struct config_key *key, char *rule, size_t size)
{
	FILE *out = fmemopen(rule, size, "w");

	if (!out)
		return;
	fputs(key->type == CONFIG_SIZE	     ? "must be a size (K M G T), "
	      : key->type == CONFIG_SHARE    ? "must be 0% to 99%, or a size (K M G T), "
	      : key->type == CONFIG_DURATION ? "must be a duration (us ms s m h d), "
					     : "must be a number, ",
	      out);
	unit_print(key_units(key), key->min, out);
	fputs(" to ", out);
	unit_print(key_units(key), key->max, out);
	for (const struct config_word *w = key->words; w && w->word; w++)
		fprintf(out, ", or %s", w->word);
	fclose(out);
}

static const struct config_word *word_find(const struct config_word *words, const char *word,
					   size_t length)
{
	for (; words && words->word; words++)
		if (strlen(words->word) == length && strncmp(words->word, word, length) == 0)
			return words;
	return NULL;
}

static bool percent_parse(const char *value, int64_t *n)
{
	char *end;
	long percent = strtol(value, &end, 10);

	*n = -percent;
	return isdigit((unsigned char)*value) && strcmp(end, "%") == 0 && percent <= 99;
}

static int number_parse(const struct config_key *key, void *at, const char *value, char *rule,
			size_t size)
{
	const struct config_word *word = word_find(key->words, value, strlen(value));
	int64_t n;

	if (word) {
		n = word->value;
	} else if (key->type == CONFIG_SHARE && percent_parse(value, &n)) {
		/* n is set */
	} else if (unit_parse(key_units(key), value, &n) || n < key->min || n > key->max) {
		rule_range(key, rule, size);
		return -EINVAL;
	}
	memcpy(at, &n, sizeof(n));
	return 0;
}

static int mode_parse(const struct config_key *key, void *at, const char *value, char *rule,
		      size_t size)
{
	char *end;
	int64_t n = strtol(value, &end, 8);

	if (!isdigit((unsigned char)*value) || *end || n < key->min || n > key->max) {
		snprintf(rule, size, "must be an octal file mode, 0 to %03" PRIo64, key->max);
		return -EINVAL;
	}
	memcpy(at, &n, sizeof(n));
	return 0;
}

static void rule_words(const struct config_key *key, const char *start, char *rule, size_t size)
{
	size_t n = (size_t)snprintf(rule, size, "%s", start);

	for (const struct config_word *w = key->words; w->word && n < size; w++)
		n += (size_t)snprintf(rule + n, size - n, " %s", w->word);
}

static int choice_parse(const struct config_key *key, void *at, const char *value, char *rule,
			size_t size)
{
	const struct config_word *w = word_find(key->words, value, strlen(value));

	if (!w) {
		rule_words(key, "must be one of", rule, size);
		return -EINVAL;
	}
	memcpy(at, &w->value, sizeof(w->value));
	return 0;
}

static int flags_parse(const struct config_key *key, void *at, const char *value, char *rule,
		       size_t size)
{
	const struct config_word *automatic = word_find(key->words, "auto", 4);
	uint32_t flags = 0;
	const char *p = value;

	if (strcmp(value, "none") == 0)
		p = "";
	else if (automatic && !value[strspn(value, " ,\t")])
		p = "auto";
	for (p += strspn(p, " ,\t"); *p; p += strspn(p, " ,\t")) {
		size_t n = strcspn(p, " ,\t");
		const struct config_word *w = word_find(key->words, p, n);

		if (!w) {
			rule_words(key, "must be none or any of", rule, size);
			return -EINVAL;
		}
		flags |= (uint32_t)w->value;
		p += n;
	}
	if (automatic && flags & (uint32_t)automatic->value &&
	    flags != (uint32_t)automatic->value) {
		snprintf(rule, size, "auto cannot be combined with others");
		return -EINVAL;
	}
	memcpy(at, &flags, sizeof(flags));
	return 0;
}

/* The length up to the next position where the value may continue in a further line: a single space
 * (white space at both ends of a line is stripped) that is not followed by the beginning of a
 * comment. */
static size_t stretch(const char *p)
{
	size_t n = 0;

	while (p[n] && (p[n] != ' ' || strchr(" #", p[n + 1]) || (n && p[n - 1] == ' ')))
		n++;
	return n;
}

static int string_parse(const struct config_key *key, char *at, const char *value, char *rule,
			size_t size)
{
	size_t n = strlen(value);

	if (n < (size_t)key->min || n > (size_t)key->max) {
		snprintf(rule, size, "must have %" PRId64 " to %" PRId64 " characters", key->min,
			 key->max);
		return -EINVAL;
	}
	if (n && (isspace((unsigned char)value[0]) || isspace((unsigned char)value[n - 1]))) {
		snprintf(rule, size, "must not begin or end with white space");
		return -EINVAL;
	}
	for (const char *p = value; *p; p++) {
		/* A file could not contain it: what -n prints must parse back. */
		if (iscntrl((unsigned char)*p) || (*p == ';' && (p == value || p[-1] == ' '))) {
			snprintf(rule, size, "must not contain control characters or \" ;\"");
			return -EINVAL;
		}
	}
	memset(at, 0, (size_t)key->max + 1);
	memcpy(at, value, n);
	return 0;
}

int config_value_parse(const struct config_key *key, void *base, const char *value, char *rule,
		       size_t rule_size)
{
	char *at = (char *)base + key->offset;

	switch (key->type) {
	case CONFIG_STRING:
		return string_parse(key, at, value, rule, rule_size);
	case CONFIG_NUMBER:
	case CONFIG_SIZE:
	case CONFIG_SHARE:
	case CONFIG_DURATION:
		return number_parse(key, at, value, rule, rule_size);
	case CONFIG_MODE:
		return mode_parse(key, at, value, rule, rule_size);
	case CONFIG_CHOICE:
		return choice_parse(key, at, value, rule, rule_size);
	case CONFIG_FLAGS:
		return flags_parse(key, at, value, rule, rule_size);
	}
	return -EINVAL;
}

static void flags_print(const struct config_key *key, uint32_t flags, FILE *out)
{
	const char *separator = "";

	if (!flags)
		fputs("none", out);
	for (const struct config_word *w = key->words; w->word; w++)
		if (flags & (uint32_t)w->value) {
			fprintf(out, "%s%s", separator, w->word);
			separator = " ";
		}
}

static void choice_print(const struct config_key *key, int32_t value, FILE *out)
{
	for (const struct config_word *w = key->words; w->word; w++)
		if (w->value == value) {
			fputs(w->word, out);
			return;
		}
}

static void number_print(const struct config_key *key, int64_t number, FILE *out)
{
	for (const struct config_word *w = key->words; w && w->word; w++)
		if (w->value == number) {
			fputs(w->word, out);
			return;
		}
	if (number < 0)
		fprintf(out, "%" PRId64 "%%", -number);
	else
		unit_print(key_units(key), number, out);
}

/* A long value continues in further lines, which begin with white space. */
static void string_print(const char *value, FILE *out)
{
	size_t column = 0;

	while (*value) {
		size_t n = stretch(value);

		if (column && column + n > LINE_COLUMNS) {
			fputs("\n    ", out);
			column = 0;
		} else if (column) {
			fputc(' ', out);
		}
		fwrite(value, 1, n, out);
		column += n + 1;
		value += n;
		value += *value == ' ';
	}
}

void config_value_print(const struct config_key *key, const void *base, FILE *out)
{
	const char *at = (const char *)base + key->offset;
	int64_t number;
	uint32_t flags;
	int32_t choice;

	switch (key->type) {
	case CONFIG_STRING:
		string_print(at, out);
		break;
	case CONFIG_NUMBER:
	case CONFIG_SIZE:
	case CONFIG_SHARE:
	case CONFIG_DURATION:
		memcpy(&number, at, sizeof(number));
		number_print(key, number, out);
		break;
	case CONFIG_MODE:
		memcpy(&number, at, sizeof(number));
		fprintf(out, "%04" PRIo64, number);
		break;
	case CONFIG_CHOICE:
		memcpy(&choice, at, sizeof(choice));
		choice_print(key, choice, out);
		break;
	case CONFIG_FLAGS:
		memcpy(&flags, at, sizeof(flags));
		flags_print(key, flags, out);
		break;
	}
}
