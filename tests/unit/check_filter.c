/* daemon/supervisor/filter.c, as far as it needs no interface. */
#include "suites.h"

#include "../../daemon/supervisor/filter.h"
#include "../../daemon/base/linktype.h"
#include "../../daemon/supervisor/filter_cooked.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>

#define SOURCE(...)                                                                                \
	&(struct filter_source)                                                                    \
	{                                                                                          \
		__VA_ARGS__                                                                        \
	}

static char error[256];

START_TEST(syntax_is_checked_in_libpcaps_words)
{
	ck_assert_int_eq(filter_check(SOURCE("eth0", "udp port 53 and vlan 7", 1000, false), error,
				      sizeof(error)),
			 0);
	ck_assert_int_eq(
		filter_check(SOURCE("eth0", "udp prot 53", 1000, false), error, sizeof(error)),
		-EINVAL);
	ck_assert_str_ne(error, "");
	ck_assert_int_eq(
		filter_check(SOURCE("eth0", "ip6 protochain 6", 1000, false), error, sizeof(error)),
		-EINVAL);
	ck_assert_str_eq(error, "a loop (protochain), which the kernel does not accept");
	ck_assert_int_eq(
		filter_check(SOURCE("any", "ip6 protochain 6", 1000, false), error, sizeof(error)),
		-EINVAL);
}
END_TEST

START_TEST(no_expression_lets_everything_in_up_to_the_snapshot_length)
{
	struct sock_fprog p;

	ck_assert_int_eq(
		filter_compile(&p, SOURCE("nowhere0", "", 777, false), error, sizeof(error)), 0);
	ck_assert_uint_eq(p.len, 1);
	ck_assert_uint_eq(p.filter[0].code, BPF_RET | BPF_K);
	ck_assert_uint_eq(p.filter[0].k, 777);
	free(p.filter);
}
END_TEST

/* It depends on the surroundings, what else is wrong does not. */
START_TEST(a_name_that_is_not_known_is_no_syntax_error)
{
	ck_assert_int_eq(
		filter_check(SOURCE("eth0", "host x.invalid", 1000, false), error, sizeof(error)),
		-ENOENT);
	ck_assert_str_eq(error, "unknown host 'x.invalid'");
	ck_assert_int_eq(
		filter_check(SOURCE("any", "net nosuchnet", 1000, false), error, sizeof(error)),
		-ENOENT);
	ck_assert_int_eq(
		filter_check(SOURCE("eth0", "ip proto nosuch", 1000, false), error, sizeof(error)),
		-ENOENT);
}
END_TEST

START_TEST(a_copy_may_refuse_outgoing_packets)
{
	struct sock_fprog plain, copy, incoming, made;

	ck_assert_int_eq(
		filter_compile(&plain, SOURCE("any", "udp", 777, false), error, sizeof(error)), 0);
	ck_assert_int_eq(filter_copy(&copy, &plain, false, error, sizeof(error)), 0);
	ck_assert_uint_eq(copy.len, plain.len);
	ck_assert_mem_eq(copy.filter, plain.filter, plain.len * sizeof(*plain.filter));
	ck_assert_int_eq(filter_copy(&incoming, &plain, true, error, sizeof(error)), 0);
	ck_assert_int_eq(filter_compile(&made, SOURCE("any", "", 777, true), error, sizeof(error)),
			 0);
	ck_assert_uint_eq(incoming.len, plain.len + 3);
	ck_assert_mem_eq(incoming.filter, made.filter, 3 * sizeof(*made.filter));
	ck_assert_mem_eq(incoming.filter + 3, plain.filter, plain.len * sizeof(*plain.filter));
	free(plain.filter);
	free(copy.filter);
	free(incoming.filter);
	free(made.filter);
}
END_TEST

