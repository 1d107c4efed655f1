/* libafcap on real interfaces: each test in a network namespace of its own, with a veth pair va-vb
 * (needs root). */
#include "suites.h"

#include "../../lib/afcap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)

static struct afcap_options options;
static struct afcap_error error;
static struct afcap *handle;
static int sender;

static void setup(void)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET };

	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	ck_assert_int_eq(system("sysctl -qw net.ipv6.conf.default.disable_ipv6=1 2>/dev/null;"
				"ip link set lo up && ip link add va type veth peer name vb && "
				"ip link set va up && ip link set vb up"),
			 0);
	to.sll_ifindex = (int)if_nametoindex("vb");
	sender = socket(AF_PACKET, SOCK_RAW, 0);
	ck_assert_int_eq(bind(sender, (struct sockaddr *)&to, sizeof(to)), 0);
	afcap_options_init(&options);
	options.interface = "va";
	options.ring =
		(struct afcap_geometry){ .block_bytes = 65536, .blocks = 8, .block_timeout_ms = 5 };
}

/* `count` frames of 100 bytes with this Ethernet type, numbered in byte 20 */
static void send_frames(unsigned count, uint16_t type)
{
	uint8_t frame[100] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };

	frame[12] = (uint8_t)(type >> 8);
	frame[13] = (uint8_t)type;
	for (unsigned i = 0; i < count; i++) {
		frame[20] = (uint8_t)i;
		ck_assert_int_eq(send(sender, frame, sizeof(frame), 0), sizeof(frame));
	}
}

/* Reads until `count` packets came or nothing more comes; how many came. */
static unsigned receive(unsigned count)
{
	struct afcap_block block;
	unsigned got = 0;

	while (got < count && afcap_wait(handle, SECOND) == AFCAP_READY)
		while (afcap_block_acquire(handle, &block) == 0) {
			struct afcap_packet packet = { 0 };

			while (afcap_packet_next(&block, &packet)) {
				ck_assert_uint_eq(packet.data[20], (uint8_t)got);
				ck_assert_uint_eq(packet.length, 100);
				got++;
			}
			afcap_block_release(handle, &block);
		}
	return got;
}

static void open_it(void)
{
	ck_assert_msg(afcap_open(&handle, &options, &error) == 0, "%s", error.text);
}

START_TEST(what_is_sent_is_received_and_counted)
{
	struct afcap_stats stats;

	open_it();
	send_frames(1000, 0x88b5); /* several times around the ring */
	ck_assert_uint_eq(receive(1000), 1000);
	send_frames(1000, 0x88b5);
	ck_assert_uint_eq(receive(1000), 1000);
	ck_assert_int_eq(afcap_stats(handle, &stats), 0);
	ck_assert_uint_eq(stats.packets, 2000);
	ck_assert_uint_eq(stats.drops, 0);
	afcap_close(handle);
}
END_TEST

START_TEST(a_full_ring_drops_and_says_how_many)
{
	struct afcap_stats stats;
	unsigned got;

	open_it();
	send_frames(20000, 0x88b5);
	ck_assert_int_eq(afcap_stats(handle, &stats), 0);
	ck_assert_uint_eq(stats.packets, 20000);
	ck_assert_uint_gt(stats.drops, 0);
	ck_assert_uint_ge(stats.freezes, 1);
	got = receive(20000);
	ck_assert_uint_eq(got, 20000 - stats.drops);
	afcap_close(handle);
}
END_TEST

START_TEST(filters_are_set_at_open_swapped_cleared_and_drop_all)
{
	struct sock_filter code[] = { BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
				      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x88b5, 0, 1),
				      BPF_STMT(BPF_RET | BPF_K, 1000),
				      BPF_STMT(BPF_RET | BPF_K, 0) };
	struct sock_fprog program = { 4, code };
	struct afcap_stats stats;

	options.filter = &program;
	open_it();
	send_frames(50, 0x88b6);
	send_frames(70, 0x88b5);
	ck_assert_uint_eq(receive(70), 70);
	code[1].k = 0x88b6;
	ck_assert_int_eq(afcap_filter_set(afcap_fd(handle), &program), 0);
	send_frames(50, 0x88b5);
	send_frames(30, 0x88b6);
	ck_assert_uint_eq(receive(30), 30);
	ck_assert_int_eq(afcap_filter_drop_all(afcap_fd(handle)), 0);
	send_frames(10, 0x88b6);
	ck_assert_int_eq(afcap_wait(handle, SECOND / 10), AFCAP_TIMEOUT);
	ck_assert_int_eq(afcap_filter_clear(afcap_fd(handle)), 0);
	ck_assert_int_eq(afcap_filter_clear(afcap_fd(handle)), 0);
	send_frames(10, 0x1234);
	ck_assert_uint_eq(receive(10), 10);
	ck_assert_int_eq(afcap_stats(handle, &stats), 0);
	ck_assert_uint_eq(stats.packets, 110); /* what a filter keeps out is in no counter */
	afcap_close(handle);
}
END_TEST

