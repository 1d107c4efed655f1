/* Waiting: by time, through signals, while the link goes, by an event loop. */
#include "lab.h"
#include "suites.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static void on_alarm(int number)
{
	(void)number;
}

/* Every millisecond a signal that interrupts */
static void storm(void)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval every = { { 0, 1000 }, { 0, 1000 } };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
}

START_TEST(a_timeout_ends_at_its_deadline_however_many_signals_come)
{
	const struct afcap_packet *packet;
	int64_t begin, awake;

	options.ring.version = (enum afcap_tpacket)_i;
	lab_open();
	storm();
	begin = lab_now(), awake = lab_awake();
	ck_assert_int_eq(afcap_wait(handle, SECOND / 5), AFCAP_TIMEOUT);
	ck_assert_int_ge(lab_now() - begin, SECOND / 5);
	ck_assert_int_lt(lab_awake() - awake, SECOND);
	ck_assert_int_eq(afcap_wait(handle, 0), AFCAP_TIMEOUT);
	ck_assert_int_eq(afcap_read(handle, &packet, 0), AFCAP_TIMEOUT);
	begin = lab_now();
	ck_assert_int_eq(afcap_wait(handle, 100000), AFCAP_TIMEOUT); /* 0.1 ms, not rounded down */
	ck_assert_int_ge(lab_now() - begin, 100000);
	afcap_close(handle);
}
END_TEST

START_TEST(waits_and_sleeps_are_counted)
{
	struct afcap_stats stats;

	lab_open();
	ck_assert_int_eq(afcap_wait(handle, SECOND / 50), AFCAP_TIMEOUT);
	ck_assert_int_eq(afcap_wait(handle, 0), AFCAP_TIMEOUT); /* did not sleep */
	lab_send(1, TEST_TYPE);
	ck_assert_int_eq(afcap_wait(handle, PATIENCE), AFCAP_READY);
	stats = lab_stats();
	ck_assert_uint_ge(stats.polls, 1);
	ck_assert_uint_le(stats.polls, 3);
	ck_assert_uint_eq(stats.poll_timeouts, 1);
	afcap_close(handle);
}
END_TEST

static void *stop_later(void *h)
{
	struct timespec t = { 0, 50000000 };

	nanosleep(&t, NULL);
	afcap_stop(h);
	return NULL;
}

START_TEST(waits_end_by_wake_once_and_by_stop_for_good)
{
	const struct afcap_packet *packet;
	pthread_t thread;

	options.ring.version = (enum afcap_tpacket)_i;
	lab_open();
	storm();
	afcap_wake(handle);
	ck_assert_int_eq(afcap_wait(handle, -1), AFCAP_WOKEN);
	ck_assert_int_eq(afcap_wait(handle, 0), AFCAP_TIMEOUT);
	pthread_create(&thread, NULL, stop_later, handle);
	ck_assert_int_eq(afcap_wait(handle, -1), AFCAP_STOPPED);
	ck_assert_int_eq(afcap_wait(handle, -1), AFCAP_STOPPED);
	lab_send(1, TEST_TYPE); /* a reader that is behind is stopped, too */
	ck_assert_int_eq(afcap_read(handle, &packet, -1), AFCAP_STOPPED);
	pthread_join(thread, NULL);
	afcap_close(handle);
}
END_TEST

static struct afcap *stopped_by_signal;

static void on_stop(int number)
{
	(void)number;
	afcap_stop(stopped_by_signal);
}

START_TEST(a_signal_handler_may_stop)
{
	struct sigaction action = { .sa_handler = on_stop };
	struct itimerval once = { { 0, 0 }, { 0, 50000 } };

	lab_open();
	stopped_by_signal = handle;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &once, NULL);
	ck_assert_int_eq(afcap_wait(handle, -1), AFCAP_STOPPED);
	afcap_close(handle);
}
END_TEST

/* Five packets lie in a block that is not full yet when the link goes: they come first, and the
 * result comes within a second. */
START_TEST(what_came_before_is_read_before_the_link_is_told_down)
{
	const struct afcap_packet *packet;
	int64_t awake, cpu;

	options.ring.version = (enum afcap_tpacket)_i;
	options.ring.block_timeout_ms = 300;
	lab_open();
	lab_send(5, TEST_TYPE);
	lab_run("ip link set va down");
	awake = lab_awake();
	ck_assert_uint_eq(lab_read(5), 5);
	ck_assert_int_eq(afcap_read(handle, &packet, -1), AFCAP_DOWN);
	ck_assert_int_lt(lab_awake() - awake, SECOND);
	cpu = lab_cpu();
	ck_assert_int_eq(afcap_read(handle, &packet, 2 * SECOND), AFCAP_TIMEOUT);
	ck_assert_int_lt(lab_cpu() - cpu, 2 * SECOND / 50); /* no spinning */
	lab_link_up();
	lab_send(5, TEST_TYPE);
	ck_assert_uint_eq(lab_read(5), 5); /* by itself */
	lab_run("ip link set va down");
	ck_assert_int_eq(afcap_read(handle, &packet, SECOND), AFCAP_DOWN); /* told again */
	afcap_close(handle);
}
END_TEST