/* For kernels whose fanout cannot ignore outgoing packets itself. */
START_TEST(outgoing_packets_are_refused_in_front)
{
	struct sock_fprog p;

	ck_assert_int_eq(
		filter_compile(&p, SOURCE("nowhere0", "", 777, true), error, sizeof(error)), 0);
	ck_assert_uint_eq(p.len, 4);
	ck_assert_uint_eq(p.filter[0].k, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE));
	ck_assert_uint_eq(p.filter[1].k, PACKET_OUTGOING);
	ck_assert_uint_eq(p.filter[1].jt, 0);
	ck_assert_uint_eq(p.filter[1].jf, 1);
	ck_assert_uint_eq(p.filter[2].k, 0);
	ck_assert_uint_eq(p.filter[3].k, 777);
	free(p.filter);
}
END_TEST

START_TEST(an_interface_that_is_not_there_is_told)
{
	struct sock_fprog p;

	ck_assert_int_lt(
		filter_compile(&p, SOURCE("nowhere0", "udp", 777, false), error, sizeof(error)), 0);
	ck_assert_ptr_nonnull(strstr(error, "nowhere0"));
}
END_TEST

#define ANCILLARY(what) (uint32_t)(SKF_AD_OFF + SKF_AD_##what)

/* On the loopback every packet passes twice, out and in; nobody else's is touched. */
START_TEST(of_all_interfaces_what_goes_out_of_the_loopback_is_refused)
{
	struct sock_fprog p;

	ck_assert_int_eq(filter_compile(&p, SOURCE("any", "", 777, false), error, sizeof(error)),
			 0);
	ck_assert_uint_eq(p.len, 6);
	ck_assert_uint_eq(p.filter[0].k, ANCILLARY(HATYPE));
	ck_assert_uint_eq(p.filter[1].k, ARPHRD_LOOPBACK);
	ck_assert_uint_eq(p.filter[1].jt, 0);
	ck_assert_uint_eq(p.filter[1].jf, 3);
	ck_assert_uint_eq(p.filter[2].k, ANCILLARY(PKTTYPE));
	ck_assert_uint_eq(p.filter[3].k, PACKET_OUTGOING);
	ck_assert_uint_eq(p.filter[3].jt, 0);
	ck_assert_uint_eq(p.filter[3].jf, 1);
	ck_assert_uint_eq(p.filter[4].k, 0);
	ck_assert_uint_eq(p.filter[5].k, 777);
	free(p.filter);
	ck_assert_int_eq(filter_compile(&p, SOURCE("any", "", 777, true), error, sizeof(error)), 0);
	ck_assert_uint_eq(p.len, 4);
	free(p.filter);
}
END_TEST

/* A load of a cooked packet, and of the kernel's. */
static const struct {
	struct sock_filter load;
	uint16_t code;
	uint32_t k;
} loads[] = {
	{ BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0), BPF_LD | BPF_H | BPF_ABS, ANCILLARY(PROTOCOL) },
	{ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4), BPF_LD | BPF_W | BPF_ABS, ANCILLARY(IFINDEX) },
	{ BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 8), BPF_LD | BPF_H | BPF_ABS, ANCILLARY(HATYPE) },
	{ BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 10), BPF_LD | BPF_B | BPF_ABS, ANCILLARY(PKTTYPE) },
	{ BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 20), BPF_LD | BPF_B | BPF_ABS, 0 },
	{ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 32), BPF_LD | BPF_W | BPF_ABS, 12 },
	{ BPF_STMT(BPF_LD | BPF_H | BPF_IND, 22), BPF_LD | BPF_H | BPF_IND, 2 },
	{ BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 20), BPF_LDX | BPF_B | BPF_MSH, 0 },
	{ BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0), BPF_LD | BPF_MEM, 15 },
	{ BPF_STMT(BPF_LDX | BPF_W | BPF_LEN, 0), BPF_LDX | BPF_MEM, 15 },
	{ BPF_STMT(BPF_LD | BPF_IMM, 4), BPF_LD | BPF_IMM, 4 },
	{ BPF_STMT(BPF_LD | BPF_MEM, 4), BPF_LD | BPF_MEM, 4 },
	{ BPF_STMT(BPF_LDX | BPF_IMM, 10), BPF_LDX | BPF_IMM, 10 },
	{ BPF_STMT(BPF_RET | BPF_K, 96), BPF_RET | BPF_K, 96 },
	{ BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 2), BPF_ALU | BPF_ADD | BPF_K, 2 },
	{ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 8, 1, 2), BPF_JMP | BPF_JEQ | BPF_K, 8 },
};