START_TEST(nothing_comes_in_while_paused)
{
	struct afcap_stats stats;

	options.paused = true;
	open_it();
	send_frames(10, 0x88b5);
	ck_assert_int_eq(afcap_wait(handle, SECOND / 10), AFCAP_TIMEOUT);
	ck_assert_int_eq(afcap_stats(handle, &stats), 0);
	ck_assert_uint_eq(stats.packets, 0);
	afcap_close(handle);
}
END_TEST

START_TEST(several_blocks_may_be_held)
{
	struct afcap_block blocks[3];

	open_it();
	send_frames(2000, 0x88b5);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(afcap_wait(handle, SECOND), AFCAP_READY);
		ck_assert_int_eq(afcap_block_acquire(handle, &blocks[i]), 0);
		ck_assert_uint_eq(blocks[i].sequence, (uint64_t)i + 1);
	}
	for (int i = 0; i < 3; i++)
		afcap_block_release(handle, &blocks[i]);
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

START_TEST(waits_end_by_time_wake_and_stop)
{
	struct timespec begin, end;
	pthread_t thread;

	open_it();
	clock_gettime(CLOCK_MONOTONIC, &begin);
	ck_assert_int_eq(afcap_wait(handle, SECOND / 5), AFCAP_TIMEOUT);
	clock_gettime(CLOCK_MONOTONIC, &end);
	ck_assert_int_ge((end.tv_sec - begin.tv_sec) * SECOND + end.tv_nsec - begin.tv_nsec,
			 SECOND / 5);
	ck_assert_int_eq(afcap_wait(handle, 0), AFCAP_TIMEOUT);
	afcap_wake(handle);
	ck_assert_int_eq(afcap_wait(handle, -1), AFCAP_WOKEN);
	ck_assert_int_eq(afcap_wait(handle, 0), AFCAP_TIMEOUT);
	pthread_create(&thread, NULL, stop_later, handle);
	ck_assert_int_eq(afcap_wait(handle, -1), AFCAP_STOPPED);
	ck_assert_int_eq(afcap_wait(handle, -1), AFCAP_STOPPED);
	pthread_join(thread, NULL);
	afcap_close(handle);
}
END_TEST

START_TEST(a_link_that_goes_down_is_told_and_comes_back)
{
	open_it();
	send_frames(5, 0x88b5);
	ck_assert_uint_eq(receive(5), 5);
	ck_assert_int_eq(system("ip link set va down"), 0);
	ck_assert_int_eq(afcap_wait(handle, SECOND), AFCAP_DOWN);
	ck_assert_int_eq(afcap_wait(handle, SECOND / 10), AFCAP_TIMEOUT);
	ck_assert_int_eq(system("ip link set va up"), 0);
	send_frames(5, 0x88b5);
	ck_assert_uint_eq(receive(5), 5);
	ck_assert_int_eq(system("ip link del va"), 0);
	ck_assert_int_eq(afcap_wait(handle, SECOND), AFCAP_GONE);
	ck_assert_int_eq(afcap_wait(handle, SECOND / 10), AFCAP_TIMEOUT);
	afcap_close(handle);
}
END_TEST

START_TEST(another_process_goes_on_in_the_ring)
{
	struct afcap_block block, next;
	struct afcap *second;
	int fd;

	open_it();
	send_frames(3000, 0x88b5);
	ck_assert_int_eq(afcap_block_acquire(handle, &block), 0); /* dealt with, not yet released */
	ck_assert_int_eq(afcap_block_acquire(handle, &next), 0);  /* not dealt with */
	fd = dup(afcap_fd(handle));
	afcap_close(handle);
	ck_assert_int_eq(afcap_adopt(&second, fd, &options.ring, &error), 0);
	ck_assert_int_eq(afcap_resume(second, 1, 9), -ESTALE);
	ck_assert_int_eq(afcap_resume(second, 1, block.sequence + 1), 1);
	ck_assert_int_eq(afcap_block_acquire(second, &block), 0);
	ck_assert_uint_eq(block.sequence, next.sequence);
	afcap_close(second);
}
END_TEST

START_TEST(a_ring_of_another_size_is_not_adopted)
{
	struct afcap_geometry other = options.ring;
	struct afcap *second;

	open_it();
	other.blocks++;
	ck_assert_int_eq(afcap_adopt(&second, afcap_fd(handle), &other, &error), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error.text, "another size"));
	afcap_close(handle);
}
END_TEST

