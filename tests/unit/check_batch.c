/* daemon/worker/ringloop.c, writer.c: blocks that are written together. */
#include "loopside.h"
#include "suites.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct ledger_totals totals;

/* A ring in which so many blocks are held at a time, and written together. */
static void batch(uint32_t blocks)
{
	free(loopside.loop.held);
	free(loopside.loop.chunks);
	loopside.loop.held = calloc(blocks, sizeof(*loopside.loop.held));
	loopside.loop.chunks = calloc(blocks, sizeof(*loopside.loop.chunks));
	ck_assert(loopside.loop.held && loopside.loop.chunks);
	loopside.loop.held_max = blocks;
	loopside.loop.batch_bytes = 1u << 20;
}

START_TEST(blocks_in_place_are_written_by_one_call)
{
	loopside_begin();
	batch(4);
	loopside_put(1, 20, 1400); /* the file's first */
	loopside_run();
	ck_assert_uint_eq(failing.together, 0);
	loopside_put(4, 40, 1400);
	loopside_run();
	totals = ledger_totals(loopside.ledger);
	ck_assert_uint_eq(failing.together, 1);
	ck_assert_uint_eq(totals.written, 20 + 4 * 40);
	ck_assert_uint_eq(totals.received, totals.written);
	ck_assert_uint_eq(totals.blocks_full, 5);
	ck_assert_uint_eq(totals.next_sequence, 6);
	ck_assert_uint_eq(handring_used(&loopside.ring), 0);
	ck_assert_uint_eq(handring_packets(loopside.fds[0], totals.current.end), totals.written);
}
END_TEST

/* A chunk in place and one in the buffer are in the order of their blocks, whichever comes first.
 */
START_TEST(layouts_that_change_keep_the_order)
{
	loopside.what.config.layout = LAYOUT_AUTO;
	loopside_begin();
	batch(8);
	loopside_put(2, 40, 1400);
	loopside_put(2, 10, 60);
	loopside_put(2, 40, 1400);
	loopside_run();
	totals = ledger_totals(loopside.ledger);
	ck_assert_uint_eq(totals.written, 4 * 40 + 2 * 10);
	ck_assert_uint_eq(totals.next_sequence, 7);
	ck_assert_uint_eq(handring_used(&loopside.ring), 0);
	ck_assert_uint_eq(handring_packets(loopside.fds[0], totals.current.end), totals.written);
}
END_TEST

START_TEST(a_short_write_of_several_goes_on_behind_it)
{
	loopside.align = 4; /* half of a chunk is no whole unit */
	loopside_begin();
	loopside_put(1, 20, 1400);
	loopside_run();
	batch(3);
	failing.shorts = 1;
	loopside_put(3, 40, 1400);
	loopside_run();
	totals = ledger_totals(loopside.ledger);
	ck_assert_uint_eq(failing.together, 1);
	ck_assert_uint_eq(totals.written, 20 + 3 * 40);
	ck_assert_uint_eq(handring_packets(loopside.fds[0], totals.current.end), totals.written);
}
END_TEST

/* Where not all of them find space, those that do are not lost. */
START_TEST(what_finds_no_space_together_is_written_one_by_one)
{
	static const int errors[] = { ENOSPC, EDQUOT, EFBIG };

	loopside_begin();
	loopside_put(1, 20, 1400);
	loopside_run();
	batch(4);
	failing.count = 1;
	failing.error = errors[_i];
	loopside_put(4, 40, 1400);
	loopside_run();
	totals = ledger_totals(loopside.ledger);
	ck_assert_uint_eq(totals.written, 20 + 4 * 40);
	ck_assert_uint_eq(totals.write_errors, 0);
	ck_assert_uint_eq(totals.current.error, 0);
	ck_assert_uint_eq(handring_packets(loopside.fds[0], totals.current.end), totals.written);
}
END_TEST

