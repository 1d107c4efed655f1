/* daemon/archive/foreign.c, trial.c: files that another machine may be writing. */
#include "recording.h"
#include "place.h"
#include "suites.h"

#include "../../daemon/archive/foreign.h"
#include "../../daemon/archive/repair.h"
#include "../../daemon/archive/trial.h"
#include "../../daemon/format/header.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LEFT  "eth0-20260203T040506.789012Z-w0.pcapng.partial"
#define SPARE ".eth0-w0-1-1.spare"
#define BEGIN UINT64_C(5000000000)

static struct recording file;
static struct foreign seen;

/* A file with packets, or a head alone, of the machine whose id is all of this byte. */
static int left_by(const char *name, uint8_t machine, bool packets)
{
	struct message_capture other = place.capture;
	int fd;

	recording_build(&file, 5, 3, false);
	memset(other.machine, machine, sizeof(other.machine));
	recording_header(file.bytes, &other, 0, "Linux 6.1", "afcapd");
	ck_assert(header_valid(file.bytes));
	place_file(name, file.bytes, packets ? file.size : FILE_HEADER_BYTES);
	fd = openat(place.fd, name, O_RDWR);
	ck_assert_int_ge(fd, 0);
	return fd;
}

static void setup(void)
{
	memset(&seen, 0, sizeof(seen));
	place_setup();
	memset(place.capture.machine, 7, sizeof(place.capture.machine));
}

START_TEST(the_head_says_which_machine_made_it)
{
	uint8_t page[FILE_HEADER_BYTES];

	memset(place.capture.boot, 9, sizeof(place.capture.boot));
	recording_header(page, &place.capture, 1, "Linux 6.1", "afcapd");
	ck_assert(header_valid(page));
	ck_assert_mem_eq(header_machine(page), place.capture.machine, ID_BYTES);
	ck_assert_mem_eq(header_machine(page) + ID_BYTES, place.capture.boot, ID_BYTES);
	page[header_machine(page) - page - 4]++; /* another option: of a version that had none */
	ck_assert(header_valid(page));
	ck_assert_ptr_null(header_machine(page));
}
END_TEST

START_TEST(what_this_machine_left_is_not_waited_for)
{
	static const uint8_t ids[] = { 7, 0 }; /* its own, and one that was not known */
	int fd = left_by(LEFT, ids[_i], true);

	ck_assert(!foreign_busy(&seen, &place, fd, BEGIN));
	close(fd);
	memset(place.capture.machine, 0, sizeof(place.capture.machine));
	fd = left_by(LEFT, 8, true); /* this one is not known */
	ck_assert(!foreign_busy(&seen, &place, fd, BEGIN));
	close(fd);
}
END_TEST

START_TEST(what_another_machine_left_is_repaired_when_it_has_not_grown_for_long)
{
	int fd = left_by(LEFT, 8, true);

	ck_assert(foreign_busy(&seen, &place, fd, BEGIN));
	ck_assert(foreign_busy(&seen, &place, fd, BEGIN + FOREIGN_QUIET_NS - 1));
	ck_assert_int_eq(ftruncate(fd, (off_t)file.size + 100), 0); /* it grows */
	ck_assert(foreign_busy(&seen, &place, fd, BEGIN + FOREIGN_QUIET_NS));
	ck_assert(foreign_busy(&seen, &place, fd, BEGIN + 2 * FOREIGN_QUIET_NS - 1));
	ck_assert(!foreign_busy(&seen, &place, fd, BEGIN + 2 * FOREIGN_QUIET_NS));
	close(fd);
}
END_TEST

/* It has no packet until its turn comes. */
START_TEST(a_spare_of_another_machine_stays_for_a_day)
{
	int fd = left_by(SPARE, 8, false);

	ck_assert(foreign_busy(&seen, &place, fd, BEGIN));
	ck_assert(foreign_busy(&seen, &place, fd, BEGIN + FOREIGN_QUIET_NS));
	ck_assert(!foreign_busy(&seen, &place, fd, BEGIN + FOREIGN_SPARE_NS));
	close(fd);
}
END_TEST

