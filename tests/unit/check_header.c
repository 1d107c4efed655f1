/* daemon/format/header.c */
#include "recording.h"
#include "suites.h"

#include "../../daemon/format/header.h"

#include <stdio.h>
#include <string.h>

static uint8_t page[FILE_HEADER_BYTES + 8];

static uint32_t word(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return v;
}

/* The value of an option among those from `at` on, or NULL. */
static const uint8_t *option(const uint8_t *at, uint16_t code, uint16_t *length)
{
	for (;;) {
		uint16_t head[2];

		memcpy(head, at, 4);
		if (head[0] == 0)
			return NULL;
		if (head[0] == code) {
			*length = head[1];
			return at + 4;
		}
		at += 4 + (head[1] + 3) / 4 * 4;
	}
}

/* Where the pad behind the interface ends. */
static const uint8_t *filled_from(const uint8_t *idb)
{
	const uint8_t *pad = idb + word(idb + 4);

	ck_assert_uint_eq(word(idb + word(idb + 4) - 4), word(idb + 4));
	ck_assert_uint_eq(word(pad), 0x8AFCA902);
	return pad + word(pad + 4);
}

static struct message_capture capture = {
	.link_type = 1, .name = "eth0", .interface = "eth0", .filter = "udp port 53"
};

START_TEST(a_head_is_a_section_and_an_interface_and_fills_a_page)
{
	const uint8_t *idb, *value;
	uint16_t length = 0;

	memset(page, 0xaa, sizeof(page));
	recording_header(page, &capture, 2, "Linux 6.1", "afcapd 0");
	ck_assert_uint_eq(word(page), 0x0A0D0D0A);
	ck_assert_uint_eq(word(page + 8), 0x1A2B3C4D);
	ck_assert_uint_eq(word(page + word(page + 4) - 4), word(page + 4));
	idb = page + word(page + 4);
	ck_assert_uint_eq(word(idb), 1);
	ck_assert_uint_eq(word(idb + 8), 1);
	ck_assert_uint_eq(word(idb + 12), 262144);
	ck_assert_uint_eq(page[FILE_HEADER_BYTES], 0xaa);
	ck_assert_ptr_eq(filled_from(idb), page + FILE_HEADER_BYTES);
	ck_assert(header_valid(page));
	/* Whose file it is stands in the section: the interface is one in the files of all workers
	 */
	value = option(page + 24, 1, &length);
	ck_assert_uint_eq(length, strlen("afcap capture eth0, worker 2"));
	ck_assert_mem_eq(value, "afcap capture eth0, worker 2", length);
	ck_assert_ptr_null(option(idb + 16, 1, &length));
	value = option(idb + 16, 2, &length);
	ck_assert_int_eq(strncmp((const char *)value, "eth0", length), 0);
	value = option(idb + 16, 9, &length);
	ck_assert_uint_eq(*value, 9);
	value = option(idb + 16, 11, &length);
	ck_assert_uint_eq(length, 12);
	ck_assert_mem_eq(value, "\0udp port 53", 12);
}
END_TEST

/* The kernel's name, and what it is configured as where that is another one */
START_TEST(an_interface_is_called_as_the_kernel_calls_it)
{
	struct message_capture c = capture;
	const uint8_t *idb, *value;
	uint16_t length = 0;

	memset(page, 0, sizeof(page));
	strcpy(c.device, "eth0");
	recording_header(page, &c, 0, "Linux 6.1", "afcapd 0");
	idb = page + word(page + 4);
	ck_assert_ptr_null(option(idb + 16, 3, &length));
	strcpy(c.device, "va");
	recording_header(page, &c, 0, "Linux 6.1", "afcapd 0");
	idb = page + word(page + 4);
	value = option(idb + 16, 2, &length);
	ck_assert_uint_eq(length, 2);
	ck_assert_mem_eq(value, "va", 2);
	value = option(idb + 16, 3, &length);
	ck_assert_uint_eq(length, 18);
	ck_assert_mem_eq(value, "configured as eth0", 18);
}
END_TEST

