/* Fanout: where packets go in every mode, programs; eBPF as a filter. */
#include "lab.h"
#include "suites.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MEMBERS 3
#define BYTE_AT 40 /* of the network layer: by it the programs choose */

static struct afcap *members[MEMBERS];
static struct afcap_fanout group;

/* Opens MEMBERS members of one new group. */
static void group_open(void)
{
	group.flags |= AFCAP_FANOUT_FLAG_UNIQUEID;
	options.fanout = &group;
	for (unsigned i = 0; i < MEMBERS; i++) {
		ck_assert_msg(afcap_open(&members[i], &options, &error) == 0, "%s", error.text);
		ck_assert_int_eq(afcap_fanout_get(members[i], &group), 0);
	}
	options.fanout = NULL;
}

static uint64_t packets_of(unsigned member)
{
	struct afcap_stats stats;

	ck_assert_int_eq(afcap_stats(members[member], &stats), 0);
	return stats.packets;
}

/* The kernel may hand over what was sent a little later, on another CPU: until all of it came. */
static void group_received(uint64_t packets)
{
	LAB_SOON(packets_of(0) + packets_of(1) + packets_of(2) == packets);
}

static void group_close(void)
{
	for (unsigned i = 0; i < MEMBERS; i++)
		afcap_close(members[i]);
}

/* A UDP packet of flow number `flow`, there or back; byte BYTE_AT of its network layer is `byte`.
 */
static void flow_send(unsigned flow, bool back, uint8_t byte)
{
	uint8_t f[FRAME_BYTES] = {
		2, 0, 0, 0,  0,	 1, 2, 0,  0, 0, 0, 2,	8, 0, 0x45, 0, 0, 86, 0,
		0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,    0, 0, 0,  53
	};

	f[34] = (uint8_t)(0x80 + flow / 256);
	f[35] = (uint8_t)flow;
	if (back) {
		uint8_t a[4], p[2];

		memcpy(a, f + 26, 4), memcpy(f + 26, f + 30, 4), memcpy(f + 30, a, 4);
		memcpy(p, f + 34, 2), memcpy(f + 34, f + 36, 2), memcpy(f + 36, p, 2);
	}
	f[ETH_HLEN + BYTE_AT] = byte;
	lab_send_bytes(f, sizeof(f));
}

static struct sock_filter by_byte[] = { BPF_STMT(BPF_LD | BPF_B | BPF_ABS, SKF_NET_OFF + BYTE_AT),
					BPF_STMT(BPF_RET | BPF_A, 0) };
static struct sock_filter always_two[] = { BPF_STMT(BPF_RET | BPF_K, 2) };

/* ---- FanoutHash ... FanoutEBPF ---- */

START_TEST(hash_keeps_both_directions_of_a_flow_together)
{
	uint64_t before[MEMBERS], total = 0;
	unsigned used = 0;

	group = lab_group(AFCAP_FANOUT_HASH, 0);
	group_open();
	for (unsigned flow = 0; flow < 64; flow++) {
		unsigned changed = 0;

		for (unsigned i = 0; i < MEMBERS; i++)
			before[i] = packets_of(i);
		flow_send(flow, false, 0);
		flow_send(flow, true, 0);
		flow_send(flow, false, 0);
		group_received(3 * (flow + 1));
		for (unsigned i = 0; i < MEMBERS; i++)
			changed += packets_of(i) == before[i] + 3;
		ck_assert_uint_eq(changed, 1);
	}
	for (unsigned i = 0; i < MEMBERS; i++) {
		total += packets_of(i);
		used += packets_of(i) > 0;
	}
	ck_assert_uint_eq(total, 64 * 3);
	ck_assert_uint_eq(used, MEMBERS);
	group_close();
}
END_TEST

START_TEST(a_group_goes_on_after_the_link_was_down)
{
	group = lab_group(AFCAP_FANOUT_LB, 0);
	group_open();
	lab_run("ip link set va down");
	lab_link_up();
	for (unsigned i = 0; i < 30; i++)
		flow_send(0, false, 0);
	group_received(30);
	for (unsigned i = 0; i < MEMBERS; i++)
		ck_assert_uint_eq(packets_of(i), 10);
	group_close();
}
END_TEST

START_TEST(lb_goes_round)
{
	group = lab_group(AFCAP_FANOUT_LB, 0);
	group_open();
	for (unsigned i = 0; i < 30; i++)
		flow_send(0, false, 0);
	group_received(30);
	for (unsigned i = 0; i < MEMBERS; i++)
		ck_assert_uint_eq(packets_of(i), 10);
	group_close();
}
END_TEST

static void run_on(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
}

START_TEST(cpu_is_that_of_the_sender_here)
{
	group = lab_group(AFCAP_FANOUT_CPU, 0);
	group_open();
	for (int cpu = 0; cpu < 2 && cpu < sysconf(_SC_NPROCESSORS_ONLN); cpu++) {
		run_on(cpu);
		for (unsigned i = 0; i < 30; i++)
			flow_send(i, false, 0);
		LAB_SOON(packets_of((unsigned)cpu) == 30);
	}
	group_close();
}
END_TEST