START_TEST(each_load_is_translated)
{
	struct sock_filter before[FILTER_COOKED_BEFORE], insn = loads[_i].load;
	const struct sock_fprog one = { 1, &insn };

	ck_assert_int_ge(filter_cooked(&one, LINKTYPE_LINUX_SLL2, before, error, sizeof(error)), 0);
	ck_assert_uint_eq(insn.code, loads[_i].code);
	ck_assert_uint_eq(insn.k, loads[_i].k);
	ck_assert_uint_eq(insn.jt, loads[_i].load.jt);
	ck_assert_uint_eq(insn.jf, loads[_i].load.jf);
}
END_TEST

/* In another size, of another byte, over the header's end, computed; what the kernel would take for
 * an ancillary load. */
static const struct sock_filter refused[] = {
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
	BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 2),
	BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 10),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 11),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 12),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 18),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 19),
	BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0),
	BPF_STMT(BPF_LD | BPF_B | BPF_IND, 19),
	BPF_STMT(BPF_LD | BPF_B | BPF_IND, UINT32_MAX),
	BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_MARK)),
};

START_TEST(what_the_kernel_cannot_be_told_is_refused)
{
	struct sock_filter before[FILTER_COOKED_BEFORE], insn = refused[_i];
	const struct sock_fprog one = { 1, &insn };

	ck_assert_int_eq(filter_cooked(&one, LINKTYPE_LINUX_SLL2, before, error, sizeof(error)),
			 -EINVAL);
	ck_assert_ptr_nonnull(strstr(error, "cannot be filtered on with interface = any"));
}
END_TEST

static int cooked(struct sock_filter *code, unsigned short count,
		  struct sock_filter before[FILTER_COOKED_BEFORE])
{
	const struct sock_fprog program = { count, code };

	return filter_cooked(&program, LINKTYPE_LINUX_SLL2, before, error, sizeof(error));
}

/* The first version of the header has its fields elsewhere, and no interface index. */
static const struct {
	struct sock_filter load;
	uint32_t k; /* 0: refused */
} sll_loads[] = {
	{ BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0), ANCILLARY(PKTTYPE) },
	{ BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 2), ANCILLARY(HATYPE) },
	{ BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 14), ANCILLARY(PROTOCOL) },
	{ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 20), 4 },
	{ BPF_STMT(BPF_LD | BPF_H | BPF_IND, 18), 2 },
	{ BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 17), 1 },
	{ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4), 0 },
	{ BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 10), 0 },
	{ BPF_STMT(BPF_LD | BPF_H | BPF_IND, 15), 0 },
};

START_TEST(loads_of_the_first_version_are_translated)
{
	struct sock_filter before[FILTER_COOKED_BEFORE], insn = sll_loads[_i].load;
	const struct sock_fprog one = { 1, &insn };
	int rc = filter_cooked(&one, LINKTYPE_LINUX_SLL, before, error, sizeof(error));

	ck_assert_int_eq(rc, sll_loads[_i].k ? 0 : -EINVAL);
	if (rc == 0)
		ck_assert_uint_eq(insn.k, sll_loads[_i].k);
}
END_TEST

START_TEST(expressions_are_compiled_for_the_first_version)
{
	struct sock_fprog p;

	ck_assert_int_eq(
		filter_compile(&p,
			       SOURCE(FILTER_ANY_SLL, "inbound and tcp port 80 and greater 90",
				      1000, false),
			       error, sizeof(error)),
		0);
	free(p.filter);
	ck_assert_int_eq(filter_check(SOURCE(FILTER_ANY_SLL, "ifindex 3", 1000, false), error,
				      sizeof(error)),
			 -EINVAL);
	ck_assert_int_eq(
		filter_compile(&p, SOURCE(FILTER_ANY_SLL, "", 777, false), error, sizeof(error)),
		0);
	ck_assert_uint_gt(p.len, 1); /* the loopback's packets once */
	free(p.filter);
}
END_TEST