START_TEST(the_longest_filter_fits)
{
	struct message_capture c = capture;
	const uint8_t *idb;

	memset(c.filter, 'x', HEADER_FILTER_MAX);
	memset(c.interface, 'y', sizeof(c.interface) - 1);
	memset(c.device, 'z', sizeof(c.device) - 1);
	recording_header(page, &c, 63, "Linux with a rather long release name that goes on",
			 "afcapd 0.1.0");
	idb = page + word(page + 4);
	ck_assert_ptr_eq(filled_from(idb), page + FILE_HEADER_BYTES);
	ck_assert(header_valid(page));
}
END_TEST

/* A page whose interface has an option that fills it up */
START_TEST(a_head_of_the_first_version_is_valid)
{
	const uint32_t section[] = { 0x0A0D0D0A, 32, 0x1A2B3C4D, 1, UINT32_MAX, UINT32_MAX, 0, 32 };
	const uint32_t total = FILE_HEADER_BYTES - 32, fill = total - 16 - 4 - 8;
	uint32_t interface[] = { 1, total, 1, 262144, 19373 | fill << 16, 32473 };

	memset(page, 0, sizeof(page));
	memcpy(page, section, sizeof(section));
	memcpy(page + 32, interface, sizeof(interface));
	memcpy(page + FILE_HEADER_BYTES - 4, &total, sizeof(total));
	ck_assert(header_valid(page));
	page[32 + 4]++;
	ck_assert(!header_valid(page));
}
END_TEST

START_TEST(a_head_says_which_captures_it_is)
{
	struct message_capture c = capture;

	snprintf(c.name, sizeof(c.name), "eth0-1");
	for (unsigned filter = 0; filter < 2; filter++) { /* a long one goes into the comment */
		recording_header(page, &c, 2, "Linux 6.1", "afcapd 0.2.0");
		ck_assert(header_is_of(page, "eth0-1", 2));
		ck_assert(!header_is_of(page, "eth0", 2));
		ck_assert(!header_is_of(page, "eth0-1x", 2));
		ck_assert(!header_is_of(page, "eth0-1", 0));
		ck_assert(!header_is_of(page, "eth0-1", 21));
		recording_header(page, &c, 21, "Linux 6.1", "afcapd");
		ck_assert(!header_is_of(page, "eth0-1", 2));
		ck_assert(header_is_of(page, "eth0-1", 21));
		recording_header(page, &c, 2, "afcapd", "afcapdump 1");
		ck_assert(!header_is_of(page, "eth0-1", 2));
		recording_header(page, &c, 2, "afcapd", "");
		ck_assert(!header_is_of(page, "eth0-1", 2));
		memset(c.filter, 'x', HEADER_FILTER_MAX + 1);
	}
}
END_TEST

/* With the program's name in the section, and a comment, where it has one, with the interface */
START_TEST(a_head_of_the_first_version_says_so_too)
{
	static const uint32_t section[] = { 0x0A0D0D0A, 44, 0x1A2B3C4D, 1, UINT32_MAX, UINT32_MAX };
	static const uint32_t total = FILE_HEADER_BYTES - 44;
	static const char comment[] = "afcap capture eth0, worker 2";
	const uint32_t length = sizeof(comment) - 1, fill = total - 16 - 4 - length - 4 - 8;
	const uint32_t interface[] = { 1, total, 1, 262144, 1 | length << 16 };
	const uint32_t program = 4 | 7 << 16, end = 44, filled = 19373 | fill << 16;

	memset(page, 0, sizeof(page));
	memcpy(page, section, sizeof(section));
	memcpy(page + 24, &program, 4);
	memcpy(page + 28, "afcapd ", 7);
	memcpy(page + 40, &end, 4);
	memcpy(page + 44, interface, sizeof(interface));
	memcpy(page + 64, comment, length);
	memcpy(page + 64 + length, &filled, 4);
	memcpy(page + FILE_HEADER_BYTES - 4, &total, sizeof(total));
	ck_assert(header_valid(page));
	ck_assert(header_is_of(page, "eth0", 2));
	ck_assert(!header_is_of(page, "eth1", 2));
	ck_assert(!header_is_of(page, "eth0", 3));
	memcpy(page + 64, "a comment that says nothing:", length);
	ck_assert(header_is_of(page, "eth1", 2));
}
END_TEST