START_TEST(a_deleted_interface_is_told_gone_after_its_packets)
{
	const struct afcap_packet *packet;
	int64_t awake, cpu;

	options.ring.version = (enum afcap_tpacket)_i;
	lab_open();
	lab_send(5, TEST_TYPE);
	lab_run("ip link del va");
	awake = lab_awake();
	ck_assert_uint_eq(lab_read(5), 5);
	ck_assert_int_eq(afcap_read(handle, &packet, -1), AFCAP_GONE);
	ck_assert_int_lt(lab_awake() - awake, SECOND);
	cpu = lab_cpu();
	ck_assert_int_eq(afcap_read(handle, &packet, SECOND), AFCAP_TIMEOUT);
	ck_assert_int_lt(lab_cpu() - cpu, SECOND / 50);
	afcap_close(handle);
}
END_TEST

START_TEST(a_link_that_is_down_and_then_deleted_is_told_both)
{
	lab_open();
	lab_run("ip link set va down");
	ck_assert_int_eq(afcap_wait(handle, SECOND), AFCAP_DOWN);
	lab_run("ip link del va");
	ck_assert_int_eq(afcap_wait(handle, -1), AFCAP_GONE);
	afcap_close(handle);
}
END_TEST

/* Long after it was told down: somebody must look again by himself. */
START_TEST(a_link_deleted_long_after_it_went_down_is_told_gone)
{
	const struct afcap_packet *packet;

	options.ring.version = (enum afcap_tpacket)_i;
	lab_open();
	lab_run("ip link set va down");
	ck_assert_int_eq(afcap_read(handle, &packet, SECOND), AFCAP_DOWN);
	lab_run("(sleep 1.3; ip link del va) &");
	ck_assert_int_eq(afcap_read(handle, &packet, -1), AFCAP_GONE);
	afcap_close(handle);
}
END_TEST

/* A block that is not full is handed over after the link was told down. */
START_TEST(late_packets_do_not_make_a_link_that_is_down_fine)
{
	const struct afcap_packet *packet;
	int64_t awake;

	options.ring.block_timeout_ms = 5000; /* the link is down before, also on a slow machine */
	lab_open();
	lab_send(5, TEST_TYPE);
	lab_run("ip link set va down");
	awake = lab_awake();
	ck_assert_int_eq(afcap_read(handle, &packet, -1), AFCAP_DOWN);
	ck_assert_int_lt(lab_awake() - awake, SECOND);
	for (unsigned i = 0; i < 5; i++)
		ck_assert_int_eq(afcap_read(handle, &packet, PATIENCE), AFCAP_READY);
	lab_run("ip link del va");
	ck_assert_int_eq(afcap_read(handle, &packet, -1), AFCAP_GONE);
	afcap_close(handle);
}
END_TEST

START_TEST(a_flap_is_told_and_so_is_what_follows)
{
	options.ring.block_timeout_ms = 200;
	lab_open();
	lab_send(5, TEST_TYPE);
	lab_run("ip link set va down; ip link set va up; ip link set va down");
	ck_assert_uint_eq(lab_receive(5), 5);
	ck_assert_int_eq(afcap_wait(handle, SECOND), AFCAP_DOWN);
	lab_link_up();
	lab_send(5, TEST_TYPE);
	ck_assert_uint_eq(lab_receive(5), 5);
	lab_run("ip link set va down");
	ck_assert_int_eq(afcap_wait(handle, SECOND), AFCAP_DOWN);
	afcap_close(handle);
}
END_TEST

START_TEST(a_link_that_flaps_all_the_time_is_told)
{
	int64_t awake;

	options.ring.block_timeout_ms = 400;
	lab_open();
	lab_run("for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do "
		"ip link set va down; ip link set va up; sleep 0.1; done &");
	awake = lab_awake();
	ck_assert_int_eq(afcap_wait(handle, -1), AFCAP_DOWN);
	ck_assert_int_lt(lab_awake() - awake, SECOND);
	afcap_close(handle);
}
END_TEST

