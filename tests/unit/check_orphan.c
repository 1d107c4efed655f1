/* daemon/archive/orphan.c: files of captures that this daemon does not have. */
#include "recording.h"
#include "place.h"
#include "suites.h"

#include "../../daemon/archive/foreign.h"
#include "../../daemon/archive/common.h"
#include "../../daemon/archive/orphan.h"
#include "../../daemon/archive/retention.h"
#include "../../daemon/base/config.h"
#include "../../daemon/format/header.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define STAMP	 "20260203T040506.789012Z"
#define STEM	 "gone-1-" STAMP "-w3"
#define PARTIAL	 STEM ".pcapng.partial"
#define FINISHED STEM ".pcapng"
#define SPARE	 ".gone-1-w3-ab12-17.spare"
#define BEGIN	 UINT64_C(5000000000)
#define LEFT	 FOREIGN_LEFT_NS

static struct directory directories[CAPTURES_MAX];
static struct recording file;

static void setup(void)
{
	place_setup();
	memset(place.capture.machine, 7, sizeof(place.capture.machine));
	place.capture.together = 1;
	directories[5] = place;
}

/* A file whose head says who made it: with packets, or the head alone. */
static void made_by(const char *name, const char *capture, uint32_t worker, bool packets)
{
	struct message_capture other = place.capture;

	recording_build(&file, 5, 3, false);
	snprintf(other.name, sizeof(other.name), "%s", capture);
	recording_header(file.bytes, &other, worker, "Linux 6.1", "afcapd 0.1.0");
	place_file(name, file.bytes, packets ? file.size : FILE_HEADER_BYTES);
}

/* As often as once a minute. */
static bool stepped_until(uint64_t end_ns)
{
	bool done = false;

	for (uint64_t now = BEGIN; now < end_ns; now += LEFT)
		done |= orphan_step(&place, directories, now);
	return done || orphan_step(&place, directories, end_ns);
}

static int lock_of(const char *name)
{
	int fd = openat(place.fd, name, O_RDWR | O_CLOEXEC);

	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	return fd;
}

START_TEST(files_of_no_capture_are_repaired_under_their_own_name)
{
	static uint8_t repaired[RECORDING_MAX];
	struct recording_found found;

	place_log();
	made_by(PARTIAL, "gone-1", 3, true);
	made_by(SPARE, "gone-1", 3, false);
	ck_assert(!orphan_step(&place, directories, BEGIN));
	ck_assert(!orphan_step(&place, directories, BEGIN + LEFT - 1));
	ck_assert_int_eq(place_size(PARTIAL), (int64_t)file.size);
	ck_assert_int_eq(place_size(SPARE), FILE_HEADER_BYTES);
	ck_assert(orphan_step(&place, directories, BEGIN + LEFT));
	ck_assert(!orphan_step(&place, directories, BEGIN + 2 * LEFT));
	ck_assert_uint_eq(place_count(), 1);
	ck_assert(
		recording_read(repaired, place_read(FINISHED, repaired, sizeof(repaired)), &found));
	ck_assert_uint_eq(found.chunks, 5);
	ck_assert_uint_eq(place_logged("gone-1/3: repaired " FINISHED " in " PLACE_DIRECTORY ": "),
			  1);
	ck_assert_uint_eq(place_logged("eth0"), 0);
	/* nothing is remembered of it for the capture whose directory it is */
	ck_assert_str_eq(place.capture.name, "eth0");
	ck_assert_uint_eq(place.newest_ns, 0);
}
END_TEST

START_TEST(one_file_of_no_capture_is_repaired_at_a_time_and_all_spares)
{
	static const char *const captures[] = { "a", "b-w0", "c.pcapng" };
	unsigned steps = 0;

	for (unsigned i = 0; i < 9; i++) {
		struct name name = { NAME_PARTIAL, i % 3, 1000, i % 2 };
		char text[FILE_NAME_BYTES];

		name_make(text, captures[i / 3], &name);
		made_by(text, captures[i / 3], i % 3, true);
		name_make_spare(text, captures[i / 3], i % 3, 1, i);
		made_by(text, captures[i / 3], i % 3, false);
	}
	ck_assert(!orphan_step(&place, directories, BEGIN));
	ck_assert(orphan_step(&place, directories, BEGIN + LEFT));
	ck_assert_uint_eq(place_count(), 9);
	do
		steps++;
	while (orphan_step(&place, directories, BEGIN + LEFT));
	ck_assert_uint_eq(steps, 9);
	ck_assert_int_gt(place_size("b-w0-19700101T000000.001000Z-w1.pcapng"), (int64_t)file.size);
	ck_assert_int_gt(place_size("b-w0-w2-19700101T000000.001000Z.pcapng"), (int64_t)file.size);
	ck_assert_uint_eq(place_count(), 9);
}
END_TEST

