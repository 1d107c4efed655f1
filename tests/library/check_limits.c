/* Rings at their limits: one block, empty blocks, 65536 blocks, private areas, wrapping counters.
 */
#include "lab.h"
#include "suites.h"

#include "../../lib/internal.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

START_TEST(a_ring_of_one_block_or_frame_goes_round)
{
	options.ring.version = (enum afcap_tpacket)_i;
	options.ring.blocks = 1;
	options.ring.block_bytes = 4096;
	lab_open();
	for (unsigned i = 0; i < 50; i++) {
		lab_send(1, TEST_TYPE);
		ck_assert_uint_eq(lab_read(1), 1);
		ck_assert_int_eq(afcap_wait(handle, 0), AFCAP_TIMEOUT); /* gives it back */
		const struct afcap_packet *none;
		ck_assert_int_eq(afcap_read(handle, &none, 0), AFCAP_TIMEOUT);
	}
	ck_assert_uint_eq(lab_stats().received, 50);
	ck_assert_uint_eq(lab_stats().drops, 0);
	afcap_close(handle);
}
END_TEST

/* A packet of nearly block size that meets an open block makes the kernel hand that over, even with
 * no packet in it, and stands cut off in the next. */
static void big_send(uint8_t number)
{
	static uint8_t big[65450] = { [12] = TEST_TYPE >> 8, [13] = TEST_TYPE & 0xff };
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = 1 };

	big[20] = number;
	ck_assert_int_eq(sendto(sender, big, sizeof(big), 0, (struct sockaddr *)&to, sizeof(to)),
			 sizeof(big));
}

static void big_expect(const struct afcap_packet *packet, uint8_t number)
{
	ck_assert_uint_eq(packet->data[20], number);
	ck_assert_uint_eq(packet->length, 65450);
	ck_assert_uint_eq(packet->capture_length, 65536 - 48 - 82);
}

/* _i: by blocks, by packets */
START_TEST(empty_blocks_are_passed_over_and_given_back)
{
	unsigned empty = 0;

	options.interface = "lo";
	options.ignore_outgoing = true;
	options.ring.block_timeout_ms = 20;
	lab_open();
	for (uint8_t i = 0; i < 40; i++) {
		struct afcap_packet packet = { 0 };
		struct afcap_block block;

		big_send(i);
		if (_i) {
			big_expect(lab_next(), i);
			continue;
		}
		do {
			ck_assert_int_eq(afcap_wait(handle, PATIENCE), AFCAP_READY);
			ck_assert_int_eq(afcap_block_acquire(handle, &block), 0);
			empty += block.packets == 0;
			if (block.packets)
				ck_assert(afcap_packet_next(&block, &packet));
			else
				ck_assert(!afcap_packet_next(&block, &packet));
			if (block.packets)
				big_expect(&packet, i);
			afcap_block_release(handle, &block);
		} while (block.packets == 0);
	}
	if (_i == 0)
		ck_assert_uint_gt(empty, 0);
	ck_assert_uint_eq(lab_stats().received, 40);
	ck_assert_uint_eq(lab_stats().truncated, 40);
	ck_assert_uint_eq(lab_stats().drops, 0);
	afcap_close(handle);
}
END_TEST

START_TEST(a_ring_of_65536_blocks_goes_round_and_one_more_is_refused)
{
	static uint8_t frame[1500] = { [12] = TEST_TYPE >> 8, [13] = TEST_TYPE & 0xff };
	uint64_t last = 0;
	uint32_t wrapped = 0;

	options.ring = (struct afcap_geometry){ .version = AFCAP_TPACKET_V3,
						.block_bytes = (uint32_t)sysconf(_SC_PAGESIZE),
						.blocks = 65536,
						.block_timeout_ms = 10 };
	options.ring.block_bytes = 4096;
	if (sysconf(_SC_PAGESIZE) != 4096)
		return; /* 65536 larger pages are too much memory for a test */
	lab_open();
	while (last < 65536 + 1000) {
		struct afcap_block block;

		for (unsigned i = 0; i < 200; i++)
			lab_send_bytes(frame, sizeof(frame));
		while (afcap_wait(handle, 0) == AFCAP_READY) {
			ck_assert_int_eq(afcap_block_acquire(handle, &block), 0);
			ck_assert_uint_eq(block.sequence, last + 1);
			ck_assert_uint_eq(block.index, last % 65536);
			wrapped += block.index == 0;
			last = block.sequence;
			afcap_block_release(handle, &block);
		}
	}
	ck_assert_uint_eq(wrapped, 2);
	ck_assert_uint_eq(lab_stats().drops, 0);
	afcap_close(handle);
	options.ring.blocks = 65537;
	ck_assert_int_eq(afcap_open(&handle, &options, &error), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error.text, "blocks 65537"));
}
END_TEST

