/* SHB, IDB, ISB. */
#include "header.h"
#include "chunk.h"

#include "../base/bytes.h"

#include <stdio.h>
#include <string.h>

enum option_code {
	OPTION_END = 0,
	OPTION_COMMENT = 1,
	SHB_OS = 3,
	SHB_USERAPPL = 4,
	SHB_MACHINE = 0x8AFD, /* for local use: ids of machine and boot */
	IF_NAME = 2,
	IF_DESCRIPTION = 3,
	IF_TSRESOL = 9,
	IF_FILTER = 11,
	IF_OS = 12,
	ISB_STARTTIME = 2,
	ISB_ENDTIME = 3,
	ISB_IFRECV = 4,
	ISB_IFDROP = 5,
	ISB_OSDROP = 7,
	ISB_USRDELIV = 8,
};

#define SNAPLEN		 262144u /* libpcap refuses files whose interfaces differ in it */
#define TEXT_MAX	 255u
#define COMMENT_BEGIN	 "afcap capture"
#define COMMENT		 COMMENT_BEGIN " %.32s, worker %u"
#define BYTE_ORDER_MARK	 0x1A2B3C4Du
#define SECTION_HEADER	 24u /* of the block, before its options */
#define INTERFACE_HEADER 16u

/* A block under construction: length words are written by block_end(). */
struct block {
	uint8_t *start, *at;
};

static void add16(struct block *b, uint16_t v)
{
	put16(b->at, v);
	b->at += sizeof(v);
}

static void add32(struct block *b, uint32_t v)
{
	put32(b->at, v);
	b->at += sizeof(v);
}

static struct block block_begin(uint8_t *at, uint32_t type)
{
	struct block b = { at, at };

	add32(&b, type);
	add32(&b, 0);
	return b;
}

static void option_add(struct block *b, uint16_t code, const void *value, size_t length)
{
	size_t padded = (length + 3) & ~(size_t)3;

	add16(b, code);
	add16(b, (uint16_t)length);
	memset(b->at, 0, padded);
	memcpy(b->at, value, length);
	b->at += padded;
}

static void option_text(struct block *b, uint16_t code, const char *text)
{
	size_t length = strlen(text);

	option_add(b, code, text, length < TEXT_MAX ? length : TEXT_MAX);
}

/* 64-bit times are two 32-bit words, high word first; counters are plain 64-bit values (draft
 * 4.6). */
static void option_time(struct block *b, uint16_t code, uint64_t ns)
{
	uint32_t words[2] = { (uint32_t)(ns >> 32), (uint32_t)ns };

	option_add(b, code, words, sizeof(words));
}

static void option_count(struct block *b, uint16_t code, uint64_t value)
{
	option_add(b, code, &value, sizeof(value));
}

/* Ends the options and the block. Returns where the next block begins. */
static uint8_t *block_end(struct block *b)
{
	uint32_t total;

	add32(b, OPTION_END);
	total = (uint32_t)(b->at - b->start) + 4;
	add32(b, total);
	put32(b->start + BLOCK_AT_LENGTH, total);
	return b->at;
}

/* Writes a block that readers skip, up to `end`. */
static void pad_put(uint8_t *at, uint8_t *end)
{
	struct block b = block_begin(at, CHUNK_PAD_TYPE);
	uint32_t total = (uint32_t)(end - at);

	memset(b.at, 0, total - BLOCK_BYTES_MIN);
	put32(at + BLOCK_AT_LENGTH, total);
	put32(end - BLOCK_TAIL_BYTES, total);
}

void header_make(uint8_t *page, const struct header *h)
{
	struct block b = block_begin(page, BLOCK_SECTION);
	uint8_t filter[HEADER_FILTER_MAX + 1] = { 0 }, resolution = 9; /* 10^-9 s */
	size_t filter_length = strlen(h->filter);
	uint8_t ids[2 * ID_BYTES];
	char text[INTERFACE_BYTES + 64];

	add32(&b, BYTE_ORDER_MARK);
	add16(&b, 1); /* version 1.0 */
	add16(&b, 0);
	add32(&b, UINT32_MAX); /* section length: unknown */
	add32(&b, UINT32_MAX);
	option_text(&b, SHB_OS, h->os);
	option_text(&b, SHB_USERAPPL, h->application);
	/* Not in the interface block, which is the same for all workers: a merge of their files has
	 * one interface */
	snprintf(text, sizeof(text), COMMENT, h->capture, h->worker);
	if (filter_length > HEADER_FILTER_MAX) /* truncated, it would be another filter */
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 ", filter of %zu characters not shown", filter_length);
	option_text(&b, OPTION_COMMENT, text);
	memcpy(ids, h->machine, ID_BYTES);
	memcpy(ids + ID_BYTES, h->boot, ID_BYTES);
	option_add(&b, SHB_MACHINE, ids, sizeof(ids));
	b = block_begin(block_end(&b), BLOCK_INTERFACE);
	add16(&b, (uint16_t)h->link_type);
	add16(&b, 0);
	add32(&b, SNAPLEN);
	option_text(&b, IF_NAME, *h->device ? h->device : h->interface);
	if (*h->device && strcmp(h->device, h->interface) != 0) {
		snprintf(text, sizeof(text), "configured as %s", h->interface);
		option_text(&b, IF_DESCRIPTION, text);
	}
	option_add(&b, IF_TSRESOL, &resolution, 1);
	if (filter_length && filter_length <= HEADER_FILTER_MAX) {
		memcpy(filter + 1, h->filter, filter_length); /* first byte 0: libpcap's syntax */
		option_add(&b, IF_FILTER, filter, filter_length + 1);
	}
	option_text(&b, IF_OS, h->os);
	pad_put(block_end(&b), page + FILE_HEADER_BYTES);
}