/* There may be more of them than what is remembered of files that are looked at */
START_TEST(however_many_there_are)
{
	uint64_t now = BEGIN;

	for (unsigned i = 0; i < 600; i++) {
		char text[FILE_NAME_BYTES];

		name_make_spare(text, "gone", i % 64, 1, i);
		made_by(text, "gone", i % 64, false);
	}
	for (unsigned i = 0; i < 30 && place_count(); i++, now += LEFT)
		orphan_step(&place, directories, now);
	ck_assert_uint_eq(place_count(), 0);
}
END_TEST

/* While a daemon is restarted under a service manager its files are nobody's, and it goes on with
 * them. */
START_TEST(what_was_held_meanwhile_is_waited_for_again)
{
	int fd;

	made_by(PARTIAL, "gone-1", 3, true);
	made_by(SPARE, "gone-1", 3, false);
	for (unsigned i = 0; i < 5; i++) {
		uint64_t now = BEGIN + i * 2 * LEFT;
		int spare;

		ck_assert(!orphan_step(&place, directories, now));
		fd = lock_of(PARTIAL);
		spare = lock_of(SPARE);
		ck_assert(!orphan_step(&place, directories, now + LEFT));
		close(fd);
		close(spare);
	}
	ck_assert(!orphan_step(&place, directories, BEGIN + 10 * LEFT));
	fd = openat(place.fd, PARTIAL, O_WRONLY | O_CLOEXEC); /* written by who has no lock */
	ck_assert_int_eq(ftruncate(fd, (off_t)file.size + 100), 0);
	close(fd);
	ck_assert_int_eq(unlinkat(place.fd, SPARE, 0), 0);
	ck_assert(!orphan_step(&place, directories, BEGIN + 11 * LEFT));
	ck_assert_int_eq(place_size(PARTIAL), (int64_t)file.size + 100);
	ck_assert(orphan_step(&place, directories, BEGIN + 12 * LEFT));
	ck_assert_int_gt(place_size(FINISHED), FILE_HEADER_BYTES);
}
END_TEST

START_TEST(what_is_held_or_in_use_is_left_alone)
{
	int fd, used;

	made_by(PARTIAL, "gone-1", 3, true);
	made_by(SPARE, "gone-1", 3, false);
	fd = lock_of(PARTIAL);
	used = openat(place.fd, SPARE, O_RDONLY | O_CLOEXEC);
	openfiles_add(&place.common->open, used, -1);
	ck_assert(!stepped_until(BEGIN + 5 * LEFT));
	ck_assert_int_eq(place_size(PARTIAL), (int64_t)file.size);
	ck_assert_int_eq(place_size(SPARE), FILE_HEADER_BYTES);
	ck_assert_uint_eq(place_count(), 2);
	openfiles_remove(&place.common->open, used);
	close(used);
	close(fd);
}
END_TEST

/* In whatever place: it finds its files itself, and looks for nothing before it has. */
START_TEST(captures_of_this_daemon_see_to_their_own_files)
{
	made_by(PARTIAL, "gone-1", 3, true);
	place.capture.together = 2; /* one is to be told of yet */
	ck_assert(!stepped_until(BEGIN + 3 * LEFT));
	directories[9] = place;
	snprintf(directories[9].capture.name, CAPTURE_NAME_BYTES, "gone-1");
	ck_assert(!stepped_until(BEGIN + 3 * LEFT));
	ck_assert_int_eq(place_size(PARTIAL), (int64_t)file.size);
	snprintf(directories[9].capture.name, CAPTURE_NAME_BYTES, "gone-2");
	ck_assert(stepped_until(BEGIN + 3 * LEFT));
	ck_assert_int_eq(place_size(PARTIAL), -1);
}
END_TEST

