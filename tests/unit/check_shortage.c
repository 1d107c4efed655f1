/* daemon/archive/shortage.c: room that is refused. */
#include "place.h"
#include "suites.h"

#include "../../daemon/archive/shortage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
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

static uint64_t available(void)
{
	struct statvfs fs;

	ck_assert_int_eq(fstatvfs(place.fd, &fs), 0);
	return (uint64_t)fs.f_bavail * fs.f_frsize;
}

/* What was refused is not known to be cured by it: one, and of those that give something back. */
START_TEST(for_what_is_refused_one_file_goes)
{
	for (unsigned i = 0; i < 4; i++)
		place_file(named(NAME_FINISHED, 0, START_US + i), NULL, MIB);
	ck_assert_int_eq(linkat(place.fd, named(NAME_FINISHED, 0, START_US), place.fd, "kept", 0),
			 0);
	result = (struct message_result){ 0 };
	place_log();
	ck_assert(!shortage_yield(&place, 0, 0, &result));
	ck_assert(!shortage_yield(&place, 0, EIO, &result));
	ck_assert(!shortage_yield(&place, 0, EFBIG, &result));
	ck_assert(!shortage_yield(&place, 3 * MIB + 1, EDQUOT, &result)); /* not by all of them */
	ck_assert_uint_eq(result.removed, 0);
	ck_assert(shortage_yield(&place, 3 * MIB, EDQUOT, &result));
	ck_assert(!there(NAME_FINISHED, 0, START_US + 1));
	ck_assert(shortage_yield(&place, 0, ENOSPC, &result));
	ck_assert(!there(NAME_FINISHED, 0, START_US + 2));
	ck_assert_uint_eq(result.removed, 2);
	ck_assert_uint_eq(place_logged("a quota is exhausted"), 1);
	ck_assert_uint_eq(place_logged("the disk is full"), 1);
	ck_assert(shortage_yield(&place, 0, ENOSPC, &result));
	ck_assert(!shortage_yield(&place, 0, ENOSPC, &result));
	ck_assert(there(NAME_FINISHED, 0, START_US));
}
END_TEST

/* As long as this process is refused it, too; else one a second, and not for ever. */
START_TEST(files_go_until_there_is_room)
{
	for (unsigned i = 0; i < 6; i++)
		place_file(named(NAME_FINISHED, 0, START_US + i), NULL, MIB);
	place_file("foreign", NULL, available());
	result = (struct message_result){ 0 };
	shortage_note(&place, ENOSPC, &result);
	ck_assert_uint_eq(result.removed, 1);
	shortage_note(&place, ENOSPC, &result); /* it may be written by now */
	ck_assert_uint_eq(result.removed, 1);
	place.refused_ns -= UINT64_C(1000000000);
	shortage_note(&place, ENOSPC, &result);
	ck_assert_uint_eq(result.removed, 2);
	shortage_note(&place, ENOSPC, &result);
	ck_assert_uint_eq(result.removed, 2);
	place.refused_ns -= UINT64_C(1000000000);
	place.yields = SHORTAGE_FILES;
	shortage_note(&place, ENOSPC, &result);
	ck_assert_uint_eq(result.removed, 2);
	shortage_note(&place, 0, &result);
	ck_assert_uint_eq(place.yields, 0);
}
END_TEST

/* Somebody has all of them open, or there is a snapshot: what goes gives nothing back. */
START_TEST(files_whose_removal_makes_no_room_stay_but_for_some)
{
	int readers[4 * SHORTAGE_FILES];
	unsigned stayed;

	for (unsigned i = 0; i < 4 * SHORTAGE_FILES; i++) {
		place_file(named(NAME_FINISHED, 0, START_US + i), NULL, MIB);
		readers[i] = openat(place.fd, named(NAME_FINISHED, 0, START_US + i),
				    O_RDONLY | O_CLOEXEC);
	}
	place_file("foreign", NULL, available());
	place_log();
	for (unsigned i = 0; i < 3 * SHORTAGE_FILES; i++) {
		result = (struct message_result){ 0 };
		shortage_note(&place, ENOSPC, &result);
		place.refused_ns -= UINT64_C(2000000000);
		shortage_yield(&place, 0, ENOSPC, &result); /* a new file is refused, too */
	}
	stayed = place_count() - 1;
	ck_assert_uint_eq(stayed, 4 * SHORTAGE_FILES - 1 - SHORTAGE_FILES);
	ck_assert_uint_eq(place_logged("removing files frees no space"), 1);
	for (unsigned i = 0; i < 4 * SHORTAGE_FILES; i++)
		close(readers[i]);
	shortage_note(&place, 0, &result); /* it went well */
	place_file("foreign", NULL, available() + (size_t)place_size("foreign"));
	result = (struct message_result){ 0 };
	shortage_note(&place, ENOSPC, &result);
	ck_assert_uint_eq(result.removed, 1);
}
END_TEST

Suite *suite_shortage(void)
{
	Suite *s = suite_create("shortage");
	TCase *t = tcase_create("shortage");

	tcase_add_checked_fixture(t, place_setup, place_teardown);
	tcase_add_test(t, for_what_is_refused_one_file_goes);
	tcase_add_test(t, files_go_until_there_is_room);
	tcase_add_test(t, files_whose_removal_makes_no_room_stay_but_for_some);
	suite_add_tcase(s, t);
	return s;
}
