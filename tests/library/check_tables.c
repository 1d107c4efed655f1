/* The tables that the kernel's own tests of packet sockets hold it to, met through libafcap: how
 * many packets lie in the rings of two members after 15 and 5 packets of two flows, and after 15
 * more; how many packets go in and out by rings of each version. */
#include "lab.h"
#include "suites.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOM	20u   /* packets in a ring */
#define PAYLOAD 3000u /* so large that a block of V3 holds one packet, as a frame does */
#define BYTE_AT 80    /* of the network layer, by which the programs choose */

static struct afcap *pair[2];

static void setup(void)
{
	lab_setup();
	lab_run("ip link set lo mtu 9000");
	options.interface = "lo";
	options.protocol = ETH_P_IP; /* what comes in; not the same packets going out */
	options.ring = (struct afcap_geometry){
		.block_bytes = 4096, .blocks = ROOM, .frame_bytes = 4096, .block_timeout_ms = 5000
	};
}

/* A UDP flow over lo that somebody receives */
static int flow_open(unsigned number, int *receiver)
{
	struct sockaddr_in from = { .sin_family = AF_INET }, to = from;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	from.sin_addr.s_addr = to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	from.sin_port = htons((uint16_t)(20000 + number));
	to.sin_port = htons((uint16_t)(30000 + number));
	*receiver = socket(AF_INET, SOCK_DGRAM, 0);
	ck_assert_int_eq(bind(*receiver, (struct sockaddr *)&to, sizeof(to)), 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static void flow_send(int flow, unsigned count, char fill)
{
	static char payload[PAYLOAD];

	memset(payload, fill, sizeof(payload));
	for (unsigned i = 0; i < count; i++)
		ck_assert_int_eq(send(flow, payload, sizeof(payload), 0), sizeof(payload));
}

static unsigned in_ring(struct afcap *member)
{
	struct afcap_stats stats;

	ck_assert_int_eq(afcap_stats(member, &stats), 0);
	return (unsigned)(stats.packets - stats.drops);
}

struct row {
	const char *name;
	enum afcap_fanout_mode mode;
	uint16_t flags;
	char second; /* what fills the last 15 packets */
	unsigned first[2], more[2];
	unsigned v3_first[2], v3_more[2]; /* where they differ */
};

static unsigned seen(struct afcap *member)
{
	struct afcap_stats stats;

	ck_assert_int_eq(afcap_stats(member, &stats), 0);
	return (unsigned)stats.packets;
}

/* After `sent` packets, which a busy kernel hands on a moment later. Which of a pair stands first
 * is free. */
static bool rings_hold(const unsigned *expected, unsigned sent)
{
	unsigned a, b;

	LAB_SOON(seen(pair[0]) + seen(pair[1]) >= sent);
	a = in_ring(pair[0]);
	b = in_ring(pair[1]);

	return (a == expected[0] && b == expected[1]) || (a == expected[1] && b == expected[0]);
}

static void pair_open(const struct row *row)
{
	struct sock_filter code[] = { BPF_STMT(BPF_LD | BPF_B | BPF_ABS, SKF_NET_OFF + BYTE_AT),
				      BPF_STMT(BPF_RET | BPF_A, 0) };
	struct sock_fprog program = { 2, code };
	struct afcap_fanout group = lab_group(row->mode, row->flags | AFCAP_FANOUT_FLAG_UNIQUEID);
	bool two_groups = row->flags & AFCAP_FANOUT_FLAG_UNIQUEID;
	struct afcap_options grouped = options;

	if (row->mode == AFCAP_FANOUT_CBPF)
		group.program = &program;
	if (row->mode == AFCAP_FANOUT_EBPF)
		group.program_fd = lab_ebpf(BYTE_AT, -1);
	grouped.fanout = &group;
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_msg(afcap_open(&pair[i], &grouped, &error) == 0, "%s", error.text);
		if (!two_groups)
			afcap_fanout_get(pair[i], &group);
	}
}

/* In V3 a ring is short of room when the block a quarter of the ring ahead is not free: after the
 * 16th packet (the block of the 16th being the active one), where V2 says so after the 15th. And
 * its last block, while it is open, counts as room even if nothing fits in any more: with the flag
 * ROLLOVER, one packet is lost there before the others go to the other member. */
static const struct row rows[] = {
	{ "HASH", AFCAP_FANOUT_HASH, 0, 'a', { 15, 5 }, { 20, 5 }, { 0 }, { 0 } },
	{ "HASH+ROLLOVER",
	  AFCAP_FANOUT_HASH,
	  AFCAP_FANOUT_FLAG_ROLLOVER,
	  'a',
	  { 15, 5 },
	  { 20, 15 },
	  { 15, 5 },
	  { 20, 14 } },
	{ "LB", AFCAP_FANOUT_LB, 0, 'a', { 10, 10 }, { 18, 17 }, { 0 }, { 0 } },
	{ "ROLLOVER", AFCAP_FANOUT_ROLLOVER, 0, 'a', { 15, 5 }, { 20, 15 }, { 16, 4 }, { 19, 16 } },
	{ "CBPF", AFCAP_FANOUT_CBPF, 0, 'b', { 15, 5 }, { 15, 20 }, { 0 }, { 0 } },
	{ "EBPF", AFCAP_FANOUT_EBPF, 0, 'b', { 15, 5 }, { 15, 20 }, { 0 }, { 0 } },
	{ "CPU", AFCAP_FANOUT_CPU, 0, 'a', { 20, 0 }, { 20, 0 }, { 0 }, { 0 } },
	{ "UNIQUEID",
	  AFCAP_FANOUT_HASH,
	  AFCAP_FANOUT_FLAG_UNIQUEID,
	  'a',
	  { 20, 20 },
	  { 20, 20 },
	  { 0 },
	  { 0 } },
};
#define ROWS ((int)(sizeof(rows) / sizeof(*rows)))

/* False: both flows fell on the same member; others must be tried. */
static bool row_try(const struct row *row, bool v3, unsigned flows)
{
	const unsigned *first = v3 && row->v3_first[0] ? row->v3_first : row->first;
	const unsigned *more = v3 && row->v3_more[0] ? row->v3_more : row->more;
	int receivers[2], a = flow_open(flows, &receivers[0]),
			  b = flow_open(flows + 1, &receivers[1]);
	unsigned groups = row->flags & AFCAP_FANOUT_FLAG_UNIQUEID ? 2 : 1;
	bool met, by_hash = row->mode == AFCAP_FANOUT_HASH &&
			    !(row->flags & AFCAP_FANOUT_FLAG_UNIQUEID);

	pair_open(row);
	flow_send(a, 15, 'a');
	flow_send(b, 5, 'b');
	met = rings_hold(first, 20 * groups);
	if (met) {
		flow_send(a, 15, row->second);
		ck_assert_msg(rings_hold(more, 35 * groups), "%s: %u,%u after 15 more", row->name,
			      in_ring(pair[0]), in_ring(pair[1]));
	} else {
		ck_assert_msg(by_hash, "%s: %u,%u", row->name, in_ring(pair[0]), in_ring(pair[1]));
	}
	for (unsigned i = 0; i < 2; i++)
		afcap_close(pair[i]);
	close(a), close(b), close(receivers[0]), close(receivers[1]);
	return met;
}

/* _i: row, version */
START_TEST(members_hold_what_the_mode_gives_them)
{
	bool v3 = _i >= ROWS, met = false;
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
	options.ring.version = v3 ? AFCAP_TPACKET_V3 : AFCAP_TPACKET_V2;
	for (unsigned flows = 0; flows < 40 && !met; flows += 2)
		met = row_try(&rows[_i % ROWS], v3, flows);
	ck_assert(met);
}
END_TEST

START_TEST(unique_ids_are_joined_without_the_flag_and_refused_with_another_mode)
{
	struct afcap_fanout group = lab_group(AFCAP_FANOUT_HASH, AFCAP_FANOUT_FLAG_UNIQUEID), other;
	struct afcap *more;

	options.fanout = &group;
	lab_open();
	ck_assert_int_eq(afcap_fanout_get(handle, &group), 0);
	group.flags &= (uint16_t)~AFCAP_FANOUT_FLAG_UNIQUEID;
	ck_assert_msg(afcap_open(&more, &options, &error) == 0, "%s", error.text);
	afcap_close(more);
	other = group;
	other.mode = AFCAP_FANOUT_LB;
	options.fanout = &other;
	ck_assert_int_eq(afcap_open(&more, &options, &error), -EINVAL);
	other = group;
	other.flags = AFCAP_FANOUT_FLAG_DEFRAG;
	ck_assert_int_eq(afcap_open(&more, &options, &error), -EINVAL);
	afcap_close(handle);
}
END_TEST

START_TEST(the_257th_member_of_256_is_refused)
{
	static struct afcap *members[257];
	struct afcap_fanout group = lab_group(AFCAP_FANOUT_HASH, 0);
	struct rlimit files = { 2048, 2048 };

	group.id = 9;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	options.fanout = &group;
	options.ring.blocks = 1;
	for (unsigned i = 0; i < 256; i++)
		ck_assert_msg(afcap_open(&members[i], &options, &error) == 0, "%s", error.text);
	ck_assert_int_eq(afcap_open(&members[256], &options, &error), -ENOSPC);
	ck_assert_str_eq(error.text, "fanout group 9 is full (256 members)");
	/* the process ends with them open: to close one takes as long as to open ten */
}
END_TEST

/* ---- in and out by rings of each version ---- */

static uint32_t align8(uint32_t value)
{
	return (value + 7) & ~7u;
}

static void payload_check(const struct afcap_packet *packet)
{
	ck_assert_uint_eq(packet->capture_length, 14 + 20 + 8 + PAYLOAD);
	for (uint32_t i = 14 + 20 + 8; i < packet->capture_length; i++)
		ck_assert_uint_eq(packet->data[i], 'x');
}

/* Sequences go up by one; the lengths of slots add up to the block's. */
static unsigned blocks_receive(unsigned count)
{
	struct afcap_block block;
	unsigned got = 0;
	uint64_t last = 0;

	while (got < count && afcap_wait(handle, PATIENCE) == AFCAP_READY)
		while (afcap_block_acquire(handle, &block) == 0) {
			struct afcap_packet packet = { 0 };
			uint32_t sum = 48;

			ck_assert_uint_eq(block.sequence, last + 1);
			last = block.sequence;
			for (; afcap_packet_next(&block, &packet); got++) {
				const struct tpacket3_hdr *h = packet.slot;

				payload_check(&packet);
				sum += h->tp_next_offset ? h->tp_next_offset
							 : align8(h->tp_mac + h->tp_snaplen);
			}
			ck_assert_uint_eq(sum, block.bytes);
			afcap_block_release(handle, &block);
		}
	return got;
}

START_TEST(lo_gives_200_for_100_sent)
{
	int receiver, flow;
	unsigned got = 0;

	options.protocol = ETH_P_ALL;
	options.ring.version = (enum afcap_tpacket)_i;
	options.ring.blocks = 256;
	options.ring.block_bytes = 1 << 17;
	options.ring.block_timeout_ms = 30;
	lab_open();
	flow = flow_open(0, &receiver);
	flow_send(flow, 100, 'x');
	if (_i == AFCAP_TPACKET_V3)
		got = blocks_receive(200);
	else
		for (; got < 200; got++)
			payload_check(lab_next());
	ck_assert_uint_eq(got, 200);
	ck_assert_uint_eq(lab_stats().packets, 200);
	afcap_close(handle);
}
END_TEST

START_TEST(a_ring_sends_100_that_arrive_intact)
{
	struct afcap_tx_slot slot;
	struct afcap *out;
	uint8_t frame[1400] = { [12] = TEST_TYPE >> 8, [13] = TEST_TYPE & 0xff };

	options.protocol = TEST_TYPE; /* only as they come in */
	options.ring.block_timeout_ms = 20;
	lab_open();
	options.send_only = true;
	options.ring.version = (enum afcap_tpacket)_i;
	options.tx_ring =
		(struct afcap_geometry){ .block_bytes = 65536, .blocks = 4, .frame_bytes = 2048 };
	ck_assert_msg(afcap_open(&out, &options, &error) == 0, "%s", error.text);
	for (unsigned i = 0; i < 100; i++) {
		ck_assert_int_eq(afcap_tx_acquire(out, &slot), 0);
		memset(frame + 14, (int)i, sizeof(frame) - 14);
		memcpy(slot.data, frame, sizeof(frame));
		ck_assert_int_eq(afcap_tx_commit(out, &slot, sizeof(frame)), 0);
		if (i % 10 < 9)
			continue;
		ck_assert_int_eq(afcap_tx_flush(out, NULL, SECOND), 0);
		for (unsigned k = i - 9; k <= i; k++) {
			memset(frame + 14, (int)k, sizeof(frame) - 14);
			ck_assert_mem_eq(lab_next()->data, frame, sizeof(frame));
		}
	}
	afcap_close(out);
	afcap_close(handle);
}
END_TEST

Suite *suite_tables(void)
{
	Suite *s = suite_create("tables");
	TCase *t = lab_case(s, "tables", setup, 120);

	tcase_add_loop_test(t, members_hold_what_the_mode_gives_them, 0, 2 * ROWS);
	tcase_add_test(t, unique_ids_are_joined_without_the_flag_and_refused_with_another_mode);
	tcase_add_test(t, the_257th_member_of_256_is_refused);
	tcase_add_loop_test(t, lo_gives_200_for_100_sent, 1, 4);
	tcase_add_loop_test(t, a_ring_sends_100_that_arrive_intact, 1, 4);
	return s;
}
