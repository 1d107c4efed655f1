/* daemon/worker/writer.c, ringloop.c: which file a packet belongs to, by file_duration. */
#include "handring.h"
#include "../library/handblock.h"
#include "suites.h"

#include "../../daemon/base/clock.h"
#include "../../daemon/base/linktype.h"
#include "../../daemon/worker/ringloop.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define SECOND UINT64_C(1000000000)
#define DAY    (86400 * SECOND)

static struct handring ring;
static struct crossing crossing;
static struct message_worker what;
static struct ledger *ledger;
static struct ringloop loop;
static uint64_t end; /* of the period that was over last */

static void setup(void)
{
	const struct crossing_file first = { .serial = 0, .fd = handring_file(), .align = 4 };
	const struct crossing_file next = { .serial = 1, .fd = handring_file(), .align = 4 };

	handring_open(&ring);
	failing = (struct handring_failing){ 0 };
	crossing = (struct crossing){ .notify = -1 };
	what = (struct message_worker){ .blocks = HANDRING_BLOCKS,
					.link_type = LINKTYPE_ETHERNET,
					.group = { .block_bytes = HANDRING_BLOCK_BYTES,
						   .block_timeout_ns = SECOND / 10,
						   .snaplen = 262144 },
					.config = { .write_delay_ns = SECOND,
						    .file_bytes = 1u << 30,
						    .file_duration_ns = DAY } };
	ledger = ledger_map(ledger_create());
	ck_assert_ptr_nonnull(ledger);
	ck_assert_int_eq(ringloop_init(&loop, &ring.handle, ledger, &what, &crossing), 0);
	writer_begin(&loop.writer, &first);
	ck_assert(crossing_spare_give(&crossing, &next));
	end = clock_real_ns() / DAY * DAY;
}

static void teardown(void)
{
	handring_close(&ring);
	ledger_unmap(ledger);
}

/* A chunk whose first packet is of that time. */
static uint64_t chunk_put(uint64_t first_ns)
{
	struct pcapng_chunk chunk = { .used = 4096, .packets = 1, .first_ns = first_ns };

	chunk.buffer = aligned_alloc(4096, chunk.used);
	pcapng_pad(chunk.buffer, chunk.used);
	writer_inplace(&loop.writer, &loop.totals, &chunk, 1);
	free(chunk.buffer);
	return loop.totals.current.serial;
}

/* A file of so long ago. */
static void begun(uint64_t first_ns, uint64_t since_ns)
{
	ck_assert_uint_eq(chunk_put(first_ns), 0);
	loop.totals.current.first_ns = first_ns;
	loop.totals.current.since_ns = since_ns;
}

static int64_t due(void)
{
	return writer_due(&loop.writer, &loop.totals);
}

static bool late(void)
{
	return writer_late(&loop.writer, &loop.totals, due());
}

START_TEST(the_first_packet_is_that_of_the_first_chunk)
{
	uint64_t before = clock_real_ns();

	chunk_put(end + 5);
	chunk_put(end + 7);
	ck_assert_uint_eq(loop.totals.current.first_ns, end + 5);
	ck_assert_uint_ge(loop.totals.current.since_ns, before);
	ck_assert(writer_rotate(&loop.writer, &loop.totals));
	ck_assert_uint_eq(loop.totals.current.first_ns, 0);
	ck_assert_uint_eq(chunk_put(end + 9), 1);
	ck_assert_uint_eq(loop.totals.current.first_ns, end + 9);
	ck_assert_uint_eq(loop.totals.previous.first_ns, end + 5);
}
END_TEST

START_TEST(a_file_that_was_never_written_to_has_no_first_packet)
{
	failing = (struct handring_failing){ .count = 1000, .error = EIO };
	chunk_put(end + 5);
	ck_assert_uint_ne(loop.totals.current.since_ns, 0);
	ck_assert_uint_eq(loop.totals.current.first_ns, 0);
}
END_TEST

/* Late packets stay in the file of their period, the first one of the next begins the next file. */
START_TEST(a_period_ends_between_packets)
{
	begun(end - 10, end - 5);
	ck_assert_uint_eq(chunk_put(end - 1), 0);
	ck_assert_uint_eq(chunk_put(end), 1);
	ck_assert_uint_eq(loop.totals.previous.first_ns, end - 10);
	ck_assert_uint_eq(loop.totals.current.first_ns, end);
	ck_assert_int_eq(due(), INT64_MAX); /* there is no next one */
}
END_TEST

/* The file's period is that of its first packet, whose way to the file took until the next one. */
START_TEST(a_file_that_begins_with_a_late_packet_ends_with_that_packets_period)
{
	begun(end - 10, end + 5);
	ck_assert(late());
	ck_assert_uint_eq(chunk_put(end - 1), 0);
	ck_assert_uint_eq(chunk_put(end + 6), 1);
}
END_TEST

