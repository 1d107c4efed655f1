/* daemon/archive/retention.c */
#include "place.h"
#include "suites.h"

#include "../../daemon/archive/retention.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_US UINT64_C(1700000000000000)
#define MIB	 (UINT64_C(1) << 20)

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

static bool there(enum name_kind kind, uint32_t worker, uint64_t us)
{
	return place_size(named(kind, worker, us)) >= 0;
}

/* A file held as its writer holds it. */
static int held(const char *name, size_t bytes)
{
	int fd;

	place_file(name, NULL, bytes);
	fd = openat(place.fd, name, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
	return fd;
}

static bool enforce(unsigned ahead)
{
	result = (struct message_result){ 0 };
	return retention_enforce(&place, ahead, &result);
}

START_TEST(the_oldest_go_until_the_budget_is_kept)
{
	for (unsigned i = 0; i < 10; i++)
		place_file(named(i % 3 ? NAME_FINISHED : NAME_SUSPECT, i % 2, START_US + i), NULL,
			   1000);
	place.capture.config.disk_budget = 10000;
	ck_assert(enforce(0)); /* to the byte */
	ck_assert_uint_eq(result.removed, 0);
	place.capture.config.disk_budget = 9999;
	ck_assert(enforce(0));
	ck_assert_uint_eq(result.removed, 1);
	ck_assert(!there(NAME_SUSPECT, 0, START_US));
	place.capture.config.disk_budget = 5500;
	ck_assert(enforce(0));
	ck_assert_uint_eq(result.removed, 4);
	for (unsigned i = 0; i < 10; i++)
		ck_assert_int_eq(there(i % 3 ? NAME_FINISHED : NAME_SUSPECT, i % 2, START_US + i),
				 i > 4);
	ck_assert_uint_eq(result.full, 0);
}
END_TEST

/* Names of the first version have the worker in front of the time. */
START_TEST(the_oldest_go_whichever_version_named_them)
{
	char text[10][FILE_NAME_BYTES];

	for (unsigned i = 0; i < 10; i++) {
		struct name name = { NAME_FINISHED, 9 - i, START_US + i, i % 3 != 1 };

		name_make(text[i], "eth0", &name);
		place_file(text[i], NULL, 1000);
	}
	for (unsigned left = 9; left > 0; left--) {
		place.capture.config.disk_budget = 1000 * left;
		ck_assert(enforce(0));
		ck_assert_uint_eq(result.removed, 1);
		for (unsigned i = 0; i < 10; i++)
			ck_assert_int_eq(place_size(text[i]) == 1000, i >= 10 - left);
	}
}
END_TEST

START_TEST(what_is_written_counts_as_what_it_may_grow_to)
{
	int partial = held(named(NAME_PARTIAL, 0, START_US + 50), 10),
	    spare = held(".eth0-w0-abcdef-1.spare", 4096),
	    large = held(named(NAME_PARTIAL, 1, START_US + 51), 1500000);

	for (unsigned i = 0; i < 4; i++)
		place_file(named(NAME_FINISHED, 0, START_US + i), NULL, 1000);
	place.capture.config.disk_budget = 1000000 + 1000000 + 1500000 + 4000;
	ck_assert(enforce(0));
	ck_assert_uint_eq(result.removed, 0);
	place.capture.config.disk_budget--;
	ck_assert(enforce(0));
	ck_assert_uint_eq(result.removed, 1);
	place.capture.config.disk_budget += 1000000 - 1000;
	ck_assert(enforce(1)); /* one more about to be made */
	ck_assert_uint_eq(result.removed, 1);
	ck_assert(!enforce(2));
	ck_assert_uint_eq(result.removed, 2);
	ck_assert_uint_eq(place_count(), 3); /* those in use stay whatever the budget is */
	place.capture.config.disk_budget = 1;
	ck_assert(!enforce(0));
	ck_assert_uint_eq(place_count(), 3);
	close(partial);
	close(spare);
	close(large);
}
END_TEST

/* A worker that was taken over makes its own large, so that the others' have to go */
START_TEST(a_hole_drives_nobody_out)
{
	int partial = held(named(NAME_PARTIAL, 0, START_US + 50), 10),
	    finished = held(named(NAME_FINISHED, 0, START_US + 49), 10);

	for (unsigned i = 0; i < 4; i++)
		place_file(named(NAME_FINISHED, 1, START_US + i), NULL, 1000);
	ck_assert_int_eq(ftruncate(partial, INT64_C(1) << 34), 0);
	ck_assert_int_eq(ftruncate(finished, INT64_C(1) << 34), 0);
	place.capture.config.disk_budget =
		2 * 1000000 + 2 * 1000000 + 4000; /* two files' sizes, no more */
	ck_assert(enforce(0));
	ck_assert_uint_eq(result.removed, 0);
	close(partial);
	close(finished);
}
END_TEST

START_TEST(what_a_dead_daemon_left_counts_as_what_it_takes)
{
	const char *partial = named(NAME_PARTIAL, 0, START_US);
	int fd;

	place_file(partial, NULL, 40960);
	place_file(named(NAME_FINISHED, 0, START_US + 1), NULL, 1000);
	place.capture.config.disk_budget = 41960;
	ck_assert(enforce(0));
	ck_assert_uint_eq(result.removed, 0);
	fd = openat(place.fd, partial, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 409600), 0);
	close(fd);
	ck_assert(!enforce(0));
	ck_assert_uint_eq(result.removed, 1);
	ck_assert_int_eq(place_size(partial), 40960);
}
END_TEST