START_TEST(an_interface_moved_to_another_namespace_is_told_gone)
{
	lab_open();
	lab_run("unshare -n sh -c 'ip link set va netns $$ 2>/dev/null; "
		"nsenter -t %d -n ip link set va netns $$; true'",
		getpid());
	ck_assert_int_eq(afcap_wait(handle, SECOND), AFCAP_GONE);
	afcap_close(handle);
}
END_TEST

START_TEST(who_adopts_a_ring_is_told_what_became_of_its_link)
{
	struct afcap *second;

	lab_open();
	lab_run("ip link set va down");
	ck_assert_int_eq(afcap_wait(handle, SECOND), AFCAP_DOWN);
	ck_assert_msg(afcap_adopt(&second, dup(afcap_fd(handle)), afcap_ring(handle), &error) == 0,
		      "%s", error.text);
	ck_assert_int_eq(afcap_wait(second, SECOND), AFCAP_DOWN);
	lab_run("ip link del va");
	ck_assert_int_eq(afcap_wait(second, -1), AFCAP_GONE);
	afcap_close(handle);
	ck_assert_msg(afcap_adopt(&handle, dup(afcap_fd(second)), afcap_ring(second), &error) == 0,
		      "%s", error.text);
	ck_assert_int_eq(afcap_wait(handle, SECOND), AFCAP_GONE);
	afcap_close(second);
	afcap_close(handle);
}
END_TEST

/* The kernel tells that the link went to whoever asks first. */
START_TEST(a_sender_does_not_take_the_news_from_the_reader)
{
	struct afcap_frame frame = { .data = "\2\0\0\0\0\1\2\0\0\0\0\2\x88\xb5", .length = 14 };

	lab_open();
	lab_run("ip link set va down; ip link set va up");
	ck_assert_int_eq(afcap_write(handle, &frame), 0); /* it is up */
	ck_assert_int_eq(afcap_wait(handle, SECOND), AFCAP_DOWN);
	lab_run("ip link set va down");
	ck_assert_int_eq(afcap_wait(handle, SECOND), AFCAP_DOWN);
	ck_assert_int_eq(afcap_write(handle, &frame), -ENETDOWN);
	ck_assert_int_eq(afcap_wait(handle, SECOND / 5), AFCAP_TIMEOUT); /* told already */
	afcap_close(handle);
}
END_TEST

START_TEST(a_wait_sees_what_a_read_left_and_a_full_ring_goes_on)
{
	const struct afcap_packet *packet;

	options.ring.version = (enum afcap_tpacket)_i;
	options.ring.blocks = 1;
	options.ring.block_bytes = 4096;
	options.ring.block_timeout_ms = 200;
	lab_open();
	for (unsigned around = 0; around < 5; around++) {
		unsigned got = 0;

		lab_send(_i == AFCAP_TPACKET_V3 ? 10 : 1, TEST_TYPE);
		while (afcap_wait(handle, SECOND / 2) == AFCAP_READY) {
			ck_assert_int_eq(afcap_read(handle, &packet, 0), AFCAP_READY);
			ck_assert_uint_eq(packet->data[20], got++);
		}
		ck_assert_uint_eq(got, _i == AFCAP_TPACKET_V3 ? 10 : 1);
	}
	ck_assert_uint_eq(lab_stats().drops, 0);
	afcap_close(handle);
}
END_TEST

START_TEST(a_reader_that_is_behind_is_woken_and_stopped)
{
	const struct afcap_packet *packet;

	options.ring.version = (enum afcap_tpacket)_i;
	lab_slow_sender();
	lab_open();
	lab_send(100, TEST_TYPE);
	ck_assert_uint_eq(lab_read(10), 10);
	afcap_wake(handle);
	ck_assert_int_eq(afcap_read(handle, &packet, -1), AFCAP_WOKEN);
	ck_assert_int_eq(afcap_read(handle, &packet, -1), AFCAP_READY);
	ck_assert_uint_eq(packet->data[20], 10);
	afcap_stop(handle);
	ck_assert_int_eq(afcap_read(handle, &packet, -1), AFCAP_STOPPED);
	afcap_close(handle);
}
END_TEST

START_TEST(a_timeout_of_all_time_is_for_ever)
{
	pthread_t thread;

	lab_open();
	pthread_create(&thread, NULL, stop_later, handle);
	ck_assert_int_eq(afcap_wait(handle, INT64_MAX), AFCAP_STOPPED);
	pthread_join(thread, NULL);
	afcap_close(handle);
}
END_TEST