START_TEST(without_a_next_file_packets_go_on_in_this_one)
{
	struct crossing_file taken;

	begun(end - 10, end - 5);
	ck_assert(crossing_spare_take(&crossing, 1, &taken));
	ck_assert_uint_eq(chunk_put(end), 0);
	ck_assert(crossing_spare_give(&crossing, &taken));
	ck_assert_uint_eq(chunk_put(end + 1), 1);
}
END_TEST

/* Where no packet says so, for the block that may be on its way and a second: not for ever. */
START_TEST(an_idle_file_ends_after_its_period)
{
	int64_t left;

	begun(end - 10, end - 5);
	left = due();
	ck_assert_int_gt(left, 0);
	ck_assert_int_le(left, (int64_t)SECOND + 100000000);
	ck_assert(late());
	usleep(1150000);
	ck_assert_int_eq(due(), 0);
}
END_TEST

/* Packets with a clock of their own end no file, and keep none open. */
START_TEST(a_packets_clock_may_be_another_one)
{
	static const uint64_t clocks[] = { 1, DAY, 50000 * DAY };
	uint64_t now = clock_real_ns();

	begun(clocks[_i], now);
	ck_assert(!late());
	ck_assert_int_gt(due(), (int64_t)SECOND);
	ck_assert_int_le(due(), (int64_t)DAY);
	ck_assert_uint_eq(chunk_put(clocks[_i] + DAY), 0);
	loop.totals.current.since_ns = end - 5;
	loop.writer.period.due_after = 0;
	ck_assert_int_eq(due(), 0);
}
END_TEST

/* Chunks that could be written together are not where the period ends between them. */
START_TEST(a_period_ends_within_a_batch)
{
	struct pcapng_chunk chunks[3];

	begun(end - 10, end - 5);
	for (unsigned i = 0; i < 3; i++) {
		chunks[i] = (struct pcapng_chunk){ .used = 4096, .packets = i + 2 };
		chunks[i].first_ns = end - 1 + i;
		chunks[i].buffer = aligned_alloc(4096, chunks[i].used);
		pcapng_pad(chunks[i].buffer, chunks[i].used);
	}
	writer_inplace(&loop.writer, &loop.totals, chunks, 3);
	ck_assert_uint_eq(loop.totals.current.serial, 1);
	ck_assert_uint_eq(loop.totals.previous.finish.written, 1 + 2);
	ck_assert_uint_eq(loop.totals.written, 1 + 2 + 3 + 4);
	for (unsigned i = 0; i < 3; i++)
		free(chunks[i].buffer);
}
END_TEST

static void times_set(uint32_t index, uint64_t ns)
{
	uint8_t *block = ring.handle.map + (size_t)index * HANDRING_BLOCK_BYTES;
	struct tpacket3_hdr *header = (void *)(block + sizeof(struct tpacket_block_desc));

	header->tp_sec = (uint32_t)(ns / SECOND);
	header->tp_nsec = (uint32_t)(ns % SECOND);
}

static void run(void)
{
	afcap_stop(&ring.handle);
	ringloop_run(&loop);
	atomic_store(&ring.handle.signals, 0);
}

/* Blocks that share a write do not where a period ends between them. */
START_TEST(held_blocks_are_of_one_period)
{
	static const int64_t times[] = { -2, -1, 1, 2 };

	if (_i) { /* made in place, and all four held */
		what.config.layout = LAYOUT_INPLACE;
		loop.held_max = 4;
		loop.batch_bytes = 1u << 20;
		loop.held = realloc(loop.held, 4 * sizeof(*loop.held));
		loop.chunks = realloc(loop.chunks, 4 * sizeof(*loop.chunks));
		ck_assert(loop.held && loop.chunks);
	}
	begun(end - 10, end - 5);
	for (unsigned i = 0; i < 4; i++) {
		handring_put(&ring, i + 2, 60, false);
		times_set(i, end + (uint64_t)times[i]);
	}
	run();
	ck_assert_uint_eq(loop.totals.current.serial, 1);
	ck_assert_uint_eq(loop.totals.previous.finish.written, 1 + 2 + 3);
	ck_assert_uint_eq(loop.totals.written, 1 + 2 + 3 + 4 + 5);
	ck_assert_uint_eq(loop.totals.current.first_ns, end + 1);
}
END_TEST

Suite *suite_period(void)
{
	Suite *s = suite_create("period");
	TCase *t = tcase_create("period");

	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, the_first_packet_is_that_of_the_first_chunk);
	tcase_add_test(t, a_file_that_was_never_written_to_has_no_first_packet);
	tcase_add_test(t, a_period_ends_between_packets);
	tcase_add_test(t, a_file_that_begins_with_a_late_packet_ends_with_that_packets_period);
	tcase_add_test(t, without_a_next_file_packets_go_on_in_this_one);
	tcase_add_test(t, an_idle_file_ends_after_its_period);
	tcase_add_loop_test(t, a_packets_clock_may_be_another_one, 0, 3);
	tcase_add_test(t, a_period_ends_within_a_batch);
	tcase_add_loop_test(t, held_blocks_are_of_one_period, 0, 2);
	suite_add_tcase(s, t);
	return s;
}