/* Returns the length of a block of this type within `left` bytes whose options begin at offset
 * `options_at`; 0 if there is no valid one. */
static uint32_t block_valid(const uint8_t *p, uint32_t left, uint32_t type, uint32_t options_at)
{
	uint32_t total = left < options_at + 8 ? 0 : get32(p + 4);

	if (total < options_at + 8 || total > left || total % 4 || get32(p) != type ||
	    get32(p + total - 4) != total)
		return 0;
	for (uint32_t at = options_at; at <= total - 8;) {
		uint32_t option = get32(p + at);

		if (option == OPTION_END)
			return at == total - 8 ? total : 0;
		at += 4 + ((option >> 16) + 3) / 4 * 4;
	}
	return 0;
}

/* Whether the `left` bytes are exactly one pad of zeros. */
static bool pad_valid(const uint8_t *p, uint32_t left)
{
	if (left < BLOCK_BYTES_MIN || get32(p) != CHUNK_PAD_TYPE || get32(p + 4) != left ||
	    get32(p + left - 4) != left)
		return false;
	for (uint32_t at = 8; at < left - 4; at++)
		if (p[at])
			return false;
	return true;
}

bool header_valid(const uint8_t *page)
{
	static const uint32_t section[] = { BYTE_ORDER_MARK, 1, UINT32_MAX, UINT32_MAX };
	uint32_t at = block_valid(page, FILE_HEADER_BYTES, BLOCK_SECTION, SECTION_HEADER),
		 interface;

	if (!at || memcmp(page + 8, section, sizeof(section)) != 0)
		return false;
	interface =
		block_valid(page + at, FILE_HEADER_BYTES - at, BLOCK_INTERFACE, INTERFACE_HEADER);
	at += interface;
	return interface && (at == FILE_HEADER_BYTES /* version 0.1.0: padded by an option */ ||
			     pad_valid(page + at, FILE_HEADER_BYTES - at));
}

bool header_begun(const uint8_t *page, uint32_t bytes)
{
	uint32_t zeros = 0;

	while (zeros < bytes && !page[zeros])
		zeros++;
	if (zeros == bytes)
		return true;
	if (bytes < SECTION_HEADER)
		return bytes < 4 || get32(page) == BLOCK_SECTION;
	return get32(page) == BLOCK_SECTION && get32(page + 8) == BYTE_ORDER_MARK &&
	       (get32(page + 4) > bytes || memmem(page, bytes, "afcap", 5));
}

/* An option of a valid header. */
struct option {
	const uint8_t *value;
	uint32_t code, length;
};

/* Reads the option at *at, where a block's options begin or the previous option ends, and advances
 * *at. False: end of options. */
static bool option_next(const uint8_t *page, uint32_t *at, struct option *option)
{
	uint32_t word = get32(page + *at);

	*option = (struct option){ page + *at + 4, word & 0xffff, word >> 16 };
	*at += 4 + (option->length + 3) / 4 * 4;
	return word != OPTION_END;
}

const uint8_t *header_machine(const uint8_t *page)
{
	uint32_t at = SECTION_HEADER;
	struct option option;

	while (option_next(page, &at, &option))
		if (option.code == SHB_MACHINE && option.length == 2 * ID_BYTES)
			return option.value;
	return NULL;
}

/* Whether the option's text begins with `text`, up to a word boundary. */
static bool option_begins(const struct option *option, const char *text)
{
	size_t n = strlen(text);

	return option->length >= n && memcmp(option->value, text, n) == 0 &&
	       (option->length == n || option->value[n] == ' ' || option->value[n] == ',');
}

/* Version 0.1.0 put the comment into the interface block. */
bool header_is_of(const uint8_t *page, const char *capture, uint32_t worker)
{
	const uint32_t begins[] = { SECTION_HEADER, get32(page + 4) + INTERFACE_HEADER };
	char text[CAPTURE_NAME_BYTES + 64];
	struct option option;
	bool ours = false;

	snprintf(text, sizeof(text), COMMENT, capture, worker);
	for (unsigned i = 0; i < 2; i++)
		for (uint32_t at = begins[i]; option_next(page, &at, &option);) {
			if (i == 0 && option.code == SHB_USERAPPL)
				ours = option_begins(&option, HEADER_PROGRAM);
			if (option.code == OPTION_COMMENT &&
			    option_begins(&option, COMMENT_BEGIN) && !option_begins(&option, text))
				return false;
		}
	return ours;
}

uint32_t header_statistics(uint8_t *block, const struct ledger_file *file)
{
	struct block b = block_begin(block, BLOCK_STATISTICS);
	uint64_t drops = file->finish.drops - file->begin.drops;

	add32(&b, 0); /* interface */
	add32(&b, (uint32_t)(file->until_ns >> 32));
	add32(&b, (uint32_t)file->until_ns);
	option_time(&b, ISB_STARTTIME, file->first_ns);
	option_time(&b, ISB_ENDTIME, file->until_ns);
	option_count(&b, ISB_IFRECV, file->finish.packets - file->begin.packets);
	option_count(&b, ISB_IFDROP, drops);
	option_count(&b, ISB_OSDROP, drops);
	option_count(&b, ISB_USRDELIV, file->finish.written - file->begin.written);
	return (uint32_t)(block_end(&b) - block);
}
