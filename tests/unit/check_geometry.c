/* lib/geometry.c */
#include "suites.h"

#include "../../lib/afcap.h"

#include <errno.h>
#include <unistd.h>

START_TEST(a_ring_is_cut_to_whole_blocks)
{
	struct afcap_geometry g;

	ck_assert_int_eq(afcap_geometry_solve(&g, 5 * 1048576 + 7, 1048576, 64, NULL), 0);
	ck_assert_uint_eq(g.blocks, 5);
	ck_assert_uint_eq(g.block_bytes, 1048576);
	ck_assert_uint_eq(g.block_timeout_ms, 64);
}
END_TEST

/* Each row breaks one rule; the text must name the field and the value. */
static const struct {
	struct afcap_geometry geometry;
	const char *says;
} bad[] = {
	{ { 0, 1, 64, 0 }, "block_bytes 0" },
	{ { 1000, 1, 64, 0 }, "block_bytes 1000" },
	{ { 4097, 1, 64, 0 }, "block_bytes 4097" },
	{ { 2u << 30, 1, 64, 0 }, "block_bytes 2147483648" },
	{ { 4096, 0, 64, 0 }, "blocks 0" },
	{ { 4096, 65537, 64, 0 }, "blocks 65537" },
	{ { 4096, 1, 0, 0 }, "block_timeout_ms 0" },
	{ { 4096, 1, 65536, 0 }, "block_timeout_ms 65536" },
	{ { 4096, 1, 64, 4097 }, "reserve_bytes 4097" },
	{ { 4096, 1, 64, 4096 }, "block_bytes 4096" },
};

START_TEST(a_broken_rule_is_named)
{
	struct afcap_error error = { 0 };

	ck_assert_int_eq(afcap_geometry_check(&bad[_i].geometry, &error), -EINVAL);
	ck_assert_int_eq(error.code, EINVAL);
	ck_assert_msg(strstr(error.text, bad[_i].says), "%s", error.text);
}
END_TEST

START_TEST(limits_are_accepted)
{
	struct afcap_geometry g = { (uint32_t)sysconf(_SC_PAGESIZE), 65536, 65535, 0 };

	ck_assert_int_eq(afcap_geometry_check(&g, NULL), 0);
	g.blocks = 1;
	g.block_timeout_ms = 1;
	ck_assert_int_eq(afcap_geometry_check(&g, NULL), 0);
}
END_TEST

START_TEST(too_many_blocks_and_too_small_a_ring_are_refused)
{
	struct afcap_geometry g = { 1, 2, 3, 4 };

	ck_assert_int_eq(afcap_geometry_solve(&g, UINT64_C(1) << 32, 4096, 64, NULL), -EINVAL);
	ck_assert_int_eq(afcap_geometry_solve(&g, 4095, 4096, 64, NULL), -EINVAL);
	ck_assert_uint_eq(g.block_bytes, 1); /* untouched */
}
END_TEST

START_TEST(memory_is_rounded_up_to_a_power_of_two_a_block)
{
	struct afcap_geometry g = { 3 << 20, 32, 64, 0 };

	ck_assert_uint_eq(afcap_geometry_memory(&g), UINT64_C(128) << 20);
}
END_TEST

START_TEST(fanout_modes_have_names)
{
	for (int mode = AFCAP_FANOUT_HASH; mode <= AFCAP_FANOUT_QM; mode++)
		ck_assert_int_eq(afcap_fanout_mode_parse(
					 afcap_fanout_mode_name((enum afcap_fanout_mode)mode)),
				 mode);
	ck_assert_ptr_null(afcap_fanout_mode_name((enum afcap_fanout_mode)99));
	ck_assert_int_eq(afcap_fanout_mode_parse("ring"), -EINVAL);
}
END_TEST

Suite *suite_geometry(void)
{
	Suite *s = suite_create("geometry");
	TCase *t = tcase_create("geometry");

	tcase_add_test(t, a_ring_is_cut_to_whole_blocks);
	tcase_add_loop_test(t, a_broken_rule_is_named, 0, sizeof(bad) / sizeof(*bad));
	tcase_add_test(t, limits_are_accepted);
	tcase_add_test(t, too_many_blocks_and_too_small_a_ring_are_refused);
	tcase_add_test(t, memory_is_rounded_up_to_a_power_of_two_a_block);
	tcase_add_test(t, fanout_modes_have_names);
	suite_add_tcase(s, t);
	return s;
}
