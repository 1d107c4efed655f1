/* daemon/supervisor/sandbox.c: what the supervisor gives up, and what it does where that cannot be.
 * (Which calls are refused: check_confine.c.) */
#include "nomemory.h"
#include "place.h"
#include "suites.h"

#include "../../daemon/base/privileges.h"
#include "../../daemon/supervisor/sandbox.h"

#include <cap-ng.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void setup(void)
{
	place_log();
}

START_TEST(all_is_given_up_but_the_right_to_packet_sockets)
{
	const struct privileges root = { .root = true };
	int fd;

	ck_assert_int_eq(supervisor_sandbox(&root), 0);
	ck_assert_uint_eq(place_logged("<"), 0);
	ck_assert_int_eq(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
	ck_assert_int_eq(capng_get_caps_process(), 0);
	for (unsigned i = 0; i <= CAP_LAST_CAP; i++) {
		ck_assert_int_eq(capng_have_capability(CAPNG_PERMITTED, i), i == CAP_NET_RAW);
		ck_assert_int_eq(capng_have_capability(CAPNG_EFFECTIVE, i), 0);
	}
	ck_assert_int_eq(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), -1);
	privileges_raise();
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(fd, 0);
	close(fd);
}
END_TEST

/* A daemon that goes on with more than it should have would be worse than none. */
START_TEST(a_user_that_it_cannot_become_ends_the_start)
{
	const struct privileges nobody = { .root = true, .uid = 65534, .gid = 65533 };

	ck_assert_int_eq(capng_get_caps_process(), 0);
	capng_updatev(CAPNG_DROP, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_SETUID, CAP_SETGID, -1);
	ck_assert_int_eq(capng_apply(CAPNG_SELECT_CAPS), 0);
	ck_assert_int_eq(supervisor_sandbox(&nobody), EXIT_FAILURE);
	ck_assert_uint_eq(place_logged("<3>giving up privileges (user 65534, group 65533): "), 1);
}
END_TEST

/* It is a second line of defence: it is logged, and no reason to record nothing. */
START_TEST(without_a_list_of_calls_it_goes_on_and_says_so)
{
	const struct privileges root = { .root = true };

	no_memory = true;
	ck_assert_int_eq(supervisor_sandbox(&root), 0);
	no_memory = false;
	ck_assert_uint_eq(place_logged("<4>seccomp: Cannot allocate memory"), 1);
	ck_assert_uint_eq(place_logged("this process may make every system call"), 1);
}
END_TEST

Suite *suite_sandbox(void)
{
	Suite *s = suite_create("sandbox");
	TCase *t = tcase_create("sandbox");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, all_is_given_up_but_the_right_to_packet_sockets);
	tcase_add_test(t, a_user_that_it_cannot_become_ends_the_start);
	tcase_add_test(t, without_a_list_of_calls_it_goes_on_and_says_so);
	suite_add_tcase(s, t);
	return s;
}