START_TEST(a_pad_that_does_not_fill_the_page_is_none)
{
	recording_header(page, &capture, 2, "Linux 6.1", "afcapd 0");
	for (unsigned i = 0; i < 3; i++) {
		uint8_t *pad = page + word(page + 4), *at;

		pad += word(pad + 4);
		at = i == 0 ? pad : i == 1 ? pad + 4 : page + FILE_HEADER_BYTES - 4;
		(*at)++;
		ck_assert(!header_valid(page));
		(*at)--;
		ck_assert(header_valid(page));
	}
}
END_TEST

/* A longer one is not cut, which would be another filter */
START_TEST(a_filter_without_room_is_left_out)
{
	struct message_capture c = capture;
	const uint8_t *idb, *value;
	uint16_t length = 0;

	memset(c.filter, 'x', HEADER_FILTER_MAX);
	memset(page, 0, sizeof(page));
	recording_header(page, &c, 63, "Linux 6.1", "afcapd 0");
	ck_assert(header_valid(page));
	idb = page + word(page + 4);
	ck_assert_ptr_nonnull(option(idb + 16, 11, &length));
	ck_assert_uint_eq(length, HEADER_FILTER_MAX + 1);
	c.filter[HEADER_FILTER_MAX] = 'x';
	recording_header(page, &c, 63, "Linux 6.1", "afcapd 0");
	ck_assert(header_valid(page));
	ck_assert_ptr_null(option(idb + 16, 11, &length));
	value = option(page + 24, 1, &length);
	ck_assert_ptr_nonnull(value);
	ck_assert_ptr_nonnull(memmem(value, length, "filter of 2049 characters not shown", 35));
}
END_TEST

START_TEST(the_statistics_are_those_of_the_file_alone)
{
	struct ledger_file f = { .since_ns = UINT64_C(0x0102030405060708),
				 .first_ns = UINT64_C(0x2122232425262728),
				 .until_ns = UINT64_C(0x1112131415161718),
				 .begin = { 100, 10, 90 },
				 .finish = { 350, 35, 300 } };
	uint8_t block[HEADER_STATISTICS_MAX];
	uint32_t bytes = header_statistics(block, &f);
	static const struct {
		uint16_t code;
		uint64_t value;
	} expected[] = { { 4, 250 }, { 5, 25 }, { 7, 25 }, { 8, 210 } };

	ck_assert_uint_le(bytes, sizeof(block));
	ck_assert_uint_eq(word(block), 5);
	ck_assert_uint_eq(word(block + 4), bytes);
	ck_assert_uint_eq(word(block + bytes - 4), bytes);
	ck_assert_uint_eq(word(block + 12), 0x11121314);
	ck_assert_uint_eq(word(block + 16), 0x15161718);
	uint16_t length = 0;

	ck_assert_mem_eq(option(block + 20, 2, &length), "\x24\x23\x22\x21\x28\x27\x26\x25", 8);
	ck_assert_mem_eq(option(block + 20, 3, &length), "\x14\x13\x12\x11\x18\x17\x16\x15", 8);
	for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++) {
		const uint8_t *at = option(block + 20, expected[i].code, &length);
		uint64_t value;

		ck_assert_uint_eq(length, 8);
		memcpy(&value, at, 8);
		ck_assert_uint_eq(value, expected[i].value);
	}
}
END_TEST

Suite *suite_header(void)
{
	Suite *s = suite_create("header");
	TCase *t = tcase_create("header");

	tcase_add_test(t, a_head_is_a_section_and_an_interface_and_fills_a_page);
	tcase_add_test(t, an_interface_is_called_as_the_kernel_calls_it);
	tcase_add_test(t, the_longest_filter_fits);
	tcase_add_test(t, a_head_of_the_first_version_is_valid);
	tcase_add_test(t, a_head_says_which_captures_it_is);
	tcase_add_test(t, a_head_of_the_first_version_says_so_too);
	tcase_add_test(t, a_pad_that_does_not_fill_the_page_is_none);
	tcase_add_test(t, a_filter_without_room_is_left_out);
	tcase_add_test(t, the_statistics_are_those_of_the_file_alone);
	suite_add_tcase(s, t);
	return s;
}
