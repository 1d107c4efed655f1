/* lib/block.c on a ring of plain memory: acquire, release, where to resume. */
#include "suites.h"

#include "../../lib/internal.h"

#include <errno.h>
#include <stdlib.h>

#define BLOCKS	    4
#define BLOCK_BYTES 4096

static struct afcap ring;

static struct tpacket_hdr_v1 *head(uint32_t index)
{
	return &((struct tpacket_block_desc *)(void *)(ring.rx.map + (size_t)index * BLOCK_BYTES))
			->hdr.bh1;
}

static void set(uint32_t index, uint64_t sequence, bool user)
{
	head(index)->seq_num = sequence;
	head(index)->block_status = user ? TP_STATUS_USER : TP_STATUS_KERNEL;
	head(index)->blk_len = 48;
}

static void setup(void)
{
	ring = (struct afcap){
		.fd = -1,
		.epoll = -1,
		.event = -1,
		.timer = -1,
		.rx.geometry = { .version = AFCAP_TPACKET_V3,
				 .block_bytes = BLOCK_BYTES,
				 .blocks = BLOCKS,
				 .block_timeout_ms = 1 },
	};
	ring.rx.map = calloc(BLOCKS, BLOCK_BYTES);
}

static void teardown(void)
{
	free(ring.rx.map);
}

START_TEST(blocks_come_in_order_and_around)
{
	struct afcap_block b;

	for (uint64_t sequence = 1; sequence <= 10; sequence++) {
		uint32_t index = (uint32_t)(sequence - 1) % BLOCKS;

		ck_assert_int_eq(afcap_block_acquire(&ring, &b), -EAGAIN);
		set(index, sequence, true);
		ck_assert_int_eq(afcap_block_acquire(&ring, &b), 0);
		ck_assert_uint_eq(b.index, index);
		ck_assert_uint_eq(b.sequence, sequence);
		afcap_block_release(&ring, &b);
		ck_assert_uint_eq(head(index)->block_status, 0);
	}
}
END_TEST

START_TEST(a_reader_that_holds_the_whole_ring_gets_no_block_twice)
{
	struct afcap_block b[BLOCKS], more;

	for (uint32_t i = 0; i < BLOCKS; i++) {
		set(i, i + 1, true);
		ck_assert_int_eq(afcap_block_acquire(&ring, &b[i]), 0);
	}
	ck_assert_int_eq(afcap_block_acquire(&ring, &more), -EAGAIN);
	afcap_block_release(&ring, &b[0]);
	ck_assert_int_eq(afcap_block_acquire(&ring, &more), -EAGAIN); /* the kernel's now */
	set(0, 5, true);
	ck_assert_int_eq(afcap_block_acquire(&ring, &more), 0);
	ck_assert_uint_eq(more.sequence, 5);
}
END_TEST

START_TEST(a_block_never_claims_more_bytes_than_it_has)
{
	struct afcap_block b;

	set(0, 1, true);
	head(0)->blk_len = 1u << 30;
	ck_assert_int_eq(afcap_block_acquire(&ring, &b), 0);
	ck_assert_uint_eq(b.bytes, BLOCK_BYTES);
}
END_TEST

START_TEST(a_new_ring_starts_at_the_first_block)
{
	ck_assert_int_eq(afcap_resume(&ring, 0, 1), 0);
	ck_assert_uint_eq(ring.rx.next, 0);
}
END_TEST

START_TEST(committed_blocks_are_only_released)
{
	/* 5 and 6 were written and not released; 7 waits; 4 was released and is being filled again
	 * as 8 */
	set(0, 5, true), set(1, 6, true), set(2, 7, true), set(3, 8, false);
	ck_assert_int_eq(afcap_resume(&ring, 2, 7), 2);
	ck_assert_uint_eq(ring.rx.next, 2);
	ck_assert_uint_eq(head(0)->block_status, 0);
	ck_assert_uint_eq(head(1)->block_status, 0);
	ck_assert_uint_eq(head(2)->block_status, TP_STATUS_USER);
}
END_TEST

START_TEST(a_full_ring_is_resumed_at_its_oldest_block)
{
	/* None written yet of a ring that is full: searching for the highest sequence would be
	 * wrong */
	set(0, 9, true), set(1, 6, true), set(2, 7, true), set(3, 8, true);
	ck_assert_int_eq(afcap_resume(&ring, 1, 6), 0);
	ck_assert_uint_eq(ring.rx.next, 1);
	for (uint32_t i = 0; i < BLOCKS; i++)
		ck_assert_uint_eq(head(i)->block_status, TP_STATUS_USER);
}
END_TEST

START_TEST(a_full_ring_that_is_all_written_is_all_released)
{
	set(0, 9, true), set(1, 6, true), set(2, 7, true), set(3, 8, true);
	ck_assert_int_eq(afcap_resume(&ring, 1, 10), BLOCKS);
	for (uint32_t i = 0; i < BLOCKS; i++)
		ck_assert_uint_eq(head(i)->block_status, 0);
}
END_TEST

START_TEST(a_drained_ring_is_resumed_where_the_next_block_will_be)
{
	/* After full and drained no block is open: all are the kernel's, with old sequences */
	set(0, 9, false), set(1, 6, false), set(2, 7, false), set(3, 8, false);
	ck_assert_int_eq(afcap_resume(&ring, 1, 10), 0);
	ck_assert_uint_eq(ring.rx.next, 1);
}
END_TEST

START_TEST(a_full_ring_is_not_released_by_another_rings_numbers)
{
	set(0, 5, true), set(1, 6, true), set(2, 7, true), set(3, 8, true);
	ck_assert_int_eq(afcap_resume(&ring, 0, 77), -ESTALE);
	for (uint32_t i = 0; i < BLOCKS; i++)
		ck_assert_uint_eq(head(i)->block_status, TP_STATUS_USER);
}
END_TEST

START_TEST(another_rings_numbers_are_refused)
{
	set(0, 1, true);
	ck_assert_int_eq(afcap_resume(&ring, 0, 77), -ESTALE);
	ck_assert_int_eq(afcap_resume(&ring, BLOCKS, 1), -ESTALE);
	ck_assert_uint_eq(head(0)->block_status, TP_STATUS_USER);
}
END_TEST

Suite *suite_block(void)
{
	Suite *s = suite_create("block");
	TCase *t = tcase_create("block");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, blocks_come_in_order_and_around);
	tcase_add_test(t, a_reader_that_holds_the_whole_ring_gets_no_block_twice);
	tcase_add_test(t, a_block_never_claims_more_bytes_than_it_has);
	tcase_add_test(t, a_new_ring_starts_at_the_first_block);
	tcase_add_test(t, committed_blocks_are_only_released);
	tcase_add_test(t, a_full_ring_is_resumed_at_its_oldest_block);
	tcase_add_test(t, a_full_ring_that_is_all_written_is_all_released);
	tcase_add_test(t, a_drained_ring_is_resumed_where_the_next_block_will_be);
	tcase_add_test(t, a_full_ring_is_not_released_by_another_rings_numbers);
	tcase_add_test(t, another_rings_numbers_are_refused);
	suite_add_tcase(s, t);
	return s;
}