static uint64_t available(void)
{
	struct statvfs fs;

	ck_assert_int_eq(fstatvfs(place.fd, &fs), 0);
	return (uint64_t)fs.f_bavail * fs.f_frsize;
}

START_TEST(the_oldest_go_until_the_reserve_is_available)
{
	for (unsigned i = 0; i < 8; i++)
		place_file(named(NAME_FINISHED, 0, START_US + i), NULL, 4 * MIB);
	place.capture.config.disk_reserve = available();
	ck_assert(enforce(0));
	ck_assert_uint_eq(result.removed, 0);
	ck_assert_uint_eq(result.available, available());
	place.capture.config.disk_reserve++;
	ck_assert(enforce(0));
	ck_assert_uint_eq(result.removed, 1);
	place.capture.config.disk_reserve += 8 * MIB;
	enforce(0);
	ck_assert_uint_eq(result.removed, 2);
	ck_assert_uint_eq(result.full, 0);
	ck_assert(!there(NAME_FINISHED, 0, START_US + 2));
	ck_assert(there(NAME_FINISHED, 0, START_US + 3));
	place_file("foreign", NULL, 64 * MIB);
	enforce(0);
	ck_assert_uint_eq(result.removed, 5);
	ck_assert_uint_eq(result.full, 1); /* nothing of ours is left */
	ck_assert_uint_eq(place_count(), 1);
	ck_assert_uint_eq(result.available, available());
	place_clear();
	enforce(0);
	ck_assert_uint_eq(result.full, 0);
}
END_TEST

/* A reserve is kept while files grow, too; but a file that might once be larger than the disk is no
 * reason to keep none. */
START_TEST(what_the_next_file_may_take_is_kept_free_within_bounds)
{
	place_file(named(NAME_FINISHED, 0, START_US), NULL, 4 * MIB);
	place.capture.config.disk_reserve = available() - 4 * MIB;
	place.capture.file_bytes = 8 * MIB;
	enforce(0);
	ck_assert_uint_eq(result.removed, 0);
	enforce(1);
	ck_assert_uint_eq(result.removed, 1);
	ck_assert_uint_eq(result.full, 0);
	place_file(named(NAME_FINISHED, 0, START_US), NULL, 4 * MIB);
	place.capture.file_bytes = 1024 * MIB;
	place.capture.config.disk_reserve = available() / 2;
	enforce(2);
	ck_assert_uint_eq(result.removed, 0);
	place.capture.config.disk_reserve += 2;
	enforce(2);
	ck_assert_uint_eq(result.removed, 1);
	place_file(named(NAME_FINISHED, 0, START_US), NULL, 4 * MIB);
	place.capture.config.disk_reserve = 0;
	enforce(2);
	ck_assert_uint_eq(result.removed, 0);
}
END_TEST

START_TEST(the_reserve_may_be_a_share_of_the_file_system)
{
	place.capture.config.disk_reserve = -50;
	place_file("foreign", NULL, 126 * MIB);
	place_file(named(NAME_FINISHED, 0, START_US), NULL, MIB);
	enforce(0);
	ck_assert_uint_eq(result.removed, 0);
	place_file(named(NAME_FINISHED, 0, START_US + 1), NULL, 2 * MIB);
	enforce(0);
	ck_assert_uint_eq(result.removed, 1);
	ck_assert_uint_eq(result.full, 0);
	place_file("more", NULL, 3 * MIB);
	enforce(0);
	ck_assert_uint_eq(result.full, 1);
	place.capture.config.disk_reserve = MIB; /* or bytes */
	enforce(0);
	ck_assert_uint_eq(result.full, 0);
}
END_TEST

