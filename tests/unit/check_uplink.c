/* daemon/worker/uplink.c: what a worker's main thread says, and how it leaves its loop. */
#include "place.h"
#include "suites.h"
#include "workerside.h"

#include "../../daemon/base/channel.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static void setup(void)
{
	workerside_begin();
	place_log();
}

static void give_up(void)
{
	uplink_fail(&side.uplink, EX_CONFIG, "ring of %d blocks: %s", 7, "none");
}

static void end(void)
{
	uplink_end(&side.uplink, EXIT_SUCCESS);
}

static void report(void)
{
	struct message message = { .type = MESSAGE_REPORT };

	uplink_send(&side.uplink, &message, -1);
}

static void ready(void)
{
	uplink_notify(&side.uplink, MESSAGE_READY);
}

START_TEST(the_loop_ends_with_the_exit_code)
{
	ck_assert(!workerside_loop(10, NULL));
	ck_assert(workerside_loop(5000, end));
	ck_assert_int_eq(side.uplink.exit_code, EXIT_SUCCESS);
	ck_assert_uint_eq(workerside_hear(), 0);
}
END_TEST

START_TEST(a_failure_is_sent_and_is_the_end)
{
	ck_assert(workerside_loop(5000, give_up));
	ck_assert_int_eq(side.uplink.exit_code, EX_CONFIG);
	ck_assert_uint_eq(workerside_hear(), MESSAGE_FAILED);
	ck_assert_uint_eq(side.heard.failed.exit_code, EX_CONFIG);
	ck_assert_str_eq(side.heard.failed.text, "ring of 7 blocks: none");
	ck_assert_uint_eq(place_logged("ring of 7 blocks"), 0); /* the supervisor logs it */
}
END_TEST

START_TEST(a_failure_that_cannot_be_sent_is_logged)
{
	workerside_hang_up();
	ck_assert(workerside_loop(5000, give_up));
	ck_assert_int_eq(side.uplink.exit_code, EX_CONFIG);
	ck_assert_uint_eq(place_logged("ring of 7 blocks: none"), 1);
}
END_TEST

START_TEST(a_text_that_is_too_long_is_cut)
{
	static char text[2 * MESSAGE_TEXT];

	memset(text, 'x', sizeof(text) - 1);
	uplink_fail(&side.uplink, EXIT_FAILURE, "%s", text);
	ck_assert_uint_eq(workerside_hear(), MESSAGE_FAILED);
	ck_assert_uint_eq(strlen(side.heard.failed.text), MESSAGE_TEXT - 1);
}
END_TEST

START_TEST(a_message_takes_its_descriptor_along)
{
	struct message message = { .type = MESSAGE_JOINED, .group = { 1, 2, 3 } };

	ready();
	uplink_send(&side.uplink, &message, STDERR_FILENO);
	ck_assert_uint_eq(workerside_hear(), MESSAGE_READY);
	ck_assert_int_eq(side.passed, -1);
	ck_assert_uint_eq(workerside_hear(), MESSAGE_JOINED);
	ck_assert_uint_eq(side.heard.group.mode, 2);
	ck_assert_int_ge(side.passed, 0);
	ck_assert_int_eq(side.uplink.exit_code, WORKERSIDE_RUNNING);
}
END_TEST

/* The next one has all that it says, and what is not read must not stop the worker. */
START_TEST(a_report_without_room_is_left_out_and_nothing_else_is)
{
	unsigned sent = 0;
	struct message message = { .type = MESSAGE_REPORT };

	while (channel_send(CHANNEL_FD, &message, -1) == 0)
		sent++;
	ck_assert(!workerside_loop(10, report));
	ck_assert_int_eq(side.uplink.exit_code, WORKERSIDE_RUNNING);
	ck_assert_uint_eq(place_logged("REPORT"), 0);
	ck_assert(workerside_loop(5000, ready));
	ck_assert_int_eq(side.uplink.exit_code, EXIT_FAILURE);
	ck_assert_uint_eq(place_logged("sending READY: "), 1);
	while (workerside_hear())
		sent--;
	ck_assert_uint_eq(sent, 0);
}
END_TEST

/* Its loop sees that, too, and writes what the ring holds first. */
START_TEST(a_supervisor_that_is_gone_ends_nothing_here)
{
	workerside_hang_up();
	ck_assert(!workerside_loop(10, ready));
	ck_assert(!workerside_loop(10, report));
	ck_assert_int_eq(side.uplink.exit_code, WORKERSIDE_RUNNING);
	ck_assert_uint_eq(place_logged("sending"), 0);
}
END_TEST

START_TEST(a_channel_that_is_none_is_the_end)
{
	int file = open("/dev/null", O_RDWR | O_CLOEXEC);

	ck_assert_int_eq(dup2(file, CHANNEL_FD), CHANNEL_FD);
	ck_assert(workerside_loop(5000, report));
	ck_assert_int_eq(side.uplink.exit_code, EXIT_FAILURE);
	ck_assert_uint_eq(place_logged("sending REPORT: "), 1);
}
END_TEST

Suite *suite_uplink(void)
{
	Suite *s = suite_create("uplink");
	TCase *t = tcase_create("uplink");

	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, setup, workerside_end);
	tcase_add_test(t, the_loop_ends_with_the_exit_code);
	tcase_add_test(t, a_failure_is_sent_and_is_the_end);
	tcase_add_test(t, a_failure_that_cannot_be_sent_is_logged);
	tcase_add_test(t, a_text_that_is_too_long_is_cut);
	tcase_add_test(t, a_message_takes_its_descriptor_along);
	tcase_add_test(t, a_report_without_room_is_left_out_and_nothing_else_is);
	tcase_add_test(t, a_supervisor_that_is_gone_ends_nothing_here);
	tcase_add_test(t, a_channel_that_is_none_is_the_end);
	suite_add_tcase(s, t);
	return s;
}
