/* daemon/format/name.c, daemon/base/capture_name.c */
#include "suites.h"

#include "../../daemon/base/capture_name.h"
#include "../../daemon/format/name.h"

#include <stdlib.h>
#include <string.h>

#define STAMP "20260203T040506.789012Z"

static const struct {
	const char *capture;
	struct name name;
	const char *text;
} known[] = {
	{ "eth0", { NAME_FINISHED, 0, 1770091506789012, false }, "eth0-" STAMP "-w0.pcapng" },
	{ "eth0",
	  { NAME_SUSPECT, 63, 1770091506789012, false },
	  "eth0-" STAMP "-w63.suspect.pcapng" },
	{ "eth0",
	  { NAME_PARTIAL, 7, 1770091506789012, false },
	  "eth0-" STAMP "-w7.pcapng.partial" },
	{ "a-w1-" STAMP ".x",
	  { NAME_FINISHED, 2, 0, false },
	  "a-w1-" STAMP ".x-19700101T000000.000000Z-w2.pcapng" },
	{ "a-" STAMP "-w1",
	  { NAME_PARTIAL, 2, 1, false },
	  "a-" STAMP "-w1-19700101T000000.000001Z-w2.pcapng.partial" },
	{ "x.pcapng",
	  { NAME_FINISHED, 0, 951782399999999, false },
	  "x.pcapng-20000228T235959.999999Z-w0.pcapng" },
	{ "..",
	  { NAME_PARTIAL, 0, 951782400000000, false },
	  "..-20000229T000000.000000Z-w0.pcapng.partial" },
	{ "12345678901234567890123456789012",
	  { NAME_SUSPECT, 10, 253402300799999999, false },
	  "12345678901234567890123456789012-99991231T235959.999999Z-w10.suspect.pcapng" },
	/* as version 0.1.0 wrote them */
	{ "eth0", { NAME_FINISHED, 0, 1770091506789012, true }, "eth0-w0-" STAMP ".pcapng" },
	{ "eth0",
	  { NAME_SUSPECT, 63, 1770091506789012, true },
	  "eth0-w63-" STAMP ".suspect.pcapng" },
	{ "eth0", { NAME_PARTIAL, 7, 1770091506789012, true }, "eth0-w7-" STAMP ".pcapng.partial" },
	{ "a-w1-" STAMP ".x",
	  { NAME_FINISHED, 2, 0, true },
	  "a-w1-" STAMP ".x-w2-19700101T000000.000000Z.pcapng" },
	{ "a-" STAMP "-w1",
	  { NAME_PARTIAL, 2, 1, true },
	  "a-" STAMP "-w1-w2-19700101T000000.000001Z.pcapng.partial" },
	{ "..",
	  { NAME_PARTIAL, 0, 951782400000000, true },
	  "..-w0-20000229T000000.000000Z.pcapng.partial" },
};

START_TEST(a_name_is_read_as_it_was_made)
{
	char text[FILE_NAME_BYTES];
	struct name name;

	name_make(text, known[_i].capture, &known[_i].name);
	ck_assert_str_eq(text, known[_i].text);
	ck_assert(name_parse(&name, text, known[_i].capture));
	ck_assert_uint_eq(name.kind, known[_i].name.kind);
	ck_assert_uint_eq(name.worker, known[_i].name.worker);
	ck_assert_uint_eq(name.time_us, known[_i].name.time_us);
	ck_assert_int_eq(name.worker_first, known[_i].name.worker_first);
}
END_TEST

START_TEST(names_of_any_time_are_read_as_they_were_made)
{
	srandom(1);
	for (unsigned i = 0; i < 100000; i++) {
		uint64_t us = ((uint64_t)random() << 31 | (uint64_t)random()) % 253402300800000000u;
		struct name made = { (enum name_kind)(i % 3), i % 64, us, random() % 2 }, name;
		char text[FILE_NAME_BYTES];

		name_make(text, "e-w1-x", &made);
		ck_assert_msg(name_parse(&name, text, "e-w1-x"), "%s", text);
		ck_assert_uint_eq(name.kind, made.kind);
		ck_assert_uint_eq(name.worker, made.worker);
		ck_assert_uint_eq(name.time_us, us);
		ck_assert_int_eq(name.worker_first, made.worker_first);
	}
}
END_TEST

START_TEST(names_sort_by_time_whichever_the_worker)
{
	struct name before = { NAME_FINISHED, 0, 0, false };
	char text[FILE_NAME_BYTES], last[FILE_NAME_BYTES];

	srandom(2);
	name_make(last, "eth0", &before);
	for (unsigned i = 0; i < 10000; i++) {
		before.time_us += 1 + (uint64_t)random() * 10;
		before.worker = (uint32_t)random() % 64;
		name_make(text, "eth0", &before);
		ck_assert_int_lt(strcmp(last, text), 0);
		memcpy(last, text, sizeof(last));
	}
}
END_TEST