/* The area is the reader's: what it writes is there when the block comes around again. */
START_TEST(a_private_area_is_left_alone_and_packets_stand_behind_it)
{
	uint32_t areas[] = { 8, 1000, 4093, 65528 };
	struct afcap_block block;
	unsigned seen = 0;

	options.ring.priv_bytes = areas[_i];
	options.ring.block_bytes = 1 << 17;
	options.ring.blocks = 2;
	lab_open();
	for (unsigned around = 0; around < 6; around++) {
		struct afcap_packet packet = { 0 };
		uint8_t *priv;

		lab_send(1, TEST_TYPE);
		ck_assert_int_eq(afcap_wait(handle, PATIENCE), AFCAP_READY);
		ck_assert_int_eq(afcap_block_acquire(handle, &block), 0);
		priv = afcap_block_priv(&block);
		ck_assert_ptr_eq(priv, (const uint8_t *)block.desc + 48);
		if (around >= 2)
			for (uint32_t k = 0; k < areas[_i]; k++)
				seen += priv[k] == (uint8_t)(block.index + k);
		for (uint32_t k = 0; k < areas[_i]; k++)
			priv[k] = (uint8_t)(block.index + k);
		ck_assert(afcap_packet_next(&block, &packet));
		ck_assert((uint8_t *)packet.slot >= priv + areas[_i]);
		afcap_block_release(handle, &block);
	}
	ck_assert_uint_eq(seen, 4 * areas[_i]);
	afcap_close(handle);
}
END_TEST

START_TEST(statistics_go_on_beyond_32_bits)
{
	struct afcap_stats stats;

	lab_open();
	handle->packets = handle->drops = handle->freezes = UINT32_MAX - 5;
	atomic_store(&handle->counts.received, UINT32_MAX - 5);
	lab_send(10, TEST_TYPE);
	ck_assert_uint_eq(lab_read(10), 10);
	stats = lab_stats();
	ck_assert_uint_eq(stats.packets, UINT64_C(0x100000004));
	ck_assert_uint_eq(stats.received, UINT64_C(0x100000004));
	ck_assert_uint_eq(stats.drops, UINT32_MAX - 5);
	afcap_close(handle);
}
END_TEST

START_TEST(blocks_are_counted_by_why_they_came)
{
	struct afcap_stats stats;

	lab_slow_sender();
	options.ring.block_bytes = 16384; /* a slow sender fills one in time, too */
	lab_open();
	lab_send(1000, TEST_TYPE); /* nine blocks and a bit */
	ck_assert_uint_eq(lab_receive(1000), 1000);
	stats = lab_stats();
	ck_assert_uint_ge(stats.blocks_full, 1);
	ck_assert_uint_ge(stats.blocks_timeout, 1);
	ck_assert_uint_eq(stats.received, 1000);
	ck_assert_uint_eq(stats.received_bytes, 1000 * FRAME_BYTES);
	ck_assert_uint_eq(stats.truncated, 0);
	afcap_close(handle);
}
END_TEST

Suite *suite_limits(void)
{
	Suite *s = suite_create("limits");
	TCase *t = lab_case(s, "limits", lab_setup, 120);

	tcase_add_loop_test(t, a_ring_of_one_block_or_frame_goes_round, 1, 4);
	tcase_add_loop_test(t, empty_blocks_are_passed_over_and_given_back, 0, 2);
	tcase_add_test(t, a_ring_of_65536_blocks_goes_round_and_one_more_is_refused);
	tcase_add_loop_test(t, a_private_area_is_left_alone_and_packets_stand_behind_it, 0, 4);
	t = lab_case(s, "InitSocketStats SocketStats SocketStatsV3 Stats", lab_setup, 30);
	tcase_add_test(t, statistics_go_on_beyond_32_bits);
	tcase_add_test(t, blocks_are_counted_by_why_they_came);
	return s;
}
