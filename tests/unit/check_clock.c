/* daemon/base/clock.c */
#include "suites.h"

#include "../../daemon/base/clock.h"

#define S    UINT64_C(1000000000)
#define HOUR (3600 * S)
#define DAY  (24 * HOUR)
#define NOW  (20000 * DAY) /* 2024 */

static struct clock_watch watch;

static void setup(void)
{
	watch = (struct clock_watch){ 0 };
	ck_assert_int_eq(clock_look(&watch, NOW, HOUR), 0);
}

START_TEST(clocks_that_run_together_are_not_set)
{
	for (uint64_t t = 0; t < 100 * DAY; t += 7 * HOUR)
		ck_assert_int_eq(clock_look(&watch, NOW + t + t % 13, HOUR + t), 0);
	ck_assert_uint_ge(watch.now.stood_ns, 99 * DAY);
	ck_assert_uint_eq(watch.now.spans, 0);
	/* Less than a step, but not again and again */
	ck_assert_int_eq(clock_look(&watch, NOW + 100 * DAY + 3 * S / 2, HOUR + 100 * DAY), 0);
	ck_assert_int_eq(clock_look(&watch, NOW + 100 * DAY + 3 * S, HOUR + 100 * DAY), 3 * S);
}
END_TEST

START_TEST(a_step_is_seen_once_with_amount_and_direction)
{
	ck_assert_int_eq(clock_look(&watch, NOW + 400 * DAY, HOUR + S), (int64_t)(400 * DAY - S));
	ck_assert_uint_eq(watch.now.stood_ns, 0);
	ck_assert_int_eq(clock_look(&watch, NOW + 400 * DAY + S, HOUR + 2 * S), 0);
	ck_assert_uint_eq(watch.now.stood_ns, S);
	ck_assert_int_eq(clock_look(&watch, 60 * S, HOUR + 62 * S),
			 (int64_t)(60 * S) - (int64_t)(NOW + 400 * DAY + 61 * S));
	ck_assert_int_eq(clock_look(&watch, 61 * S, HOUR + 63 * S), 0);
}
END_TEST

/* A minute in which the clock is wrong: what is made before, in it and after it is as old as it was
 * waited for. */
START_TEST(waiting_makes_old_and_setting_does_not)
{
	clock_look(&watch, NOW + 400 * DAY, HOUR);
	ck_assert_uint_eq(clock_today(&watch.now, NOW - DAY), NOW + 399 * DAY);
	ck_assert_uint_eq(clock_today(&watch.now, NOW + 400 * DAY + S), NOW + 400 * DAY + S);
	clock_look(&watch, NOW + 400 * DAY + 60 * S, HOUR + 60 * S);
	clock_look(&watch, NOW + 60 * S, HOUR + 60 * S);
	clock_look(&watch, NOW + 120 * S, HOUR + 120 * S);
	ck_assert_uint_eq(clock_today(&watch.now, NOW - DAY), NOW - DAY);
	ck_assert_uint_eq(clock_today(&watch.now, NOW + 400 * DAY + 20 * S), NOW + 20 * S);
	ck_assert_uint_eq(clock_today(&watch.now, NOW + 90 * S), NOW + 90 * S);
	/* What no clock said stays as it is */
	ck_assert_uint_eq(clock_today(&watch.now, NOW + 900 * DAY), NOW + 900 * DAY);
}
END_TEST

/* Set back by an hour: a time that was told twice is the later one. */
START_TEST(of_two_times_the_later_one_counts)
{
	clock_look(&watch, NOW + HOUR, 2 * HOUR);
	clock_look(&watch, NOW, 2 * HOUR);
	clock_look(&watch, NOW + 60 * S, 2 * HOUR + 60 * S);
	ck_assert_uint_eq(clock_today(&watch.now, NOW - S), NOW - S - HOUR);
	ck_assert_uint_eq(clock_today(&watch.now, NOW + S), NOW + S);
}
END_TEST