START_TEST(a_spare_is_hidden_and_read_as_it_was_made)
{
	static const uint64_t numbers[] = { 0, 1, 0xdeadbeef, UINT64_MAX };
	char text[FILE_NAME_BYTES];
	struct name name;

	name_make_spare(text, "eth-0", 3, 0xab12, 17);
	ck_assert_str_eq(text, ".eth-0-w3-ab12-17.spare");
	for (unsigned i = 0; i < 16; i++) {
		name_make_spare(text, ".e-", i, numbers[i / 4], numbers[i % 4]);
		ck_assert(name_parse(&name, text, ".e-"));
		ck_assert_uint_eq(name.kind, NAME_SPARE);
		ck_assert_uint_eq(name.worker, i);
		ck_assert_uint_eq(name.time_us, 0);
		ck_assert(!name.worker_first);
	}
}
END_TEST

static const char *const foreign[] = {
	"",
	".",
	"-",
	".pcapng",
	".spare",
	"eth0",
	"eth0.pcapng",
	"eth0-w0.pcapng",
	"eth0-" STAMP ".pcapng",
	"eth0-w-" STAMP ".pcapng",
	"eth0-0-" STAMP ".pcapng",
	"eth0-w00-" STAMP ".pcapng",
	"eth0-w01-" STAMP ".pcapng",
	"eth0-w64-" STAMP ".pcapng",
	"eth0-w-1-" STAMP ".pcapng",
	"eth0-w+1-" STAMP ".pcapng",
	"eth0-w 1-" STAMP ".pcapng",
	"eth0-w4294967296-" STAMP ".pcapng",
	"eth0-w18446744073709551616-" STAMP ".pcapng",
	"eth0-w0x1-" STAMP ".pcapng",
	"eth0-W0-" STAMP ".pcapng",
	"Eth0-w0-" STAMP ".pcapng",
	"eth0--w0-" STAMP ".pcapng",
	"eth0-w0--" STAMP ".pcapng",
	"xeth0-w0-" STAMP ".pcapng",
	".eth0-w0-" STAMP ".pcapng",
	" eth0-w0-" STAMP ".pcapng",
	"eth0-w0-w0-" STAMP ".pcapng",
	"eth0-w0-" STAMP,
	"eth0-w0-" STAMP ".partial",
	"eth0-w0-" STAMP ".PCAPNG",
	"eth0-w0-" STAMP ".pcap",
	"eth0-w0-" STAMP ".pcapng ",
	"eth0-w0-" STAMP ".pcapng.gz",
	"eth0-w0-" STAMP ".pcapng~",
	"eth0-w0-" STAMP ".pcapng.pcapng",
	"eth0-w0-" STAMP ".pcapng.partial.partial",
	"eth0-w0-" STAMP ".suspect.pcapng.partial",
	"eth0-w0-" STAMP ".suspect.suspect.pcapng",
	"eth0-w0-" STAMP ".suspect",
	"eth0-w0-20260203T040506.789012.pcapng",
	"eth0-w0-20260203T040506.789012z.pcapng",
	"eth0-w0-20260203t040506.789012Z.pcapng",
	"eth0-w0-20260203 040506.789012Z.pcapng",
	"eth0-w0-20260203T040506,789012Z.pcapng",
	"eth0-w0-20260203T040506.78901Z.pcapng",
	"eth0-w0-20260203T040506.7890123Z.pcapng",
	"eth0-w0-120260203T040506.789012Z.pcapng",
	"eth0-w0-2026020T0040506.789012Z.pcapng",
	"eth0-w0-20260003T040506.789012Z.pcapng",
	"eth0-w0-20261303T040506.789012Z.pcapng",
	"eth0-w0-20260200T040506.789012Z.pcapng",
	"eth0-w0-20260229T040506.789012Z.pcapng",
	"eth0-w0-21000229T040506.789012Z.pcapng",
	"eth0-w0-20260431T040506.789012Z.pcapng",
	"eth0-w0-20260203T240506.789012Z.pcapng",
	"eth0-w0-20260203T046006.789012Z.pcapng",
	"eth0-w0-20260203T040560.789012Z.pcapng",
	"eth0-w0-19691231T235959.999999Z.pcapng",
	"eth0-w0-00000203T040506.789012Z.pcapng",
	"eth0-w0-2026\xff"
	"203T040506.789012Z.pcapng",
	"eth0-w0-+0260203T040506.789012Z.pcapng",
	"eth0-w0- 2260203T040506.789012Z.pcapng",
	"eth0-w0-ab12-17.spare",
	"eth0-" STAMP "-w.pcapng",
	"eth0-" STAMP "-0.pcapng",
	"eth0-" STAMP "-w00.pcapng",
	"eth0-" STAMP "-w64.pcapng",
	"eth0-" STAMP "-w-1.pcapng",
	"eth0-" STAMP "-w+1.pcapng",
	"eth0-" STAMP "-w4294967296.pcapng",
	"eth0-" STAMP "-W0.pcapng",
	"eth0-" STAMP "-w0",
	"eth0-" STAMP "-w0.partial",
	"eth0-" STAMP "-w0.pcapng.gz",
	"eth0-" STAMP "-w0.suspect.pcapng.partial",
	"eth0-" STAMP "-w0-w0.pcapng",
	"eth0-" STAMP "-" STAMP ".pcapng",
	"eth0-" STAMP "-w0-" STAMP "-w0.pcapng",
	"eth0-w0-" STAMP "-w0.pcapng",
	"eth0-w0-w0.pcapng",
	"eth0--" STAMP "-w0.pcapng",
	"eth0-" STAMP "--w0.pcapng",
	"eth0-" STAMP "w0.pcapng",
	"eth0" STAMP "-w0.pcapng",
	"xeth0-" STAMP "-w0.pcapng",
	".eth0-" STAMP "-w0.pcapng",
	"-" STAMP "-w0.pcapng",
	STAMP "-w0.pcapng",
	"eth0-20260203T040506.789012-w0.pcapng",
	"eth0-20260229T040506.789012Z-w0.pcapng",
	"eth0-20260203T240506.789012Z-w0.pcapng",
	"eth0-19691231T235959.999999Z-w0.pcapng",
	".eth0-" STAMP "-w0.spare",
	".eth0-w0-ab12-17.spar",
	".eth0-w0-ab12.spare",
	".eth0-w0--17.spare",
	".eth0-w0-ab12-.spare",
	".eth0-w0-AB12-17.spare",
	".eth0-w0-0ab12-17.spare",
	".eth0-w0-0xab-17.spare",
	".eth0-w0-ab12-017.spare",
	".eth0-w0-ab12-1a.spare",
	".eth0-w0-ab12--1.spare",
	".eth0-w0-10000000000000000-17.spare",
	".eth0-w0-ab12-18446744073709551616.spare",
	".eth0-w64-ab12-17.spare",
	"..eth0-w0-ab12-17.spare",
	".eth0-w0-ab12-17.spare.partial",
};

