/* The line for the service manager. */
#include "suites.h"

#include "../../daemon/supervisor/status.h"

#include <stdio.h>
#include <string.h>

#define MANY 64

static struct status_item item(const char *name, const char *state, const char *reason,
			       uint64_t packets, uint64_t drops)
{
	return (struct status_item){ .view = { .name = name,
					       .state = state,
					       .reason = reason,
					       .degraded = reason != NULL,
					       .workers = 2,
					       .total = { .packets = packets, .drops = drops } },
				     .up = 2 };
}

START_TEST(one_capture_is_told_with_its_counts)
{
	struct status_item one = item("va", "running", NULL, 1000, 5);
	char text[STATUS_BYTES];

	status_text(text, "", &one, 1);
	ck_assert_str_eq(text, "va: 2 of 2 workers, 1000 packets, 5 dropped (0.500 %)");
	one.view.workers = one.up = 1;
	one.view.total.discarded_no_space = 20;
	one.view.state = "stopping";
	status_text(text, "stopping: ", &one, 1);
	ck_assert_str_eq(text, "stopping: va: 1 of 1 worker, 1000 packets, 5 dropped, 20 discarded "
			       "(2.500 %)");
}
END_TEST

START_TEST(the_worst_comes_first)
{
	struct status_item items[] = {
		item("fine", "running", NULL, 10, 0),
		item("lossy", "running", NULL, 10, 1),
		item("replacing", "running", "a worker is being replaced", 10, 0),
		item("away", "down", "there is no interface away0", 0, 0),
		item("full", "suspended", "the disk is full", 10, 0),
		item("dead", "failed", "its workers died", 10, 9),
		item("short", "running", NULL, 10, 0),
	};
	static const char *const order[] = { "dead",  "full",  "away", "replacing",
					     "short", "lossy", "fine" };
	char text[STATUS_BYTES];

	items[6].up = 1;
	status_text(text, "", items, 7);
	for (unsigned i = 0; i < 7; i++)
		if (i < 3 || i > 4) /* of one severity, and without loss, as they stood */
			ck_assert_str_eq(items[i].view.name, order[i]);
	ck_assert_msg(strncmp(text, "dead: failed, its workers died, 2 of 2 workers", 46) == 0,
		      "%s", text);
	ck_assert_ptr_nonnull(strstr(text, "; full: suspended, the disk is full, "));
}
END_TEST

START_TEST(many_captures_fit_and_the_rest_are_counted)
{
	struct status_item items[MANY];
	char names[MANY][33], text[STATUS_BYTES];
	unsigned told = 1, more = 0;
	const char *at;

	for (unsigned count = 1; count <= MANY; count++) {
		for (unsigned i = 0; i < count; i++) {
			snprintf(names[i], sizeof(names[i]), "capture-number-%02u", i);
			items[i] = item(names[i], "running", NULL, 1000000, 0);
		}
		items[count - 1] =
			item(names[count - 1], "down", "there is no interface later0", 0, 0);
		status_text(text, "", items, count);
		ck_assert_uint_lt(strlen(text), STATUS_BYTES);
		ck_assert_msg(strstr(text, "down, there is no interface later0") != NULL, "%s",
			      text);
		at = strstr(text, "; and ");
		ck_assert_msg(!at || sscanf(at, "; and %u more", &more) == 1, "%s", text);
		for (told = 1, at = text; (at = strstr(at, "; capture")); at++)
			told++;
		ck_assert_uint_eq(told + more, count);
		ck_assert_msg(more ? strcmp(text + strlen(text) - 5, " more") == 0
				   : text[strlen(text) - 1] == ')',
			      "%s", text);
	}
}
END_TEST

START_TEST(a_long_reason_is_cut_and_bytes_are_escaped)
{
	char reason[600], text[STATUS_BYTES];
	struct status_item two[2];

	memset(reason, 'x', sizeof(reason) - 1);
	reason[sizeof(reason) - 1] = '\0';
	reason[3] = '\xff';
	reason[4] = '\n';
	two[0] = item("va", "running", NULL, 1, 0);
	two[1] = item("vb", "down", reason, 1, 0);
	status_text(text, "", two, 2);
	ck_assert_uint_lt(strlen(text), STATUS_BYTES);
	ck_assert_msg(strncmp(text, "vb: down, xxx\\xff\\x0axx", 22) == 0, "%s", text);
	ck_assert_ptr_nonnull(strstr(text, "x..., 2 of 2 workers, 1 packets"));
	for (const char *p = text; *p; p++)
		ck_assert((unsigned char)*p >= ' ' && (unsigned char)*p < 0x7f);
}
END_TEST

Suite *suite_status(void)
{
	Suite *s = suite_create("status");
	TCase *t = tcase_create("status");

	suite_add_tcase(s, t);
	tcase_add_test(t, one_capture_is_told_with_its_counts);
	tcase_add_test(t, the_worst_comes_first);
	tcase_add_test(t, many_captures_fit_and_the_rest_are_counted);
	tcase_add_test(t, a_long_reason_is_cut_and_bytes_are_escaped);
	return s;
}
