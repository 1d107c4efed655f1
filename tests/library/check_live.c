/* libafcap on real interfaces: open, filters, adopt. */
#include "lab.h"
#include "suites.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

START_TEST(what_is_sent_is_received_and_counted)
{
	struct afcap_stats stats;

	lab_slow_sender();
	lab_open();
	for (unsigned i = 0; i < 12; i++) { /* three blocks each: around the ring twice */
		lab_send(1000, 0x88b5);
		ck_assert_uint_eq(lab_receive(1000), 1000);
	}
	ck_assert_int_eq(afcap_stats(handle, &stats), 0);
	ck_assert_uint_eq(stats.packets, 12000);
	ck_assert_uint_eq(stats.drops, 0);
	afcap_close(handle);
}
END_TEST

START_TEST(a_full_ring_drops_and_says_how_many)
{
	struct afcap_stats stats;
	unsigned got;

	lab_open();
	lab_send(20000, 0x88b5);
	LAB_SOON(afcap_stats(handle, &stats) == 0 && stats.packets >= 20000);
	ck_assert_uint_eq(stats.packets, 20000);
	ck_assert_uint_gt(stats.drops, 0);
	ck_assert_uint_ge(stats.freezes, 1);
	got = lab_receive(20000 - (unsigned)stats.drops);
	ck_assert_uint_eq(got, 20000 - stats.drops);
	ck_assert_int_eq(afcap_wait(handle, SECOND / 10), AFCAP_TIMEOUT);
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
	lab_slow_sender();
	lab_open();
	lab_send(50, 0x88b6);
	lab_send(70, 0x88b5);
	ck_assert_uint_eq(lab_receive(70), 70);
	code[1].k = 0x88b6;
	ck_assert_int_eq(afcap_filter_set(afcap_fd(handle), &program), 0);
	lab_send(50, 0x88b5);
	lab_send(30, 0x88b6);
	ck_assert_uint_eq(lab_receive(30), 30);
	ck_assert_int_eq(afcap_filter_drop_all(afcap_fd(handle)), 0);
	lab_send(10, 0x88b6);
	ck_assert_int_eq(afcap_wait(handle, SECOND / 4), AFCAP_TIMEOUT);
	ck_assert_int_eq(afcap_filter_clear(afcap_fd(handle)), 0);
	ck_assert_int_eq(afcap_filter_clear(afcap_fd(handle)), 0);
	lab_send(10, 0x1234);
	ck_assert_uint_eq(lab_receive(10), 10);
	ck_assert_int_eq(afcap_stats(handle, &stats), 0);
	ck_assert_uint_eq(stats.packets, 110); /* what a filter keeps out is in no counter */
	afcap_close(handle);
}
END_TEST

static atomic_uint swaps;

/* Each 200 come after another swap, also where the reader has no CPU meanwhile. */
static void *send_20000(void *unused)
{
	for (unsigned i = 0; i < 100; i++) {
		unsigned before = atomic_load(&swaps);

		lab_send(200, TEST_TYPE);
		while (i + 1 < 100 && atomic_load(&swaps) == before)
			usleep(100);
	}
	return unused;
}

/* Both filters let everything in, with another snaplen: each packet has one of the two. */
START_TEST(a_filter_is_swapped_under_load_without_a_gap)
{
	struct sock_filter some[] = { BPF_STMT(BPF_RET | BPF_K, 60) };
	struct sock_filter all[] = { BPF_STMT(BPF_RET | BPF_K, 1000) };
	struct sock_fprog programs[] = { { 1, some }, { 1, all } };
	const struct afcap_packet *packet;
	unsigned got = 0, cut = 0;
	pthread_t thread;

	options.ring.blocks = 256;
	options.filter = &programs[0];
	lab_open();
	ck_assert_int_eq(pthread_create(&thread, NULL, send_20000, NULL), 0);
	for (; got < 20000; got++) {
		if (got % 7 == 0) { /* no divisor of 200: the batches do not all meet one filter */
			ck_assert_int_eq(
				afcap_filter_set(afcap_fd(handle), &programs[(swaps + 1) % 2]), 0);
			atomic_fetch_add(&swaps, 1);
		}
		ck_assert_int_eq(afcap_read(handle, &packet, PATIENCE), AFCAP_READY);
		ck_assert_uint_eq(packet->data[20], (uint8_t)(got % 200));
		ck_assert(packet->capture_length == 60 || packet->capture_length == FRAME_BYTES);
		cut += packet->capture_length == 60;
	}
	pthread_join(thread, NULL);
	ck_assert_uint_gt(cut, 0);
	ck_assert_uint_lt(cut, 20000);
	ck_assert_uint_eq(lab_stats().packets, 20000);
	ck_assert_uint_eq(lab_stats().drops, 0);
	afcap_close(handle);
}
END_TEST

