/* daemon/worker/writer.c: what fails, and the next file; seen and counted, in a file of its own. */
#include "handring.h"
#include "../library/handblock.h"
#include "suites.h"

#include "../../daemon/base/clock.h"
#include "../../daemon/worker/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint32_t aligns[] = { 4, 512, 4096 };

static const struct message_worker what = { .worker = 1,
					    .group.block_bytes = HANDRING_BLOCK_BYTES,
					    .group.snaplen = 262144,
					    .config.file_bytes = 1u << 30 };

static struct writer writer;
static struct crossing crossing;
static struct ledger *ledger;
static struct ledger_totals totals;
static uint32_t align;
static int fd;

static void setup(void)
{
	failing = (struct handring_failing){ 0 };
	fd = handring_file();
	ledger = ledger_map(ledger_create());
	ck_assert_ptr_nonnull(ledger);
	totals = ledger_totals(ledger);
}

static void teardown(void)
{
	ledger_unmap(ledger);
	close(fd);
}

static void begin(void)
{
	const struct crossing_file file = { .serial = 0, .fd = dup(fd), .align = align };

	crossing = (struct crossing){ .notify = -1 };
	ck_assert_int_eq(writer_init(&writer, &what, ledger, &crossing, HANDRING_BLOCK_BYTES * 3),
			 0);
	writer_begin(&writer, &file);
}

static void compact(unsigned packets, uint32_t captured)
{
	static const struct pcapng_context context = { .worker = 1, .snaplen = 262144 };
	struct handblock b = handblock_new(HANDRING_BLOCK_BYTES * 2, 1);
	struct afcap_block view;

	for (unsigned i = 0; i < packets; i++)
		handblock_add(&b, captured, 82, (uint8_t)i);
	ck_assert_uint_le(b.used, b.bytes);
	view = handblock_view(&b);
	pcapng_chunk_add(&writer.chunk, &view, &context);
	writer_compact(&writer, &totals);
	free(b.desc);
}

/* Pages of a block that readers pass over stand for a chunk made in place. */
static void inplace(uint32_t bytes)
{
	struct pcapng_chunk chunk = { .used = bytes, .packets = 1, .received_bytes = 1 };

	chunk.buffer = aligned_alloc(4096, bytes);
	pcapng_pad(chunk.buffer, bytes);
	writer_inplace(&writer, &totals, &chunk, 1);
	free(chunk.buffer);
}

static uint64_t size_of(int file)
{
	struct stat st;

	ck_assert_int_eq(fstat(file, &st), 0);
	return (uint64_t)st.st_size;
}

static int next_fd;

/* File 1, ahead. */
static void next_give(void)
{
	next_fd = handring_file();
	ck_assert(
		crossing_spare_give(&crossing, &(struct crossing_file){ 1, dup(next_fd), align }));
}

static void begin_plain(void)
{
	align = 4;
	begin();
}

START_TEST(a_file_that_would_grow_too_large_is_followed_by_the_next)
{
	struct message_worker small = what;

	small.config.file_bytes = LEDGER_FILE_BEGIN + 20000;
	begin_plain();
	writer.what = &small;
	compact(10, 1000);
	compact(10, 1000); /* there is no other: it goes on in this one */
	ck_assert_uint_eq(totals.current.serial, 0);
	ck_assert_uint_gt(size_of(fd), small.config.file_bytes);
	next_give();
	compact(10, 1000);
	ck_assert_uint_eq(totals.current.serial, 1);
	ck_assert_uint_eq(totals.previous.serial, 0);
	ck_assert_uint_eq(totals.previous.end, size_of(fd));
	ck_assert_uint_eq(totals.previous.finish.written, 20);
	ck_assert_uint_eq(totals.current.end, size_of(next_fd));
	ck_assert_uint_eq(totals.written, 30);
	ck_assert(!writer_rotate(&writer, &totals));
}
END_TEST

/* It would be used up without a packet */
START_TEST(a_chunk_larger_than_a_file_may_be_goes_into_an_empty_one)
{
	struct message_worker small = what;

	small.config.file_bytes = LEDGER_FILE_BEGIN + 100;
	begin_plain();
	writer.what = &small;
	next_give();
	compact(10, 1000);
	ck_assert_uint_eq(totals.current.serial, 0);
	ck_assert_uint_eq(totals.written, 10);
	compact(10, 1000);
	ck_assert_uint_eq(totals.current.serial, 1);
	ck_assert_uint_eq(totals.written, 20);
}
END_TEST

