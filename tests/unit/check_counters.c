/* daemon/base/counters.def, the account. */
#include "suites.h"

#include "../../daemon/base/counters.h"
#include "../../daemon/supervisor/account.h"

#include <string.h>

START_TEST(every_row_is_a_field_of_its_own)
{
	struct counters c = { 0 }, sum = { 0 };

	for (unsigned i = 0; i < counter_count; i++)
		counters_set(&c, &counter_infos[i], i + 1);
	counters_add(&sum, &c);
	counters_add(&sum, &c);
	for (unsigned i = 0; i < counter_count; i++) {
		ck_assert_uint_eq(counters_get(&c, &counter_infos[i]), i + 1);
		ck_assert_uint_eq(counters_get(&sum, &counter_infos[i]), 2 * (i + 1));
	}
	ck_assert_uint_eq(c.packets, 1);
	ck_assert_uint_eq(counters_discarded(&c), c.discarded_no_space + c.discarded_io_error +
							  c.discarded_abandoned +
							  c.discarded_file_lost);
}
END_TEST

START_TEST(rows_of_a_metric_family_stand_together_and_differ_by_reason)
{
	for (unsigned i = 0; i < counter_count; i++)
		for (unsigned k = i + 1; k < counter_count; k++) {
			ck_assert_str_ne(counter_infos[i].name, counter_infos[k].name);
			if (strcmp(counter_infos[i].family, counter_infos[k].family) != 0)
				continue;
			ck_assert_str_eq(counter_infos[k - 1].family, counter_infos[k].family);
			ck_assert_str_ne(counter_infos[i].reason, counter_infos[k].reason);
		}
}
END_TEST

START_TEST(an_account_balances_only_to_the_packet)
{
	struct counters c = { .packets = 10,
			      .drops = 3,
			      .received = 7,
			      .written = 5,
			      .discarded_no_space = 1,
			      .discarded_abandoned = 1 };

	ck_assert(account_balanced(&c, OUTPUT_PCAPNG));
	c.packets++;
	ck_assert(!account_balanced(&c, OUTPUT_PCAPNG));
	c.packets--;
	c.written--;
	ck_assert(!account_balanced(&c, OUTPUT_PCAPNG));
	c.written = 0;
	ck_assert(account_balanced(&c, OUTPUT_NONE));
}
END_TEST

Suite *suite_counters(void)
{
	Suite *s = suite_create("counters");
	TCase *t = tcase_create("counters");

	tcase_add_test(t, every_row_is_a_field_of_its_own);
	tcase_add_test(t, rows_of_a_metric_family_stand_together_and_differ_by_reason);
	tcase_add_test(t, an_account_balances_only_to_the_packet);
	suite_add_tcase(s, t);
	return s;
}
