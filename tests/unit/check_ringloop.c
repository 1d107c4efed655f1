/* daemon/worker/ringloop.c on a ring in memory: each run takes all blocks that are there, and then
 * finds afcap_stop(). */
#include "handring.h"
#include "suites.h"

#include "../../daemon/base/linktype.h"
#include "../../daemon/worker/ringloop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define EPB_TYPE 6u

static struct handring ring;
static struct crossing crossing;
static struct message_worker what;
static struct ledger *ledger;
static struct ringloop loop;
static int fds[2]; /* of files 0 and 1 */

static void setup(void)
{
	handring_open(&ring);
	failing = (struct handring_failing){ 0 };
	crossing = (struct crossing){ .notify = -1 };
	what = (struct message_worker){ .worker = 2,
					.group.block_bytes = HANDRING_BLOCK_BYTES,
					.blocks = HANDRING_BLOCKS,
					.group.snaplen = 262144,
					.link_type = LINKTYPE_ETHERNET,
					.config.write_delay_ns = 1000000000,
					.config.file_bytes = 1u << 30 };
	ledger = ledger_map(ledger_create());
	ck_assert_ptr_nonnull(ledger);
	fds[0] = handring_file();
	fds[1] = handring_file();
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
	const struct crossing_file file = { .serial = 0, .fd = dup(fds[0]), .align = 4 };

	ck_assert_int_eq(ringloop_init(&loop, &ring.handle, ledger, &what, &crossing), 0);
	writer_begin(&loop.writer, &file);
}

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

START_TEST(what_is_in_the_ring_is_written_committed_and_released)
{
	struct ledger_totals t;

	what.config.layout = _i;
	begin();
	put(2, 40, 1400);
	handring_put(&ring, 5, 60, true);
	put(5, 6, 100);
	run();
	put(2, 30, 1000); /* over the ring's end */
	run();
	t = ledger_totals(ledger);
	ck_assert_uint_eq(t.received, 2 * 40 + 5 + 5 * 6 + 2 * 30);
	ck_assert_uint_eq(t.received_bytes, 80 * 1400 + 5 * 60 + 30 * 100 + 60 * 1000);
	ck_assert_uint_eq(t.written, t.received);
	ck_assert_uint_eq(t.blocks_full, 9);
	ck_assert_uint_eq(t.blocks_timeout, 1);
	ck_assert_uint_eq(t.next_sequence, 11);
	ck_assert_uint_eq(t.next_block, 2);
	ck_assert_uint_eq(handring_packets(fds[0], t.current.end), t.written);
	ck_assert_uint_eq(t.written_bytes, t.current.end - LEDGER_FILE_BEGIN);
	ck_assert_uint_eq(handring_used(&ring), 0);
	ck_assert_uint_eq(ledger->in_progress, 0);
	ck_assert_mem_eq(&t, &loop.totals, sizeof(t));
}
END_TEST

/* Large packets fill their block; what is made in place ends at a page. */
START_TEST(the_layout_follows_the_packets_unless_it_is_given)
{
	static const struct {
		enum layout layout;
		uint32_t link_type, captured;
		unsigned packets, blocks;
		bool inplace;
	} cases[] = {
		{ LAYOUT_AUTO, LINKTYPE_ETHERNET, 1400, 40, 1, true },
		{ LAYOUT_AUTO, LINKTYPE_ETHERNET, 60, 40, 1, false },
		{ LAYOUT_AUTO, LINKTYPE_ETHERNET, 60, 300, 1, false }, /* full, of small ones */
		{ LAYOUT_AUTO, LINKTYPE_ETHERNET, 1400, 2, 1, false }, /* large ones, and few */
		{ LAYOUT_AUTO, LINKTYPE_ETHERNET, 320, 100, 4, true },
		{ LAYOUT_AUTO, LINKTYPE_ETHERNET, 320, 100, 8, false }, /* the disk is behind */
		{ LAYOUT_AUTO, LINKTYPE_ETHERNET, 1400, 40, 8, true },
		{ LAYOUT_INPLACE, LINKTYPE_ETHERNET, 60, 40, 1, true },
		{ LAYOUT_COMPACT, LINKTYPE_ETHERNET, 1400, 40, 1, false },
		{ LAYOUT_INPLACE, 101, 1400, 40, 1,
		  false }, /* packets begin elsewhere in their slots */
	};

	what.config.layout = cases[_i].layout;
	what.link_type = cases[_i].link_type;
	begin();
	put(cases[_i].blocks, cases[_i].packets, cases[_i].captured);
	run();
	ck_assert_uint_eq(loop.totals.written, cases[_i].packets * cases[_i].blocks);
	ck_assert_int_eq(loop.totals.current.end % PCAPNG_INPLACE_ALIGN == 0, cases[_i].inplace);
	ck_assert_uint_eq(handring_packets(fds[0], loop.totals.current.end), loop.totals.written);
}
END_TEST

