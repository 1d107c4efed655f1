/* daemon/archive/subject.c */
#include "suites.h"

#include "../../daemon/archive/subject.h"

START_TEST(a_name_says_what_a_line_is_about)
{
	static const struct {
		const char *text, *capture;
		int worker;
	} names[] = {
		{ "eth0-20240101T000000.000000Z-w3.pcapng", "eth0", 3 },
		{ "a-w1-b-20240101T000000.000000Z-w12.pcapng.partial", "a-w1-b", 12 },
		{ "eth0-w3-20240101T000000.000000Z.suspect.pcapng", "eth0", 3 },
		{ "eth0-20240101T000000.000000Z-w3-20240101T000000.000000Z.pcapng.partial",
		  "eth0-20240101T000000.000000Z", 3 },
		{ ".eth0-w0-18ebcc8d0850a441-1.spare", "eth0", 0 },
		{ "something else", "", -1 },
		{ "a-name-that-is-longer-than-any-capture-may-be-w1-x", "", -1 },
	};
	char capture[CAPTURE_NAME_BYTES];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct log_subject about = subject_of(names[i].text, capture);

		ck_assert_str_eq(about.capture, names[i].capture);
		ck_assert_int_eq(about.worker, names[i].worker);
		ck_assert_str_eq(about.file, names[i].text);
	}
}
END_TEST

Suite *suite_subject(void)
{
	Suite *s = suite_create("subject");
	TCase *t = tcase_create("subject");

	tcase_add_test(t, a_name_says_what_a_line_is_about);
	suite_add_tcase(s, t);
	return s;
}
