/* daemon/control/unixsocket.c: what stands at the path. */
#include "place.h"
#include "suites.h"

#include "../../daemon/control/unixsocket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH PLACE_DIRECTORY "/socket"

START_TEST(a_socket_has_its_mode)
{
	int fd = unixsocket_listen(PATH, 0660), again;
	struct stat st;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(lstat(PATH, &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFSOCK | 0660);
	ck_assert_int_eq(unixsocket_listen(PATH, 0660), -EADDRINUSE);
	close(fd);
	again = unixsocket_listen(PATH, 0600); /* stale */
	ck_assert_int_ge(again, 0);
	ck_assert_int_eq(lstat(PATH, &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFSOCK | 0600);
	close(again);
}
END_TEST

START_TEST(what_is_no_socket_stays)
{
	struct stat st;

	place_file("canary", "x", 1);
	for (unsigned i = 0; i < 4; i++) {
		if (i == 0)
			ck_assert_int_eq(symlinkat("canary", place.fd, "socket"), 0);
		else if (i == 1)
			ck_assert_int_eq(symlinkat("none", place.fd, "socket"), 0);
		else if (i == 2)
			ck_assert_int_eq(mkfifoat(place.fd, "socket", 0600), 0);
		else
			ck_assert_int_eq(mkdirat(place.fd, "socket", 0700), 0);
		ck_assert_int_eq(unixsocket_listen(PATH, 0660), -ENOTSOCK);
		ck_assert_int_eq(lstat(PATH, &st), 0);
		ck_assert_int_eq(remove(PATH), 0);
	}
	ck_assert_int_eq(fstatat(place.fd, "canary", &st, 0), 0);
	ck_assert_uint_eq(st.st_gid, getegid());
	ck_assert_int_lt(place_size("none"), 0);
}
END_TEST

Suite *suite_unixsocket(void)
{
	Suite *s = suite_create("unixsocket");
	TCase *t = tcase_create("unixsocket");

	tcase_add_checked_fixture(t, place_setup, place_teardown);
	tcase_add_test(t, a_socket_has_its_mode);
	tcase_add_test(t, what_is_no_socket_stays);
	suite_add_tcase(s, t);
	return s;
}
