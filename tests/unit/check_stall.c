/* daemon/supervisor/stall.c: how long a ring takes packets that no process reads. */
#include "place.h"
#include "settings.h"
#include "suites.h"

#include "../../daemon/supervisor/preflight.h"
#include "../../daemon/supervisor/stall.h"

#include <string.h>

#define KIB 1024u
#define S   UINT64_C(1000000000)

static struct config config;
static struct config_capture *c;
static struct plan plan;

static void configure(const char *settings)
{
	settings_begin(&config);
	c = settings_capture(&config, "a", settings);
	settings_finish(&config);
	memset(&plan, 0, sizeof(plan));
	ck_assert_int_eq(plan_make(c, &plan, NULL), 0);
}

/* By hand: three quarters of the blocks, or of the bytes in slots with 88 bytes beside the
 * packet's; less what is held, a third of that at most. */
static const struct {
	uint32_t blocks, block_kib, timeout_ms;
	double delay, packets, bytes, seconds;
} rings[] = {
	{ 128, 512, 334, 1, 0, 0, 96 * 0.334 - 1 },
	{ 128, 512, 334, 0, 0, 0, 96 * 0.334 },
	{ 128, 512, 334, 60, 0, 0, 64 * 0.334 },   /* a quarter of the ring is held */
	{ 64, 1024, 64, 1, 0, 0, 48 * 0.064 - 1 }, /* 0.1.0 */
	{ 128, 512, 334, 1, 1000, 200000, 96 * 0.334 - 1 },
	{ 128, 512, 334, 60, 1000, 200000, 96 * 0.334 - 96 * 0.334 / 3 },
	{ 128, 512, 334, 0, 10000, 9120000, 96 * 512 * 1024 / 1e7 },
	/* At high rates 4 MiB are written at once, or an eighth of the ring */
	{ 128, 512, 334, 1, 1e6, 912e6, 96 * 512 * 1024 / 1e9 - 4 * 1048576 / 1e9 },
	{ 64, 128, 500, 1, 1e6, 912e6, 48 * 128 * 1024 / 1e9 - 1048576 / 1e9 },
	{ 1, 64, 1000, 0, 0, 0, 1 },
};

START_TEST(a_ring_lasts_by_its_blocks_or_by_its_bytes)
{
	const struct afcap_geometry ring = { .version = AFCAP_TPACKET_V3,
					     .block_bytes = rings[_i].block_kib * KIB,
					     .blocks = rings[_i].blocks,
					     .block_timeout_ms = rings[_i].timeout_ms };
	double seconds = stall_seconds(&ring, (uint64_t)(rings[_i].delay * 1e9), rings[_i].packets,
				       rings[_i].bytes);

	ck_assert_double_eq_tol(seconds, rings[_i].seconds, 1e-9);
}
END_TEST

/* Then the kernel counts on, and the worker receives nothing. */
START_TEST(a_worker_that_stands_still_has_packets_of_the_usual_length)
{
	const struct counters none = { 0 }, usual = { .received = 10, .received_bytes = 2000 };

	ck_assert_double_eq_tol(stall_bytes(1000, 0, &usual), 200000, 1e-9);
	ck_assert_double_eq_tol(stall_bytes(1000, 900000, &usual), 900000, 1e-9);
	ck_assert_double_eq_tol(stall_bytes(1000, 900000, &none), 900000, 1e-9);
	ck_assert_double_eq_tol(stall_bytes(1000, 0, &none), 0, 1e-9);
}
END_TEST

START_TEST(by_default_it_lasts_half_a_minute_at_low_rates)
{
	static const char *const sizes[] = { "", "ring_size=8M", "ring_size=6M", "ring_size=1G" };

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		configure(sizes[i]);
		ck_assert_double_ge(stall_seconds(&plan.ring, c->worker.write_delay_ns, 0, 0), 30);
		/* 1000 packets of 200 bytes, as long as the memory holds them */
		if (plan.ring.blocks * (uint64_t)plan.ring.block_bytes > 32u << 20)
			ck_assert_double_ge(stall_seconds(&plan.ring, S, 1000, 200000), 30);
	}
}
END_TEST