START_TEST(many_steps_keep_rather_longer)
{
	uint64_t real = NOW, boot = HOUR;

	for (unsigned i = 0; i < 100; i++) {
		boot += HOUR;
		real += HOUR + (i % 2 ? -DAY : DAY);
		ck_assert_int_eq(clock_look(&watch, real, boot),
				 i % 2 ? -(int64_t)DAY : (int64_t)DAY);
		ck_assert_uint_le(watch.now.spans, CLOCK_SPANS);
		ck_assert_uint_ge(clock_today(&watch.now, NOW), NOW);
	}
}
END_TEST

START_TEST(a_new_time_stands_before_it_is_believed)
{
	static const struct {
		uint64_t age, least;
	} cases[] = { { S, S },
		      { HOUR / 4, 300 * S },
		      { HOUR, 360 * S },
		      { 5 * HOUR, HOUR / 2 },
		      { 365 * DAY, HOUR } };

	for (unsigned i = 0; i < 5; i++) {
		setup();
		ck_assert(!clock_stood(&watch.now, cases[i].age)); /* nor the first one */
		clock_look(&watch, NOW + cases[i].least - 1, HOUR + cases[i].least - 1);
		ck_assert(!clock_stood(&watch.now, cases[i].age));
		clock_look(&watch, NOW + cases[i].least, HOUR + cases[i].least);
		ck_assert(clock_stood(&watch.now, cases[i].age));
		clock_look(&watch, NOW + DAY, HOUR + cases[i].least);
		ck_assert(!clock_stood(&watch.now, cases[i].age));
	}
	ck_assert(!clock_stood(&(struct clock_now){ .stood_ns = DAY }, HOUR)); /* unknown */
}
END_TEST

START_TEST(a_period_ends_on_its_multiple_and_a_step_moves_nothing)
{
	uint64_t begin = NOW + HOUR / 2, due = clock_due(HOUR, begin, begin, HOUR);

	ck_assert_uint_eq(due, HOUR + HOUR / 2);
	ck_assert_int_eq(clock_left(HOUR, begin, begin, due, HOUR), (int64_t)(HOUR / 2));
	/* Drawn by a second */
	ck_assert_int_eq(clock_left(HOUR, begin, begin + S, due, HOUR), (int64_t)(HOUR / 2 - S));
	/* Set forward, set back */
	ck_assert_int_eq(clock_left(HOUR, begin, begin + 400 * DAY, due, HOUR + S),
			 (int64_t)(HOUR / 2 - S));
	ck_assert_int_eq(clock_left(HOUR, begin, 0, due, HOUR + S), (int64_t)(HOUR / 2 - S));
	ck_assert_int_eq(clock_left(HOUR, begin, 0, due, due), 0);
	ck_assert_int_eq(clock_left(HOUR, begin, NOW + HOUR, due, due), 0);
	ck_assert_int_eq(clock_left(HOUR, begin, NOW + 3 * HOUR, due, due + 2 * HOUR), 0);
	/* Found by another process when the clock was set meanwhile: now, or in a period at most */
	ck_assert_uint_eq(clock_due(HOUR, begin, begin + 400 * DAY, S), S);
	ck_assert_uint_eq(clock_due(HOUR, begin, 0, S), S + HOUR);
}
END_TEST

Suite *suite_clock(void)
{
	Suite *s = suite_create("clock");
	TCase *t = tcase_create("clock");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, clocks_that_run_together_are_not_set);
	tcase_add_test(t, a_step_is_seen_once_with_amount_and_direction);
	tcase_add_test(t, waiting_makes_old_and_setting_does_not);
	tcase_add_test(t, of_two_times_the_later_one_counts);
	tcase_add_test(t, many_steps_keep_rather_longer);
	tcase_add_test(t, a_new_time_stands_before_it_is_believed);
	tcase_add_test(t, a_period_ends_on_its_multiple_and_a_step_moves_nothing);
	suite_add_tcase(s, t);
	return s;
}
