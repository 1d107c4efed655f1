/* daemon/worker/ringloop.c, writer.c: blocks that are written together. */
#include "handring.h"
#include "suites.h"

#include "../../daemon/archive/file.h"
#include "../../daemon/base/linktype.h"
#include "../../daemon/worker/ringloop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct handring ring;
static struct crossing crossing;
static struct message_worker what;
static struct ledger *ledger;
static struct ringloop loop;
static struct ledger_totals totals;
static int fds[2]; /* of files 0 and 1 */
static uint32_t align;

static void setup(void)
{
	handring_open(&ring);
	failing = (struct handring_failing){ 0 };
	crossing = (struct crossing){ .notify = -1 };
	what = (struct message_worker){ .group.block_bytes = HANDRING_BLOCK_BYTES,
					.blocks = HANDRING_BLOCKS,
					.group.snaplen = 262144,
					.link_type = LINKTYPE_ETHERNET,
					.config.layout = LAYOUT_INPLACE,
					.config.write_delay_ns = 1000000000,
					.config.file_bytes = 1u << 30 };
	loop = (struct ringloop){ 0 };
	ledger = ledger_map(ledger_create());
	ck_assert_ptr_nonnull(ledger);
	totals = ledger_totals(ledger);
	fds[0] = handring_file();
	fds[1] = handring_file();
	align = file_align(fds[0], true);
	if (align < 4096)
		align = 4096;
}

static void teardown(void)
{
	handring_close(&ring);
	ledger_unmap(ledger);
	close(fds[0]);
	close(fds[1]);
}

static void begin(void)
{
	const struct crossing_file file = { .serial = 0, .fd = dup(fds[0]), .align = align };

	ck_assert_int_eq(ringloop_init(&loop, &ring.handle, ledger, &what, &crossing), 0);
	writer_begin(&loop.writer, &file);
}

/* A ring in which so many blocks are held at a time, and written together. */
static void batch(uint32_t blocks)
{
	free(loop.held);
	free(loop.chunks);
	loop.held = calloc(blocks, sizeof(*loop.held));
	loop.chunks = calloc(blocks, sizeof(*loop.chunks));
	ck_assert(loop.held && loop.chunks);
	loop.held_max = blocks;
	loop.batch_bytes = 1u << 20;
}

static void next_give(void)
{
	ck_assert(crossing_spare_give(&crossing, &(struct crossing_file){ 1, dup(fds[1]), align }));
}

/* All blocks that are there, until afcap_stop(); what waits is on the disk then, or not begun. */
static void run(void)
{
	afcap_stop(&ring.handle);
	ringloop_run(&loop);
	atomic_store(&ring.handle.signals, 0);
}

static void put(unsigned blocks, unsigned packets, uint32_t captured)
{
	for (unsigned i = 0; i < blocks; i++)
		handring_put(&ring, packets, captured, false);
}

START_TEST(blocks_in_place_are_written_by_one_call)
{
	begin();
	batch(4);
	put(1, 20, 1400); /* the file's first */
	run();
	ck_assert_uint_eq(failing.together, 0);
	put(4, 40, 1400);
	run();
	totals = ledger_totals(ledger);
	ck_assert_uint_eq(failing.together, 1);
	ck_assert_uint_eq(totals.written, 20 + 4 * 40);
	ck_assert_uint_eq(totals.received, totals.written);
	ck_assert_uint_eq(totals.blocks_full, 5);
	ck_assert_uint_eq(totals.next_sequence, 6);
	ck_assert_uint_eq(handring_used(&ring), 0);
	ck_assert_uint_eq(handring_packets(fds[0], totals.current.end), totals.written);
}
END_TEST

/* A chunk in place and one in the buffer are in the order of their blocks, whichever comes first.
 */
START_TEST(layouts_that_change_keep_the_order)
{
	what.config.layout = LAYOUT_AUTO;
	begin();
	batch(8);
	put(2, 40, 1400);
	put(2, 10, 60);
	put(2, 40, 1400);
	run();
	totals = ledger_totals(ledger);
	ck_assert_uint_eq(totals.written, 4 * 40 + 2 * 10);
	ck_assert_uint_eq(totals.next_sequence, 7);
	ck_assert_uint_eq(handring_used(&ring), 0);
	ck_assert_uint_eq(handring_packets(fds[0], totals.current.end), totals.written);
}
END_TEST