static const struct {
	const char *settings, *text;
} described[] = {
	{ "",
	  "rings of 128 blocks of 524288 bytes, which last 31 s at low rates, 0.34 s at 1 Gbit/s "
	  "each" },
	{ "ring_size=64M block_size=1M block_timeout=64ms",
	  "rings of 64 blocks of 1048576 bytes, which last 2.0 s at low rates, 0.34 s at 1 Gbit/s "
	  "each" },
	{ "ring_size=8M",
	  "rings of 64 blocks of 131072 bytes, which last 31 s at low rates, 0.03 s at 1 Gbit/s "
	  "each, and hold 130912 bytes of a packet" },
};

START_TEST(it_is_said_how_long)
{
	char text[256];

	configure(described[_i].settings);
	stall_describe(c, &plan, text, sizeof(text));
	ck_assert_str_eq(text, described[_i].text);
}
END_TEST

/* A text of NULL: none. */
static const struct {
	const char *settings, *text;
} warned[] = {
	{ "", NULL },
	{ "ring_size=2M", NULL }, /* 12 s, less one of write_delay */
	{ "ring_size=2M write_delay=3s",
	  "test.conf:7: ring_size: the ring of a worker lasts 9.0 s at low rates, shorter than "
	  "drain_timeout (10 s): packets are dropped when it is not read for so long; use a larger "
	  "ring_size" },
	{ "block_size=1M block_timeout=64ms",
	  "test.conf:7: block_timeout: the ring of a worker lasts 2.0 s at low rates, shorter than "
	  "worker_timeout and a restart (4.0 s): packets are dropped when it is not read for so "
	  "long; use block_timeout = auto or a larger ring_size" },
	{ "ring_size=4M block_timeout=200ms drain_timeout=2s write_delay=0", NULL }, /* 4.8 s */
	{ "ring_size=4M block_timeout=200ms drain_timeout=4801ms write_delay=0",
	  "lasts 4.8 s at low rates, shorter than drain_timeout (4.8 s)" },
	{ "ring_size=4M block_timeout=200ms drain_timeout=4800ms write_delay=0 "
	  "worker_timeout=3801ms",
	  "shorter than worker_timeout and a restart (4.8 s)" },
};

START_TEST(a_ring_that_lasts_shorter_than_a_stop_or_a_replacement_is_warned_of)
{
	const char *text = warned[_i].text;
	char why[CONFIG_ERROR_BYTES] = "";

	configure(warned[_i].settings);
	ck_assert_int_eq(stall_is_short(&config, c, &plan, why, sizeof(why)), text != NULL);
	ck_assert_msg(!text || strstr(why, text), "%s", why);
}
END_TEST

/* At the start and by -n; that is no error. */
START_TEST(the_warning_is_logged_with_its_capture)
{
	char why[256];

	place_log();
	configure("block_size=1M block_timeout=64ms output=none");
	ck_assert_int_eq(preflight_config(&config, false, why, sizeof(why)), 0);
	ck_assert_uint_eq(place_logged("<4>a: test.conf:7: block_timeout: the ring of a worker"),
			  1);
	configure("output=none");
	ck_assert_int_eq(preflight_config(&config, false, why, sizeof(why)), 0);
	ck_assert_uint_eq(place_logged("<"), 1);
	preflight_foresee(&config);
	ck_assert_uint_eq(place_logged("rings of 128 blocks of 524288 bytes, which last 31 s"), 1);
}
END_TEST

Suite *suite_stall(void)
{
	Suite *s = suite_create("stall");
	TCase *t = tcase_create("stall"), *logged = tcase_create("logged");

	tcase_add_loop_test(t, a_ring_lasts_by_its_blocks_or_by_its_bytes, 0,
			    sizeof(rings) / sizeof(*rings));
	tcase_add_test(t, a_worker_that_stands_still_has_packets_of_the_usual_length);
	tcase_add_test(t, by_default_it_lasts_half_a_minute_at_low_rates);
	tcase_add_loop_test(t, it_is_said_how_long, 0, sizeof(described) / sizeof(*described));
	tcase_add_loop_test(t, a_ring_that_lasts_shorter_than_a_stop_or_a_replacement_is_warned_of,
			    0, sizeof(warned) / sizeof(*warned));
	suite_add_tcase(s, t);
	tcase_add_checked_fixture(logged, place_setup, place_teardown);
	tcase_add_test(logged, the_warning_is_logged_with_its_capture);
	suite_add_tcase(s, logged);
	return s;
}
