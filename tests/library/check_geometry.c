/* lib/geometry.c */
#include "suites.h"

#include "../../lib/internal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

START_TEST(a_ring_is_cut_to_whole_blocks)
{
	struct afcap_geometry g = { .block_bytes = 1048576 };

	ck_assert_int_eq(afcap_geometry_solve(&g, 5 * 1048576 + 7, 65535, NULL), 0);
	ck_assert_uint_eq(g.blocks, 5);
	ck_assert_uint_eq(g.block_bytes, 1048576);
	ck_assert_uint_eq(g.block_timeout_ms, 64);
}
END_TEST

/* Memory and snaplen in, and what must come of it */
static const struct {
	uint64_t memory;
	uint32_t snaplen;
	enum afcap_tpacket version;
	uint32_t block_bytes, blocks;
} solved[] = {
	{ 64 << 20, 1500, AFCAP_TPACKET_V3, 1 << 20, 64 },
	{ 64 << 20, 262144, AFCAP_TPACKET_V3, 1 << 20, 64 },
	{ 64 << 20, 1048576, AFCAP_TPACKET_V3, 2 << 20, 32 }, /* with its headers */
	{ 1 << 20, 1500, AFCAP_TPACKET_V3, 128 << 10, 8 },
	{ 8192, 1500, AFCAP_TPACKET_V3, 4096, 2 },
	{ UINT64_C(1) << 37, 1500, AFCAP_TPACKET_V3, 2 << 20, 65536 },
	{ 64 << 20, 1500, AFCAP_TPACKET_V2, 1 << 20, 64 },
	{ 64 << 20, 65535, AFCAP_TPACKET_V1, 1 << 20, 64 },
};

START_TEST(a_geometry_comes_of_memory_and_snaplen)
{
	struct afcap_geometry g = { .version = solved[_i].version };
	struct afcap_error error;

	ck_assert_msg(afcap_geometry_solve(&g, solved[_i].memory, solved[_i].snaplen, &error) == 0,
		      "%s", error.text);
	ck_assert_uint_eq(g.block_bytes, solved[_i].block_bytes);
	ck_assert_uint_eq(g.blocks, solved[_i].blocks);
	ck_assert_uint_le(afcap_geometry_memory(&g), solved[_i].memory);
	ck_assert_int_eq(afcap_geometry_check(&g, &error), 0);
	if (g.version < AFCAP_TPACKET_V3) {
		ck_assert_uint_gt(g.frame_bytes, solved[_i].snaplen);
		ck_assert_uint_lt(g.frame_bytes, solved[_i].snaplen + 200);
	}
}
END_TEST

START_TEST(a_block_that_is_kept_takes_a_power_of_two_of_the_budget)
{
	struct afcap_geometry g = { .block_bytes = 3 << 20 };

	ck_assert_int_eq(afcap_geometry_solve(&g, 64 << 20, 1500, NULL), 0);
	ck_assert_uint_eq(g.blocks, 16);
}
END_TEST

static const struct {
	struct afcap_geometry geometry;
	uint64_t memory;
	uint32_t snaplen;
	const char *says;
} unsolved[] = {
	{ { .version = AFCAP_TPACKET_V3, .block_bytes = 65536 },
	  1 << 20,
	  65536,
	  "packets of 65536 bytes (snaplen) need blocks" },
	{ { .version = AFCAP_TPACKET_V2, .frame_bytes = 1024 }, 1 << 20, 1500, "need frames of" },
	{ { .block_bytes = 4096 }, UINT64_C(1) << 32, 1500, "1048576 blocks, at most 65536" },
	{ { .block_bytes = 4096 }, 4095, 1500, "less than one block" },
	{ { .block_bytes = 1000 }, 1 << 20, 100, "block_bytes 1000" },
	{ { 0 }, 1 << 20, UINT32_MAX, "snaplen 4294967295" },
	{ { .priv_bytes = 70000 }, 1 << 20, 100, "priv_bytes 70000" },
};

START_TEST(what_cannot_be_solved_is_told_and_left_alone)
{
	struct afcap_geometry g = unsolved[_i].geometry;
	struct afcap_error error = { 0 };

	ck_assert_int_eq(
		afcap_geometry_solve(&g, unsolved[_i].memory, unsolved[_i].snaplen, &error),
		-EINVAL);
	ck_assert_msg(strstr(error.text, unsolved[_i].says), "%s", error.text);
	ck_assert_mem_eq(&g, &unsolved[_i].geometry, sizeof(g));
}
END_TEST