START_TEST(a_short_write_of_several_goes_on_behind_it)
{
	align = 4; /* half of a chunk is no whole unit */
	begin();
	put(1, 20, 1400);
	run();
	batch(3);
	failing.shorts = 1;
	put(3, 40, 1400);
	run();
	totals = ledger_totals(ledger);
	ck_assert_uint_eq(failing.together, 1);
	ck_assert_uint_eq(totals.written, 20 + 3 * 40);
	ck_assert_uint_eq(handring_packets(fds[0], totals.current.end), totals.written);
}
END_TEST

/* Where not all of them find space, those that do are not lost. */
START_TEST(what_finds_no_space_together_is_written_one_by_one)
{
	static const int errors[] = { ENOSPC, EDQUOT, EFBIG };

	begin();
	put(1, 20, 1400);
	run();
	batch(4);
	failing.count = 1;
	failing.error = errors[_i];
	put(4, 40, 1400);
	run();
	totals = ledger_totals(ledger);
	ck_assert_uint_eq(totals.written, 20 + 4 * 40);
	ck_assert_uint_eq(totals.write_errors, 0);
	ck_assert_uint_eq(totals.current.error, 0);
	ck_assert_uint_eq(handring_packets(fds[0], totals.current.end), totals.written);
}
END_TEST

/* As with a single one: nothing more is written to a file that has failed. */
START_TEST(what_fails_together_goes_to_the_next_file)
{
	begin();
	next_give();
	put(1, 20, 1400);
	run();
	batch(4);
	failing.count = 1;
	failing.error = EIO;
	put(4, 40, 1400);
	run();
	totals = ledger_totals(ledger);
	ck_assert_uint_eq(totals.written, 20 + 4 * 40);
	ck_assert_uint_eq(totals.write_errors, 1);
	ck_assert_uint_eq(totals.previous.error, EIO);
	ck_assert_uint_eq(totals.current.serial, 1);
	ck_assert_uint_eq(handring_packets(fds[0], totals.previous.end), 20);
	ck_assert_uint_eq(handring_packets(fds[1], totals.current.end), 4 * 40);
}
END_TEST

/* The drops that the first of them notes are not noted again by the second. */
START_TEST(a_loss_is_noted_once_in_a_batch)
{
	begin();
	put(1, 20, 1400);
	run();
	ledger_add(ledger, &(struct ledger_kernel){ .packets = 7, .drops = 7 });
	batch(4);
	put(4, 40, 1400);
	run();
	totals = ledger_totals(ledger);
	ck_assert_uint_eq(failing.together, 1);
	ck_assert_uint_eq(totals.drops_noted, 7);
}
END_TEST

START_TEST(a_batch_ends_where_the_file_is_full)
{
	what.config.file_bytes = LEDGER_FILE_BEGIN + 4 * HANDRING_BLOCK_BYTES;
	begin();
	next_give();
	put(1, 40, 1400);
	run();
	batch(6);
	put(6, 40, 1400);
	run();
	totals = ledger_totals(ledger);
	ck_assert_uint_eq(totals.current.serial, 1);
	ck_assert_uint_le(totals.previous.end, what.config.file_bytes);
	ck_assert_uint_gt(totals.previous.end, what.config.file_bytes / 2);
	ck_assert_uint_eq(totals.written, 7 * 40);
	ck_assert_uint_eq(handring_packets(fds[0], totals.previous.end) +
				  handring_packets(fds[1], totals.current.end),
			  totals.written);
	ck_assert_uint_eq(totals.previous.finish.written,
			  handring_packets(fds[0], totals.previous.end));
}
END_TEST

Suite *suite_batch(void)
{
	Suite *s = suite_create("batch");
	TCase *t = tcase_create("batch");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, blocks_in_place_are_written_by_one_call);
	tcase_add_test(t, layouts_that_change_keep_the_order);
	tcase_add_test(t, a_short_write_of_several_goes_on_behind_it);
	tcase_add_loop_test(t, what_finds_no_space_together_is_written_one_by_one, 0, 3);
	tcase_add_test(t, what_fails_together_goes_to_the_next_file);
	tcase_add_test(t, a_loss_is_noted_once_in_a_batch);
	tcase_add_test(t, a_batch_ends_where_the_file_is_full);
	suite_add_tcase(s, t);
	return s;
}
