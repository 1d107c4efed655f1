/* daemon/supervisor/spawn.c */
#include "suites.h"

#include "../../daemon/supervisor/spawn.h"

#include <stdlib.h>
#include <sysexits.h>

START_TEST(a_worker_says_no_exit_code_but_those_it_may)
{
	static const struct {
		uint32_t said;
		int taken;
	} rows[] = {
		{ EXIT_FAILURE, EXIT_FAILURE }, { EX_NOPERM, EX_NOPERM },
		{ EX_CONFIG, EX_CONFIG },	{ EXIT_SUCCESS, EXIT_FAILURE },
		{ EX_TEMPFAIL, EXIT_FAILURE },	{ 256 + EX_CONFIG, EXIT_FAILURE },
		{ UINT32_MAX, EXIT_FAILURE },	{ 2, EXIT_FAILURE },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		ck_assert_int_eq(spawn_exit_code(rows[i].said), rows[i].taken);
}
END_TEST

START_TEST(the_next_start_waits_longer_each_time)
{
	ck_assert_uint_eq(spawn_backoff_ms(1), 0);
	ck_assert_uint_eq(spawn_backoff_ms(2), 50);
	ck_assert_uint_eq(spawn_backoff_ms(3), 100);
	ck_assert_uint_eq(spawn_backoff_ms(1000000), 5000);
}
END_TEST

Suite *suite_spawn(void)
{
	Suite *s = suite_create("spawn");
	TCase *t = tcase_create("spawn");

	tcase_add_test(t, a_worker_says_no_exit_code_but_those_it_may);
	tcase_add_test(t, the_next_start_waits_longer_each_time);
	suite_add_tcase(s, t);
	return s;
}
