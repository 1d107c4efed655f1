/* Formats and parses file names. */
#include "name.h"

#include "../base/capture_name.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SPARE	    ".spare"
#define STAMP_BYTES 23 /* YYYYMMDDTHHMMSS.UUUUUUZ */
#define STAMP_TEXT  72 /* enough for any struct tm */
#define SECOND_US   1000000u

static const struct {
	const char *text;
	enum name_kind kind;
} suffixes[] = {
	{ ".pcapng.partial", NAME_PARTIAL },
	{ ".suspect.pcapng", NAME_SUSPECT },
	{ ".pcapng", NAME_FINISHED },
};

#define SUFFIXES (sizeof(suffixes) / sizeof(*suffixes))

void name_make(char *text, const char *capture, const struct name *name)
{
	time_t seconds = (time_t)(name->time_us / SECOND_US);
	const char *suffix = "";
	char stamp[STAMP_TEXT];
	struct tm tm;

	for (size_t i = 0; i < SUFFIXES; i++)
		if (suffixes[i].kind == name->kind)
			suffix = suffixes[i].text;
	gmtime_r(&seconds, &tm);
	/* Not strftime(), which looks for /etc/localtime each time */
	snprintf(stamp, sizeof(stamp), "%04d%02d%02dT%02d%02d%02d.%06uZ", tm.tm_year + 1900,
		 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		 (unsigned)(name->time_us % SECOND_US));
	if (name->worker_first)
		snprintf(text, FILE_NAME_BYTES, "%.32s-w%u-%s%s", capture, name->worker, stamp,
			 suffix);
	else
		snprintf(text, FILE_NAME_BYTES, "%.32s-%s-w%u%s", capture, stamp, name->worker,
			 suffix);
}

void name_make_spare(char *text, const char *capture, uint32_t worker, uint64_t token,
		     uint64_t serial)
{
	snprintf(text, FILE_NAME_BYTES, ".%.32s-w%u-%" PRIx64 "-%" PRIu64 SPARE, capture, worker,
		 token, serial);
}

/* The part of a name that is not parsed yet: its left end. */
struct remainder {
	const char *text;
	size_t length;
};

static bool tail_take(struct remainder *remainder, const char *tail)
{
	size_t n = strlen(tail);

	if (remainder->length < n || memcmp(remainder->text + remainder->length - n, tail, n))
		return false;
	remainder->length -= n;
	return true;
}

/* Splits off the text after the last '-', and the '-'. */
static bool field_take(struct remainder *remainder, struct remainder *field)
{
	const char *dash = memrchr(remainder->text, '-', remainder->length);

	if (!dash)
		return false;
	field->text = dash + 1;
	field->length = remainder->length - (size_t)(field->text - remainder->text);
	remainder->length = (size_t)(dash - remainder->text);
	return true;
}

/* A number as printf() writes it: no sign, no leading zeros, lower case. */
static bool number_read(struct remainder field, unsigned base, uint64_t *number)
{
	static const char digits[] = "0123456789abcdef";
	uint64_t value = 0;

	if (field.length == 0 || (field.length > 1 && *field.text == '0'))
		return false;
	for (size_t i = 0; i < field.length; i++) {
		const char *digit = memchr(digits, field.text[i], base);

		if (!digit || __builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(digit - digits), &value))
			return false;
	}
	*number = value;
	return true;
}

static bool worker_read(struct remainder field, uint32_t *worker)
{
	uint64_t number;

	if (field.length == 0 || *field.text != 'w')
		return false;
	field.text++;
	field.length--;
	if (!number_read(field, 10, &number) || number >= WORKERS_MAX)
		return false;
	*worker = (uint32_t)number;
	return true;
}

/* Reads `n` digits at *at and advances it; -1 on any other character. */
static int digits_read(const char **at, unsigned n)
{
	int value = 0;

	while (n-- > 0) {
		char c = *(*at)++;

		if (c < '0' || c > '9')
			return -1;
		value = value * 10 + c - '0';
	}
	return value;
}

/* Rejects fields out of range and dates that do not exist, so that each time has one name. */
static bool stamp_read(struct remainder field, uint64_t *time_us)
{
	const char *at = field.text;
	struct tm tm = { 0 }, again;
	time_t seconds;
	int year, us;

	if (field.length != STAMP_BYTES || at[8] != 'T' || at[15] != '.' || at[22] != 'Z')
		return false;
	year = digits_read(&at, 4);
	tm.tm_year = year - 1900;
	tm.tm_mon = digits_read(&at, 2) - 1;
	tm.tm_mday = digits_read(&at, 2);
	at++;
	tm.tm_hour = digits_read(&at, 2);
	tm.tm_min = digits_read(&at, 2);
	tm.tm_sec = digits_read(&at, 2);
	at++;
	us = digits_read(&at, 6);
	if (year < 1970 || us < 0)
		return false;
	again = tm; /* timegm() normalises its argument */
	seconds = timegm(&again);
	if (again.tm_year != tm.tm_year || again.tm_mon != tm.tm_mon ||
	    again.tm_mday != tm.tm_mday || again.tm_hour != tm.tm_hour ||
	    again.tm_min != tm.tm_min || again.tm_sec != tm.tm_sec)
		return false;
	*time_us = (uint64_t)seconds * SECOND_US + (uint64_t)us;
	return true;
}

static bool spare_take(struct remainder *remainder, struct name *name)
{
	struct remainder field;
	uint64_t number;

	if (!field_take(remainder, &field) || !number_read(field, 10, &number) ||
	    !field_take(remainder, &field) || !number_read(field, 16, &number) ||
	    !field_take(remainder, &field) || !worker_read(field, &name->worker) ||
	    *remainder->text != '.')
		return false;
	remainder->text++;
	remainder->length--;
	return true;
}

/* The last field decides the order: a time never parses as a worker. */
static bool used_take(struct remainder *remainder, struct name *name)
{
	struct remainder last, first;

	if (!field_take(remainder, &last) || !field_take(remainder, &first))
		return false;
	name->worker_first = !worker_read(last, &name->worker);
	return name->worker_first
		       ? worker_read(first, &name->worker) && stamp_read(last, &name->time_us)
		       : stamp_read(first, &name->time_us);
}

/* What remains is the capture's name, not validated. */
static bool name_take(struct remainder *remainder, struct name *name)
{
	struct name found = { .kind = NAME_SPARE };
	size_t i = 0;

	if (tail_take(remainder, SPARE)) {
		if (!spare_take(remainder, &found))
			return false;
	} else {
		while (i < SUFFIXES && !tail_take(remainder, suffixes[i].text))
			i++;
		if (i == SUFFIXES || !used_take(remainder, &found))
			return false;
		found.kind = suffixes[i].kind;
	}
	*name = found;
	return true;
}

bool name_parse(struct name *name, const char *text, const char *capture)
{
	struct remainder remainder = { text, strlen(text) };
	struct name found;

	if (!name_take(&remainder, &found) || remainder.length != strlen(capture) ||
	    memcmp(remainder.text, capture, remainder.length))
		return false;
	*name = found;
	return true;
}

bool name_read(struct name *name, const char *text, char *capture)
{
	struct remainder remainder = { text, strlen(text) };
	char named[CAPTURE_NAME_BYTES];
	struct name found;

	if (!name_take(&remainder, &found) || remainder.length >= sizeof(named))
		return false;
	memcpy(named, remainder.text, remainder.length);
	named[remainder.length] = '\0';
	if (!capture_name_valid(named))
		return false;
	*name = found;
	memcpy(capture, named, sizeof(named));
	return true;
}
