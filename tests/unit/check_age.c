/* daemon/archive/retention.c, inventory.c: age and order, whatever becomes of clocks */
#include "place.h"
#include "suites.h"

#include "../../daemon/archive/inventory.h"
#include "../../daemon/archive/retention.h"
#include "../../daemon/base/clock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define START_US UINT64_C(1700000000000000)

static struct message_result result;

static const char *named(enum name_kind kind, uint32_t worker, uint64_t us)
{
	static char text[4][FILE_NAME_BYTES];
	static unsigned next;
	struct name name = { kind, worker, us, false };

	next = (next + 1) % 4;
	name_make(text[next], "eth0", &name);
	return text[next];
}

static bool enforce(unsigned ahead)
{
	result = (struct message_result){ 0 };
	return retention_enforce(&place, ahead, &result);
}

static int held(const char *name)
{
	place_file(name, NULL, 10);
	return openat(place.fd, name, O_RDWR | O_CLOEXEC);
}

#define S     UINT64_C(1000000000)
#define HOUR  (3600 * S)
#define DAY   (24 * HOUR)
#define TODAY (CLOCK_OLDEST_NS + 1000 * DAY)

/* A file named so long before (after: < 0) what the clock says. */
static const char *aged(enum name_kind kind, uint32_t worker, int64_t age_ns)
{
	return named(kind, worker, (TODAY - (uint64_t)age_ns) / 1000);
}

START_TEST(files_older_than_max_age_go)
{
	static const int64_t hour = (int64_t)HOUR, s = (int64_t)S;

	place.clock = (struct clock_now){ .real_ns = TODAY, .stood_ns = HOUR };
	place_file(aged(NAME_SUSPECT, 1, hour + s), NULL, 10);
	place_file(aged(NAME_FINISHED, 2, hour + s), NULL, 10);
	place_file(aged(NAME_FINISHED, 1, hour - s), NULL, 10);
	place_file(aged(NAME_PARTIAL, 1, 2 * hour), NULL, 10);
	ck_assert(enforce(0));
	ck_assert_uint_eq(result.removed, 0); /* 0: never */
	place.capture.config.max_age_ns = UINT64_MAX;
	ck_assert(enforce(0));
	ck_assert_uint_eq(result.removed, 0);
	place.capture.config.max_age_ns = HOUR;
	ck_assert(enforce(0));
	ck_assert_uint_eq(result.removed, 2);
	ck_assert_int_eq(place_size(aged(NAME_FINISHED, 1, hour - s)), 10);
	ck_assert_int_eq(place_size(aged(NAME_PARTIAL, 1, 2 * hour)), 10);
}
END_TEST

START_TEST(nothing_goes_by_a_clock_that_has_not_stood)
{
	place_log();
	place_file(aged(NAME_FINISHED, 0, 400 * (int64_t)DAY), NULL, 10);
	place.capture.config.max_age_ns = HOUR;
	ck_assert(enforce(0)); /* not known */
	place.clock = (struct clock_now){ .real_ns = TODAY, .stood_ns = 6 * 60 * S - 1 };
	ck_assert(enforce(0));
	ck_assert_uint_eq(result.removed, 0);
	place.clock.stood_ns++;
	ck_assert(enforce(0));
	ck_assert_uint_eq(result.removed, 1);
	ck_assert_uint_eq(place_logged("it is older than max_age"), 1);
}
END_TEST

/* A daemon that has just begun: files from shortly before and from longer before tell that the
 * clock stands; after a step they do not, and what this daemon finishes itself tells nothing. */
START_TEST(files_vouch_for_the_clock_at_a_start)
{
	static const int64_t day = (int64_t)DAY;
	const char *recent;

	place.clock = (struct clock_now){ .real_ns = TODAY, .stood_ns = S };
	place.capture.config.max_age_ns = 7 * DAY;
	place_file(aged(NAME_FINISHED, 0, 8 * day), NULL, 10);
	recent = aged(NAME_FINISHED, 1, (int64_t)HOUR / 2);
	place_file(recent, NULL, 10);
	place_finished(recent, TODAY - HOUR / 2);
	ck_assert(enforce(0));
	ck_assert_uint_eq(result.removed, 0); /* the same by a clock that was set a week ahead */
	place_file(aged(NAME_FINISHED, 2, 2 * day), NULL, 10);
	place_finished(recent, TODAY - HOUR - 2 * S); /* too long ago */
	ck_assert(enforce(0));
	ck_assert_uint_eq(result.removed, 0);
	place_finished(recent, TODAY); /* by this daemon */
	ck_assert(enforce(0));
	ck_assert_uint_eq(result.removed, 0);
	place_finished(recent, TODAY - HOUR / 2);
	place.clock.spans = 1; /* it has been set since */
	ck_assert(enforce(0));
	ck_assert_uint_eq(result.removed, 0);
	place.clock.spans = 0;
	ck_assert(enforce(0));
	ck_assert_uint_eq(result.removed, 1);
	ck_assert_uint_eq(place_count(), 2);
}
END_TEST