/* Its own, too: they are repair_step()'s. */
START_TEST(no_file_of_the_places_capture_is_touched)
{
	made_by("eth0-" STAMP "-w3.pcapng.partial", "eth0", 3, true);
	ck_assert(!stepped_until(BEGIN + 3 * LEFT));
	ck_assert_int_eq(place_size("eth0-" STAMP "-w3.pcapng.partial"), (int64_t)file.size);
}
END_TEST

static const struct {
	const char *name, *capture;
	uint32_t worker;
} strangers[] = {
	{ PARTIAL, "gone-2", 3 },
	{ PARTIAL, "gone", 3 },
	{ PARTIAL, "gone-1", 2 },
	{ PARTIAL, "gone-1", 33 },
	{ SPARE, "eth0", 3 },
	{ FINISHED, "gone-1", 3 },
	{ STEM ".suspect.pcapng", "gone-1", 3 },
	{ "copy of " PARTIAL, "gone-1", 3 },
	{ "." PARTIAL, ".gone-1", 3 },
	{ "gone-1-" STAMP "-w03.pcapng.partial", "gone-1", 3 },
	{ "gone-1-" STAMP "-w3.pcapng.partial.partial", "gone-1", 3 },
	{ "a-name-that-is-one-character-too-long-" STAMP "-w3.pcapng.partial",
	  "a-name-that-is-one-character-too-long", 3 },
};

START_TEST(neither_name_nor_head_alone_make_a_file_ours)
{
	place_log();
	made_by(strangers[_i].name, strangers[_i].capture, strangers[_i].worker, true);
	ck_assert(!stepped_until(BEGIN + 3 * LEFT));
	ck_assert_int_eq(place_size(strangers[_i].name), (int64_t)file.size);
	ck_assert_uint_eq(place_count(), 1);
	ck_assert_uint_eq(place_logged("in " PLACE_DIRECTORY), 0);
}
END_TEST

static void no_orphan_make(unsigned kind)
{
	made_by(PARTIAL, "gone-1", 3, true);
	if (kind == 0) { /* another program's */
		recording_header(file.bytes, &place.capture, 3, "Linux 6.1", "afcapdump 1");
		place_file(PARTIAL, file.bytes, file.size);
	} else if (kind == 1) {
		place_file(PARTIAL, "somebody's notes", 16);
	} else if (kind == 2) {
		place_file(PARTIAL, "", 0);
	} else if (kind == 3) {
		ck_assert_int_eq(linkat(place.fd, PARTIAL, place.fd, "second", 0), 0);
	} else if (kind == 4) {
		ck_assert_int_eq(fchownat(place.fd, PARTIAL, 1234, (gid_t)-1, 0), 0);
	} else {
		ck_assert_int_eq(renameat(place.fd, PARTIAL, place.fd, "x"), 0);
		ck_assert_int_eq(kind == 5 ? symlinkat("x", place.fd, PARTIAL)
					   : mkfifoat(place.fd, PARTIAL, 0600),
				 0);
	}
}

/* ... and it is not told of: it is nobody's business here. */
START_TEST(what_nobody_here_made_is_left_in_silence)
{
	struct stat before, after;

	place_log();
	no_orphan_make((unsigned)_i);
	ck_assert_int_eq(fstatat(place.fd, PARTIAL, &before, AT_SYMLINK_NOFOLLOW), 0);
	ck_assert(!stepped_until(BEGIN + 3 * LEFT));
	ck_assert_int_eq(fstatat(place.fd, PARTIAL, &after, AT_SYMLINK_NOFOLLOW), 0);
	ck_assert_int_eq(before.st_size, after.st_size);
	ck_assert_int_eq(before.st_ino, after.st_ino);
	ck_assert_int_eq(before.st_ctim.tv_nsec, after.st_ctim.tv_nsec);
	ck_assert_uint_eq(place_logged("in " PLACE_DIRECTORY), 0);
}
END_TEST