START_TEST(nothing_but_its_own_names_is_a_captures_file)
{
	struct name name;

	ck_assert_msg(!name_parse(&name, foreign[_i], "eth0"), "%s", foreign[_i]);
}
END_TEST

/* "..", which begins with a dot, cannot be configured. */
START_TEST(a_name_tells_which_captures_it_is)
{
	char text[FILE_NAME_BYTES], capture[CAPTURE_NAME_BYTES] = "untouched";
	const char *made = known[_i].capture;
	struct name name = { NAME_FINISHED, 99, 0, false };

	if (*made == '.') {
		ck_assert(!name_read(&name, known[_i].text, capture));
		ck_assert_str_eq(capture, "untouched");
		ck_assert_uint_eq(name.worker, 99);
		return;
	}
	ck_assert(name_read(&name, known[_i].text, capture));
	ck_assert_str_eq(capture, made);
	ck_assert_uint_eq(name.kind, known[_i].name.kind);
	ck_assert_uint_eq(name.worker, known[_i].name.worker);
	ck_assert_uint_eq(name.time_us, known[_i].name.time_us);
	ck_assert_int_eq(name.worker_first, known[_i].name.worker_first);
	name_make_spare(text, made, 5, 0xab12, 17);
	ck_assert(name_read(&name, text, capture));
	ck_assert_str_eq(capture, made);
	ck_assert_uint_eq(name.kind, NAME_SPARE);
	ck_assert_uint_eq(name.worker, 5);
}
END_TEST