/* Every mode, alone and with each flag it takes. */
START_TEST(fanout_groups_are_joined_with_every_mode_and_flag)
{
	static const uint16_t flags[] = { 0, AFCAP_FANOUT_FLAG_DEFRAG, AFCAP_FANOUT_FLAG_ROLLOVER,
					  AFCAP_FANOUT_FLAG_IGNORE_OUTGOING };

	for (unsigned i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		struct afcap_fanout first = { .mode = (enum afcap_fanout_mode)_i,
					      .flags = flags[i] | AFCAP_FANOUT_FLAG_UNIQUEID };
		struct afcap_fanout other, full;
		struct afcap *second;

		open_it();
		if (_i == AFCAP_FANOUT_ROLLOVER && flags[i] == AFCAP_FANOUT_FLAG_ROLLOVER) {
			ck_assert_int_eq(afcap_fanout_join(handle, &first, &error), -EINVAL);
			afcap_close(handle);
			continue;
		}
		ck_assert_msg(afcap_fanout_join(handle, &first, &error) == 0, "%s", error.text);
		ck_assert_uint_eq(first.flags & AFCAP_FANOUT_FLAG_UNIQUEID, 0);
		full = first;
		ck_assert_int_eq(afcap_fanout_join(handle, &full, &error), -EALREADY);
		other = first;
		other.mode = _i == AFCAP_FANOUT_LB ? AFCAP_FANOUT_CPU : AFCAP_FANOUT_LB;
		options.fanout = &other;
		ck_assert_int_eq(afcap_open(&second, &options, &error), -EINVAL);
		ck_assert_ptr_nonnull(strstr(error.text, "another mode"));
		options.fanout = &first;
		ck_assert_msg(afcap_open(&second, &options, &error) == 0, "%s", error.text);
		options.fanout = NULL;
		afcap_close(second);
		afcap_close(handle);
	}
}
END_TEST

START_TEST(what_cannot_be_opened_is_told)
{
	struct afcap *none = NULL;
	int before = dup(0), after;

	close(before);
	options.interface = "nowhere0";
	ck_assert_int_eq(afcap_open(&none, &options, &error), -ENODEV);
	ck_assert_str_eq(error.text, "no such interface: nowhere0");
	options.interface = "";
	ck_assert_int_eq(afcap_open(&none, &options, NULL), -EINVAL);
	options.interface = "va";
	options.ring.block_bytes = 1;
	ck_assert_int_eq(afcap_open(&none, &options, &error), -EINVAL);
	options.ring.block_bytes = 65536;
	options.size--;
	ck_assert_int_eq(afcap_open(&none, &options, &error), -EINVAL);
	options.size++;
	ck_assert_int_eq(system("ip link set va down"), 0);
	ck_assert_int_eq(afcap_open(&none, &options, &error), -ENETDOWN);
	ck_assert_str_eq(error.text, "interface va is down (ip link set va up)");
	ck_assert_int_eq(afcap_link_type("nowhere0"), -ENODEV);
	ck_assert_ptr_null(none);
	after = dup(0);
	ck_assert_int_eq(before, after); /* nothing stayed open */
}
END_TEST

START_TEST(nothing_of_other_interfaces_or_from_before_comes_in)
{
	struct afcap_stats stats;

	for (int i = 0; i < 20; i++) {
		open_it();
		ck_assert_int_eq(afcap_stats(handle, &stats), 0);
		ck_assert_uint_eq(stats.packets, 0);
		ck_assert_int_eq(fcntl(afcap_fd(handle), F_GETFD), FD_CLOEXEC);
		afcap_close(handle);
	}
}
END_TEST

Suite *suite_library(void)
{
	Suite *s = suite_create("library");
	TCase *t = tcase_create("library");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, what_is_sent_is_received_and_counted);
	tcase_add_test(t, a_full_ring_drops_and_says_how_many);
	tcase_add_test(t, filters_are_set_at_open_swapped_cleared_and_drop_all);
	tcase_add_test(t, nothing_comes_in_while_paused);
	tcase_add_test(t, several_blocks_may_be_held);
	tcase_add_test(t, waits_end_by_time_wake_and_stop);
	tcase_add_test(t, a_link_that_goes_down_is_told_and_comes_back);
	tcase_add_test(t, another_process_goes_on_in_the_ring);
	tcase_add_test(t, a_ring_of_another_size_is_not_adopted);
	tcase_add_loop_test(t, fanout_groups_are_joined_with_every_mode_and_flag, AFCAP_FANOUT_HASH,
			    AFCAP_FANOUT_QM + 1);
	tcase_add_test(t, what_cannot_be_opened_is_told);
	tcase_add_test(t, nothing_of_other_interfaces_or_from_before_comes_in);
	suite_add_tcase(s, t);
	return s;
}
