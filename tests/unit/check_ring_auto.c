/* ring_size = auto: decided once at the start, by the memory; rings that exist keep their size. */
#include "settings.h"
#include "suites.h"

#include "../../daemon/base/config_ring.h"
#include "../../daemon/supervisor/limits.h"
#include "../../daemon/supervisor/preflight.h"

#include <string.h>

#define MIB (UINT64_C(1) << 20)

static struct config config;
static struct config_capture *c;

static void configure(const char *settings)
{
	settings_begin(&config);
	c = settings_capture(&config, "a", settings);
	settings_finish(&config);
}

static struct checkpoint_fingerprint fingerprint_of(const char *settings)
{
	struct plan plan = { 0 };

	configure(settings);
	ck_assert_int_eq(plan_make(c, &plan, NULL), 0);
	return plan_fingerprint(c, &plan, 2);
}

/* By what is available when the test runs: the memory in numbers is check_limits.c's. */
START_TEST(all_workers_of_all_captures_with_auto_share)
{
	struct config_capture *b, *d;
	uint64_t before, bytes, after;

	settings_begin(&config);
	c = settings_capture(&config, "a", "ring_size=auto workers=3");
	b = settings_capture(&config, "b", "ring_size=96M workers=9");
	d = settings_capture(&config, "d", "ring_size=auto workers=5");
	settings_finish(&config);
	before = limits_ring_auto(8);
	preflight_rings(&config);
	after = limits_ring_auto(8);
	bytes = c->group.ring_bytes;
	ck_assert(bytes == before || bytes == after);
	ck_assert_uint_eq(d->group.ring_bytes, bytes);
	ck_assert_uint_eq(b->group.ring_bytes, 96 * MIB);
	ck_assert_uint_eq(c->group.ring_auto, 1);
	ck_assert_uint_eq(b->group.ring_auto, 0);
}
END_TEST

static const struct {
	const char *before, *now;
	uint64_t decided_mib; /* now */
	const char *keys;
} rings[] = {
	{ "ring_size=256M", "ring_size=auto", 64, "" },
	{ "ring_size=256M", "ring_size=auto", 1024, "" },
	{ "ring_size=64M", "ring_size=auto", 1024, "" },
	{ "ring_size=1G", "ring_size=auto", 64, "" },
	/* Blocks take a power of two of memory */
	{ "ring_size=64M block_size=768K", "ring_size=auto block_size=768K", 64, "" },
	{ "ring_size=1G block_size=768K", "ring_size=auto block_size=768K", 64, "" },
	{ "ring_size=64M block_size=768K", "ring_size=32M block_size=768K", 0, "ring_size" },
	{ "ring_size=32M", "ring_size=auto", 64, "ring_size" }, /* never auto's */
	{ "ring_size=2G", "ring_size=auto", 1024, "ring_size" },
	{ "ring_size=256M", "ring_size=256M", 0, "" },
	{ "ring_size=256M", "ring_size=128M", 0, "ring_size" },
	{ "ring_size=64M block_size=1M block_timeout=64ms", "ring_size=auto", 64, "block_size" },
	{ "ring_size=256M", "ring_size=auto workers=3", 64, "workers" },
};

START_TEST(rings_that_exist_keep_the_size_that_auto_may_have)
{
	struct checkpoint_fingerprint before = fingerprint_of(rings[_i].before);
	char keys[96];

	configure(rings[_i].now);
	if (rings[_i].decided_mib) {
		c->group.ring_auto = 1;
		c->group.ring_bytes = rings[_i].decided_mib * MIB;
	}
	plan_differences(&before, c, keys, sizeof(keys));
	ck_assert_str_eq(keys, rings[_i].keys);
	ck_assert_int_eq(plan_resumable(&before, c), !*keys);
}
END_TEST

/* A reload is told the size that the rings have. */
START_TEST(auto_in_the_place_of_a_size_costs_nothing)
{
	struct config_capture then;

	configure("ring_size=256M workers=2");
	then = *c;
	configure("ring_size=auto workers=2");
	ck_assert_int_eq(plan_change(&then, c), PLAN_NOTHING);
	configure("ring_size=auto workers=2 block_size=64K");
	ck_assert_int_eq(plan_change(&then, c), PLAN_RING);
}
END_TEST

/* Neither the workers nor a record of rings know of auto. */
START_TEST(what_others_get_is_a_size)
{
	struct checkpoint_fingerprint fingerprint = fingerprint_of("ring_size=256M");
	struct plan plan = { 0 };
	struct group_config group;

	configure("ring_size=auto");
	preflight_rings(&config);
	ck_assert_int_eq(plan_make(c, &plan, NULL), 0);
	group = plan_group(c, &plan, 2);
	ck_assert_uint_eq(group.ring_auto, 0);
	ck_assert_uint_eq(group.ring_bytes, c->group.ring_bytes);
	plan_configure(c, &fingerprint);
	ck_assert_uint_eq(c->group.ring_auto, 0);
	ck_assert_uint_eq(c->group.ring_bytes, 256 * MIB);
}
END_TEST

Suite *suite_ring_auto(void)
{
	Suite *s = suite_create("ring_auto");
	TCase *t = tcase_create("ring_auto");

	tcase_add_test(t, all_workers_of_all_captures_with_auto_share);
	tcase_add_loop_test(t, rings_that_exist_keep_the_size_that_auto_may_have, 0,
			    sizeof(rings) / sizeof(*rings));
	tcase_add_test(t, auto_in_the_place_of_a_size_costs_nothing);
	tcase_add_test(t, what_others_get_is_a_size);
	suite_add_tcase(s, t);
	return s;
}
