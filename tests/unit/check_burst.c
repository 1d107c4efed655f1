/* daemon/worker/burst.c, writeback.c, writer.c: what goes through the page cache while the disk is
 * behind. */
#include "loopside.h"
#include "suites.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGES	    16384u /* a chunk of its own */
#define BURST	    (1u << 20)
#define PATIENCE_MS 30000

static struct ledger_totals totals;

static void setup(void)
{
	loopside_open();
	loopside.what.config.burst_bytes = BURST;
	totals = ledger_totals(loopside.ledger);
}

/* One chunk made in place; pages that readers pass over stand for it. */
static void chunk_put(void)
{
	struct pcapng_chunk chunk = { .used = PAGES, .packets = 1, .received_bytes = 1 };

	chunk.buffer = aligned_alloc(4096, chunk.used);
	ck_assert_ptr_nonnull(chunk.buffer);
	pcapng_pad(chunk.buffer, chunk.used);
	writer_inplace(&loopside.loop.writer, &totals, &chunk, 1);
	free(chunk.buffer);
}

static uint64_t waiting(void)
{
	return burst_waiting(&loopside.loop.writer.burst);
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

START_TEST(half_a_ring_that_waits_goes_through_the_page_cache)
{
	loopside_begin();
	loopside_put(1, 40, 1400);
	loopside_run();
	ck_assert_uint_eq(failing.cached, 0);
	ck_assert_uint_eq(failing.direct, 1);
	loopside_begin();
	loopside_put(HANDRING_BLOCKS - 2, 40, 1400);
	loopside_run();
	totals = ledger_totals(loopside.ledger);
	ck_assert_uint_ge(failing.cached, 1); /* the first of two writes */
	ck_assert_uint_eq(totals.written, (HANDRING_BLOCKS - 1) * 40);
	ck_assert_uint_eq(handring_packets(loopside.fds[0], totals.current.end), totals.written);
}
END_TEST

START_TEST(without_a_burst_the_disk_is_waited_for)
{
	loopside.what.config.burst_bytes = 0;
	loopside_begin();
	ck_assert_ptr_null(loopside.loop.writer.burst.writeback);
	loopside_put(HANDRING_BLOCKS, 40, 1400);
	loopside_run();
	ck_assert_uint_eq(failing.cached, 0);
	ck_assert_uint_eq(ledger_totals(loopside.ledger).written, HANDRING_BLOCKS * 40);
}
END_TEST

/* Until nothing waits any more, also when the ring is empty again. */
START_TEST(a_burst_ends_when_the_disk_has_caught_up)
{
	loopside_begin();
	atomic_store(&failing.held_back, true);
	loopside.loop.writer.burst.ring_fills = true;
	chunk_put();
	chunk_put();
	loopside.loop.writer.burst.ring_fills = false;
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
	handring_packets(loopside.fds[0], totals.current.end);
}
END_TEST

START_TEST(no_more_than_the_burst_waits)
{
	loopside.what.config.burst_bytes = 2 * PAGES;
	loopside_begin();
	atomic_store(&failing.held_back, true);
	loopside.loop.writer.burst.ring_fills = true;
	for (unsigned i = 0; i < 4; i++)
		chunk_put();
	ck_assert_uint_eq(failing.cached, 2);
	ck_assert_uint_eq(failing.direct, 2);
	ck_assert_uint_eq(waiting(), 2 * PAGES);
	atomic_store(&failing.held_back, false);
	waiting_await(0);
	ck_assert_uint_eq(totals.written, 4);
	handring_packets(loopside.fds[0], totals.current.end);
}
END_TEST

/* Nothing more is written to the file, and its name will say so. */
START_TEST(a_failed_write_back_is_the_files_error)
{
	static const int errors[] = { EIO, ENOSPC, EDQUOT };

	loopside_begin();
	loopside_next_give();
	failing.unsynced = true;
	failing.error = errors[_i];
	loopside.loop.writer.burst.ring_fills = true;
	chunk_put();
	waiting_await(0);
	ck_assert(writer_behind(&loopside.loop.writer, &totals));
	ck_assert(!writer_behind(&loopside.loop.writer, &totals)); /* told once */
	ck_assert_uint_eq(totals.current.error, EIO);
	ck_assert_uint_eq(totals.write_errors, 1);
	ck_assert_int_eq(atomic_load(&loopside.crossing.error), errors[_i]);
	ck_assert_int_eq(writer_due(&loopside.loop.writer, &totals), 0);
	failing.unsynced = false;
	chunk_put(); /* around the cache, and nothing of it is lost */
	ck_assert_uint_eq(totals.current.serial, 1);
	ck_assert_uint_eq(totals.previous.error, EIO);
	chunk_put(); /* the disk works */
	ck_assert_uint_eq(failing.direct, 1);
	ck_assert_uint_eq(failing.cached, 2);
	ck_assert_uint_eq(totals.written, 3);
	ck_assert_uint_eq(totals.discarded_no_space + totals.discarded_io_error, 0);
}
END_TEST

/* However many pieces of it fail. */
START_TEST(a_file_with_an_error_costs_no_packet_while_there_is_a_next_one)
{
	struct writer *w = &loopside.loop.writer;

	loopside_begin();
	loopside_next_give();
	failing.unsynced = true;
	failing.error = EIO;
	w->burst.ring_fills = true;
	chunk_put();
	for (unsigned i = 1; i <= 3; i++) {
		waiting_await(0);
		ck_assert(writer_behind(w, &totals));
		ck_assert_uint_eq(totals.write_errors, i);
		writeback_add(w->burst.writeback, w->current.fd, LEDGER_FILE_BEGIN, PAGES);
	}
	chunk_put();
	ck_assert_uint_eq(totals.current.serial, 1);
	ck_assert_uint_eq(totals.discarded_io_error, 0);
	waiting_await(0);
}
END_TEST

/* The disk is gone: the next file shows it by its first write, and the one after it is kept. */
START_TEST(a_burst_on_a_broken_disk_does_not_use_up_the_files)
{
	loopside_begin();
	loopside_next_give();
	failing.unsynced = true;
	failing.error = EIO;
	loopside.loop.writer.burst.ring_fills = true;
	chunk_put();
	waiting_await(0);
	ck_assert(writer_behind(&loopside.loop.writer, &totals));
	failing.count = 1;
	chunk_put();
	ck_assert_uint_eq(totals.current.serial, 1);
	ck_assert_uint_eq(totals.current.error, EIO);
	ck_assert_uint_eq(totals.discarded_io_error, 1);
	atomic_store(&loopside.crossing.spare_ready, true);
	ck_assert_int_eq(writer_due(&loopside.loop.writer, &totals), INT64_MAX);
	atomic_store(&loopside.crossing.spare_ready, false);
}
END_TEST

/* A sync finds no space: with bursts, that may be for what waited, and is the file's error. */
START_TEST(a_lack_of_space_that_a_sync_finds_is_the_files_error_with_bursts)
{
	loopside.what.config.layout = LAYOUT_COMPACT;
	loopside.what.config.burst_bytes = _i ? BURST : 0;
	loopside_begin();
	loopside_next_give();
	loopside_put(1, 2, 1400);
	loopside_run();
	failing.unsynced = true;
	failing.error = ENOSPC;
	loopside_put(1, 2, 1400);
	loopside_run();
	totals = ledger_totals(loopside.ledger);
	ck_assert_uint_eq(totals.current.serial, _i ? 1 : 0);
	ck_assert_uint_eq(totals.previous.error, _i ? EIO : 0);
	ck_assert_uint_eq(totals.discarded_no_space, _i ? 0 : 2);
	ck_assert_uint_eq(totals.discarded_io_error, _i ? 2 : 0); /* the next one, too */
}
END_TEST

/* What failed last is known when nothing waits any more: the file ends with it. */
START_TEST(a_file_ends_with_the_error_of_its_last_piece)
{
	loopside_begin();
	loopside_next_give();
	failing.unsynced = true;
	failing.error = EIO;
	loopside.loop.writer.burst.ring_fills = true;
	chunk_put();
	waiting_await(0);
	ck_assert(writer_rotate(&loopside.loop.writer, &totals));
	ck_assert_uint_eq(totals.previous.error, EIO);
	ck_assert_uint_eq(totals.write_errors, 1);
	ck_assert_uint_eq(totals.current.error, 0);
	ck_assert(!writer_behind(&loopside.loop.writer, &totals));
}
END_TEST

/* A file that may not grow ends, although some of it waits. */
START_TEST(a_file_that_is_too_large_ends_in_a_burst_too)
{
	loopside_begin();
	loopside_next_give();
	atomic_store(&failing.held_back, true);
	loopside.loop.writer.burst.ring_fills = true;
	chunk_put();
	failing.count = 1;
	failing.error = EFBIG;
	chunk_put();
	ck_assert_uint_eq(totals.current.serial, 1);
	ck_assert_uint_eq(totals.previous.error, 0);
	ck_assert_uint_eq(totals.written, 2);
	ck_assert_uint_eq(totals.discarded_no_space, 0);
	atomic_store(&failing.held_back, false);
	waiting_await(0);
}
END_TEST

/* A file with an error ends at once; what fails of it later is not the next one's, and does not
 * hide what is. */
START_TEST(what_waited_of_a_failed_file_does_not_fail_the_next)
{
	int first;

	loopside_begin();
	loopside_next_give();
	first = loopside.loop.writer.current.fd;
	atomic_store(&failing.held_back, true);
	loopside.loop.writer.burst.ring_fills = true;
	chunk_put();
	chunk_put();
	totals.current.error = EIO;
	failing.unsynced = true;
	failing.error = EIO;
	ck_assert(writer_rotate(&loopside.loop.writer, &totals));
	ck_assert(is_open(first));
	if (_i)
		chunk_put(); /* this one fails, too */
	atomic_store(&failing.held_back, false);
	waiting_await(0);
	for (unsigned ms = 0; is_open(first) && ms < PATIENCE_MS; ms++)
		usleep(1000);
	ck_assert(!is_open(first));
	ck_assert(writer_behind(&loopside.loop.writer, &totals) == (_i == 1));
	ck_assert(loopside.loop.writer.burst.distrusted); /* the disk, whichever file it was */
	ck_assert_uint_eq(totals.current.serial, 1);
	ck_assert_uint_eq(totals.current.error, _i ? EIO : 0);
}
END_TEST

/* The archive process, which finishes the file, finds it in the ledger. */
START_TEST(a_failed_write_back_is_committed_without_further_packets)
{
	loopside_begin();
	failing.unsynced = true;
	failing.error = EIO;
	loopside.loop.writer.burst.ring_fills = true;
	chunk_put();
	waiting_await(0);
	loopside.loop.totals = totals;
	loopside_run();
	ck_assert_uint_eq(ledger_totals(loopside.ledger).current.error, EIO);
	ck_assert_uint_eq(ledger_totals(loopside.ledger).write_errors, 1);
}
END_TEST

/* Its error must be known when it is finished. */
START_TEST(a_file_ends_when_nothing_of_it_waits)
{
	loopside_begin();
	loopside_next_give();
	atomic_store(&failing.held_back, true);
	loopside.loop.writer.burst.ring_fills = true;
	chunk_put();
	chunk_put();
	atomic_store(&loopside.crossing.rotate, true);
	ck_assert_int_eq(writer_due(&loopside.loop.writer, &totals), INT64_MAX);
	ck_assert(!writer_rotate(&loopside.loop.writer, &totals));
	chunk_put();
	ck_assert_uint_eq(totals.current.serial, 0);
	ck_assert_uint_eq(failing.cached, 3);
	atomic_store(&failing.held_back, false);
	waiting_await(0);
	ck_assert_int_eq(writer_due(&loopside.loop.writer, &totals), 0);
	ck_assert(writer_rotate(&loopside.loop.writer, &totals));
	ck_assert_uint_eq(totals.current.serial, 1);
	ck_assert_uint_eq(totals.written, 3);
	ck_assert_uint_eq(atomic_load(&failing.starts), 3);
	ck_assert_uint_eq(atomic_load(&failing.waits), 3);
	ck_assert_uint_eq(atomic_load(&failing.forgotten), 3);
}
END_TEST

/* It would never end where the disk never catches up. */
START_TEST(a_file_that_should_have_ended_takes_one_burst_more)
{
	loopside.what.config.burst_bytes = 4 * PAGES;
	loopside.what.config.file_bytes = LEDGER_FILE_BEGIN + 2 * PAGES;
	loopside_begin();
	loopside_next_give();
	atomic_store(&failing.held_back, true);
	loopside.loop.writer.burst.ring_fills = true;
	chunk_put();
	chunk_put(); /* beyond file_size */
	ck_assert_uint_gt(loopside.loop.writer.burst.late_end, 0);
	loopside.loop.writer.burst.late_end = totals.current.end + PAGES;
	chunk_put();
	ck_assert_uint_eq(failing.cached, 3);
	chunk_put();
	ck_assert_uint_eq(failing.cached, 3);
	ck_assert_uint_eq(failing.direct, 1);
	ck_assert_uint_eq(totals.current.serial, 0);
	atomic_store(&failing.held_back, false);
	waiting_await(0);
	chunk_put();
	ck_assert_uint_eq(totals.current.serial, 1);
	ck_assert_uint_eq(loopside.loop.writer.burst.late_end, 0);
	ck_assert_uint_eq(totals.written, 5);
}
END_TEST

/* The next one is not there. */
START_TEST(a_file_that_could_not_end_takes_bursts_again)
{
	loopside.what.config.burst_bytes = 4 * PAGES;
	loopside.what.config.file_bytes = LEDGER_FILE_BEGIN + 2 * PAGES;
	loopside_begin();
	atomic_store(&failing.held_back, true);
	loopside.loop.writer.burst.ring_fills = true;
	for (unsigned i = 0; i < 3; i++)
		chunk_put();
	ck_assert_uint_gt(loopside.loop.writer.burst.late_end, 0);
	atomic_store(&failing.held_back, false);
	waiting_await(0);
	atomic_store(&failing.held_back, true);
	for (unsigned i = 0; i < 4; i++)
		chunk_put();
	ck_assert_uint_eq(failing.cached, 7);
	ck_assert_uint_eq(totals.current.serial, 0);
	atomic_store(&failing.held_back, false);
	waiting_await(0);
}
END_TEST

/* Small chunks, which are else written with a sync each, and large ones. */
START_TEST(copied_chunks_go_through_the_page_cache_too)
{
	loopside.what.config.layout = LAYOUT_COMPACT;
	loopside_begin();
	loopside_put(HANDRING_BLOCKS, _i ? 2 : 40, 1400);
	loopside_run();
	totals = ledger_totals(loopside.ledger);
	ck_assert_uint_ge(failing.cached, 1);
	ck_assert_uint_eq(totals.written, HANDRING_BLOCKS * (_i ? 2 : 40));
	ck_assert_uint_eq(handring_packets(loopside.fds[0], totals.current.end), totals.written);
}
END_TEST

/* pthread_setname_np() needs a call that a confined thread may not make. */
START_TEST(the_thread_can_be_confined_once_it_is_there)
{
	struct writeback *w = writeback_new(BURST);

	ck_assert_ptr_nonnull(w);
	failing.named_late = true;
	ck_assert_int_eq(writeback_start(w, &loopside.ring.handle), 0);
	ck_assert_uint_eq(atomic_load(&failing.named), 1);
	writeback_stop(w);
	writeback_free(w);
}
END_TEST

START_TEST(a_file_with_no_piece_is_closed_at_once)
{
	int first;

	loopside_begin();
	loopside_next_give();
	first = loopside.loop.writer.current.fd;
	chunk_put();
	ck_assert(writer_rotate(&loopside.loop.writer, &totals));
	ck_assert(!is_open(first) || loopside.loop.writer.current.fd == first);
	ck_assert_uint_eq(failing.cached, 0);
}
END_TEST

/* What no thread has taken up is left to the kernel, and no descriptor stays open. */
START_TEST(the_end_waits_for_what_is_begun_alone)
{
	struct writeback *w = writeback_new(BURST);
	int fd = dup(loopside.fds[0]);
	bool current;

	ck_assert_ptr_nonnull(w);
	ck_assert(writeback_room(w, BURST));
	ck_assert(!writeback_room(w, BURST + 1));
	writeback_add(w, fd, LEDGER_FILE_BEGIN, PAGES);
	ck_assert(!writeback_room(w, BURST));
	ck_assert(writeback_room(w, BURST - PAGES));
	writeback_close(w, fd);
	ck_assert(is_open(fd));
	writeback_stop(w); /* never started */
	ck_assert_int_eq(writeback_error(w, &current), 0);
	writeback_free(w);
	ck_assert(!is_open(fd));
}
END_TEST

/* Small pieces are as many as there is place for. */
START_TEST(no_more_pieces_wait_than_the_queue_holds)
{
	struct writeback *w = writeback_new(UINT64_C(1) << 30);
	uint64_t pieces = 0;

	ck_assert_ptr_nonnull(w);
	while (writeback_room(w, 4096)) {
		ck_assert_uint_lt(pieces, 1u << 20);
		writeback_add(w, loopside.fds[0], LEDGER_FILE_BEGIN, 4096);
		pieces++;
	}
	ck_assert_uint_ge(pieces, 4000); /* of 256 KiB each: all of the burst */
	ck_assert_uint_eq(writeback_waiting(w), pieces * 4096);
	writeback_free(w);
}
END_TEST

Suite *suite_burst(void)
{
	Suite *s = suite_create("burst");
	TCase *t = tcase_create("burst");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, loopside_close);
	tcase_add_test(t, half_a_ring_that_waits_goes_through_the_page_cache);
	tcase_add_test(t, without_a_burst_the_disk_is_waited_for);
	tcase_add_test(t, a_burst_ends_when_the_disk_has_caught_up);
	tcase_add_test(t, no_more_than_the_burst_waits);
	tcase_add_loop_test(t, a_failed_write_back_is_the_files_error, 0, 3);
	tcase_add_test(t, a_file_with_an_error_costs_no_packet_while_there_is_a_next_one);
	tcase_add_test(t, a_burst_on_a_broken_disk_does_not_use_up_the_files);
	tcase_add_loop_test(t, a_lack_of_space_that_a_sync_finds_is_the_files_error_with_bursts, 0,
			    2);
	tcase_add_test(t, a_file_ends_with_the_error_of_its_last_piece);
	tcase_add_test(t, a_file_that_is_too_large_ends_in_a_burst_too);
	tcase_add_loop_test(t, what_waited_of_a_failed_file_does_not_fail_the_next, 0, 2);
	tcase_add_test(t, a_failed_write_back_is_committed_without_further_packets);
	tcase_add_test(t, a_file_ends_when_nothing_of_it_waits);
	tcase_add_test(t, a_file_that_should_have_ended_takes_one_burst_more);
	tcase_add_test(t, a_file_that_could_not_end_takes_bursts_again);
	tcase_add_loop_test(t, copied_chunks_go_through_the_page_cache_too, 0, 2);
	tcase_add_test(t, the_thread_can_be_confined_once_it_is_there);
	tcase_add_test(t, a_file_with_no_piece_is_closed_at_once);
	tcase_add_test(t, the_end_waits_for_what_is_begun_alone);
	tcase_add_test(t, no_more_pieces_wait_than_the_queue_holds);
	suite_add_tcase(s, t);
	return s;
}