START_TEST(the_position_goes_round_with_the_ring)
{
	what.config.layout = _i;
	begin();
	for (unsigned i = 1; i < 2 * HANDRING_BLOCKS + 2; i++) {
		put(1, 2, 60);
		run();
		ck_assert_uint_eq(ledger_totals(ledger).next_block, i % HANDRING_BLOCKS);
		ck_assert_uint_eq(ledger_totals(ledger).next_sequence, i + 1);
	}
}
END_TEST

/* What is held goes before a block that is made in place */
START_TEST(packets_are_in_the_file_in_the_order_of_the_ring)
{
	uint64_t at = LEDGER_FILE_BEGIN;
	uint32_t last = 0;

	begin();
	put(1, 5, 60);
	put(1, 40, 1400);
	run();
	ck_assert_uint_eq(handring_packets(fds[0], loop.totals.current.end), 45);
	while (at < loop.totals.current.end) {
		uint32_t words[6]; /* type, length, interface, time, captured */

		ck_assert_int_eq(pread(fds[0], words, sizeof(words), (off_t)at), sizeof(words));
		at += words[1];
		if (words[0] != EPB_TYPE)
			continue;
		ck_assert_uint_ge(words[5], last);
		last = words[5];
	}
	ck_assert_uint_eq(last, 1400);
}
END_TEST

/* The worker before died in it: its packets are where no copy could be made from */
START_TEST(a_block_that_was_begun_in_place_is_finished_in_place)
{
	static const struct pcapng_context context = { .worker = 2, .snaplen = 262144 };
	struct pcapng_chunk chunk;
	struct afcap_block block;

	put(1, 40, 1400);
	ck_assert_int_eq(afcap_block_acquire(&ring.handle, &block), 0);
	ck_assert(pcapng_inplace(&chunk, &block, HANDRING_BLOCK_BYTES, &context));
	ring.handle.rx.next = 0;
	ring.handle.held = 0;
	what.config.layout = LAYOUT_COMPACT;
	begin();
	run();
	ck_assert_uint_eq(loop.totals.written, 40);
	ck_assert_uint_eq(handring_packets(fds[0], loop.totals.current.end), 40);
	ck_assert_uint_eq(loop.totals.current.end % PCAPNG_INPLACE_ALIGN, 0);
}
END_TEST

/* The supervisor sees which one two workers died of */
START_TEST(a_worker_that_dies_in_a_block_leaves_its_sequence)
{
	static const struct rlimit none;
	int status;
	pid_t pid;

	what.config.layout = _i;
	begin();
	put(1, 2, 60);
	run();
	put(1, 40, 1400);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &none);
		mprotect(ring.handle.map + HANDRING_BLOCK_BYTES + 4096, 4096, PROT_NONE);
		close(STDERR_FILENO);
		run();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_ne(status, 0);
	ck_assert_uint_eq(ledger->in_progress, 2);
	ck_assert_uint_eq(ledger_totals(ledger).next_sequence, 2);
}
END_TEST

START_TEST(a_packet_longer_than_was_captured_counts_as_truncated)
{
	struct tpacket3_hdr *header = (void *)(ring.handle.map + sizeof(struct tpacket_block_desc));

	what.group.output = _i ? OUTPUT_PCAPNG : OUTPUT_NONE;
	what.config.layout = _i == 2 ? LAYOUT_INPLACE : LAYOUT_COMPACT;
	begin();
	put(1, 3, 100);
	header->tp_len = header->tp_snaplen + 1;
	run();
	ck_assert_uint_eq(ledger_totals(ledger).received, 3);
	ck_assert_uint_eq(ledger_totals(ledger).truncated, 1);
}
END_TEST

START_TEST(small_blocks_share_a_write_up_to_a_size_or_a_quarter_of_the_ring)
{
	what.config.layout = LAYOUT_COMPACT;
	begin();
	ck_assert_uint_eq(loop.flush_bytes, HANDRING_BLOCKS * HANDRING_BLOCK_BYTES / 8);
	ck_assert_uint_eq(loop.batch_bytes, HANDRING_BLOCKS * HANDRING_BLOCK_BYTES / 8);
	loop.flush_bytes = HANDRING_BLOCK_BYTES / 2;
	put(8, 1, 60); /* a quarter of the ring at most is held */
	run();
	ck_assert_uint_eq(failing.calls, 4);
	put(4, 34, 1000); /* one of these is as much */
	run();
	ck_assert_uint_eq(failing.calls, 8);
	atomic_store(&crossing.draining, true);
	put(4, 1, 60);
	run();
	ck_assert_uint_eq(failing.calls, 12);
	ck_assert_uint_eq(ledger_totals(ledger).received, 8 + 136 + 4);
}
END_TEST