START_TEST(all_interfaces_never_go_down)
{
	const struct afcap_packet *packet;

	options.interface = "any";
	lab_open();
	lab_run("ip link set va down");
	ck_assert_int_eq(afcap_read(handle, &packet, SECOND / 5), AFCAP_TIMEOUT);
	lab_link_up();
	afcap_close(handle);
}
END_TEST

static bool readable(int timeout_ms)
{
	struct pollfd p = { .fd = afcap_poll_fd(handle), .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1;
}

START_TEST(an_event_loop_is_told_of_everything_and_nothing_twice)
{
	struct afcap_block block;

	lab_open();
	ck_assert(!readable(0));
	lab_send(1, TEST_TYPE); /* several may come in two blocks on a slow machine */
	ck_assert(readable(10000));
	ck_assert_int_eq(afcap_wait(handle, 0), AFCAP_READY);
	ck_assert_int_eq(afcap_block_acquire(handle, &block), 0); /* and held */
	ck_assert_int_eq(afcap_wait(handle, 0), AFCAP_TIMEOUT);
	ck_assert(!readable(50)); /* the socket's own POLLIN would be there for ever */
	lab_send(1, TEST_TYPE);
	ck_assert(readable(10000));
	afcap_block_release(handle, &block);
	ck_assert_uint_eq(lab_receive(1), 1);
	ck_assert_int_eq(afcap_wait(handle, 0), AFCAP_TIMEOUT);
	ck_assert(!readable(50));
	afcap_wake(handle);
	ck_assert(readable(10000));
	ck_assert_int_eq(afcap_wait(handle, 0), AFCAP_WOKEN);
	lab_run("ip link set va down");
	while (readable(10000) && afcap_wait(handle, 0) != AFCAP_DOWN)
		;
	lab_run("ip link del va");
	ck_assert(readable(10000));
	ck_assert_int_eq(afcap_wait(handle, 0), AFCAP_GONE);
	afcap_stop(handle);
	ck_assert(readable(10000));
	ck_assert_int_eq(afcap_wait(handle, 0), AFCAP_STOPPED);
	afcap_close(handle);
}
END_TEST

START_TEST(an_event_loop_is_told_of_frames)
{
	options.ring.version = (enum afcap_tpacket)_i;
	lab_open();
	for (unsigned i = 0; i < 5; i++) {
		lab_send(3, TEST_TYPE);
		ck_assert(readable(1000));
		ck_assert_uint_eq(lab_read(3), 3);
		ck_assert_int_eq(afcap_wait(handle, 0), AFCAP_TIMEOUT);
		ck_assert(!readable(20));
	}
	afcap_close(handle);
}
END_TEST

Suite *suite_link(void)
{
	Suite *s = suite_create("link");
	TCase *t = lab_case(s, "ErrTimeout OptPollTimeout", lab_setup, 30);

	tcase_add_loop_test(t, a_timeout_ends_at_its_deadline_however_many_signals_come, 1, 4);
	tcase_add_test(t, waits_and_sleeps_are_counted);
	tcase_add_loop_test(t, waits_end_by_wake_once_and_by_stop_for_good, 1, 4);
	tcase_add_test(t, a_signal_handler_may_stop);
	tcase_add_loop_test(t, a_wait_sees_what_a_read_left_and_a_full_ring_goes_on, 1, 4);
	tcase_add_loop_test(t, a_reader_that_is_behind_is_woken_and_stopped, 1, 4);
	tcase_add_test(t, a_timeout_of_all_time_is_for_ever);
	tcase_add_test(t, an_event_loop_is_told_of_everything_and_nothing_twice);
	tcase_add_loop_test(t, an_event_loop_is_told_of_frames, 1, 4);
	t = lab_case(s, "ErrPoll", lab_setup, 30);
	tcase_add_loop_test(t, what_came_before_is_read_before_the_link_is_told_down, 1, 4);
	tcase_add_loop_test(t, a_deleted_interface_is_told_gone_after_its_packets, 1, 4);
	tcase_add_test(t, a_link_that_is_down_and_then_deleted_is_told_both);
	tcase_add_loop_test(t, a_link_deleted_long_after_it_went_down_is_told_gone, 1, 4);
	tcase_add_test(t, late_packets_do_not_make_a_link_that_is_down_fine);
	tcase_add_test(t, a_flap_is_told_and_so_is_what_follows);
	tcase_add_test(t, a_link_that_flaps_all_the_time_is_told);
	tcase_add_test(t, an_interface_moved_to_another_namespace_is_told_gone);
	tcase_add_test(t, who_adopts_a_ring_is_told_what_became_of_its_link);
	tcase_add_test(t, a_sender_does_not_take_the_news_from_the_reader);
	tcase_add_test(t, all_interfaces_never_go_down);
	return s;
}
