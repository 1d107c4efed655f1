/* daemon/supervisor/deaths.c: backoff, crash loops, blocks that kill. */
#include "suites.h"

#include "../../daemon/supervisor/deaths.h"
#include "../../daemon/supervisor/process.h"

#define SECOND UINT64_C(1000000000)

START_TEST(the_next_one_comes_later_from_death_to_death)
{
	struct deaths d = { 0 };

	for (unsigned i = 1; i < 20; i++)
		ck_assert_uint_eq(deaths_add(&d, i * SECOND, false), process_backoff_ms(i));
	ck_assert_uint_eq(deaths_add(&d, 20 * SECOND, true), process_backoff_ms(1));
	ck_assert_uint_eq(deaths_add(&d, 21 * SECOND, false), process_backoff_ms(2));
}
END_TEST

/* As many without progress within ten seconds; neither is enough alone. */
START_TEST(a_loop_is_so_many_deaths_in_so_short_a_time)
{
	struct deaths d = { 0 };
	uint64_t now = 100 * SECOND;

	for (unsigned i = 1; i <= DEATHS_LOOP; i++) {
		deaths_add(&d, now += SECOND, false);
		ck_assert_int_eq(deaths_loop(&d, now), i == DEATHS_LOOP);
	}
	deaths_add(&d, now += SECOND, true);
	ck_assert(!deaths_loop(&d, now));
	for (unsigned i = 1; i < DEATHS_LOOP; i++)
		deaths_add(&d, now += 10 * SECOND / (DEATHS_LOOP - 1) + 1, false);
	ck_assert_uint_eq(d.in_a_row, DEATHS_LOOP);
	ck_assert(!deaths_loop(&d, now)); /* the first of them is more than ten seconds ago */
	deaths_add(&d, now, false);
	ck_assert(deaths_loop(&d, now));
}
END_TEST

START_TEST(a_block_of_which_two_died_one_after_the_other_is_in_quarantine)
{
	struct deaths d = { 0 };

	ck_assert(!deaths_suspect(&d, 7));
	ck_assert(!deaths_suspect(&d, 8));
	ck_assert(!deaths_suspect(&d, 7));
	ck_assert_uint_eq(d.quarantine, 0);
	ck_assert(deaths_suspect(&d, 7));
	ck_assert_uint_eq(d.quarantine, 7);
	ck_assert(!deaths_suspect(&d, 0)); /* killed from outside, twice: no block did it */
	ck_assert(!deaths_suspect(&d, 0));
	ck_assert_uint_eq(d.quarantine, 7);
	deaths_add(&d, SECOND, false);
	deaths_forget(&d);
	ck_assert_uint_eq(d.quarantine | d.suspect | d.in_a_row, 0);
	ck_assert_uint_eq(d.at_ns[DEATHS_LOOP - 1], SECOND);
}
END_TEST

Suite *suite_deaths(void)
{
	Suite *s = suite_create("deaths");
	TCase *t = tcase_create("deaths");

	tcase_add_test(t, the_next_one_comes_later_from_death_to_death);
	tcase_add_test(t, a_loop_is_so_many_deaths_in_so_short_a_time);
	tcase_add_test(t, a_block_of_which_two_died_one_after_the_other_is_in_quarantine);
	suite_add_tcase(s, t);
	return s;
}
