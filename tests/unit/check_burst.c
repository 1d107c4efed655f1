/* daemon/worker/writeback.c, writer.c, ringloop.c: blocks that are written together, and what goes
 * through the page cache while the disk is behind. */
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

#define EPB_TYPE    6u
#define PAGES	    16384u /* a chunk of its own */
#define BURST	    (1u << 20)
#define PATIENCE_MS 30000

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
					.config.burst_bytes = BURST,
					.config.write_delay_ns = 1000000000,
					.config.file_bytes = 1u << 30 };
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
	ck_assert_int_eq(writer_start(&loop.writer), 0);
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

/* Enhanced Packet Blocks of the file, which ends there. */
static unsigned packets_in(int fd, uint64_t end)
{
	uint64_t at = LEDGER_FILE_BEGIN;
	unsigned n = 0;
	struct stat st;

	fcntl(fd, F_SETFL, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_uint_eq((uint64_t)st.st_size, end);
	while (at < end) {
		uint32_t words[2];

		ck_assert_int_eq(pread(fd, words, sizeof(words), (off_t)at), sizeof(words));
		ck_assert_uint_ge(words[1], 12);
		n += words[0] == EPB_TYPE;
		at += words[1];
	}
	ck_assert_uint_eq(at, end);
	return n;
}

/* One chunk made in place; pages that readers pass over stand for it. */
static void chunk_put(void)
{
	struct pcapng_chunk chunk = { .used = PAGES, .packets = 1, .received_bytes = 1 };

	chunk.buffer = aligned_alloc(4096, chunk.used);
	ck_assert_ptr_nonnull(chunk.buffer);
	pcapng_pad(chunk.buffer, chunk.used);
	writer_inplace(&loop.writer, &totals, &chunk, 1);
	free(chunk.buffer);
}

static uint64_t waiting(void)
{
	return writeback_waiting(loop.writer.writeback);
}

/* Until that many bytes wait for the disk. */
static void waiting_await(uint64_t bytes)
{
	for (unsigned ms = 0; waiting() != bytes && ms < PATIENCE_MS; ms++)
		usleep(1000);
	ck_assert_uint_eq(waiting(), bytes);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* ---- together ---- */

START_TEST(blocks_in_place_are_written_by_one_call)
{
	what.config.burst_bytes = 0;
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
	ck_assert_uint_eq(packets_in(fds[0], totals.current.end), totals.written);
}
END_TEST

/* A chunk in place and one in the buffer are in the order of their blocks, whichever comes first.
 */
START_TEST(layouts_that_change_keep_the_order)
{
	what.config.layout = LAYOUT_AUTO;
	what.config.burst_bytes = 0;
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
	ck_assert_uint_eq(packets_in(fds[0], totals.current.end), totals.written);
}
END_TEST

START_TEST(a_short_write_of_several_goes_on_behind_it)
{
	what.config.burst_bytes = 0;
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
	ck_assert_uint_eq(packets_in(fds[0], totals.current.end), totals.written);
}
END_TEST

/* Where not all of them find space, those that do are not lost. */
START_TEST(what_cannot_be_written_together_is_written_one_by_one)
{
	static const int errors[] = { ENOSPC, EIO, EFBIG };

	what.config.burst_bytes = 0;
	begin();
	put(1, 20, 1400);
	run();
	batch(4);
	failing.count = 1;
	failing.error = errors[_i];
	failing.after = 0;
	put(4, 40, 1400);
	run();
	totals = ledger_totals(ledger);
	ck_assert_uint_eq(totals.written, 20 + 4 * 40);
	ck_assert_uint_eq(totals.write_errors, 0);
	ck_assert_uint_eq(totals.current.error, 0);
	ck_assert_uint_eq(packets_in(fds[0], totals.current.end), totals.written);
}
END_TEST

START_TEST(a_batch_ends_where_the_file_is_full)
{
	what.config.burst_bytes = 0;
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
	ck_assert_uint_eq(packets_in(fds[0], totals.previous.end) +
				  packets_in(fds[1], totals.current.end),
			  totals.written);
	ck_assert_uint_eq(totals.previous.finish.written, packets_in(fds[0], totals.previous.end));
}
END_TEST

/* ---- through the page cache ---- */

START_TEST(half_a_ring_that_waits_goes_through_the_page_cache)
{
	begin();
	put(1, 40, 1400);
	run();
	ck_assert_uint_eq(failing.cached, 0);
	ck_assert_uint_eq(failing.direct, 1);
	begin();
	put(HANDRING_BLOCKS - 2, 40, 1400);
	run();
	totals = ledger_totals(ledger);
	ck_assert_uint_ge(failing.cached, 2);
	ck_assert_uint_eq(totals.written, (HANDRING_BLOCKS - 1) * 40);
	ck_assert_uint_eq(packets_in(fds[0], totals.current.end), totals.written);
}
END_TEST

START_TEST(without_a_burst_the_disk_is_waited_for)
{
	what.config.burst_bytes = 0;
	begin();
	ck_assert_ptr_null(loop.writer.writeback);
	put(HANDRING_BLOCKS, 40, 1400);
	run();
	ck_assert_uint_eq(failing.cached, 0);
	ck_assert_uint_eq(ledger_totals(ledger).written, HANDRING_BLOCKS * 40);
}
END_TEST

/* Until nothing waits any more, also when the ring is empty again. */
START_TEST(a_burst_ends_when_the_disk_has_caught_up)
{
	begin();
	atomic_store(&failing.held_back, true);
	loop.writer.ring_fills = true;
	chunk_put();
	chunk_put();
	loop.writer.ring_fills = false;
	chunk_put();
	ck_assert_uint_eq(failing.cached, 3);
	ck_assert_uint_eq(failing.direct, 0);
	ck_assert_uint_eq(waiting(), 3 * PAGES);
	atomic_store(&failing.held_back, false);
	waiting_await(0);
	chunk_put();
	ck_assert_uint_eq(failing.cached, 3);
	ck_assert_uint_eq(failing.direct, 1);
	ck_assert_uint_eq(totals.written, 4);
	ck_assert_uint_eq(totals.current.end, LEDGER_FILE_BEGIN + 4 * PAGES);
	packets_in(fds[0], totals.current.end);
}
END_TEST

START_TEST(no_more_than_the_burst_waits)
{
	what.config.burst_bytes = 2 * PAGES;
	begin();
	atomic_store(&failing.held_back, true);
	loop.writer.ring_fills = true;
	for (unsigned i = 0; i < 4; i++)
		chunk_put();
	ck_assert_uint_eq(failing.cached, 2);
	ck_assert_uint_eq(failing.direct, 2);
	ck_assert_uint_eq(waiting(), 2 * PAGES);
	atomic_store(&failing.held_back, false);
	waiting_await(0);
	ck_assert_uint_eq(totals.written, 4);
	packets_in(fds[0], totals.current.end);
}
END_TEST

/* Nothing more is written to the file, and its name will say so. */
START_TEST(a_failed_write_back_is_the_files_error)
{
	begin();
	next_give();
	failing.unsynced = true;
	failing.error = EIO;
	loop.writer.ring_fills = true;
	chunk_put();
	waiting_await(0);
	ck_assert(writer_behind(&loop.writer, &totals));
	ck_assert(!writer_behind(&loop.writer, &totals)); /* told once */
	ck_assert_uint_eq(totals.current.error, EIO);
	ck_assert_uint_eq(totals.write_errors, 1);
	ck_assert_int_eq(atomic_load(&crossing.error), EIO);
	failing.unsynced = false;
	chunk_put();
	ck_assert_uint_eq(totals.current.serial, 1);
	ck_assert_uint_eq(totals.previous.error, EIO);
	ck_assert_uint_eq(totals.written, 2);
}
END_TEST

/* The archive process, which finishes the file, finds it in the ledger. */
START_TEST(a_failed_write_back_is_committed_without_further_packets)
{
	begin();
	failing.unsynced = true;
	failing.error = EIO;
	loop.writer.ring_fills = true;
	chunk_put();
	waiting_await(0);
	loop.totals = totals;
	run();
	ck_assert_uint_eq(ledger_totals(ledger).current.error, EIO);
	ck_assert_uint_eq(ledger_totals(ledger).write_errors, 1);
}
END_TEST

/* The archive process syncs it and must hear of a failure, which is told once. */
START_TEST(an_earlier_file_is_not_waited_for_and_closed_behind_its_last_piece)
{
	int first;

	begin();
	next_give();
	first = loop.writer.current.fd;
	atomic_store(&failing.held_back, true);
	loop.writer.ring_fills = true;
	chunk_put();
	chunk_put();
	ck_assert(writer_rotate(&loop.writer, &totals));
	ck_assert(is_open(first));
	chunk_put();
	ck_assert_uint_eq(failing.waits, 0);
	atomic_store(&failing.held_back, false);
	waiting_await(0);
	for (unsigned ms = 0; is_open(first) && ms < PATIENCE_MS; ms++)
		usleep(1000);
	ck_assert(!is_open(first));
	ck_assert_uint_eq(atomic_load(&failing.waits), 1); /* of the current one */
	ck_assert_uint_eq(totals.written, 3);
}
END_TEST

START_TEST(a_file_with_no_piece_is_closed_at_once)
{
	int first;

	begin();
	next_give();
	first = loop.writer.current.fd;
	chunk_put();
	ck_assert(writer_rotate(&loop.writer, &totals));
	ck_assert(!is_open(first) || loop.writer.current.fd == first);
	ck_assert_uint_eq(failing.cached, 0);
}
END_TEST

/* What no thread has taken up is left to the kernel, and no descriptor stays open. */
START_TEST(the_end_waits_for_what_is_begun_alone)
{
	struct writeback *w = writeback_new(BURST);
	int fd = dup(fds[0]);
	uint64_t serial;

	ck_assert_ptr_nonnull(w);
	writeback_file(w, fd, 7);
	ck_assert(writeback_room(w, BURST));
	ck_assert(!writeback_room(w, BURST + 1));
	writeback_add(w, LEDGER_FILE_BEGIN, PAGES);
	ck_assert(!writeback_room(w, BURST));
	ck_assert(writeback_room(w, BURST - PAGES));
	writeback_close(w);
	ck_assert(is_open(fd));
	writeback_stop(w); /* never started */
	ck_assert_int_eq(writeback_error(w, &serial), 0);
	writeback_free(w);
	ck_assert(!is_open(fd));
}
END_TEST

/* A worker may have 64 descriptors. */
START_TEST(few_files_wait_to_be_closed)
{
	struct writeback *w = writeback_new(BURST);
	unsigned files = 0;

	ck_assert_ptr_nonnull(w);
	while (writeback_room(w, PAGES)) {
		ck_assert_uint_lt(files, 60);
		writeback_file(w, dup(fds[0]), files++);
		writeback_add(w, LEDGER_FILE_BEGIN, 4096);
		writeback_close(w);
	}
	ck_assert_uint_ge(files, 4);
	ck_assert_uint_le(files, 16);
	writeback_free(w);
}
END_TEST

Suite *suite_burst(void)
{
	Suite *s = suite_create("burst");
	TCase *t = tcase_create("burst");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, blocks_in_place_are_written_by_one_call);
	tcase_add_test(t, layouts_that_change_keep_the_order);
	tcase_add_test(t, a_short_write_of_several_goes_on_behind_it);
	tcase_add_loop_test(t, what_cannot_be_written_together_is_written_one_by_one, 0, 3);
	tcase_add_test(t, a_batch_ends_where_the_file_is_full);
	tcase_add_test(t, half_a_ring_that_waits_goes_through_the_page_cache);
	tcase_add_test(t, without_a_burst_the_disk_is_waited_for);
	tcase_add_test(t, a_burst_ends_when_the_disk_has_caught_up);
	tcase_add_test(t, no_more_than_the_burst_waits);
	tcase_add_test(t, a_failed_write_back_is_the_files_error);
	tcase_add_test(t, a_failed_write_back_is_committed_without_further_packets);
	tcase_add_test(t, an_earlier_file_is_not_waited_for_and_closed_behind_its_last_piece);
	tcase_add_test(t, a_file_with_no_piece_is_closed_at_once);
	tcase_add_test(t, the_end_waits_for_what_is_begun_alone);
	tcase_add_test(t, few_files_wait_to_be_closed);
	suite_add_tcase(s, t);
	return s;
}