/* Each row breaks one rule; the text must name the field and the value. */
static const struct {
	struct afcap_geometry geometry;
	const char *says;
} bad[] = {
	{ { .block_bytes = 0, .blocks = 1 }, "block_bytes 0" },
	{ { .block_bytes = 1000, .blocks = 1 }, "block_bytes 1000" },
	{ { .block_bytes = 4097, .blocks = 1 }, "block_bytes 4097" },
	{ { .block_bytes = 2u << 30, .blocks = 1 }, "block_bytes 2147483648" },
	{ { .block_bytes = 4096, .blocks = 0 }, "blocks 0" },
	{ { .block_bytes = 4096, .blocks = 65537 }, "blocks 65537" },
	{ { .block_bytes = 4096, .blocks = 1, .reserve_bytes = 4097 }, "reserve_bytes 4097" },
	{ { .block_bytes = 4096, .blocks = 1, .reserve_bytes = 4096 }, "block_bytes 4096" },
	{ { .block_bytes = 4096, .blocks = 1, .priv_bytes = 4000 }, "at least 4116" },
};

START_TEST(a_broken_rule_is_named)
{
	struct afcap_geometry g = bad[_i].geometry;
	struct afcap_error error = { 0 };

	g.block_timeout_ms = 64;
	ck_assert_int_eq(afcap_geometry_check(&g, &error), -EINVAL);
	ck_assert_int_eq(error.code, EINVAL);
	ck_assert_msg(strstr(error.text, bad[_i].says), "%s", error.text);
}
END_TEST

START_TEST(limits_are_accepted)
{
	struct afcap_geometry g = { .block_bytes = (uint32_t)sysconf(_SC_PAGESIZE),
				    .blocks = 65536,
				    .block_timeout_ms = 65535 };

	ck_assert_int_eq(afcap_geometry_check(&g, NULL), 0);
	g.blocks = 1;
	g.block_timeout_ms = 1;
	ck_assert_int_eq(afcap_geometry_check(&g, NULL), 0);
}
END_TEST

START_TEST(blocks_are_multiples_of_the_page_whatever_its_size)
{
	static const uint32_t pages[] = { 4096, 16384, 65536 };
	struct afcap_geometry g = { .blocks = 1, .block_timeout_ms = 1 };
	struct afcap_error error;

	for (unsigned i = 0; i < 3; i++) {
		g.block_bytes = pages[i];
		ck_assert_int_eq(geometry_check(&g, pages[i], false, &error), 0);
		g.block_bytes = pages[i] * 3;
		ck_assert_int_eq(geometry_check(&g, pages[i], false, &error), 0);
		g.block_bytes = pages[i] / 2;
		ck_assert_int_eq(geometry_check(&g, pages[i], false, &error), -EINVAL);
		ck_assert_ptr_nonnull(strstr(error.text, "page size"));
	}
}
END_TEST

/* The kernel agrees: what the check takes it makes, what the check refuses it refuses too (or
 * silently breaks: more than 65536 blocks, a private area over 65528). */
START_TEST(the_kernel_has_the_same_rules)
{
	struct afcap_geometry g = { .version = AFCAP_TPACKET_V3,
				    .block_bytes = 65536,
				    .blocks = 2,
				    .block_timeout_ms = 10,
				    .reserve_bytes = (uint32_t)_i * 8 };
	uint32_t least = 48 + 68 + g.reserve_bytes;

	for (uint32_t priv = 65536 - least - 24; priv <= 65536 - least + 24; priv += 8) {
		struct tpacket_req3 request = { .tp_block_size = 65536,
						.tp_block_nr = 2,
						.tp_frame_size = 4096,
						.tp_frame_nr = 32,
						.tp_retire_blk_tov = 10,
						.tp_sizeof_priv = priv };
		int fd = socket(AF_PACKET, SOCK_RAW, 0), version = TPACKET_V3, rc;
		int reserve = (int)g.reserve_bytes;

		setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version));
		setsockopt(fd, SOL_PACKET, PACKET_RESERVE, &reserve, sizeof(reserve));
		rc = setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof(request));
		g.priv_bytes = priv;
		ck_assert_int_eq(afcap_geometry_check(&g, NULL) == 0, rc == 0);
		close(fd);
	}
}
END_TEST

START_TEST(memory_is_rounded_up_to_a_power_of_two_a_block)
{
	struct afcap_geometry g = { .block_bytes = 3 << 20, .blocks = 32 };

	ck_assert_uint_eq(afcap_geometry_memory(&g), UINT64_C(128) << 20);
}
END_TEST

START_TEST(fanout_modes_have_names)
{
	for (int mode = AFCAP_FANOUT_HASH; mode <= AFCAP_FANOUT_EBPF; mode++)
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
	tcase_add_loop_test(t, a_geometry_comes_of_memory_and_snaplen, 0,
			    sizeof(solved) / sizeof(*solved));
	tcase_add_test(t, a_block_that_is_kept_takes_a_power_of_two_of_the_budget);
	tcase_add_loop_test(t, what_cannot_be_solved_is_told_and_left_alone, 0,
			    sizeof(unsolved) / sizeof(*unsolved));
	tcase_add_test(t, blocks_are_multiples_of_the_page_whatever_its_size);
	tcase_add_loop_test(t, the_kernel_has_the_same_rules, 0, 3);
	tcase_add_test(t, memory_is_rounded_up_to_a_power_of_two_a_block);
	tcase_add_test(t, fanout_modes_have_names);
	suite_add_tcase(s, t);
	return s;
}
