/* daemon/control/unixsocket.c: what stands at the path, and what is put there meanwhile. */
#include "place.h"
#include "suites.h"

#include "../../daemon/control/unixsocket.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define GROUP 1234
#define PATH  PLACE_DIRECTORY "/socket"

START_TEST(a_socket_is_its_groups)
{
	int fd = unixsocket_listen(PATH, 0660, GROUP), again;
	struct stat st;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(lstat(PATH, &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFSOCK | 0660);
	ck_assert_uint_eq(st.st_gid, GROUP);
	ck_assert_int_eq(unixsocket_listen(PATH, 0660, GROUP), -EADDRINUSE);
	close(fd);
	again = unixsocket_listen(PATH, 0600, (gid_t)-1); /* stale */
	ck_assert_int_ge(again, 0);
	ck_assert_int_eq(lstat(PATH, &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFSOCK | 0600);
	ck_assert_uint_eq(st.st_gid, getegid());
	close(again);
}
END_TEST

START_TEST(what_is_no_socket_stays)
{
	struct stat st;

	place_file("canary", "x", 1);
	for (unsigned i = 0; i < 4; i++) {
		if (i == 0)
			ck_assert_int_eq(symlinkat("canary", place.directory, "socket"), 0);
		else if (i == 1)
			ck_assert_int_eq(symlinkat("none", place.directory, "socket"), 0);
		else if (i == 2)
			ck_assert_int_eq(mkfifoat(place.directory, "socket", 0600), 0);
		else
			ck_assert_int_eq(mkdirat(place.directory, "socket", 0700), 0);
		ck_assert_int_eq(unixsocket_listen(PATH, 0660, GROUP), -ENOTSOCK);
		ck_assert_int_eq(lstat(PATH, &st), 0);
		ck_assert_int_eq(remove(PATH), 0);
	}
	ck_assert_int_eq(fstatat(place.directory, "canary", &st, 0), 0);
	ck_assert_uint_eq(st.st_gid, getegid());
	ck_assert_int_lt(place_size("none"), 0);
}
END_TEST

/* A link takes the socket's place as soon as that is there. */
static void swap_for_ever(bool hard)
{
	struct stat st;

	for (;;) {
		if (hard)
			linkat(place.directory, "canary", place.directory, "trap", 0);
		else
			symlinkat("canary", place.directory, "trap");
		while (lstat(PATH, &st) || !S_ISSOCK(st.st_mode))
			;
		renameat(place.directory, "trap", place.directory, "socket");
	}
}

START_TEST(only_the_socket_is_given_to_the_group)
{
	struct stat st;
	pid_t other;

	place_file("canary", "x", 1);
	other = fork();
	if (other == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		swap_for_ever(_i);
	}
	for (unsigned i = 0; i < 5000; i++) {
		int fd = unixsocket_listen(PATH, 0660, GROUP);

		if (fd >= 0)
			close(fd);
		unlink(PATH);
	}
	kill(other, SIGKILL);
	ck_assert_int_eq(waitpid(other, NULL, 0), other);
	ck_assert_int_eq(fstatat(place.directory, "canary", &st, 0), 0);
	ck_assert_uint_eq(st.st_gid, getegid());
}
END_TEST

Suite *suite_unixsocket(void)
{
	Suite *s = suite_create("unixsocket");
	TCase *t = tcase_create("unixsocket");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, place_setup, place_teardown);
	tcase_add_test(t, a_socket_is_its_groups);
	tcase_add_test(t, what_is_no_socket_stays);
	tcase_add_loop_test(t, only_the_socket_is_given_to_the_group, 0, 2);
	suite_add_tcase(s, t);
	return s;
}