/* Whatever it is read from, it is what would be made for the capture that is read from it. */
START_TEST(a_name_for_any_capture_is_the_one_that_is_made)
{
	char capture[CAPTURE_NAME_BYTES], text[FILE_NAME_BYTES], again[FILE_NAME_BYTES];
	struct name name;

	for (size_t i = 0; i < sizeof(foreign) / sizeof(*foreign); i++) {
		if (!name_read(&name, foreign[i], capture) || name.kind == NAME_SPARE)
			continue;
		name_make(again, capture, &name);
		ck_assert_str_eq(again, foreign[i]);
	}
	for (size_t at = 0; at < strlen(known[_i].text); at++) {
		for (unsigned byte = 1; byte < 256; byte++) {
			strcpy(text, known[_i].text);
			text[at] = (char)byte;
			if (!name_read(&name, text, capture))
				continue;
			name_make(again, capture, &name);
			ck_assert_str_eq(again, text);
		}
	}
	ck_assert(!name_read(&name,
			     "a-name-with-33-characters-in-it--"
			     "-w0-" STAMP ".pcapng",
			     capture));
	memset(text, 'a', sizeof(text));
	strcpy(text + sizeof(text) - sizeof("-w0-" STAMP ".pcapng"), "-w0-" STAMP ".pcapng");
	ck_assert(!name_read(&name, text, capture));
	ck_assert(!name_read(&name, "-w0-" STAMP ".pcapng", capture));
	ck_assert(!name_read(&name, "a b-w0-" STAMP ".pcapng", capture));
	ck_assert(!name_read(&name, "..a-w0-1-1.spare", capture));
}
END_TEST

START_TEST(captures_with_similar_names_do_not_meet)
{
	static const char *const captures[] = { "eth0",
						"eth0-w0",
						"eth0-w0-w0",
						"eth",
						"th0",
						".eth0",
						"0",
						"w0",
						"-",
						"eth0-" STAMP,
						"eth0-w0-" STAMP,
						"eth0-" STAMP "-w0",
						STAMP };
	unsigned n = sizeof(captures) / sizeof(*captures);

	for (unsigned i = 0; i < n * n * 8; i++) {
		const char *made = captures[i / 8 / n], *asked = captures[i / 8 % n];
		struct name name = { (enum name_kind)(i % 4), 0, 1, i % 8 > 3 };
		char text[FILE_NAME_BYTES];

		if (name.kind == NAME_SPARE)
			name_make_spare(text, made, 0, 1, 1);
		else
			name_make(text, made, &name);
		ck_assert_int_eq(name_parse(&name, text, asked), strcmp(made, asked) == 0);
	}
}
END_TEST

/* One byte changed makes another name, or none: what is accepted is always what would be made. */
START_TEST(a_name_that_is_read_is_the_one_that_is_made)
{
	char text[FILE_NAME_BYTES], again[FILE_NAME_BYTES];
	struct name name;

	for (size_t at = 0; at < strlen(known[_i].text); at++) {
		for (unsigned byte = 1; byte < 256; byte++) {
			strcpy(text, known[_i].text);
			text[at] = (char)byte;
			if (!name_parse(&name, text, known[_i].capture))
				continue;
			name_make(again, known[_i].capture, &name);
			ck_assert_str_eq(again, text);
		}
	}
}
END_TEST

static const struct {
	const char *name;
	bool valid;
} captures[] = {
	{ "a", true },
	{ "eth0.100_x-Y", true },
	{ "12345678901234567890123456789012", true }, /* 32 */
	{ "123456789012345678901234567890123", false },
	{ "", false },
	{ ".a", false },
	{ "a/b", false },
	{ "a b", false },
	{ "a\n", false },
	{ "\xc3\xa4", false },
};

START_TEST(a_capture_has_a_name_that_a_file_may_have)
{
	ck_assert_int_eq(capture_name_valid(captures[_i].name), captures[_i].valid);
}
END_TEST

Suite *suite_name(void)
{
	Suite *s = suite_create("name");
	TCase *t = tcase_create("name");
	int n = sizeof(known) / sizeof(*known);

	tcase_add_loop_test(t, a_name_is_read_as_it_was_made, 0, n);
	tcase_add_test(t, names_of_any_time_are_read_as_they_were_made);
	tcase_add_test(t, names_sort_by_time_whichever_the_worker);
	tcase_add_test(t, a_spare_is_hidden_and_read_as_it_was_made);
	tcase_add_loop_test(t, nothing_but_its_own_names_is_a_captures_file, 0,
			    sizeof(foreign) / sizeof(*foreign));
	tcase_add_loop_test(t, a_name_tells_which_captures_it_is, 0, n);
	tcase_add_loop_test(t, a_name_for_any_capture_is_the_one_that_is_made, 0, n);
	tcase_add_test(t, captures_with_similar_names_do_not_meet);
	tcase_add_loop_test(t, a_name_that_is_read_is_the_one_that_is_made, 0, n);
	tcase_add_loop_test(t, a_capture_has_a_name_that_a_file_may_have, 0,
			    sizeof(captures) / sizeof(*captures));
	suite_add_tcase(s, t);
	return s;
}