/* As with a single one: nothing more is written to a file that has failed. */
START_TEST(what_fails_together_goes_to_the_next_file)
{
	loopside_begin();
	loopside_next_give();
	loopside_put(1, 20, 1400);
	loopside_run();
	batch(4);
	failing.count = 1;
	failing.error = EIO;
	loopside_put(4, 40, 1400);
	loopside_run();
	totals = ledger_totals(loopside.ledger);
	ck_assert_uint_eq(totals.written, 20 + 4 * 40);
	ck_assert_uint_eq(totals.write_errors, 1);
	ck_assert_uint_eq(totals.previous.error, EIO);
	ck_assert_uint_eq(totals.current.serial, 1);
	ck_assert_uint_eq(handring_packets(loopside.fds[0], totals.previous.end), 20);
	ck_assert_uint_eq(handring_packets(loopside.fds[1], totals.current.end), 4 * 40);
}
END_TEST

/* The drops that the first of them notes are not noted again by the second. */
START_TEST(a_loss_is_noted_once_in_a_batch)
{
	loopside_begin();
	loopside_put(1, 20, 1400);
	loopside_run();
	ledger_add(loopside.ledger, &(struct ledger_kernel){ .packets = 7, .drops = 7 });
	batch(4);
	loopside_put(4, 40, 1400);
	loopside_run();
	totals = ledger_totals(loopside.ledger);
	ck_assert_uint_eq(failing.together, 1);
	ck_assert_uint_eq(totals.drops_noted, 7);
}
END_TEST

START_TEST(a_batch_ends_where_the_file_is_full)
{
	loopside.what.config.file_bytes = LEDGER_FILE_BEGIN + 4 * HANDRING_BLOCK_BYTES;
	loopside_begin();
	loopside_next_give();
	loopside_put(1, 40, 1400);
	loopside_run();
	batch(6);
	loopside_put(6, 40, 1400);
	loopside_run();
	totals = ledger_totals(loopside.ledger);
	ck_assert_uint_eq(totals.current.serial, 1);
	ck_assert_uint_le(totals.previous.end, loopside.what.config.file_bytes);
	ck_assert_uint_gt(totals.previous.end, loopside.what.config.file_bytes / 2);
	ck_assert_uint_eq(totals.written, 7 * 40);
	ck_assert_uint_eq(handring_packets(loopside.fds[0], totals.previous.end) +
				  handring_packets(loopside.fds[1], totals.current.end),
			  totals.written);
	ck_assert_uint_eq(totals.previous.finish.written,
			  handring_packets(loopside.fds[0], totals.previous.end));
}
END_TEST

/* The next file is made when its predecessor is committed, so no two can end in one batch. */
START_TEST(a_batch_is_a_part_of_a_file)
{
	static const struct {
		uint64_t block_bytes;
		uint32_t blocks;
		uint64_t file_bytes;
		uint32_t batch, flush;
	} sizes[] = {
		{ 512 << 10, 128, 1 << 30, 4 << 20, 512 << 10 },
		{ 512 << 10, 16, 1 << 30, 1 << 20, 512 << 10 },
		{ 512 << 10, 128, 2 << 20, 512 << 10, 512 << 10 },
		{ 4 << 10, 1024, 64 << 10, 16 << 10, 16 << 10 },
	};

	loopside.what.group.block_bytes = sizes[_i].block_bytes;
	loopside.what.blocks = sizes[_i].blocks;
	loopside.what.config.file_bytes = sizes[_i].file_bytes;
	loopside_begin();
	ck_assert_uint_eq(loopside.loop.batch_bytes, sizes[_i].batch);
	ck_assert_uint_eq(loopside.loop.flush_bytes, sizes[_i].flush);
}
END_TEST

Suite *suite_batch(void)
{
	Suite *s = suite_create("batch");
	TCase *t = tcase_create("batch");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, loopside_open, loopside_close);
	tcase_add_test(t, blocks_in_place_are_written_by_one_call);
	tcase_add_test(t, layouts_that_change_keep_the_order);
	tcase_add_test(t, a_short_write_of_several_goes_on_behind_it);
	tcase_add_loop_test(t, what_finds_no_space_together_is_written_one_by_one, 0, 3);
	tcase_add_test(t, what_fails_together_goes_to_the_next_file);
	tcase_add_test(t, a_loss_is_noted_once_in_a_batch);
	tcase_add_test(t, a_batch_ends_where_the_file_is_full);
	tcase_add_loop_test(t, a_batch_is_a_part_of_a_file, 0, 4);
	suite_add_tcase(s, t);
	return s;
}