START_TEST(without_files_packets_are_counted)
{
	struct ledger_totals t;

	what.group.output = OUTPUT_NONE;
	ck_assert_int_eq(ringloop_init(&loop, &ring.handle, ledger, &what, &crossing), 0);
	put(3, 7, 100);
	run();
	t = ledger_totals(ledger);
	ck_assert_uint_eq(t.received, 21);
	ck_assert_uint_eq(t.received_bytes, 2100);
	ck_assert_uint_eq(t.truncated, 0);
	ck_assert_uint_eq(t.written, 0);
	ck_assert_uint_eq(t.next_sequence, 4);
	ck_assert_uint_eq(handring_used(&ring), 0);
	ck_assert_uint_eq(failing.calls, 0);
}
END_TEST

/* Its bytes are in the file, its packets in no other counter. */
START_TEST(a_block_in_quarantine_is_abandoned_and_those_around_it_are_not)
{
	struct ledger_totals t;

	what.group.output = _i ? OUTPUT_NONE : OUTPUT_PCAPNG;
	what.quarantine = 2;
	begin();
	put(3, 4, 60);
	run();
	t = ledger_totals(ledger);
	ck_assert_uint_eq(t.received, 12);
	ck_assert_uint_eq(t.discarded_abandoned, 4);
	ck_assert_uint_eq(t.written, _i ? 0 : 8);
	ck_assert_uint_eq(t.next_sequence, 4);
	ck_assert_uint_eq(handring_used(&ring), 0);
	if (!_i) {
		ck_assert_uint_eq(handring_packets(fds[0], t.current.end), 8);
		ck_assert_uint_gt(t.written_bytes, HANDRING_BLOCK_BYTES);
	}
}
END_TEST

/* A rotation waits for the kernel's statistics, which are the main thread's: not for ever. */
START_TEST(a_rotation_waits_for_the_statistics_but_the_ring_does_not)
{
	const struct crossing_file next = { .serial = 1, .fd = dup(fds[1]), .align = 4 };
	int events = eventfd(0, EFD_NONBLOCK);
	struct ledger_totals t;
	uint64_t times;

	crossing.notify = events;
	begin();
	put(1, 3, 60);
	run();
	ck_assert_int_eq(read(events, &times, sizeof(times)),
			 sizeof(times)); /* a file's first use */
	atomic_store(&crossing.rotate, true);
	ck_assert(crossing_spare_give(&crossing, &next));
	put(1, 4, 60);
	run();
	t = ledger_totals(ledger);
	ck_assert_uint_eq(t.received, 7);
	ck_assert_uint_eq(t.current.serial, 0);
	ck_assert(atomic_load(&crossing.statistics_wanted));
	ck_assert_int_eq(read(events, &times, sizeof(times)), sizeof(times));

	ledger_add(ledger, &(struct ledger_kernel){ 17, 10, 0 });
	atomic_store(&crossing.statistics_wanted,
		     false); /* as ringthread_statistics_taken() does */
	put(1, 5, 60);
	run();
	t = ledger_totals(ledger);
	ck_assert_int_eq(read(events, &times, sizeof(times)), sizeof(times));
	ck_assert_uint_eq(t.current.serial, 1);
	ck_assert_uint_eq(t.previous.serial, 0);
	ck_assert_uint_eq(t.previous.finish.packets, 17); /* received so far, and the drops */
	ck_assert_uint_eq(t.previous.finish.drops, 10);
	ck_assert_uint_eq(t.previous.finish.written, 7);
	ck_assert_mem_eq(&t.current.begin, &t.previous.finish, sizeof(t.current.begin));
	ck_assert_uint_eq(handring_packets(fds[0], t.previous.end), 7);
	ck_assert_uint_eq(handring_packets(fds[1], t.current.end), 5);
	ck_assert(!atomic_load(&crossing.rotate));
	ck_assert(!atomic_load(&crossing.spare_ready));
}
END_TEST

/* What was asked for is no longer so when the statistics are there: no file is ended for it. */
START_TEST(a_rotation_that_is_no_longer_due_asks_for_nothing)
{
	const struct crossing_file next = { .serial = 1, .fd = dup(fds[1]), .align = 4 };

	begin();
	atomic_store(&crossing.rotate, true);
	ck_assert(crossing_spare_give(&crossing, &next));
	run(); /* nothing was written yet */
	ck_assert(!atomic_load(&crossing.rotate));
	ck_assert(!atomic_load(&crossing.statistics_wanted));
	ck_assert_uint_eq(ledger_totals(ledger).current.serial, 0);
	ck_assert(atomic_load(&crossing.spare_ready));
}
END_TEST

