/* Fanout groups: joining, refusals in words, where packets go in every mode, programs. */
#include "lab.h"
#include "suites.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
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

/* ---- SetFanout ---- */

/* Every mode, alone and with each flag it takes. */
START_TEST(groups_are_joined_with_every_mode_and_flag)
{
	static const uint16_t flags[] = { 0, AFCAP_FANOUT_FLAG_DEFRAG, AFCAP_FANOUT_FLAG_ROLLOVER,
					  AFCAP_FANOUT_FLAG_IGNORE_OUTGOING };

	for (unsigned i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		struct afcap_fanout first = { .mode = (enum afcap_fanout_mode)_i,
					      .flags = flags[i] | AFCAP_FANOUT_FLAG_UNIQUEID };
		struct afcap_fanout other, full, read;
		struct afcap *second;

		lab_open();
		ck_assert_int_eq(afcap_fanout_get(handle, &read), -ENOENT);
		if (_i == AFCAP_FANOUT_ROLLOVER && flags[i] == AFCAP_FANOUT_FLAG_ROLLOVER) {
			ck_assert_int_eq(afcap_fanout_join(handle, &first, &error), -EINVAL);
			ck_assert_str_eq(error.text,
					 "fanout mode rollover excludes the flag rollover");
			afcap_close(handle);
			continue;
		}
		ck_assert_msg(afcap_fanout_join(handle, &first, &error) == 0, "%s", error.text);
		ck_assert_uint_eq(first.flags & AFCAP_FANOUT_FLAG_UNIQUEID, 0);
		ck_assert_int_eq(afcap_fanout_get(handle, &read), 0);
		ck_assert_uint_eq(read.id, first.id);
		ck_assert_int_eq(read.mode, first.mode);
		ck_assert_uint_eq(read.flags & ~AFCAP_FANOUT_FLAG_UNIQUEID, first.flags);
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

static const struct {
	struct afcap_fanout fanout;
	const char *says;
} bad[] = {
	{ { .mode = (enum afcap_fanout_mode)8 }, "fanout mode 8: unknown" },
	{ { .flags = 0x0800 }, "fanout flags 0x800: unknown" },
	{ { .id = 5, .flags = AFCAP_FANOUT_FLAG_UNIQUEID }, "fanout id 5: must be 0" },
	{ { .max_members = 65537 }, "fanout max_members 65537: must be 1 to 65536" },
	{ { .mode = AFCAP_FANOUT_CBPF, .flags = AFCAP_FANOUT_FLAG_UNIQUEID },
	  "fanout mode cbpf: a new group needs a program" },
	{ { .mode = AFCAP_FANOUT_EBPF, .flags = AFCAP_FANOUT_FLAG_UNIQUEID },
	  "fanout mode ebpf: a new group needs a program" },
	{ { .mode = AFCAP_FANOUT_LB, .program_fd = 3 }, "mode ebpf takes one, lb does not" },
};

START_TEST(what_is_wrong_with_a_group_is_told)
{
	options.fanout = &bad[_i].fanout;
	ck_assert_int_eq(afcap_open(&handle, &options, &error), -EINVAL);
	ck_assert_msg(strstr(error.text, bad[_i].says), "%s", error.text);
}
END_TEST

START_TEST(a_group_takes_as_many_members_as_it_was_made_for)
{
	struct afcap *third;
	int rc;

	group = (struct afcap_fanout){ .id = 77, .max_members = 2 };
	options.fanout = &group;
	rc = afcap_open(&members[0], &options, &error);
	if (rc) { /* before Linux 5.12 */
		ck_assert_ptr_nonnull(strstr(error.text, "max_members (Linux 5.12)"));
		return;
	}
	ck_assert_int_eq(afcap_open(&members[1], &options, &error), 0);
	ck_assert_int_eq(afcap_open(&third, &options, &error), -ENOSPC);
	ck_assert_str_eq(error.text, "fanout group 77 is full (2 members)");
	afcap_close(members[1]);
	ck_assert_int_eq(afcap_open(&members[1], &options, &error), 0);
	group.max_members = 300;
	ck_assert_int_eq(afcap_open(&third, &options, &error), -EINVAL);
}
END_TEST

START_TEST(a_group_is_of_one_interface)
{
	struct afcap *other;

	group = (struct afcap_fanout){ .id = 5 };
	options.fanout = &group;
	lab_open();
	options.interface = "vb";
	ck_assert_int_eq(afcap_open(&other, &options, &error), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error.text, "another interface"));
	afcap_close(handle);
}
END_TEST

/* ---- FanoutHash ... FanoutEBPF ---- */

START_TEST(hash_keeps_both_directions_of_a_flow_together)
{
	uint64_t before[MEMBERS], total = 0;
	unsigned used = 0;

	group = (struct afcap_fanout){ .mode = AFCAP_FANOUT_HASH };
	group_open();
	for (unsigned flow = 0; flow < 64; flow++) {
		unsigned changed = 0;

		for (unsigned i = 0; i < MEMBERS; i++)
			before[i] = packets_of(i);
		flow_send(flow, false, 0);
		flow_send(flow, true, 0);
		flow_send(flow, false, 0);
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

START_TEST(lb_goes_round)
{
	group = (struct afcap_fanout){ .mode = AFCAP_FANOUT_LB };
	group_open();
	for (unsigned i = 0; i < 30; i++)
		flow_send(0, false, 0);
	for (unsigned i = 0; i < MEMBERS; i++)
		ck_assert_uint_eq(packets_of(i), 10);
	group_close();
}
END_TEST

START_TEST(cpu_is_that_of_the_sender_here)
{
	cpu_set_t one;

	group = (struct afcap_fanout){ .mode = AFCAP_FANOUT_CPU };
	group_open();
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
	for (unsigned i = 0; i < 30; i++)
		flow_send(i, false, 0);
	ck_assert_uint_eq(packets_of(0), 30);
	group_close();
}
END_TEST

START_TEST(rnd_reaches_all_and_qm_follows_the_queue)
{
	uint64_t total = 0;

	group = (struct afcap_fanout){ .mode = AFCAP_FANOUT_RND };
	group_open();
	for (unsigned i = 0; i < 300; i++)
		flow_send(0, false, 0);
	for (unsigned i = 0; i < MEMBERS; i++) {
		ck_assert_uint_gt(packets_of(i), 50);
		total += packets_of(i);
	}
	ck_assert_uint_eq(total, 300);
	group_close();
	group = (struct afcap_fanout){ .mode = AFCAP_FANOUT_QM };
	group_open();
	for (unsigned i = 0; i < 30; i++)
		flow_send(i, false, 0); /* a veth has one queue */
	ck_assert_uint_eq(packets_of(0), 30);
	group_close();
}
END_TEST

START_TEST(rollover_goes_on_to_the_next_when_one_is_full)
{
	struct afcap_rollover_stats stats;
	uint64_t total = 0;

	group = (struct afcap_fanout){ .mode = _i ? AFCAP_FANOUT_HASH : AFCAP_FANOUT_ROLLOVER,
				       .flags = _i ? AFCAP_FANOUT_FLAG_ROLLOVER : 0 };
	options.ring.blocks = 2;
	group_open();
	for (unsigned i = 0; i < 1200; i++) /* one member takes less than 700 */
		flow_send(0, false, 0);
	for (unsigned i = 0; i < MEMBERS; i++) {
		struct afcap_stats s;

		ck_assert_int_eq(afcap_stats(members[i], &s), 0);
		total += s.packets - s.drops;
	}
	ck_assert_uint_gt(total, 800);
	total = 0;
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

static struct sock_filter by_byte[] = { BPF_STMT(BPF_LD | BPF_B | BPF_ABS, SKF_NET_OFF + BYTE_AT),
					BPF_STMT(BPF_RET | BPF_A, 0) };
static struct sock_filter always_two[] = { BPF_STMT(BPF_RET | BPF_K, 2) };

/* The same byte, or `constant`, by eBPF; -1 where this kernel lets nobody load it */
static int ebpf_load(int constant)
{
	struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 6, .src_reg = 1 },
		{ .code = BPF_LD | BPF_ABS | BPF_B, .imm = SKF_NET_OFF + BYTE_AT },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
				.insns = (uintptr_t)code,
				.insn_cnt = 3,
				.license = (uintptr_t) "GPL" };

	if (constant >= 0)
		code[1] = (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = constant };
	return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
}

/* 6, 12 and 18 packets for members 0, 1, 2 */
static void bytes_send(void)
{
	for (unsigned i = 0; i < 36; i++)
		flow_send(i, false, (uint8_t)(i < 6 ? 3 : i < 18 ? 4 : 5));
}

START_TEST(a_cbpf_program_chooses_the_member_and_can_be_swapped)
{
	struct sock_fprog program = { 2, by_byte }, two = { 1, always_two };

	group = (struct afcap_fanout){ .mode = AFCAP_FANOUT_CBPF, .program = &program };
	group_open();
	bytes_send();
	ck_assert_uint_eq(packets_of(0), 6);
	ck_assert_uint_eq(packets_of(1), 12);
	ck_assert_uint_eq(packets_of(2), 18);
	ck_assert_int_eq(afcap_fanout_program(afcap_fd(members[1]), &two, 0), 0);
	bytes_send();
	ck_assert_uint_eq(packets_of(2), 18 + 36);
	ck_assert_int_eq(afcap_fanout_program(afcap_fd(members[1]), NULL, 0), -EINVAL);
	group_close();
}
END_TEST

START_TEST(an_ebpf_program_chooses_the_member_and_can_be_swapped)
{
	int program = ebpf_load(-1), one = ebpf_load(1);

	ck_assert_msg(program > 0 && one > 0, "bpf(2): %s", strerror(errno));
	group = (struct afcap_fanout){ .mode = AFCAP_FANOUT_EBPF, .program_fd = program };
	group_open();
	bytes_send();
	ck_assert_uint_eq(packets_of(0), 6);
	ck_assert_uint_eq(packets_of(1), 12);
	ck_assert_uint_eq(packets_of(2), 18);
	ck_assert_int_eq(afcap_fanout_program(afcap_fd(members[0]), NULL, one), 0);
	bytes_send();
	ck_assert_uint_eq(packets_of(1), 12 + 36);
	group_close();
	lab_open();
	ck_assert_int_eq(afcap_fanout_program(afcap_fd(handle), NULL, program), -EINVAL);
	afcap_close(handle);
}
END_TEST

/* ---- SetBPF SetEBPF: eBPF as a filter ---- */

START_TEST(an_ebpf_filter_is_set_at_open_and_later)
{
	int none = ebpf_load(0), all = ebpf_load(1 << 16);

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
	afcap_close(handle);
}
END_TEST

Suite *suite_fanout(void)
{
	Suite *s = suite_create("fanout");
	TCase *t = tcase_create("SetFanout");

	tcase_add_checked_fixture(t, lab_setup, NULL);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, groups_are_joined_with_every_mode_and_flag, AFCAP_FANOUT_HASH,
			    AFCAP_FANOUT_QM + 1);
	tcase_add_loop_test(t, what_is_wrong_with_a_group_is_told, 0, sizeof(bad) / sizeof(*bad));
	tcase_add_test(t, a_group_takes_as_many_members_as_it_was_made_for);
	tcase_add_test(t, a_group_is_of_one_interface);
	suite_add_tcase(s, t);
	t = tcase_create(
		"FanoutHash FanoutHashWithDefrag FanoutLoadBalance FanoutCPU FanoutRollover "
		"FanoutRandom FanoutQueueMapping FanoutCBPF FanoutEBPF");
	tcase_add_checked_fixture(t, lab_setup, NULL);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, hash_keeps_both_directions_of_a_flow_together);
	tcase_add_test(t, lb_goes_round);
	tcase_add_test(t, cpu_is_that_of_the_sender_here);
	tcase_add_test(t, rnd_reaches_all_and_qm_follows_the_queue);
	tcase_add_loop_test(t, rollover_goes_on_to_the_next_when_one_is_full, 0, 2);
	tcase_add_test(t, a_cbpf_program_chooses_the_member_and_can_be_swapped);
	tcase_add_test(t, an_ebpf_program_chooses_the_member_and_can_be_swapped);
	suite_add_tcase(s, t);
	t = tcase_create("SetEBPF");
	tcase_add_checked_fixture(t, lab_setup, NULL);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, an_ebpf_filter_is_set_at_open_and_later);
	suite_add_tcase(s, t);
	return s;
}