START_TEST(a_locked_filter_stays)
{
	struct sock_filter none[] = { BPF_STMT(BPF_RET | BPF_K, 0) };
	struct sock_fprog program = { 1, none };

	options.filter = &program;
	lab_open();
	ck_assert_int_eq(afcap_filter_lock(afcap_fd(handle)), 0);
	none[0].k = 1000;
	ck_assert_int_eq(afcap_filter_set(afcap_fd(handle), &program), -EPERM);
	ck_assert_int_eq(afcap_filter_clear(afcap_fd(handle)), -EPERM);
	ck_assert_int_eq(afcap_filter_drop_all(afcap_fd(handle)), -EPERM);
	lab_send(10, TEST_TYPE);
	ck_assert_uint_eq(lab_stats().packets, 0);
	afcap_close(handle);
}
END_TEST

START_TEST(nothing_comes_in_while_paused)
{
	struct afcap_stats stats;

	options.paused = true;
	lab_open();
	lab_send(10, 0x88b5);
	ck_assert_int_eq(afcap_wait(handle, SECOND / 10), AFCAP_TIMEOUT);
	ck_assert_int_eq(afcap_stats(handle, &stats), 0);
	ck_assert_uint_eq(stats.packets, 0);
	afcap_close(handle);
}
END_TEST

START_TEST(several_blocks_may_be_held)
{
	struct afcap_block blocks[3];

	lab_open();
	lab_send(2000, 0x88b5);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(afcap_wait(handle, PATIENCE), AFCAP_READY);
		ck_assert_int_eq(afcap_block_acquire(handle, &blocks[i]), 0);
		ck_assert_uint_eq(blocks[i].sequence, (uint64_t)i + 1);
	}
	for (int i = 0; i < 3; i++)
		afcap_block_release(handle, &blocks[i]);
	afcap_close(handle);
}
END_TEST

/* A process that opens the ring, reads `reads` packets, sends the socket here with where it stands
 * (block or frame), and dies by SIGKILL. */
struct left {
	struct afcap_geometry geometry;
	uint32_t index;
	uint64_t sequence;
};

static void reader_die(int channel, unsigned reads)
{
	struct left left = { 0 };
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .head = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct iovec piece = { &left, sizeof(left) };
	struct msghdr message = { .msg_iov = &piece,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control.bytes) };
	struct afcap_block first, second;
	int fd;

	lab_open();
	fd = afcap_fd(handle);
	lab_send(3000, TEST_TYPE);
	left.geometry = *afcap_ring(handle);
	if (left.geometry.version == AFCAP_TPACKET_V3) {
		LAB_SOON(afcap_block_acquire(handle, &first) == 0);  /* dealt with, not released */
		LAB_SOON(afcap_block_acquire(handle, &second) == 0); /* not dealt with */
		left.index = second.index;
		left.sequence = second.sequence;
	} else {
		ck_assert_uint_eq(lab_read(reads), reads);
		left.index = lab_next()->next;
	}
	memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	sendmsg(channel, &message, 0);
	raise(SIGKILL);
}

static int left_receive(int channel, struct left *left)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec piece = { left, sizeof(*left) };
	struct msghdr message = { .msg_iov = &piece,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control.bytes) };
	int fd;

	ck_assert_int_eq(recvmsg(channel, &message, 0), sizeof(*left));
	memcpy(&fd, CMSG_DATA(&control.head), sizeof(fd));
	return fd;
}

START_TEST(another_process_goes_on_in_the_ring)
{
	const struct afcap_packet *packet;
	struct left left;
	int channel[2], fd;
	pid_t child;

	options.ring.version = (enum afcap_tpacket)_i;
	options.ring.blocks = 256;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, channel), 0);
	child = fork();
	if (child == 0)
		reader_die(channel[1], 700);
	fd = left_receive(channel[0], &left);
	waitpid(child, NULL, 0);
	ck_assert_msg(afcap_adopt(&handle, fd, &left.geometry, &error) == 0, "%s", error.text);
	if (_i == AFCAP_TPACKET_V3) {
		ck_assert_int_eq(afcap_resume(handle, 1, 9), -ESTALE);
		ck_assert_int_eq(afcap_resume(handle, left.index, left.sequence), 1);
		ck_assert_int_eq(afcap_read(handle, &packet, PATIENCE), AFCAP_READY);
	} else {
		ck_assert_int_eq(afcap_resume(handle, 99999, 0), -ESTALE);
		ck_assert_int_eq(afcap_resume(handle, left.index, 0), 0);
		for (unsigned i = 701; i < 3000; i++)
			ck_assert_uint_eq(lab_next()->data[20], (uint8_t)i);
	}
	afcap_close(handle);
}
END_TEST