/* Locks of another machine are not seen: its files wait as long as those of the captures do. */
START_TEST(another_machines_are_waited_for_as_for_any)
{
	memset(place.capture.machine, 8, sizeof(place.capture.machine));
	made_by(PARTIAL, "gone-1", 3, true);
	made_by(SPARE, "gone-1", 3, false);
	memset(place.capture.machine, 7, sizeof(place.capture.machine));
	ck_assert(!stepped_until(BEGIN + FOREIGN_QUIET_NS - 1));
	ck_assert_int_eq(place_size(PARTIAL), (int64_t)file.size);
	ck_assert_int_eq(place_size(SPARE), FILE_HEADER_BYTES);
}
END_TEST

/* What is not a capture's own counts for nothing of it, before and after. */
START_TEST(budgets_of_captures_neither_count_nor_remove_them)
{
	struct message_result result = { 0 };

	made_by(PARTIAL, "gone-1", 3, true);
	place_file("eth0-" STAMP "-w0.pcapng", file.bytes, file.size);
	place.capture.config.disk_budget = file.size + FILE_HEADER_BYTES;
	place.capture.file_bytes = FILE_HEADER_BYTES;
	place.capture.config.max_age_ns = 1;
	for (unsigned i = 0; i < 3; i++) {
		ck_assert(retention_enforce(&place, 0, &result));
		ck_assert_uint_eq(result.removed, 0);
		orphan_step(&place, directories, BEGIN + i * LEFT);
	}
	ck_assert_int_gt(place_size(FINISHED), FILE_HEADER_BYTES);
	ck_assert_int_eq(place_size("eth0-" STAMP "-w0.pcapng"), (int64_t)file.size);
}
END_TEST

/* It is finished last of its capture's files, whatever the clock was. */
START_TEST(it_is_the_youngest_of_its_own_capture)
{
	struct stat finished, other;

	made_by(PARTIAL, "gone-1", 3, true);
	place_file("gone-1-" STAMP "-w0.pcapng", "x", 1);
	place_finished("gone-1-" STAMP "-w0.pcapng", UINT64_C(4000000000) * 1000000000);
	place_file("eth0-" STAMP "-w0.pcapng", "x", 1);
	place.newest_ns = UINT64_C(4100000000) * 1000000000;
	place_finished("eth0-" STAMP "-w0.pcapng", place.newest_ns);
	ck_assert(stepped_until(BEGIN + LEFT));
	ck_assert_int_eq(fstatat(place.fd, FINISHED, &finished, 0), 0);
	ck_assert_int_eq(fstatat(place.fd, "gone-1-" STAMP "-w0.pcapng", &other, 0), 0);
	ck_assert_int_eq(finished.st_mtim.tv_sec, other.st_mtim.tv_sec);
	ck_assert_int_gt(finished.st_mtim.tv_nsec, other.st_mtim.tv_nsec);
}
END_TEST

Suite *suite_orphan(void)
{
	Suite *s = suite_create("orphan");
	TCase *t = tcase_create("orphan");

	tcase_add_checked_fixture(t, setup, place_teardown);
	tcase_add_test(t, files_of_no_capture_are_repaired_under_their_own_name);
	tcase_add_test(t, one_file_of_no_capture_is_repaired_at_a_time_and_all_spares);
	tcase_add_test(t, however_many_there_are);
	tcase_add_test(t, what_was_held_meanwhile_is_waited_for_again);
	tcase_add_test(t, what_is_held_or_in_use_is_left_alone);
	tcase_add_test(t, captures_of_this_daemon_see_to_their_own_files);
	tcase_add_test(t, no_file_of_the_places_capture_is_touched);
	tcase_add_loop_test(t, neither_name_nor_head_alone_make_a_file_ours, 0,
			    sizeof(strangers) / sizeof(*strangers));
	tcase_add_loop_test(t, what_nobody_here_made_is_left_in_silence, 0, 7);
	tcase_add_test(t, another_machines_are_waited_for_as_for_any);
	tcase_add_test(t, budgets_of_captures_neither_count_nor_remove_them);
	tcase_add_test(t, it_is_the_youngest_of_its_own_capture);
	suite_add_tcase(s, t);
	return s;
}