/* More than are remembered, in several directories, which are looked through one after the other */
START_TEST(however_many_files_are_looked_at_each_has_its_time)
{
	static bool left[700];
	unsigned count = 0;
	uint64_t now = BEGIN;

	for (unsigned round = 0; round < 20; round++, now += FOREIGN_LEFT_NS)
		for (unsigned i = 0; i < 700; i++) {
			const struct stat st = { .st_dev = 1, .st_ino = 100 + i, .st_size = 5000 };

			if (left[i] || !foreign_left(&seen, &st, now + i))
				continue;
			ck_assert_uint_ge(round, 1);
			left[i] = true;
			count++;
			foreign_forget(&seen, &st);
		}
	ck_assert_uint_eq(count, 700);
}
END_TEST

/* What went is forgotten in the end. */
START_TEST(files_that_are_not_there_any_more_take_no_place)
{
	struct stat st = { .st_dev = 1, .st_size = 5000 };

	for (unsigned i = 0; i < 700; i++) {
		st.st_ino = 100 + i;
		ck_assert(!foreign_left(&seen, &st, BEGIN));
	}
	st.st_ino = 99;
	ck_assert(!foreign_left(&seen, &st, BEGIN + 10 * FOREIGN_LEFT_NS));
	ck_assert(!foreign_left(&seen, &st, BEGIN + 11 * FOREIGN_LEFT_NS - 1));
	ck_assert(foreign_left(&seen, &st, BEGIN + 11 * FOREIGN_LEFT_NS));
}
END_TEST

START_TEST(repair_leaves_the_files_of_another_machine_alone)
{
	struct message_result result = { 0 };

	close(left_by(LEFT, 8, true));
	close(left_by(SPARE, 8, false));
	ck_assert(!repair_step(&place, &result));
	ck_assert_uint_eq(result.repaired, 0);
	ck_assert_int_eq(place_size(LEFT), (int64_t)file.size);
	ck_assert_int_eq(place_size(SPARE), FILE_HEADER_BYTES);
	close(left_by(LEFT, 7, true)); /* its own */
	ck_assert(repair_step(&place, &result));
	ck_assert_uint_eq(result.repaired, 1);
}
END_TEST

START_TEST(a_trial_leaves_nothing_behind)
{
	struct message_result result = { 0 };

	trial_run(&place, &result);
	ck_assert_int_eq(result.error, 0);
	ck_assert(place.tried);
	ck_assert_uint_eq(place_count(), 0);
	ck_assert_ptr_null(directory_shared(&place));
}
END_TEST

/* It may pass: said when the first file is made, and tried again. */
START_TEST(a_trial_does_not_judge_what_may_pass)
{
	struct message_result result = { 0 };

	place_file("large", NULL, PLACE_BYTES - (1u << 20));
	while (place_count() < 2000) { /* until there is no page left */
		char name[32];
		int fd;

		snprintf(name, sizeof(name), "%u", place_count());
		fd = openat(place.fd, name, O_WRONLY | O_CREAT, 0600);
		if (fd < 0 || posix_fallocate(fd, 0, 4096)) {
			close(fd);
			break;
		}
		close(fd);
	}
	trial_run(&place, &result);
	ck_assert_int_eq(result.error, 0);
	ck_assert(!place.tried);
}
END_TEST

Suite *suite_foreign(void)
{
	Suite *s = suite_create("foreign");
	TCase *t = tcase_create("foreign");

	tcase_add_checked_fixture(t, setup, place_teardown);
	tcase_add_test(t, the_head_says_which_machine_made_it);
	tcase_add_loop_test(t, what_this_machine_left_is_not_waited_for, 0, 2);
	tcase_add_test(t, what_another_machine_left_is_repaired_when_it_has_not_grown_for_long);
	tcase_add_test(t, a_spare_of_another_machine_stays_for_a_day);
	tcase_add_test(t, however_many_files_are_looked_at_each_has_its_time);
	tcase_add_test(t, files_that_are_not_there_any_more_take_no_place);
	tcase_add_test(t, repair_leaves_the_files_of_another_machine_alone);
	tcase_add_test(t, a_trial_leaves_nothing_behind);
	tcase_add_test(t, a_trial_does_not_judge_what_may_pass);
	suite_add_tcase(s, t);
	return s;
}