/* The length has the header in it, as in the file; the memory cell is one that nobody uses. */
START_TEST(the_length_counts_the_header)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_ST, 15),
		BPF_STMT(BPF_LDX | BPF_MEM, 14),
		BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
	};
	struct sock_filter before[FILTER_COOKED_BEFORE], full[BPF_MEMWORDS + 1];

	ck_assert_int_eq(cooked(code, 3, before), 3);
	ck_assert_uint_eq(before[0].code, BPF_LD | BPF_W | BPF_LEN);
	ck_assert_uint_eq(before[1].code, BPF_ALU | BPF_ADD | BPF_K);
	ck_assert_uint_eq(before[1].k, 20);
	ck_assert_uint_eq(before[2].code, BPF_ST);
	ck_assert_uint_eq(before[2].k, 13);
	ck_assert_uint_eq(code[2].k, 13);
	for (unsigned i = 0; i < BPF_MEMWORDS; i++)
		full[i] = (struct sock_filter)BPF_STMT(BPF_STX, i);
	ck_assert_int_eq(cooked(full, BPF_MEMWORDS, before), 0);
	full[BPF_MEMWORDS] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0);
	ck_assert_int_eq(cooked(full, BPF_MEMWORDS + 1, before), -EINVAL);
}
END_TEST

START_TEST(expressions_for_all_interfaces_are_checked_as_they_will_be_used)
{
	static const char *const good[] = { "tcp port 80", "inbound and ifindex 3", "greater 100",
					    "ip6 or arp", "len > ip[2:2] + 20" };
	struct sock_fprog p;

	for (unsigned i = 0; i < sizeof(good) / sizeof(*good); i++) {
		ck_assert_int_eq(
			filter_check(SOURCE("any", good[i], 1000, false), error, sizeof(error)), 0);
		ck_assert_int_eq(filter_compile(&p, SOURCE("any", good[i], 1000, false), error,
						sizeof(error)),
				 0);
		free(p.filter);
	}
	ck_assert_int_eq(
		filter_check(SOURCE("any", "udp prot 53", 1000, false), error, sizeof(error)),
		-EINVAL);
	ck_assert_int_eq(
		filter_check(SOURCE("any", "link[1] = 8", 1000, false), error, sizeof(error)),
		-EINVAL);
	ck_assert_str_eq(error, "byte 1 of the link-layer header cannot be filtered on with "
				"interface = any");
	ck_assert_int_eq(
		filter_check(SOURCE("eth0", "link[1] = 8", 1000, false), error, sizeof(error)), 0);
}
END_TEST

Suite *suite_filter(void)
{
	Suite *s = suite_create("filter");
	TCase *t = tcase_create("filter");

	tcase_add_test(t, syntax_is_checked_in_libpcaps_words);
	tcase_add_test(t, no_expression_lets_everything_in_up_to_the_snapshot_length);
	tcase_add_test(t, outgoing_packets_are_refused_in_front);
	tcase_add_test(t, a_name_that_is_not_known_is_no_syntax_error);
	tcase_add_test(t, a_copy_may_refuse_outgoing_packets);
	tcase_add_test(t, an_interface_that_is_not_there_is_told);
	tcase_add_test(t, of_all_interfaces_what_goes_out_of_the_loopback_is_refused);
	tcase_add_loop_test(t, each_load_is_translated, 0, sizeof(loads) / sizeof(*loads));
	tcase_add_loop_test(t, what_the_kernel_cannot_be_told_is_refused, 0,
			    sizeof(refused) / sizeof(*refused));
	tcase_add_loop_test(t, loads_of_the_first_version_are_translated, 0,
			    sizeof(sll_loads) / sizeof(*sll_loads));
	tcase_add_test(t, expressions_are_compiled_for_the_first_version);
	tcase_add_test(t, the_length_counts_the_header);
	tcase_add_test(t, expressions_for_all_interfaces_are_checked_as_they_will_be_used);
	suite_add_tcase(s, t);
	return s;
}
