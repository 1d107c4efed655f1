/* daemon/archive/openfiles.c, givenup.c: what the archive process knows of files. */
#include "suites.h"

#include "../../daemon/archive/givenup.h"
#include "../../daemon/archive/openfiles.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define FILES 200 /* more than the list has room for at first */

START_TEST(a_file_is_in_use_until_it_is_removed_from_the_list)
{
	struct openfiles open = { 0 }, other = { 0 };
	struct stat files[FILES];
	int fds[FILES];

	for (int i = 0; i < FILES; i++) {
		fds[i] = memfd_create("file", MFD_CLOEXEC);
		ck_assert_int_eq(fstat(fds[i], &files[i]), 0);
		openfiles_add(&open, fds[i]);
		openfiles_add(&open, fds[i]);
	}
	ck_assert_uint_eq(open.count, FILES);
	for (int i = 0; i < FILES; i += 2)
		openfiles_remove(&open, fds[i]);
	ck_assert_uint_eq(open.count, FILES / 2);
	for (int i = 0; i < FILES; i++) {
		ck_assert_int_eq(openfiles_has(&open, &files[i]), i % 2);
		ck_assert(!openfiles_has(&other, &files[i])); /* another process's list */
		close(fds[i]);
	}
	openfiles_free(&open);
	ck_assert_uint_eq(open.count, 0);
}
END_TEST

START_TEST(a_file_is_given_up_until_it_changes)
{
	struct givenup list = { 0 };
	struct stat file = { .st_dev = 1, .st_ino = 2, .st_ctim = { 3, 4 } };
	const struct stat changed[] = {
		{ .st_dev = 1, .st_ino = 2, .st_ctim = { 3, 5 } },
		{ .st_dev = 1, .st_ino = 2, .st_ctim = { 4, 4 } },
		{ .st_dev = 1, .st_ino = 3, .st_ctim = { 3, 4 } },
		{ .st_dev = 2, .st_ino = 2, .st_ctim = { 3, 4 } },
	};

	ck_assert(!givenup_has(&list, &file));
	ck_assert(givenup_add(&list, &file));
	ck_assert(givenup_has(&list, &file));
	for (unsigned i = 0; i < sizeof(changed) / sizeof(*changed); i++)
		ck_assert(!givenup_has(&list, &changed[i]));
	for (unsigned i = 1; i < GIVENUP_MAX; i++) {
		file.st_ino++;
		ck_assert(givenup_add(&list, &file));
	}
	file.st_ino++;
	ck_assert(!givenup_add(&list, &file)); /* it is full */
	ck_assert(!givenup_has(&list, &file));
}
END_TEST

Suite *suite_openfiles(void)
{
	Suite *s = suite_create("openfiles");
	TCase *t = tcase_create("openfiles");

	tcase_add_test(t, a_file_is_in_use_until_it_is_removed_from_the_list);
	tcase_add_test(t, a_file_is_given_up_until_it_changes);
	suite_add_tcase(s, t);
	return s;
}
