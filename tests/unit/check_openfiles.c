/* daemon/archive/openfiles.c, givenup.c: what the archive process knows of files. */
#include "handring.h"
#include "place.h"
#include "suites.h"

#include "../../daemon/archive/givenup.h"
#include "../../daemon/archive/openfiles.h"
#include "../../daemon/archive/request.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
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
		openfiles_add(&open, fds[i], -1);
		openfiles_add(&open, fds[i], -1);
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

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* What a sync said once is kept; only what a write-back says counts. */
START_TEST(a_file_has_one_descriptor_for_its_errors)
{
	struct openfiles open = { 0 };
	int file = memfd_create("file", MFD_CLOEXEC), other = memfd_create("other", MFD_CLOEXEC);
	int errors = dup(file), second = dup(file);

	failing.error = _i == 0 ? EIO : _i == 1 ? ENOSPC : EROFS;
	ck_assert_int_eq(openfiles_sync(&open, file), 0); /* not known */
	openfiles_add(&open, file, errors);
	openfiles_add(&open, file, second);
	ck_assert(!is_open(second));
	ck_assert_int_eq(openfiles_sync(&open, file), 0);
	failing.disk = errors;
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(openfiles_sync(&open, file), _i < 2 ? failing.error : 0);
	openfiles_add(&open, other, -1);
	ck_assert_int_eq(openfiles_sync(&open, other), 0);
	openfiles_remove(&open, file);
	ck_assert(!is_open(errors));
	second = dup(file);
	openfiles_add(&open, file, second);
	ck_assert_int_eq(openfiles_sync(&open, file), 0); /* another one */
	openfiles_free(&open);
	ck_assert(!is_open(second));
	close(file);
	close(other);
}
END_TEST

/* ---- the archive's requests ---- */

#define STEM "eth0-20260203T040506.789012Z-w0"

static struct archive archive;
static struct message request;
static struct message_result result;

/* Returns the descriptor that comes with the answer, or -1. */
static int ask(uint32_t type, int fd)
{
	char name[FILE_NAME_BYTES];
	int made;

	memcpy(name, result.name, sizeof(name));
	result = (struct message_result){ 0 };
	request.type = type;
	if (type == MESSAGE_CAPTURE)
		request.capture = place.capture;
	else
		request.archive =
			(struct message_archive){ .file = { .serial = 9,
							    .since_ns = 1770091506789012000,
							    .end = FILE_HEADER_BYTES } };
	if (type != MESSAGE_CAPTURE)
		memcpy(request.archive.name, name, sizeof(name));
	made = request_serve(&archive, &request, fd, &result);
	ck_assert_msg(type == MESSAGE_FINISH || result.error == 0, "%s", result.text);
	return made;
}

/* Names the file and finishes it; all descriptors for errors from OPENFILES_FROM on are closed
 * then. */
static void finish(int fd)
{
	ask(MESSAGE_NAME, fd);
	ck_assert(is_open(OPENFILES_FROM) == (place.capture.cached != 0));
	if (is_open(OPENFILES_FROM)) /* one of its own */
		ck_assert_int_eq(fcntl(OPENFILES_FROM, F_GETFL) & O_ACCMODE, O_RDONLY);
	ask(MESSAGE_FINISH, fd);
	ck_assert(!is_open(OPENFILES_FROM));
	close(fd);
}

/* By the process that made it, and by one that was started since. */
START_TEST(a_file_for_bursts_is_opened_once_more)
{
	const struct message_archive of = { .file = { .serial = 10 } };
	int fd;

	place.capture.cached = (uint32_t)_i;
	close(ask(MESSAGE_CAPTURE, -1));
	fd = ask(MESSAGE_OPEN, -1);
	ck_assert_int_ge(fd, 0);
	finish(fd);
	ck_assert_int_eq(result.error, 0);
	result = (struct message_result){ 0 };
	fd = file_open(&place, &of, &result);
	ck_assert_int_ge(fd, 0);
	finish(fd);
	ck_assert_int_eq(result.error, 0);
	openfiles_free(&archive.common.open);
}
END_TEST

/* The worker was told, and has died. */
START_TEST(an_error_that_nobody_reported_makes_a_suspect)
{
	int fd;

	place.capture.cached = 1;
	place.capture.config.sync = _i ? CONFIG_SYNC_FILE : CONFIG_SYNC_NONE;
	close(ask(MESSAGE_CAPTURE, -1));
	fd = ask(MESSAGE_OPEN, -1);
	failing.disk = OPENFILES_FROM;
	failing.error = EIO;
	ask(MESSAGE_NAME, fd);
	ask(MESSAGE_FINISH, fd);
	ck_assert_int_eq(result.spoiled, _i ? EIO : 0);
	ck_assert_str_eq(result.name, _i ? STEM ".suspect.pcapng" : STEM ".pcapng");
	ck_assert_uint_eq(result.lost, 0);
	close(fd);
}
END_TEST

/* A request that is refused begins nothing. */
START_TEST(a_file_of_no_capture_is_not_noted)
{
	int fd;

	place.capture.cached = 1;
	close(ask(MESSAGE_CAPTURE, -1));
	fd = ask(MESSAGE_OPEN, -1);
	openfiles_free(&archive.common.open);
	request.type = MESSAGE_SYNC;
	request.archive.capture = CAPTURES_MAX;
	result = (struct message_result){ 0 };
	ck_assert_int_eq(request_serve(&archive, &request, fd, &result), -1);
	ck_assert_int_eq(result.error, EBADMSG);
	ck_assert_uint_eq(archive.common.open.count, 0);
	close(fd);
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
	tcase_add_loop_test(t, a_file_has_one_descriptor_for_its_errors, 0, 3);
	tcase_add_test(t, a_file_is_given_up_until_it_changes);
	suite_add_tcase(s, t);
	t = tcase_create("requests");
	tcase_add_checked_fixture(t, place_setup, place_teardown);
	tcase_add_loop_test(t, a_file_for_bursts_is_opened_once_more, 0, 2);
	tcase_add_test(t, a_file_of_no_capture_is_not_noted);
	tcase_add_loop_test(t, an_error_that_nobody_reported_makes_a_suspect, 0, 2);
	suite_add_tcase(s, t);
	return s;
}