/* The clock was set forward by 400 days, long ago: what was there is as old as it was. */
START_TEST(what_a_step_made_old_stays)
{
	static const int64_t day = (int64_t)DAY;

	place.clock = (struct clock_now){
		.real_ns = TODAY,
		.stood_ns = 2 * HOUR,
		.since_ns = TODAY - 2 * HOUR,
		.spans = 1,
		.span = { { 0, TODAY - 2 * HOUR - 400 * DAY, 400 * day } },
	};
	place_file(aged(NAME_FINISHED, 0, 406 * day), NULL, 10); /* 6 days old */
	place_file(aged(NAME_FINISHED, 1, 408 * day), NULL, 10); /* 8 days old */
	place_file(aged(NAME_FINISHED, 2, (int64_t)HOUR), NULL, 10);
	place.capture.config.max_age_ns = 7 * DAY;
	ck_assert(enforce(0));
	ck_assert_uint_eq(result.removed, 1);
	ck_assert_int_eq(place_size(aged(NAME_FINISHED, 1, 408 * day)), -1);
	place.clock.spans = 0;
	ck_assert(enforce(0));
	ck_assert_uint_eq(result.removed, 1);
}
END_TEST

START_TEST(names_that_no_clock_gave_do_not_count_as_old)
{
	const char *future = aged(NAME_FINISHED, 3, -400 * (int64_t)DAY);

	place.clock = (struct clock_now){ .real_ns = TODAY, .stood_ns = HOUR };
	place.capture.config.max_age_ns = DAY;
	place_file(named(NAME_FINISHED, 0, 0), NULL, 10);
	place_file(named(NAME_FINISHED, 1, START_US), NULL, 10);
	place_file(named(NAME_FINISHED, 2, CLOCK_OLDEST_NS / 1000 - 1), NULL, 10);
	place_file(future, NULL, 10); /* by a clock that was ahead: its end counts, if that tells */
	place_finished(future, TODAY + DAY);
	ck_assert(enforce(0));
	ck_assert_uint_eq(result.removed, 0);
	place_finished(future, TODAY - DAY - 1);
	ck_assert(enforce(0));
	ck_assert_uint_eq(result.removed, 1);
	ck_assert_uint_eq(place_count(), 3);
	ck_assert_int_eq(place_size(future), -1);
	place_finished(named(NAME_FINISHED, 0, 0), TODAY - DAY + S); /* its packets' clock alone */
	place_finished(named(NAME_FINISHED, 1, START_US), TODAY - DAY - S);
	ck_assert(enforce(0));
	ck_assert_uint_eq(result.removed, 1);
	ck_assert_int_eq(place_size(named(NAME_FINISHED, 1, START_US)), -1);
}
END_TEST

/* Whatever clocks made of their names */
START_TEST(what_was_finished_first_goes_first)
{
	static const uint64_t names[] = { 9, 2, 7, 2, 8, 1 };

	for (unsigned i = 0; i < 6; i++) {
		place_file(named(NAME_FINISHED, i, START_US + names[i]), NULL, 1000);
		place_finished(named(NAME_FINISHED, i, START_US + names[i]), PLACE_FINISHED + i);
	}
	for (unsigned left = 5; left > 0; left--) {
		place.capture.config.disk_budget = left * 1000;
		ck_assert(enforce(0));
		ck_assert_uint_eq(result.removed, 1);
		for (unsigned i = 0; i < 6; i++)
			ck_assert_int_eq(place_size(named(NAME_FINISHED, i, START_US + names[i])) >=
						 0,
					 i > 5 - left);
	}
}
END_TEST

static uint64_t finished_at(const char *name)
{
	struct stat st;

	ck_assert_int_eq(fstatat(place.fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return (uint64_t)st.st_mtim.tv_sec * 1000000000 + (uint64_t)st.st_mtim.tv_nsec;
}

/* The clock was set back: files that come now go last all the same, in the order in which they
 * come, also when an archive process has died in between, and its successor knows nothing. */
START_TEST(what_is_finished_last_goes_last)
{
	const char *newest = named(NAME_FINISHED, 0, START_US);
	uint64_t last = clock_real_ns() + 400 * DAY;

	place_file(newest, NULL, 10);
	place_finished(newest, last);
	for (unsigned i = 0; i < 6; i++) {
		const char *name = named(NAME_FINISHED, 1, START_US - i);
		int fd = held(name);

		if (i % 2)
			place.newest_ns = 0;
		place_finished(name, PLACE_FINISHED - i);
		inventory_stamp(&place, fd);
		ck_assert_uint_gt(finished_at(name), last);
		last = finished_at(name);
		if (i == 3)
			enforce(0);
		close(fd);
	}
	place_clear();
	enforce(0);
	newest = named(NAME_PARTIAL, 0, START_US);
	inventory_stamp(&place, held(newest)); /* nothing to be behind of */
	ck_assert_uint_eq(finished_at(newest), PLACE_FINISHED);
}
END_TEST

Suite *suite_age(void)
{
	Suite *s = suite_create("age");
	TCase *t = tcase_create("age");

	tcase_add_checked_fixture(t, place_setup, place_teardown);
	tcase_add_test(t, files_older_than_max_age_go);
	tcase_add_test(t, nothing_goes_by_a_clock_that_has_not_stood);
	tcase_add_test(t, files_vouch_for_the_clock_at_a_start);
	tcase_add_test(t, what_a_step_made_old_stays);
	tcase_add_test(t, names_that_no_clock_gave_do_not_count_as_old);
	tcase_add_test(t, what_was_finished_first_goes_first);
	tcase_add_test(t, what_is_finished_last_goes_last);
	suite_add_tcase(s, t);
	return s;
}
