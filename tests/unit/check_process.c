/* daemon/supervisor/process.c */
#include "suites.h"
#include "children.h"

#include "../../daemon/base/channel.h"
#include "../../daemon/base/clock.h"
#include "../../daemon/supervisor/process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static struct event_base *base;
static struct process process;
static struct seen {
	unsigned messages, closed;
	uint32_t type;
	int error;
	bool refuse, dead;
	char why[CHANNEL_TEXT_BYTES];
} seen;
static const struct process_plan plan = { .role = "afcapd: worker",
					  .what = "a/0",
					  .fds = { -1, -1 } };

static bool on_message(void *owner, struct message *message, int fd)
{
	ck_assert_ptr_eq(owner, &seen);
	if (fd >= 0)
		close(fd);
	seen.messages++;
	seen.type = message->type;
	seen.dead = process.pid < 0;
	return !seen.refuse;
}

static void on_closed(void *owner, int error, const char *why)
{
	ck_assert_ptr_eq(owner, &seen);
	ck_assert_int_eq(process.channel, -1);
	seen.closed++;
	seen.error = error;
	snprintf(seen.why, sizeof(seen.why), "%s", why ? why : "");
}

static const struct process_events events = { CHANNEL_WORKER, on_message, on_closed };

static void setup(void)
{
	memset(&seen, 0, sizeof(seen));
	children_begin();
	base = event_base_new();
	process_init(&process, base, &events, &seen);
	ck_assert_int_eq(process_start(&process, &plan), 0);
	ck_assert_int_eq(process.pid, children_last()->pid);
}

static void teardown(void)
{
	process_close(&process);
	event_base_free(base);
	children_begin();
}

static void child_sends(uint32_t type)
{
	struct message message = { .type = type };

	ck_assert_int_eq(channel_send(children_last()->channel, &message, -1), 0);
}

static void turn(void)
{
	event_base_loop(base, EVLOOP_NONBLOCK);
}

START_TEST(what_a_child_sends_reaches_its_owner)
{
	struct message message = { .type = MESSAGE_DRAIN };
	int fd;

	child_sends(MESSAGE_READY);
	turn();
	ck_assert_uint_eq(seen.messages, 1);
	ck_assert_uint_eq(seen.type, MESSAGE_READY);
	ck_assert(!seen.dead);
	ck_assert_int_eq(process_send(&process, &message, -1), 0);
	ck_assert_int_eq(channel_recv(children_last()->channel, CHANNEL_SUPERVISOR, &message, &fd),
			 1);
	ck_assert_uint_eq(message.type, MESSAGE_DRAIN);
}
END_TEST

START_TEST(a_breach_of_the_protocol_closes_the_channel)
{
	struct message message = { .type = MESSAGE_DRAIN };

	seen.refuse = true;
	child_sends(MESSAGE_READY);
	child_sends(MESSAGE_READY);
	turn();
	turn();
	ck_assert_uint_eq(seen.messages, 1); /* nothing more of it is read */
	ck_assert_uint_eq(seen.closed, 1);
	ck_assert_int_eq(seen.error, EPROTO);
	ck_assert_str_eq(seen.why, ""); /* it knows */
	ck_assert_int_eq(process_send(&process, &message, -1), -EPIPE);
	ck_assert_int_gt(process.pid, 0); /* it is there until it is reaped */
}
END_TEST

START_TEST(a_message_that_is_none_closes_the_channel)
{
	ck_assert_int_eq(write(children_last()->channel, "what?", 5), 5);
	turn();
	ck_assert_uint_eq(seen.messages, 0);
	ck_assert_uint_eq(seen.closed, 1);
	ck_assert_int_eq(seen.error, EBADMSG);
	ck_assert_ptr_nonnull(strstr(seen.why, "protocol violation"));
}
END_TEST

