/* Escapes text byte by byte, and never reads beyond the NUL. */
#include "printable.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define ESCAPE_BYTES 4 /* \xNN */

/* The length of the UTF-8 character at `text` (RFC 3629: shortest form, no surrogates, up to
 * U+10FFFF), unless it is a C1 control character; 0: there is none. */
static size_t wide_length(const uint8_t *text)
{
	static const struct {
		uint8_t first, last; /* of the leading byte */
		uint8_t second_min, second_max;
		uint8_t length;
	} forms[] = {
		{ 0xc2, 0xc2, 0xa0, 0xbf, 2 }, /* below: C1 */
		{ 0xc3, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		if (text[0] < forms[i].first || text[0] > forms[i].last)
			continue;
		if (text[1] < forms[i].second_min || text[1] > forms[i].second_max)
			return 0;
		for (size_t k = 2; k < forms[i].length; k++)
			if ((text[k] & 0xc0) != 0x80)
				return 0;
		return forms[i].length;
	}
	return 0;
}

void printable(char *out, size_t size, const char *text)
{
	const uint8_t *at = (const uint8_t *)text;
	size_t used = 0;

	while (*at) {
		size_t n = *at < 0x80 ? *at >= 0x20 && *at != 0x7f : wide_length(at);

		if (used + (n ? n : ESCAPE_BYTES) >= size)
			break;
		if (n)
			memcpy(out + used, at, n);
		else
			snprintf(out + used, ESCAPE_BYTES + 1, "\\x%02x", *at);
		used += n ? n : ESCAPE_BYTES;
		at += n ? n : 1;
	}
	out[used] = '\0';
}