/* What one chunk made of the file that begins now. The caller frees it. */
static uint8_t *bytes_of(unsigned packets, uint32_t captured)
{
	uint8_t *bytes;

	begin();
	compact(packets, captured);
	bytes = malloc(totals.current.end);
	ck_assert_ptr_nonnull(bytes);
	fcntl(fd, F_SETFL, 0); /* a plain read */
	ck_assert_int_eq(pread(fd, bytes, totals.current.end, 0), (ssize_t)totals.current.end);
	return bytes;
}

START_TEST(half_a_write_is_continued)
{
	uint8_t *whole, *halves;

	align = aligns[_i];
	whole = bytes_of(200, 500);
	teardown();
	setup();
	failing = (struct handring_failing){ .interrupts = 2, .shorts = align == 4 ? 3 : 0 };
	halves = bytes_of(200, 500);
	ck_assert_uint_eq(totals.written, 200);
	ck_assert_uint_eq(totals.write_errors, 0);
	ck_assert_uint_eq(failing.interrupts + failing.shorts, 0);
	ck_assert_uint_eq(size_of(fd), totals.current.end);
	ck_assert_mem_eq(halves, whole, totals.current.end);
	free(halves);
	free(whole);
}
END_TEST

/* What was dropped since is in some file's statistics, and in one only */
START_TEST(a_file_that_was_never_used_leaves_its_counts_to_the_next)
{
	const struct ledger_mark before = { 5, 1, 3 };

	begin_plain();
	totals.current.begin = before;
	if (_i)
		compact(4, 60);
	next_give();
	ck_assert(writer_rotate(&writer, &totals));
	ck_assert_uint_eq(totals.current.serial, 1);
	ck_assert_mem_eq(&totals.current.begin, _i ? &totals.previous.finish : &before,
			 sizeof(before));
	ck_assert_uint_eq(totals.previous.finish.written, _i ? 4 : 0);
}
END_TEST

/* The chunk goes into the next file, and this one is not written to again. */
START_TEST(an_error_spoils_the_file_and_costs_no_packet_where_the_next_is_there)
{
	static const int errors[] = { EIO, 0, EFBIG };

	begin_plain();
	next_give();
	compact(3, 60);
	failing = (struct handring_failing){ .count = 1, .error = errors[_i] };
	compact(4, 60);
	ck_assert_uint_eq(totals.write_errors, 1);
	ck_assert_uint_eq(totals.written, 7);
	ck_assert_uint_eq(totals.current.serial, 1);
	ck_assert_uint_eq(totals.current.error, 0);
	ck_assert_uint_eq(totals.previous.error, errors[_i] == EFBIG ? 0 : EIO);
	ck_assert_uint_eq(totals.previous.end, size_of(fd));
	ck_assert_int_eq(atomic_load(&crossing.error), errors[_i] ? errors[_i] : EIO);
	ck_assert_int_eq(writer_due(&writer, &totals), INT64_MAX);
}
END_TEST

START_TEST(an_error_without_a_next_file_costs_what_comes_until_it_is_there)
{
	begin_plain();
	compact(3, 60);
	failing = (struct handring_failing){ .count = 1, .error = EIO };
	compact(4, 60);
	compact(5, 60);
	ck_assert_uint_eq(totals.discarded_io_error, 9);
	ck_assert_uint_eq(totals.write_errors, 1); /* it is not tried in a spoiled file */
	ck_assert_uint_eq(totals.current.error, EIO);
	ck_assert_int_eq(writer_due(&writer, &totals), INT64_MAX);
	next_give();
	ck_assert_int_eq(writer_due(&writer, &totals), 0);
	compact(6, 60);
	ck_assert_uint_eq(totals.current.serial, 1);
	ck_assert_uint_eq(totals.written, 9);
	ck_assert_uint_eq(totals.received, totals.written + totals.discarded_io_error);
}
END_TEST

/* A disk that takes nothing must not use up a file a chunk. */
START_TEST(after_a_first_write_that_failed_the_next_file_waits)
{
	begin_plain();
	next_give();
	failing = (struct handring_failing){ .count = 1000, .error = EIO };
	for (unsigned i = 0; i < 5; i++)
		compact(2, 60);
	ck_assert_uint_eq(totals.current.serial, 0);
	ck_assert_uint_eq(totals.write_errors, 1);
	ck_assert_uint_eq(totals.discarded_io_error, 10);
	ck_assert_uint_ne(totals.current.since_ns, 0); /* it is a file, of its losses */
	ck_assert_int_eq(writer_due(&writer, &totals), INT64_MAX);
	ck_assert(atomic_load(&crossing.spare_ready));
}
END_TEST

static uint64_t pause_ns(void)
{
	return writer.again_ns - clock_mono_ns();
}