/* Its blocks are not free while a reader has it open: no reason to remove all the others. */
START_TEST(a_removed_file_that_is_being_read_counts_as_removed)
{
	int reader;

	for (unsigned i = 0; i < 4; i++)
		place_file(named(NAME_FINISHED, 0, START_US + i), NULL, 4 * MIB);
	reader = openat(place.fd, named(NAME_FINISHED, 0, START_US), O_RDONLY | O_CLOEXEC);
	place.capture.config.disk_reserve = available() + 1;
	enforce(0);
	ck_assert_uint_eq(result.removed, 1);
	close(reader);
	enforce(0);
	ck_assert_uint_eq(result.removed, 0);
}
END_TEST

START_TEST(foreign_files_are_never_touched)
{
	static const char *const names[] = { "README",
					     "eth0.pcapng",
					     "eth1-20200101T000000.000000Z-w0.pcapng",
					     "eth0-x-20200101T000000.000000Z-w0.pcapng",
					     "eth0-20200101T000000.000000Z-w0.pcapng.gz",
					     "eth0-20200101T000000.000000Z-w0.pcapng.partial" };

	for (unsigned i = 0; i < 6; i++)
		place_file(names[i], NULL, 5000);
	place_file("target", NULL, 5000);
	ck_assert_int_eq(symlinkat("target", place.fd, named(NAME_FINISHED, 0, START_US)), 0);
	ck_assert_int_eq(symlinkat("none", place.fd, named(NAME_SUSPECT, 0, START_US)), 0);
	ck_assert_int_eq(mkdirat(place.fd, named(NAME_FINISHED, 1, START_US), 0700), 0);
	ck_assert_int_eq(mkfifoat(place.fd, named(NAME_FINISHED, 2, START_US), 0600), 0);
	ck_assert_int_eq(mkfifoat(place.fd, named(NAME_PARTIAL, 2, START_US), 0600), 0);
	place_file(named(NAME_FINISHED, 3, START_US), NULL, 5000); /* ours */
	place.capture.config.disk_budget = 1;
	place.capture.config.disk_reserve = INT64_MAX;
	place.capture.config.max_age_ns = 1;
	enforce(1);
	ck_assert_uint_eq(result.removed, 1);
	ck_assert_uint_eq(result.full, 1);
	ck_assert_uint_eq(place_count(), 12);
}
END_TEST

START_TEST(of_the_same_age_the_first_worker_goes_first)
{
	for (unsigned i = 0; i < 12; i++)
		place_file(named(NAME_FINISHED, 11 - i, START_US), NULL, 1000);
	place.capture.config.disk_budget = 9000;
	enforce(0);
	ck_assert_uint_eq(result.removed, 3);
	for (unsigned i = 0; i < 12; i++)
		ck_assert_int_eq(there(NAME_FINISHED, i, START_US), i > 2);
}
END_TEST

/* A mount point cannot be removed: not by root either. */
START_TEST(what_cannot_be_removed_is_told_once_and_skipped)
{
	char path[PATH_BYTES + FILE_NAME_BYTES];

	place_log();
	for (unsigned i = 0; i < 4; i++)
		place_file(named(NAME_FINISHED, 0, START_US + i), NULL, 1000);
	snprintf(path, sizeof(path), PLACE_DIRECTORY "/%s", named(NAME_FINISHED, 0, START_US));
	ck_assert_int_eq(mount(path, path, NULL, MS_BIND, NULL), 0);
	place.capture.config.disk_budget = 2000;
	for (unsigned i = 0; i < 3; i++)
		ck_assert(enforce(0));
	ck_assert(there(NAME_FINISHED, 0, START_US));
	ck_assert(!there(NAME_FINISHED, 0, START_US + 2));
	ck_assert(there(NAME_FINISHED, 0, START_US + 3));
	ck_assert_uint_eq(place_logged("eth0/0: removed"), 2);
	place.capture.config.disk_budget = 1;
	for (unsigned i = 0; i < 3; i++)
		ck_assert(!enforce(0));
	ck_assert_uint_eq(place_logged("Device or resource busy"), 1);
	ck_assert_uint_eq(place_logged("disk_budget"), 4);
	umount(path);
}
END_TEST

