/* daemon/supervisor/filter.c, as far as it needs no interface. */
#include "suites.h"

#include "../../daemon/supervisor/filter.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>

static char error[256];

START_TEST(syntax_is_checked_in_libpcaps_words)
{
	ck_assert_int_eq(filter_check("udp port 53 and vlan 7", 1000, error, sizeof(error)), 0);
	ck_assert_int_eq(filter_check("udp prot 53", 1000, error, sizeof(error)), -EINVAL);
	ck_assert_str_ne(error, "");
}
END_TEST

START_TEST(no_expression_lets_everything_in_up_to_the_snapshot_length)
{
	struct sock_fprog p;

	ck_assert_int_eq(filter_compile(&p, "nowhere0", "", 777, false, error, sizeof(error)), 0);
	ck_assert_uint_eq(p.len, 1);
	ck_assert_uint_eq(p.filter[0].code, BPF_RET | BPF_K);
	ck_assert_uint_eq(p.filter[0].k, 777);
	free(p.filter);
}
END_TEST

/* For kernels whose fanout cannot ignore outgoing packets itself. */
START_TEST(outgoing_packets_are_refused_in_front)
{
	struct sock_fprog p;

	ck_assert_int_eq(filter_compile(&p, "nowhere0", "", 777, true, error, sizeof(error)), 0);
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

	ck_assert_int_lt(filter_compile(&p, "nowhere0", "udp", 777, false, error, sizeof(error)),
			 0);
	ck_assert_ptr_nonnull(strstr(error, "nowhere0"));
}
END_TEST

Suite *suite_filter(void)
{
	Suite *s = suite_create("filter");
	TCase *t = tcase_create("filter");

	tcase_add_test(t, syntax_is_checked_in_libpcaps_words);
	tcase_add_test(t, no_expression_lets_everything_in_up_to_the_snapshot_length);
	tcase_add_test(t, outgoing_packets_are_refused_in_front);
	tcase_add_test(t, an_interface_that_is_not_there_is_told);
	suite_add_tcase(s, t);
	return s;
}
