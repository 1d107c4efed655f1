/* daemon/worker/attach.c: rings are made, joined and adopted, on the loopback of a network
 * namespace of the test's own. Needs root. */
#include "place.h"
#include "suites.h"
#include "workerside.h"

#include "../../daemon/base/linktype.h"
#include "../../daemon/worker/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#define GENERATION 77
#define UNIQUE	   0x2000 /* PACKET_FANOUT_FLAG_UNIQUEID */

static struct message_worker what;
static struct attach attach;

static void lo_set(short flags)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = flags };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &lo), 0);
	close(fd);
}

static void setup(void)
{
	ck_assert_msg(unshare(CLONE_NEWNET) == 0, "a network namespace needs root: %s",
		      strerror(errno));
	lo_set(IFF_UP | IFF_RUNNING);
	workerside_begin();
	place_log();
	what = (struct message_worker){ .blocks = 4,
					.link_type = LINKTYPE_ETHERNET,
					.ifindex = 1,
					.generation = GENERATION,
					.group = { .block_bytes = 65536,
						   .block_timeout_ns = 10000000,
						   .snaplen = 128,
						   .promiscuous = 1 },
					.config = { .file_bytes = 1 << 20 } };
	attach = (struct attach){ .uplink = &side.uplink,
				  .what = &what,
				  .ledger = ledger_map(ledger_create()),
				  .notify = -1,
				  .socket = -1 };
	ck_assert_ptr_nonnull(attach.ledger);
}

static bool has(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static int option(int level, int name)
{
	int value = -1;
	socklen_t length = sizeof(value);

	ck_assert_int_eq(getsockopt(RING_FD, level, name, &value, &length), 0);
	return value;
}

/* Frames over the loopback, each of which is seen twice. */
static void frames(unsigned count)
{
	static const uint8_t frame[64] = { [12] = 0x88, [13] = 0xb5 };
	const struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = 1 };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	for (unsigned i = 0; i < count; i++)
		ck_assert_int_eq(sendto(fd, frame, sizeof(frame), 0, (const struct sockaddr *)&to,
					sizeof(to)),
				 sizeof(frame));
	close(fd);
}

static uint32_t seen(void)
{
	struct afcap_kernel_stats stats = { 0 };

	ck_assert_int_eq(afcap_stats_take(RING_FD, &stats), 0);
	return stats.packets;
}

static void failed(int exit_code, const char *text)
{
	ck_assert_uint_eq(workerside_hear(), MESSAGE_FAILED);
	ck_assert_msg(strstr(side.heard.failed.text, text) != NULL, "%s", side.heard.failed.text);
	ck_assert_uint_eq(side.heard.failed.exit_code, (uint32_t)exit_code);
	ck_assert_int_eq(side.uplink.exit_code, exit_code);
	ck_assert(!attach.joined);
}

static void make(void)
{
	attach_make(&attach);
	ck_assert_uint_eq(workerside_hear(), MESSAGE_SOCKET_MADE);
	ck_assert_msg(workerside_hear() == MESSAGE_RING_MADE, "%s", side.heard.failed.text);
}

START_TEST(the_rings_number_is_reserved)
{
	struct rlimit limit, none;

	ck_assert(attach_reserve()); /* somebody's already */
	close(RING_FD);
	ck_assert(attach_reserve()); /* the first that is free */
	ck_assert(has(RING_FD));
	close(RING_FD);
	close(LEDGER_FD);
	ck_assert(attach_reserve()); /* not the first */
	ck_assert(has(RING_FD));
	ck_assert(!has(LEDGER_FD));
	ck_assert_int_ne(fcntl(RING_FD, F_GETFD) & FD_CLOEXEC, 0);
	close(RING_FD);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){ 0, limit.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	ck_assert(!attach_reserve());
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}
END_TEST