START_TEST(what_another_kind_of_child_may_send_closes_the_channel)
{
	child_sends(MESSAGE_MAINTAINED);
	turn();
	ck_assert_uint_eq(seen.messages, 0);
	ck_assert_uint_eq(seen.closed, 1);
	ck_assert_int_eq(seen.error, EPROTO);
	ck_assert_ptr_nonnull(strstr(seen.why, "protocol violation: MAINTAINED"));
}
END_TEST

START_TEST(a_closed_channel_is_no_death)
{
	child_close(children_last());
	turn();
	ck_assert_uint_eq(seen.closed, 1);
	ck_assert_int_eq(seen.error, 0);
	ck_assert_int_gt(process.pid, 0);
	ck_assert(process_reaped(&process, process.pid));
	ck_assert_uint_eq(seen.closed, 1);
}
END_TEST

START_TEST(what_a_dead_child_still_sent_is_read_before_its_channel_is_closed)
{
	child_sends(MESSAGE_FAILED);
	child_sends(MESSAGE_REPORT);
	ck_assert(!process_reaped(&process, process.pid + 1));
	ck_assert_uint_eq(seen.messages, 0);
	ck_assert(process_reaped(&process, process.pid));
	ck_assert_uint_eq(seen.messages, 2);
	ck_assert_uint_eq(seen.type, MESSAGE_REPORT);
	ck_assert(seen.dead);
	ck_assert_int_eq(process.channel, -1);
	ck_assert(!process_reaped(&process, -1)); /* there is none any more */
}
END_TEST

START_TEST(a_crash_is_kept_for_the_log_and_not_for_the_next_process)
{
	struct message message = { .type = MESSAGE_CRASHED, .crashed = { .signal = SIGSEGV } };
	char text[512];

	ck_assert(!process_crash_text(&process, text, sizeof(text)));
	ck_assert_int_eq(channel_send(children_last()->channel, &message, -1), 0);
	ck_assert(process_reaped(&process, process.pid));
	ck_assert_uint_eq(seen.messages, 0);
	ck_assert(process_crash_text(&process, text, sizeof(text)));
	ck_assert_ptr_nonnull(strstr(text, "SIGSEGV"));
	ck_assert_int_eq(process_start(&process, &plan), 0);
	ck_assert(!process_crash_text(&process, text, sizeof(text)));
}
END_TEST

START_TEST(a_silent_child_is_killed_once)
{
	uint64_t now = process.heard_ns;

	ck_assert_uint_eq(process_watch(&process, now + 99, 100), 0);
	ck_assert_uint_eq(process_watch(&process, now - 1, 100), 0); /* heard meanwhile */
	ck_assert(!children_last()->killed);
	ck_assert_uint_eq(process_watch(&process, now + 150, 100), 150);
	ck_assert(children_last()->killed);
	ck_assert_uint_eq(process_watch(&process, now + 300, 100), 0);
	ck_assert(process_reaped(&process, process.pid));
	ck_assert_int_eq(process_start(&process, &plan), 0);
	ck_assert(!process.silent);
}
END_TEST

START_TEST(a_child_that_sends_is_not_silent)
{
	process.heard_ns = 1;
	child_sends(MESSAGE_READY);
	turn();
	ck_assert_uint_gt(process.heard_ns, 1);
	ck_assert_uint_eq(process_watch(&process, process.heard_ns + 1, 100), 0);
}
END_TEST

/* The lowest descriptor that is free. */
static int lowest(void)
{
	int fd = dup(STDIN_FILENO);

	close(fd);
	return fd;
}

START_TEST(a_process_that_cannot_be_started_leaves_none)
{
	int before;

	children_refuse(EAGAIN);
	ck_assert(process_reaped(&process, process.pid));
	ck_assert_int_eq(process_start(&process, &plan), -EAGAIN);
	before = lowest(); /* the double holds one end of the last one's channel */
	ck_assert_int_eq(process_start(&process, &plan), -EAGAIN);
	ck_assert_int_eq(process.pid, -1);
	ck_assert_int_eq(process.channel, -1);
	ck_assert_int_eq(lowest(), before);
	ck_assert_ptr_nonnull(strstr(process_failure(EAGAIN), "TasksMax="));
}
END_TEST