/* And what it holds is the next worker's. */
START_TEST(a_ring_that_cannot_be_waited_for_ends_the_loop)
{
	int events = eventfd(0, EFD_NONBLOCK);
	uint64_t times;

	crossing.notify = events;
	begin();
	put(1, 3, 60);
	close(ring.handle.epoll);
	ringloop_run(&loop);
	ring.handle.epoll = -1;
	ck_assert_int_eq(atomic_load(&crossing.fatal), EBADF);
	ck_assert_int_eq(read(events, &times, sizeof(times)), sizeof(times));
	ck_assert_uint_eq(ledger_totals(ledger).received, 0);
	ck_assert_uint_eq(ledger_totals(ledger).next_sequence, 1);
	ck_assert_uint_eq(handring_used(&ring), 1);
	ck_assert_uint_eq(ledger->polls, 1);
	ck_assert_uint_eq(ledger->poll_timeouts, 1);
}
END_TEST

/* The same bytes to the same place, as often as it is begun. */
START_TEST(a_successor_writes_what_was_not_committed)
{
	struct ledger_totals before, after;

	begin();
	put(1, 3, 60);
	run();
	before = ledger_totals(ledger);
	put(1, 8, 60);
	atomic_store(&crossing.stopping, false);
	close(ring.handle.epoll);
	ring.handle.epoll = -1;
	ringloop_run(&loop);
	after = ledger_totals(ledger);
	ck_assert_mem_eq(&before, &after, sizeof(before));
	ring.handle.rx.next = (uint32_t)after.next_block; /* as afcap_resume() does */
	ring.handle.held = 0;
	free(loop.held); /* nothing frees what a dead worker had */
	free(loop.chunks);
	begin();
	atomic_store(&crossing.stopping, false);
	run();
	after = ledger_totals(ledger);
	ck_assert_uint_eq(after.received, 11);
	ck_assert_uint_eq(after.written, 11);
	ck_assert_uint_eq(handring_packets(fds[0], after.current.end), 11);
	ck_assert_uint_eq(handring_used(&ring), 0);
}
END_TEST

START_TEST(a_full_disk_costs_packets_and_is_looked_at_again)
{
	struct ledger_totals t;

	begin();
	failing = (struct handring_failing){ .count = 1000, .error = ENOSPC, .no_space = true };
	put(1, 3, 60);
	run();
	put(1, 4, 60);
	run();
	t = ledger_totals(ledger);
	ck_assert_uint_eq(t.received, 7);
	ck_assert_uint_eq(t.discarded_no_space, 7);
	ck_assert_int_eq(atomic_load(&crossing.no_space), ENOSPC);
	ck_assert_uint_eq(handring_used(&ring), 0);
	failing = (struct handring_failing){ 0 };
	run();
	ck_assert_int_eq(atomic_load(&crossing.no_space), 0);
	put(1, 5, 60);
	run();
	t = ledger_totals(ledger);
	ck_assert_uint_eq(t.written, 5);
	ck_assert_uint_eq(handring_packets(fds[0], t.current.end), 5);
}
END_TEST

Suite *suite_ringloop(void)
{
	Suite *s = suite_create("ringloop");
	TCase *t = tcase_create("ringloop");

	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, what_is_in_the_ring_is_written_committed_and_released, 0, 3);
	tcase_add_loop_test(t, the_layout_follows_the_packets_unless_it_is_given, 0, 10);
	tcase_add_loop_test(t, the_position_goes_round_with_the_ring, 0, 3);
	tcase_add_test(t, packets_are_in_the_file_in_the_order_of_the_ring);
	tcase_add_test(t, a_block_that_was_begun_in_place_is_finished_in_place);
	tcase_add_loop_test(t, a_worker_that_dies_in_a_block_leaves_its_sequence, LAYOUT_INPLACE,
			    LAYOUT_COMPACT + 1);
	tcase_add_loop_test(t, a_packet_longer_than_was_captured_counts_as_truncated, 0, 3);
	tcase_add_test(t, small_blocks_share_a_write_up_to_a_size_or_a_quarter_of_the_ring);
	tcase_add_test(t, without_files_packets_are_counted);
	tcase_add_loop_test(t, a_block_in_quarantine_is_abandoned_and_those_around_it_are_not, 0,
			    2);
	tcase_add_test(t, a_rotation_waits_for_the_statistics_but_the_ring_does_not);
	tcase_add_test(t, a_rotation_that_is_no_longer_due_asks_for_nothing);
	tcase_add_test(t, a_ring_that_cannot_be_waited_for_ends_the_loop);
	tcase_add_test(t, a_successor_writes_what_was_not_committed);
	tcase_add_test(t, a_full_disk_costs_packets_and_is_looked_at_again);
	suite_add_tcase(s, t);
	return s;
}