START_TEST(a_ring_is_made_that_lets_nothing_in_yet)
{
	attach.ledger->in_progress = 9; /* of a worker before */
	make();
	ck_assert_int_eq(attach.socket, RING_FD);
	ck_assert_int_eq(afcap_fd(attach.ring), RING_FD);
	ck_assert_int_ne(fcntl(RING_FD, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_eq(option(SOL_SOCKET, SO_TYPE), SOCK_RAW);
	ck_assert_int_eq(option(SOL_PACKET, PACKET_RESERVE), 2);
	ck_assert_uint_eq(afcap_ring(attach.ring)->blocks, 4);
	ck_assert_uint_eq(afcap_ring(attach.ring)->block_bytes, 65536);
	ck_assert_uint_eq(afcap_ring(attach.ring)->block_timeout_ms, 10);
	frames(5);
	ck_assert_uint_eq(seen(), 0);
	ck_assert_ptr_nonnull(attach.thread);
	ck_assert(!ringthread_running(attach.thread));
	ck_assert(!attach.joined);
	ck_assert_uint_eq(attach.ledger->in_progress, 0);
}
END_TEST

START_TEST(packets_of_all_interfaces_come_without_their_link_layer)
{
	what.link_type = LINKTYPE_LINUX_SLL2;
	what.ifindex = 0;
	make();
	ck_assert_int_eq(option(SOL_SOCKET, SO_TYPE), SOCK_DGRAM);
}
END_TEST

/* The exit code says whether it is worth to try again. */
START_TEST(a_ring_that_cannot_be_made_is_said_with_its_exit_code)
{
	static const struct {
		uint32_t ifindex, block_bytes;
		bool down;
		int exit_code;
		const char *text;
	} cases[] = {
		{ 999, 65536, false, EX_CONFIG, "no such interface" },
		{ 1, 1000, false, EX_CONFIG, "block" },
		{ 1, 65536, true, EXIT_FAILURE, "down" },
	};

	what.ifindex = cases[_i].ifindex;
	what.group.block_bytes = cases[_i].block_bytes;
	if (cases[_i].down)
		lo_set(0);
	attach_make(&attach);
	ck_assert_uint_eq(workerside_hear(), MESSAGE_SOCKET_MADE);
	failed(cases[_i].exit_code, cases[_i].text);
	ck_assert_ptr_null(attach.thread);
}
END_TEST

START_TEST(a_missing_capability_is_named)
{
	ck_assert_int_eq(setuid(65534), 0);
	attach_make(&attach);
	failed(EX_NOPERM, "CAP_NET_RAW is missing");
}
END_TEST

START_TEST(a_socket_that_cannot_have_its_number_is_none)
{
	struct rlimit limit;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	close(LEDGER_FD);
	limit.rlim_cur = RING_FD;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	attach_make(&attach);
	failed(EXIT_FAILURE, "packet socket: ");
	ck_assert(!has(LEDGER_FD)); /* where it was made */
	ck_assert_int_eq(attach.socket, -1);
}
END_TEST

/* The first member leaves the number to the kernel. */
START_TEST(a_ring_joins_its_group_and_is_handed_over)
{
	struct message message = { .type = MESSAGE_JOIN,
				   .group = { _i ? 7 : 0, AFCAP_FANOUT_LB, _i ? 0 : UNIQUE } };
	struct sock_filter all = { 6, 0, 0, 0xffffffff };
	const struct sock_fprog filter = { 1, &all };

	make();
	ck_assert_int_eq(afcap_filter_set(RING_FD, &filter), 0);
	frames(5); /* of these none counts */
	ck_assert(attach_join(&attach, &message));
	ck_assert(attach.joined);
	ck_assert_uint_eq(workerside_hear(), MESSAGE_JOINED);
	ck_assert_uint_eq(side.heard.group.mode, AFCAP_FANOUT_LB);
	ck_assert_uint_eq(side.heard.group.flags, 0);
	if (_i)
		ck_assert_uint_eq(side.heard.group.id, 7);
	ck_assert_uint_eq((uint32_t)option(SOL_PACKET, PACKET_FANOUT) & 0xffff,
			  side.heard.group.id);
	ck_assert_uint_eq(seen(), 0);
	frames(3);
	ck_assert_uint_gt(seen(), 0);
	ck_assert_int_ge(side.passed, 0);
	close(RING_FD); /* the supervisor's is another descriptor of the same socket */
	ck_assert_int_eq(dup2(side.passed, RING_FD), RING_FD);
	ck_assert_int_eq(option(SOL_PACKET, PACKET_RESERVE), 2);
}
END_TEST

START_TEST(a_group_that_cannot_be_joined_is_said)
{
	struct message message = { .type = MESSAGE_JOIN, .group = { 7, AFCAP_FANOUT_HASH, 4 } };

	make();
	ck_assert(!attach_join(&attach, &message));
	failed(EXIT_FAILURE, "flags");
}
END_TEST

/* The ring of a worker that died: armed, with packets in it. */
static void ring_left(void)
{
	struct afcap_options options;
	struct ledger_totals t = ledger_totals(attach.ledger);
	struct afcap_error error;
	static struct afcap *left; /* of the worker that has died: its ring outlives it */
	int fd = afcap_socket(AFCAP_RAW);

	ck_assert_int_eq(dup2(fd, RING_FD), RING_FD);
	close(fd);
	afcap_options_init(&options, sizeof(options));
	options.socket = RING_FD;
	options.ifindex = 1;
	options.ring = (struct afcap_geometry){ .version = AFCAP_TPACKET_V3,
						.block_bytes = 65536,
						.blocks = 4,
						.block_timeout_ms = 10,
						.reserve_bytes = 2 };
	ck_assert_msg(afcap_open(&left, &options, &error) == 0, "%s", error.text);
	frames(4);
	t.generation = GENERATION;
	t.next_sequence = 1;
	t.next_block = 0;
	ledger_commit(attach.ledger, &t);
}

START_TEST(a_ring_is_adopted_where_the_ledger_left_it)
{
	struct afcap_block block = { 0 };

	ring_left();
	attach.ledger->in_progress = 9;
	ck_assert(attach_adopt(&attach));
	ck_assert(attach.joined);
	ck_assert_ptr_nonnull(attach.thread);
	ck_assert_uint_eq(attach.ledger->in_progress, 0);
	ck_assert_uint_eq(ledger_kernel(attach.ledger).packets, 8);
	ck_assert_uint_eq(seen(), 0); /* they are in the ledger */
	ck_assert_int_eq(afcap_wait(attach.ring, INT64_C(5000000000)), AFCAP_READY);
	ck_assert_int_eq(afcap_block_acquire(attach.ring, &block), 0);
	ck_assert_uint_eq(block.sequence, 1);
	ck_assert_uint_gt(block.packets, 0);
	ck_assert_uint_eq(workerside_hear(), 0);
}
END_TEST

START_TEST(a_ring_that_is_not_the_ledgers_is_not_read)
{
	static const char *const texts[] = { "the ledger belongs to another ring",
					     "adopting the ring: ", "adopting the ring: ",
					     "resuming the ring at block 200, sequence 1: " };
	struct ledger_totals t;
	int none;

	ring_left();
	t = ledger_totals(attach.ledger);
	if (_i == 0)
		what.generation++;
	if (_i == 1) {
		none = open("/dev/null", O_RDWR | O_CLOEXEC);
		ck_assert_int_eq(dup2(none, RING_FD), RING_FD);
	}
	if (_i == 2)
		what.blocks = 8;
	if (_i == 3)
		t.next_block = 200;
	ledger_commit(attach.ledger, &t);
	ck_assert(!attach_adopt(&attach));
	failed(EXIT_FAILURE, texts[_i]);
	ck_assert_ptr_null(attach.thread);
}
END_TEST

Suite *suite_attach(void)
{
	Suite *s = suite_create("attach");
	TCase *t = tcase_create("attach");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, the_rings_number_is_reserved);
	tcase_add_test(t, a_ring_is_made_that_lets_nothing_in_yet);
	tcase_add_test(t, packets_of_all_interfaces_come_without_their_link_layer);
	tcase_add_loop_test(t, a_ring_that_cannot_be_made_is_said_with_its_exit_code, 0, 3);
	tcase_add_test(t, a_missing_capability_is_named);
	tcase_add_test(t, a_socket_that_cannot_have_its_number_is_none);
	tcase_add_loop_test(t, a_ring_joins_its_group_and_is_handed_over, 0, 2);
	tcase_add_test(t, a_group_that_cannot_be_joined_is_said);
	tcase_add_test(t, a_ring_is_adopted_where_the_ledger_left_it);
	tcase_add_loop_test(t, a_ring_that_is_not_the_ledgers_is_not_read, 0, 4);
	suite_add_tcase(s, t);
	return s;
}
