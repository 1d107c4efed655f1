/* daemon/base/config_ring.c: the ring that a configuration means, in its own numbers. */
#include "suites.h"

#include "../../daemon/base/config_ring.h"

#include <unistd.h>

#define KIB  UINT64_C(1024)
#define MIB  (1024 * KIB)
#define MS   UINT64_C(1000000)
#define AUTO ((uint64_t)CONFIG_AUTO)

static struct config_ring ring_of(uint64_t ring_bytes, uint64_t block_bytes, uint64_t timeout_ns)
{
	const struct group_config group = { .ring_bytes = ring_bytes,
					    .block_bytes = block_bytes,
					    .block_timeout_ns = timeout_ns };

	return config_ring(&group);
}

static const struct {
	uint64_t ring, block, blocks, timeout_ms;
} decided[] = {
	{ 64 * MIB, 512 * KIB, 128, 334 }, /* the default */
	{ 100 * MIB, 512 * KIB, 200, 214 },
	{ 128 * MIB, MIB, 128, 334 },
	{ 256 * MIB, MIB, 256, 167 },
	{ 1024 * MIB, MIB, 1024, 64 }, /* 48 s */
	{ 1024 * 1024 * MIB, MIB, 1024 * 1024, 64 },
	{ 32 * MIB, 256 * KIB, 128, 334 },
	{ 16 * MIB, 128 * KIB, 128, 334 },
	{ 8 * MIB, 128 * KIB, 64, 667 },
	{ 4 * MIB, 128 * KIB, 32, 1000 }, /* 24 s: no packet waits longer than that */
	{ 1 * MIB, 128 * KIB, 8, 1000 },
	{ 512 * KIB, 64 * KIB, 8, 1000 },
	{ 64 * KIB, 8 * KIB, 8, 1000 },
	{ 4 * KIB, 4 * KIB, 1, 1000 },
};

START_TEST(auto_follows_from_the_size_of_the_ring)
{
	struct config_ring ring = ring_of(decided[_i].ring, AUTO, AUTO);

	if (sysconf(_SC_PAGESIZE) != 4096)
		return;
	ck_assert_uint_eq(ring.ring_bytes, decided[_i].ring);
	ck_assert_uint_eq(ring.block_bytes, decided[_i].block);
	ck_assert_uint_eq(ring.blocks, decided[_i].blocks);
	ck_assert_uint_eq(ring.block_timeout_ns, decided[_i].timeout_ms * MS);
}
END_TEST

/* Whatever size it has, if blocks of the smallest size are enough for it. */
START_TEST(three_quarters_of_a_ring_last_half_a_minute)
{
	for (uint64_t mib = 6; mib <= 4096; mib++) {
		struct config_ring ring = ring_of(mib * MIB, AUTO, AUTO);

		ck_assert_uint_ge(ring.blocks * 3 / 4 * ring.block_timeout_ns, CONFIG_RING_NS);
		ck_assert_uint_le(ring.block_timeout_ns, 1000 * MS);
		ck_assert_uint_eq(ring.block_timeout_ns % MS, 0);
		ck_assert_uint_ge(ring.block_bytes, 128 * KIB);
		ck_assert_uint_eq(ring.block_bytes & (ring.block_bytes - 1), 0);
	}
}
END_TEST

START_TEST(what_is_configured_stays)
{
	struct config_ring ring = ring_of(64 * MIB, 64 * KIB, 20 * MS);

	ck_assert_uint_eq(ring.block_bytes, 64 * KIB);
	ck_assert_uint_eq(ring.blocks, 1024);
	ck_assert_uint_eq(ring.block_timeout_ns, 20 * MS);
	ring = ring_of(64 * MIB, MIB, AUTO); /* each by itself */
	ck_assert_uint_eq(ring.block_timeout_ns, 667 * MS);
	ring = ring_of(64 * MIB, AUTO, MS);
	ck_assert_uint_eq(ring.block_bytes, 512 * KIB);
	ck_assert_uint_eq(ring.block_timeout_ns, MS);
}
END_TEST

/* The kernel allocates a block of 96K as one of 128K (get_order()). */
START_TEST(blocks_are_counted_as_they_lie_in_memory)
{
	ck_assert_uint_eq(ring_of(64 * MIB, 96 * KIB, AUTO).blocks, 512);
	ck_assert_uint_eq(ring_of(MIB, 2 * MIB, AUTO).blocks, 0);
	ck_assert_uint_eq(ring_of(MIB, 2 * MIB, AUTO).block_timeout_ns, 1000 * MS);
}
END_TEST

/* Of a ring whose size is not decided yet. */
START_TEST(a_ring_that_may_become_larger_may_get_larger_blocks)
{
	const struct group_config group = { .ring_bytes = AUTO,
					    .block_bytes = AUTO,
					    .block_timeout_ns = AUTO };
	struct group_config small = group;

	ck_assert_uint_eq(config_ring(&group).ring_bytes, 64 * MIB);
	ck_assert_uint_eq(config_ring(&group).block_bytes, 512 * KIB);
	ck_assert_uint_eq(config_block_max(&group), MIB);
	small.ring_bytes = 64 * MIB;
	ck_assert_uint_eq(config_block_max(&small), 512 * KIB);
}
END_TEST

Suite *suite_config_ring(void)
{
	Suite *s = suite_create("config_ring");
	TCase *t = tcase_create("config_ring");

	tcase_add_loop_test(t, auto_follows_from_the_size_of_the_ring, 0,
			    sizeof(decided) / sizeof(*decided));
	tcase_add_test(t, three_quarters_of_a_ring_last_half_a_minute);
	tcase_add_test(t, what_is_configured_stays);
	tcase_add_test(t, blocks_are_counted_as_they_lie_in_memory);
	tcase_add_test(t, a_ring_that_may_become_larger_may_get_larger_blocks);
	suite_add_tcase(s, t);
	return s;
}