/* ... longer each time, until one was written to */
START_TEST(the_pause_before_the_next_file_doubles_until_a_write_goes_well)
{
	uint64_t first;

	begin_plain();
	next_give();
	failing = (struct handring_failing){ .count = _i ? 2 : 1, .error = EIO };
	compact(2, 60);
	first = pause_ns();
	ck_assert_uint_eq(writer.failures, 1);
	writer.again_ns = 0; /* it is over */
	compact(2, 60);
	ck_assert_uint_eq(totals.current.serial, 1);
	ck_assert_uint_eq(writer.failures, _i ? 2 : 0);
	ck_assert_uint_eq(totals.written, _i ? 0 : 2);
	if (_i)
		ck_assert_uint_gt(pause_ns(), first + first / 2);
}
END_TEST

/* What a chunk says of drops is said by the next one where it could not be written */
START_TEST(drops_are_noted_when_they_are_written)
{
	struct pcapng_chunk chunk = { .used = 4096, .packets = 1, .drops_noted = 5 };

	begin_plain();
	chunk.buffer = aligned_alloc(4096, chunk.used);
	pcapng_pad(chunk.buffer, chunk.used);
	writer_inplace(&writer, &totals, &chunk, 1);
	ck_assert_uint_eq(totals.drops_noted, 5);
	failing = (struct handring_failing){ .count = 1, .error = EIO };
	writer_inplace(&writer, &totals, &chunk, 1);
	ck_assert_uint_eq(totals.drops_noted, 5);
	free(chunk.buffer);
}
END_TEST

START_TEST(a_disk_that_is_full_for_a_moment_costs_nothing)
{
	int events = eventfd(0, EFD_NONBLOCK);
	uint64_t times;

	begin_plain();
	crossing.notify = events;
	failing = (struct handring_failing){ .count = 3, .error = _i ? EDQUOT : ENOSPC };
	compact(3, 60);
	ck_assert_uint_eq(totals.written, 3);
	ck_assert_uint_eq(totals.write_errors, 1);
	ck_assert_int_eq(atomic_load(&crossing.refused), 0);
	ck_assert_int_eq(atomic_load(&crossing.no_space), 0);
	ck_assert_int_eq(read(events, &times, sizeof(times)), sizeof(times));
	ck_assert_uint_eq(times, 2); /* when it began and when it was over */
	ck_assert_uint_eq(size_of(fd), totals.current.end);
}
END_TEST

/* Only the first write waits; the others are lost at once, until there is room. */
START_TEST(a_disk_that_stays_full_is_waited_for_once)
{
	begin_plain();
	failing = (struct handring_failing){ .count = 1000, .error = ENOSPC, .no_space = true };
	compact(3, 60);
	ck_assert_uint_gt(failing.calls, 10);
	ck_assert_int_eq(atomic_load(&crossing.no_space), ENOSPC);
	ck_assert_int_eq(atomic_load(&crossing.error), ENOSPC);
	failing.calls = 0;
	compact(4, 60);
	ck_assert_uint_eq(failing.calls, 1);
	ck_assert_uint_eq(totals.discarded_no_space, 7);
	writer_probe(&writer, &totals);
	ck_assert_int_eq(atomic_load(&crossing.no_space), ENOSPC);
	failing = (struct handring_failing){ 0 };
	writer_probe(&writer, &totals);
	ck_assert_int_eq(atomic_load(&crossing.no_space), 0);
	failing = (struct handring_failing){ .count = 1, .error = ENOSPC };
	compact(5, 60); /* full again, soon after: not waited for */
	ck_assert_uint_eq(totals.discarded_no_space, 12);
	failing = (struct handring_failing){ 0 };
	compact(6, 60);
	ck_assert_int_eq(atomic_load(&crossing.no_space), 0);
	ck_assert_uint_eq(totals.written, 6);
	ck_assert_uint_eq(totals.current.error, 0);
	ck_assert_uint_eq(size_of(fd), totals.current.end);
}
END_TEST

/* No half record stays: else the file is a suspect. */
START_TEST(a_torn_write_that_cannot_be_cut_spoils_the_file)
{
	begin_plain();
	compact(3, 60);
	failing = (struct handring_failing){ .count = 1, .error = EFBIG, .cut = true };
	compact(3, 60);
	ck_assert_uint_eq(totals.current.error, EFBIG);
}
END_TEST

/* A plain chunk of a file with O_DIRECT is as much on the disk as the others, where that can be
 * had. */
START_TEST(an_error_of_writeback_is_an_error_of_the_write)
{
	static const int harmless[] = { ENOSYS, EPERM, EINVAL };

	align = 4096;
	begin();
	for (unsigned i = 0; i < 3; i++) {
		failing = (struct handring_failing){ .unsynced = true, .error = harmless[i] };
		compact(1, 60);
	}
	ck_assert_uint_eq(totals.written, 3);
	failing = (struct handring_failing){ .unsynced = true, .error = EIO };
	compact(1, 60);
	ck_assert_uint_eq(totals.written, 3);
	ck_assert_uint_eq(totals.write_errors, 1);
	ck_assert_uint_eq(totals.current.error, EIO);
}
END_TEST