/* A veth with two queues; who bypasses the queueing sends by that of his CPU. */
START_TEST(qm_follows_the_queue)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET };
	uint64_t total = 0;
	unsigned used = 0;
	int on = 1;

	lab_run("ip link add qa numrxqueues 2 numtxqueues 2 type veth "
		"peer name qb numrxqueues 2 numtxqueues 2 && "
		"ip link set qa up && ip link set qb up");
	to.sll_ifindex = (int)if_nametoindex("qb");
	sender = socket(AF_PACKET, SOCK_RAW, 0);
	setsockopt(sender, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
	ck_assert_int_eq(bind(sender, (struct sockaddr *)&to, sizeof(to)), 0);
	options.interface = "qa";
	group = lab_group(AFCAP_FANOUT_QM, 0);
	group_open();
	for (int cpu = 0; cpu < 2 && cpu < sysconf(_SC_NPROCESSORS_ONLN); cpu++) {
		run_on(cpu);
		for (unsigned i = 0; i < 30; i++)
			flow_send(i, false, 0);
	}
	for (unsigned i = 0; i < MEMBERS; i++) {
		ck_assert(packets_of(i) % 30 == 0);
		used += packets_of(i) == 30;
		total += packets_of(i);
	}
	ck_assert_uint_eq(used, total / 30);
	ck_assert_uint_eq(total, sysconf(_SC_NPROCESSORS_ONLN) > 1 ? 60 : 30);
	group_close();
}
END_TEST

/* A datagram in fragments: with the flag it comes in one piece, without in several. */
START_TEST(defrag_puts_fragments_together)
{
	static char payload[4000];
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
	int udp = socket(AF_INET, SOCK_DGRAM, 0);
	unsigned whole = 0;

	lab_run("ip link set lo mtu 1500");
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(socket(AF_INET, SOCK_DGRAM, 0), (struct sockaddr *)&to, sizeof(to)),
			 0);
	options.interface = "lo";
	options.protocol = ETH_P_IP;
	group = lab_group(AFCAP_FANOUT_HASH, _i ? AFCAP_FANOUT_FLAG_DEFRAG : 0);
	group_open();
	ck_assert_int_eq(
		sendto(udp, payload, sizeof(payload), 0, (struct sockaddr *)&to, sizeof(to)),
		sizeof(payload));
	group_received(_i ? 1 : 3);
	for (unsigned i = 0; i < MEMBERS; i++) {
		handle = members[i];
		for (uint64_t packets = packets_of(i); packets; packets--)
			whole += lab_next()->length == 14 + 20 + 8 + sizeof(payload);
	}
	ck_assert_uint_eq(whole, _i ? 1 : 0);
	group_close();
}
END_TEST

START_TEST(rnd_reaches_all)
{
	group = lab_group(AFCAP_FANOUT_RND, 0);
	group_open();
	for (unsigned i = 0; i < 300; i++)
		flow_send(0, false, 0);
	group_received(300);
	for (unsigned i = 0; i < MEMBERS; i++)
		ck_assert_uint_gt(packets_of(i), 50);
	group_close();
}
END_TEST

/* Packets that are in rings. */
static uint64_t group_taken(void)
{
	struct afcap_stats s;
	uint64_t total = 0;

	for (unsigned i = 0; i < MEMBERS; i++) {
		ck_assert_int_eq(afcap_stats(members[i], &s), 0);
		total += s.packets - s.drops;
	}
	return total;
}

START_TEST(rollover_goes_on_to_the_next_when_one_is_full)
{
	struct afcap_rollover_stats stats;
	uint64_t total = 0;

	group = lab_group(_i ? AFCAP_FANOUT_HASH : AFCAP_FANOUT_ROLLOVER,
			  _i ? AFCAP_FANOUT_FLAG_ROLLOVER : 0);
	options.ring.blocks = 2;
	options.ring.block_timeout_ms =
		60000; /* full blocks alone are handed over: a slow kernel sends for seconds */
	group_open();
	for (unsigned i = 0; i < 1200; i++) /* one member takes less than 700 */
		flow_send(0, false, 0);
	LAB_SOON(group_taken() > 800); /* the kernel may hand over the rest on another CPU */
	for (unsigned i = 0; i < MEMBERS; i++) {
		ck_assert_int_eq(afcap_rollover_stats(afcap_fd(members[i]), &stats), 0);
		total += stats.all;
	}
	ck_assert_uint_gt(total, 100);
	group_close();
	lab_open();
	ck_assert_int_eq(afcap_rollover_stats(afcap_fd(handle), &stats), -EINVAL);
	afcap_close(handle);
}
END_TEST

/* 6, 12 and 18 packets for members 0, 1, 2 */
static void bytes_send(void)
{
	for (unsigned i = 0; i < 36; i++)
		flow_send(i, false, (uint8_t)(i < 6 ? 3 : i < 18 ? 4 : 5));
}