START_TEST(a_ring_of_any_version_is_adopted_as_it_stands)
{
	struct afcap_geometry geometry;
	struct afcap *second;
	int fd;

	options.ring.version = (enum afcap_tpacket)_i;
	lab_open();
	geometry = *afcap_ring(handle);
	lab_send(10, TEST_TYPE);
	fd = dup(afcap_fd(handle));
	afcap_close(handle);
	geometry.version = AFCAP_TPACKET_HIGHEST; /* that of the ring, whatever it is */
	ck_assert_msg(afcap_adopt(&second, fd, &geometry, &error) == 0, "%s", error.text);
	ck_assert_int_eq(afcap_ring(second)->version, _i);
	handle = second;
	ck_assert_uint_eq(lab_read(10), 10);
	afcap_close(second);
}
END_TEST

START_TEST(a_ring_of_another_version_or_no_ring_is_not_adopted)
{
	struct afcap_geometry geometry;
	struct afcap *second;

	lab_open();
	geometry = *afcap_ring(handle);
	geometry.version = AFCAP_TPACKET_V2;
	ck_assert_int_eq(afcap_adopt(&second, afcap_fd(handle), &geometry, &error), -EINVAL);
	ck_assert_str_eq(error.text, "version 2: the socket's ring has 3");
	geometry.version = AFCAP_TPACKET_HIGHEST;
	ck_assert_int_eq(afcap_adopt(&second, sender, &geometry, &error), -EINVAL);
	ck_assert_int_eq(afcap_adopt(&second, 0, &geometry, &error), -ENOTSOCK);
	ck_assert_ptr_nonnull(strstr(error.text, "not a packet socket"));
	afcap_close(handle);
}
END_TEST

START_TEST(a_ring_of_another_size_is_not_adopted)
{
	struct afcap_geometry other = options.ring;
	struct afcap *second;

	lab_open();
	other.blocks++;
	ck_assert_int_eq(afcap_adopt(&second, afcap_fd(handle), &other, &error), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error.text, "another size"));
	afcap_close(handle);
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

static atomic_bool noise_end;

/* Packets without end: on another interface, and on this one of a type that the filter keeps out */
static void *noise_make(void *unused)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = 1 };
	uint8_t frame[FRAME_BYTES] = { [12] = 0x88, [13] = 0xb6 };

	while (!atomic_load(&noise_end)) {
		sendto(sender, frame, sizeof(frame), 0, (struct sockaddr *)&to, sizeof(to));
		send(sender, frame, sizeof(frame), 0);
	}
	return unused;
}

START_TEST(nothing_of_other_interfaces_or_from_before_the_filter_comes_in)
{
	struct sock_filter code[] = { BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
				      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TEST_TYPE, 0, 1),
				      BPF_STMT(BPF_RET | BPF_K, 1000),
				      BPF_STMT(BPF_RET | BPF_K, 0) };
	struct sock_fprog program = { 4, code };
	struct afcap_fanout group = lab_group(AFCAP_FANOUT_LB, 0);
	const struct afcap_packet *packet;
	pthread_t thread;

	options.filter = &program;
	group.id = 3;
	options.fanout = _i ? &group : NULL;
	ck_assert_int_eq(pthread_create(&thread, NULL, noise_make, NULL), 0);
	for (int i = 0; i < 20; i++) {
		lab_open();
		ck_assert_uint_eq(lab_stats().packets, 0);
		ck_assert_int_eq(afcap_read(handle, &packet, SECOND / 50), AFCAP_TIMEOUT);
		ck_assert_uint_eq(lab_stats().packets, 0);
		ck_assert_int_eq(fcntl(afcap_fd(handle), F_GETFD), FD_CLOEXEC);
		afcap_close(handle);
	}
	atomic_store(&noise_end, true);
	pthread_join(thread, NULL);
}
END_TEST