/* A file system that gives it at open() only says EINVAL. */
START_TEST(without_a_change_of_mode_the_file_is_plain_or_failed)
{
	align = 4096;
	begin();
	failing = (struct handring_failing){ .set = true, .error = _i ? EIO : EINVAL };
	inplace(8192);
	ck_assert_uint_eq(totals.written, _i ? 0 : 1);
	ck_assert_uint_eq(totals.current.error, _i ? EIO : 0);
	if (!_i)
		ck_assert_uint_eq(writer.current.align, 4);
}
END_TEST

START_TEST(while_suspended_nothing_is_written)
{
	begin_plain();
	atomic_store(&crossing.suspended, true);
	compact(3, 60);
	ck_assert_uint_eq(totals.discarded_no_space, 3);
	ck_assert_uint_eq(failing.calls, 0);
	atomic_store(&crossing.suspended, false);
	compact(4, 60);
	ck_assert_uint_eq(totals.written, 4);
}
END_TEST

START_TEST(a_file_is_due_by_its_duration_or_when_asked_and_if_there_is_a_next)
{
	struct message_worker timed = what;

	begin_plain();
	writer.what = &timed;
	ck_assert_int_eq(writer_due(&writer, &totals), INT64_MAX); /* no next one */
	next_give();
	atomic_store(&crossing.rotate, true);
	ck_assert_int_eq(writer_due(&writer, &totals), INT64_MAX); /* nothing in it */
	writer_look(&writer, &totals);
	ck_assert(!atomic_load(&crossing.rotate));
	compact(3, 60);
	ck_assert_int_eq(writer_due(&writer, &totals), INT64_MAX); /* never */
	timed.config.file_duration_ns = UINT64_C(3600) * 1000000000;
	writer.period = period_new(&timed);
	ck_assert_int_gt(writer_due(&writer, &totals), 0);
	ck_assert_int_le(writer_due(&writer, &totals), (int64_t)timed.config.file_duration_ns);
	atomic_store(&crossing.suspended, true);
	ck_assert_int_eq(writer_due(&writer, &totals), INT64_MAX);
	atomic_store(&crossing.suspended, false);
	atomic_store(&crossing.rotate, true);
	ck_assert_int_eq(writer_due(&writer, &totals), 0);
	writer_look(&writer, &totals);
	ck_assert(atomic_load(&crossing.rotate));
	ck_assert(writer_rotate(&writer, &totals));
	ck_assert_uint_eq(totals.current.serial, 1);
	ck_assert(!atomic_load(&crossing.rotate));
}
END_TEST

Suite *suite_writer_errors(void)
{
	Suite *s = suite_create("writer_errors");
	TCase *t = tcase_create("writer_errors");
	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_file_that_would_grow_too_large_is_followed_by_the_next);
	tcase_add_loop_test(t, a_file_that_was_never_used_leaves_its_counts_to_the_next, 0, 2);
	tcase_add_loop_test(t, the_pause_before_the_next_file_doubles_until_a_write_goes_well, 0,
			    2);
	tcase_add_test(t, drops_are_noted_when_they_are_written);
	tcase_add_test(t, a_chunk_larger_than_a_file_may_be_goes_into_an_empty_one);
	tcase_add_loop_test(t, half_a_write_is_continued, 0, 3);
	tcase_add_loop_test(t, an_error_spoils_the_file_and_costs_no_packet_where_the_next_is_there,
			    0, 3);
	tcase_add_test(t, an_error_without_a_next_file_costs_what_comes_until_it_is_there);
	tcase_add_test(t, after_a_first_write_that_failed_the_next_file_waits);
	tcase_add_loop_test(t, a_disk_that_is_full_for_a_moment_costs_nothing, 0, 2);
	tcase_add_test(t, a_disk_that_stays_full_is_waited_for_once);
	tcase_add_test(t, a_torn_write_that_cannot_be_cut_spoils_the_file);
	tcase_add_test(t, an_error_of_writeback_is_an_error_of_the_write);
	tcase_add_loop_test(t, without_a_change_of_mode_the_file_is_plain_or_failed, 0, 2);
	tcase_add_test(t, while_suspended_nothing_is_written);
	tcase_add_test(t, a_file_is_due_by_its_duration_or_when_asked_and_if_there_is_a_next);
	suite_add_tcase(s, t);
	return s;
}