START_TEST(a_cbpf_program_chooses_the_member_and_can_be_swapped)
{
	struct sock_fprog program = { 2, by_byte }, two = { 1, always_two };

	group = lab_group(AFCAP_FANOUT_CBPF, 0);
	group.program = &program;
	group_open();
	bytes_send();
	group_received(36);
	ck_assert_uint_eq(packets_of(0), 6);
	ck_assert_uint_eq(packets_of(1), 12);
	ck_assert_uint_eq(packets_of(2), 18);
	ck_assert_int_eq(afcap_fanout_program(afcap_fd(members[1]), &two, -1), 0);
	bytes_send();
	LAB_SOON(packets_of(2) == 18 + 36);
	ck_assert_int_eq(afcap_fanout_program(afcap_fd(members[1]), NULL, -1), -EINVAL);
	/* 0 is a descriptor, and of the two only one is given */
	ck_assert_int_eq(afcap_fanout_program(afcap_fd(members[1]), &two, 0), -EINVAL);
	ck_assert_int_eq(afcap_filter_lock(afcap_fd(members[1])), 0);
	ck_assert_int_eq(afcap_fanout_program(afcap_fd(members[1]), &program, -1), -EPERM);
	group_close();
}
END_TEST

START_TEST(an_ebpf_program_chooses_the_member_and_can_be_swapped)
{
	int program = lab_ebpf(BYTE_AT, -1), one = lab_ebpf(BYTE_AT, 1);

	ck_assert_msg(program > 0 && one > 0, "bpf(2): %s", strerror(errno));
	group = lab_group(AFCAP_FANOUT_EBPF, 0);
	group.program_fd = program;
	group_open();
	bytes_send();
	group_received(36);
	ck_assert_uint_eq(packets_of(0), 6);
	ck_assert_uint_eq(packets_of(1), 12);
	ck_assert_uint_eq(packets_of(2), 18);
	ck_assert_int_eq(afcap_fanout_program(afcap_fd(members[0]), NULL, one), 0);
	bytes_send();
	LAB_SOON(packets_of(1) == 12 + 36);
	group_close();
	lab_open();
	ck_assert_int_eq(afcap_fanout_program(afcap_fd(handle), NULL, program), -EINVAL);
	afcap_close(handle);
}
END_TEST

/* ---- SetBPF SetEBPF: eBPF as a filter ---- */

START_TEST(an_ebpf_filter_is_set_at_open_and_later)
{
	int none = lab_ebpf(BYTE_AT, 0), all = lab_ebpf(BYTE_AT, 1 << 16);

	ck_assert_msg(none > 0 && all > 0, "bpf(2): %s", strerror(errno));
	options.filter_fd = none;
	lab_open();
	lab_send(10, TEST_TYPE);
	ck_assert_uint_eq(lab_stats().packets, 0);
	ck_assert_int_eq(afcap_filter_set_ebpf(afcap_fd(handle), all), 0);
	lab_send(10, TEST_TYPE);
	ck_assert_uint_eq(lab_read(10), 10);
	ck_assert_int_eq(afcap_filter_set_ebpf(afcap_fd(handle), none), 0);
	lab_send(10, TEST_TYPE);
	ck_assert_uint_eq(lab_stats().packets, 10);
	ck_assert_int_lt(afcap_filter_set_ebpf(afcap_fd(handle), sender), 0); /* no program */
	ck_assert_int_eq(afcap_filter_clear(afcap_fd(handle)), 0);
	lab_send(10, TEST_TYPE);
	ck_assert_uint_eq(lab_read(10), 10);
	ck_assert_int_eq(afcap_filter_lock(afcap_fd(handle)), 0);
	ck_assert_int_eq(afcap_filter_set_ebpf(afcap_fd(handle), none), -EPERM);
	afcap_close(handle);
}
END_TEST

Suite *suite_fanout(void)
{
	Suite *s = suite_create("fanout");
	TCase *t = lab_case(
		s,
		"FanoutHash FanoutHashWithDefrag FanoutLoadBalance FanoutCPU FanoutRollover "
		"FanoutRandom FanoutQueueMapping FanoutCBPF FanoutEBPF",
		lab_setup, 30);

	tcase_add_test(t, hash_keeps_both_directions_of_a_flow_together);
	tcase_add_test(t, a_group_goes_on_after_the_link_was_down);
	tcase_add_test(t, lb_goes_round);
	tcase_add_test(t, cpu_is_that_of_the_sender_here);
	tcase_add_test(t, qm_follows_the_queue);
	tcase_add_test(t, rnd_reaches_all);
	tcase_add_loop_test(t, defrag_puts_fragments_together, 0, 2);
	tcase_add_loop_test(t, rollover_goes_on_to_the_next_when_one_is_full, 0, 2);
	tcase_add_test(t, a_cbpf_program_chooses_the_member_and_can_be_swapped);
	tcase_add_test(t, an_ebpf_program_chooses_the_member_and_can_be_swapped);
	t = lab_case(s, "SetEBPF", lab_setup, 30);
	tcase_add_test(t, an_ebpf_filter_is_set_at_open_and_later);
	return s;
}