/* They are blocked around fork(2) alone */
START_TEST(signals_are_as_they_were_after_a_start)
{
	sigset_t before, after;

	sigemptyset(&before);
	sigaddset(&before, SIGUSR2);
	sigprocmask(SIG_SETMASK, &before, NULL);
	ck_assert(process_reaped(&process, process.pid));
	for (unsigned i = 0; i < 2; i++) {
		children_refuse(i ? 0 : EAGAIN);
		ck_assert_int_eq(process_start(&process, &plan), i ? 0 : -EAGAIN);
		sigprocmask(SIG_SETMASK, NULL, &after);
		for (int signal = 1; signal < NSIG; signal++)
			ck_assert_int_eq(sigismember(&after, signal) == 1, signal == SIGUSR2);
	}
}
END_TEST

START_TEST(a_death_is_by_signal_or_with_a_status)
{
	int number;

	ck_assert_str_eq(process_death(SIGKILL, &number), "signal"); /* wait(2)'s encoding */
	ck_assert_int_eq(number, SIGKILL);
	ck_assert_str_eq(process_death(3 << 8, &number), "status");
	ck_assert_int_eq(number, 3);
}
END_TEST

START_TEST(a_worker_says_no_exit_code_but_those_it_may)
{
	static const struct {
		uint32_t said;
		int taken;
	} rows[] = {
		{ EXIT_FAILURE, EXIT_FAILURE }, { EX_NOPERM, EX_NOPERM },
		{ EX_CONFIG, EX_CONFIG },	{ EXIT_SUCCESS, EXIT_FAILURE },
		{ EX_TEMPFAIL, EXIT_FAILURE },	{ 256 + EX_CONFIG, EXIT_FAILURE },
		{ UINT32_MAX, EXIT_FAILURE },	{ 2, EXIT_FAILURE },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		ck_assert_int_eq(process_exit_code(rows[i].said), rows[i].taken);
}
END_TEST

START_TEST(the_first_death_is_replaced_at_once_the_others_ever_later)
{
	unsigned last = 1;

	ck_assert_uint_eq(process_backoff_ms(0), 0);
	ck_assert_uint_eq(process_backoff_ms(1), 0);
	ck_assert_uint_eq(process_backoff_ms(2), 50);
	for (unsigned n = 2; n < 8; n++) {
		ck_assert_uint_gt(process_backoff_ms(n), last);
		last = process_backoff_ms(n);
	}
	ck_assert_uint_eq(process_backoff_ms(1000000), 5000);
}
END_TEST

Suite *suite_process(void)
{
	Suite *s = suite_create("process");
	TCase *t = tcase_create("process");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, what_a_child_sends_reaches_its_owner);
	tcase_add_test(t, a_breach_of_the_protocol_closes_the_channel);
	tcase_add_test(t, a_message_that_is_none_closes_the_channel);
	tcase_add_test(t, what_another_kind_of_child_may_send_closes_the_channel);
	tcase_add_test(t, a_closed_channel_is_no_death);
	tcase_add_test(t, what_a_dead_child_still_sent_is_read_before_its_channel_is_closed);
	tcase_add_test(t, a_crash_is_kept_for_the_log_and_not_for_the_next_process);
	tcase_add_test(t, a_silent_child_is_killed_once);
	tcase_add_test(t, a_child_that_sends_is_not_silent);
	tcase_add_test(t, a_process_that_cannot_be_started_leaves_none);
	tcase_add_test(t, signals_are_as_they_were_after_a_start);
	tcase_add_test(t, a_death_is_by_signal_or_with_a_status);
	tcase_add_test(t, a_worker_says_no_exit_code_but_those_it_may);
	tcase_add_test(t, the_first_death_is_replaced_at_once_the_others_ever_later);
	suite_add_tcase(s, t);
	return s;
}