/* Another program that moves files away meanwhile is no error. */
START_TEST(files_may_vanish_at_any_moment)
{
	pid_t other;
	int status;

	place_log();
	place.capture.config.disk_budget = 1;
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 300; i++)
			place_file(named(NAME_FINISHED, 0, START_US + i), "x", 1);
		other = fork();
		if (other == 0) {
			for (unsigned i = 300; i-- > 0;)
				unlinkat(place.fd, named(NAME_FINISHED, 0, START_US + i), 0);
			_exit(0);
		}
		ck_assert(enforce(0));
		ck_assert_int_eq(waitpid(other, &status, 0), other);
		ck_assert_uint_le(place_count(), 1);
		place_clear();
	}
	ck_assert_uint_eq(place_logged("<3>"), 0);
}
END_TEST

/* Any directory: never more than the budget, and not one file less than it allows. */
START_TEST(the_youngest_that_fit_stay)
{
	srandom(7);
	for (unsigned round = 0; round < 300; round++) {
		unsigned n = (unsigned)random() % 40;
		uint64_t sizes[40], budget = (uint64_t)random() % 60000 + 1, kept = 0;
		unsigned first = n;

		for (unsigned i = 0; i < n; i++) {
			sizes[i] = (uint64_t)random() % 5000;
			place_file(named(random() % 2 ? NAME_FINISHED : NAME_SUSPECT,
					 (uint32_t)random() % 64, START_US + i),
				   NULL, sizes[i]);
		}
		while (first > 0 && kept + sizes[first - 1] <= budget)
			kept += sizes[--first];
		place.capture.config.disk_budget = budget;
		ck_assert(enforce(0));
		ck_assert_uint_eq(result.removed, first);
		ck_assert_uint_eq(place_count(), n - first);
		place_clear();
	}
}
END_TEST

/* Whoever may put files there, of any size and with any name, has no word in which of ours go.
 * Those of root and of the directory's owner are an earlier daemon's. */
START_TEST(files_of_other_users_neither_count_nor_go)
{
	static const uid_t owners[] = { 1234, 0, 4321 };

	for (unsigned i = 0; i < 3; i++) {
		place_file(named(NAME_FINISHED, i, START_US), NULL, 1000);
		place_file(named(NAME_PARTIAL, i, START_US), NULL, 1000);
		for (unsigned partial = 0; partial < 2; partial++)
			ck_assert_int_eq(
				fchownat(place.fd,
					 named(partial ? NAME_PARTIAL : NAME_FINISHED, i, START_US),
					 owners[i], (gid_t)-1, 0),
				0);
	}
	place.user = 99;
	place.owner = 4321;
	place.capture.config.disk_budget =
		2 * 1000 + 2 * 4096; /* what is no file yet counts by its pages */
	ck_assert(enforce(0));
	ck_assert_uint_eq(result.removed, 0);
	place.capture.config.disk_budget = 1;
	place.capture.config.max_age_ns = 1;
	enforce(0);
	ck_assert_uint_eq(result.removed, 2);
	ck_assert(there(NAME_FINISHED, 0, START_US));
	ck_assert_uint_eq(place_count(), 4);
}
END_TEST

Suite *suite_retention(void)
{
	Suite *s = suite_create("retention");
	TCase *t = tcase_create("retention");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, place_setup, place_teardown);
	tcase_add_test(t, the_oldest_go_until_the_budget_is_kept);
	tcase_add_test(t, the_oldest_go_whichever_version_named_them);
	tcase_add_test(t, what_is_written_counts_as_what_it_may_grow_to);
	tcase_add_test(t, a_hole_drives_nobody_out);
	tcase_add_test(t, what_a_dead_daemon_left_counts_as_what_it_takes);
	tcase_add_test(t, the_oldest_go_until_the_reserve_is_available);
	tcase_add_test(t, what_the_next_file_may_take_is_kept_free_within_bounds);
	tcase_add_test(t, the_reserve_may_be_a_share_of_the_file_system);
	tcase_add_test(t, a_removed_file_that_is_being_read_counts_as_removed);
	tcase_add_test(t, foreign_files_are_never_touched);
	tcase_add_test(t, of_the_same_age_the_first_worker_goes_first);
	tcase_add_test(t, what_cannot_be_removed_is_told_once_and_skipped);
	tcase_add_test(t, files_may_vanish_at_any_moment);
	tcase_add_test(t, the_youngest_that_fit_stay);
	tcase_add_test(t, files_of_other_users_neither_count_nor_go);
	suite_add_tcase(s, t);
	return s;
}