START_TEST(a_socket_made_before_is_the_handles_then)
{
	int before = dup(0), fd, after;

	close(before);
	fd = afcap_socket(AFCAP_DGRAM);
	ck_assert_int_ge(fd, 0);
	options.socket = fd;
	lab_open();
	ck_assert_int_eq(afcap_fd(handle), fd);
	lab_send(1, TEST_TYPE);
	ck_assert_uint_eq(lab_next()->length, FRAME_BYTES - 14); /* of its type */
	afcap_close(handle);
	after = dup(0);
	ck_assert_int_eq(before, after);
	close(after);
}
END_TEST

START_TEST(a_socket_of_a_handle_that_is_not_opened_stays_the_callers)
{
	int fd = afcap_socket(AFCAP_RAW), next = dup(0);

	options.socket = fd;
	options.interface = "nowhere0";
	ck_assert_int_eq(afcap_open(&handle, &options, &error), -ENODEV);
	options.interface = "va";
	lab_run("ip link set va down");
	ck_assert_int_eq(afcap_open(&handle, &options, &error), -ENETDOWN); /* its ring is there */
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(close(fd), 0);
	options.socket = -1;
	ck_assert_int_eq(afcap_open(&handle, &options, &error), -ENETDOWN);
	lab_link_up();
	options.socket = afcap_socket(AFCAP_RAW);
	ck_assert_int_eq(options.socket, fd); /* nothing else was left open */
	options.interface = "nowhere0";
	ck_assert_int_eq(afcap_open(&handle, &options, &error), -ENODEV);
	options.interface = "va"; /* nothing was set on it: it can be used */
	lab_open();
	ck_assert_int_eq(afcap_fd(handle), fd);
	lab_send(1, TEST_TYPE);
	ck_assert_uint_eq(lab_next()->length, FRAME_BYTES);
	afcap_close(handle);
	close(next);
}
END_TEST

START_TEST(the_kernels_own_counters_are_reset_when_they_are_taken)
{
	struct afcap_kernel_stats counts = { 9, 9, 9 };

	options.ring.version = (enum afcap_tpacket)_i;
	lab_open();
	lab_send(10, TEST_TYPE);
	ck_assert_int_eq(afcap_stats_take(afcap_fd(handle), &counts), 0);
	ck_assert_uint_eq(counts.packets, 10);
	ck_assert_uint_eq(counts.drops, 0);
	ck_assert_uint_eq(counts.freezes, _i == AFCAP_TPACKET_V3 ? 0 : 9); /* untouched */
	ck_assert_int_eq(afcap_stats_take(afcap_fd(handle), &counts), 0);
	ck_assert_uint_eq(counts.packets, 0);
	ck_assert_int_lt(afcap_stats_take(-1, &counts), 0);
	afcap_close(handle);
	ck_assert_str_eq(afcap_version(), AFCAP_VERSION);
}
END_TEST

Suite *suite_live(void)
{
	Suite *s = suite_create("live");
	TCase *t = lab_case(s, "SetBPF, adopt", lab_setup, 30);

	tcase_add_test(t, what_is_sent_is_received_and_counted);
	tcase_add_test(t, a_full_ring_drops_and_says_how_many);
	tcase_add_test(t, filters_are_set_at_open_swapped_cleared_and_drop_all);
	tcase_add_test(t, a_filter_is_swapped_under_load_without_a_gap);
	tcase_add_test(t, a_locked_filter_stays);
	tcase_add_test(t, nothing_comes_in_while_paused);
	tcase_add_test(t, several_blocks_may_be_held);
	tcase_add_loop_test(t, another_process_goes_on_in_the_ring, 1, 4);
	tcase_add_loop_test(t, a_ring_of_any_version_is_adopted_as_it_stands, 1, 4);
	tcase_add_test(t, a_ring_of_another_version_or_no_ring_is_not_adopted);
	tcase_add_test(t, a_ring_of_another_size_is_not_adopted);
	tcase_add_test(t, what_cannot_be_opened_is_told);
	tcase_add_loop_test(t, nothing_of_other_interfaces_or_from_before_the_filter_comes_in, 0,
			    2);
	tcase_add_test(t, a_socket_made_before_is_the_handles_then);
	tcase_add_test(t, a_socket_of_a_handle_that_is_not_opened_stays_the_callers);
	tcase_add_loop_test(t, the_kernels_own_counters_are_reset_when_they_are_taken, 1, 4);
	return s;
}
