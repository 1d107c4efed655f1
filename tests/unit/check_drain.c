/* daemon/worker/drain.c: how a worker ends, with a ring in memory and its counters in place of the
 * kernel's. */
#include "handring.h"
#include "place.h"
#include "suites.h"
#include "workerside.h"

#include "../../daemon/base/clock.h"
#include "../../daemon/base/linktype.h"
#include "../../daemon/worker/drain.h"

#include <event2/event.h>
#include <stdlib.h>
#include <unistd.h>

#define MS	   UINT64_C(1000000)
#define QUIET_MS   64  /* so long nothing may follow */
#define TIMEOUT_MS 200 /* of a block */

static struct handring ring;
static struct message_worker what;
static struct attach attach;
static struct drain drain;

static void setup(void)
{
	workerside_begin();
	place_log();
	handring_open(&ring);
	failing = (struct handring_failing){ 0 };
	what = (struct message_worker){ .blocks = HANDRING_BLOCKS,
					.link_type = LINKTYPE_ETHERNET,
					.group = { .block_bytes = HANDRING_BLOCK_BYTES,
						   .block_timeout_ns = TIMEOUT_MS * MS,
						   .snaplen = 262144 },
					.config = { .write_delay_ns = 1000000 * MS, /* only draining
										       writes */
						    .file_bytes = 1u << 30 } };
	attach = (struct attach){ .uplink = &side.uplink,
				  .what = &what,
				  .ledger = ledger_map(ledger_create()),
				  .notify = -1,
				  .socket = -1,
				  .ring = &ring.handle,
				  .joined = true };
	ck_assert_ptr_nonnull(attach.ledger);
	ck_assert_int_eq(ringthread_new(&attach.thread, attach.ring, attach.ledger, &what, -1), 0);
	handring_counters = (struct handring_counters){ .socket = afcap_fd(attach.ring) };
	ck_assert(drain_init(&drain, &attach));
}

static void teardown(void)
{
	ringthread_stop(attach.thread);
	handring_counters.socket = -1;
	event_free(drain.timer);
	handring_close(&ring);
	workerside_end();
}

/* The ring thread has its file and reads. */
static void go(void)
{
	const struct message_file file = { .serial = 0, .align = 4 };

	ck_assert_int_eq(ringthread_file(attach.thread, &file, handring_file()), 0);
	ck_assert_int_eq(ringthread_start(attach.thread), 0);
	ringthread_go(attach.thread);
}

static void put(unsigned packets)
{
	handring_put(&ring, packets, 60, true);
}

/* What the kernel has counted since it was asked last. */
static void counted(unsigned packets, unsigned drops)
{
	handring_counters.counts.packets += packets;
	handring_counters.counts.drops += drops;
}

static uint64_t received(void)
{
	return ledger_totals(attach.ledger).received;
}

static void begin(void)
{
	drain_begin(&drain);
}

static void resume(void)
{
	drain_resume(&drain);
}

static void orphaned(void)
{
	drain_orphaned(&drain);
}

START_TEST(without_a_ring_there_is_nothing_to_wait_for)
{
	attach.joined = false;
	ck_assert(workerside_loop(5000, begin));
	ck_assert_int_eq(side.uplink.exit_code, EXIT_SUCCESS);
}
END_TEST

/* Packets may be in it already: they are written when there is a file to write them to. */
START_TEST(a_ring_that_waits_for_its_file_is_drained_later)
{
	put(3);
	counted(3, 0);
	ck_assert(!workerside_loop(50, begin));
	ck_assert_int_eq(side.uplink.exit_code, WORKERSIDE_RUNNING);
	go();
	ck_assert(workerside_loop(20000, resume));
	ck_assert_int_eq(side.uplink.exit_code, EXIT_SUCCESS);
	ck_assert_uint_eq(received(), 3);
	ck_assert_uint_eq(ledger_totals(attach.ledger).written, 3);
}
END_TEST

START_TEST(what_was_not_asked_for_is_not_done)
{
	go();
	ck_assert(!workerside_loop(3 * TIMEOUT_MS, resume));
	ck_assert(!event_pending(drain.timer, EV_TIMEOUT, NULL));
}
END_TEST

/* What the kernel counted is dropped, received or still in its open block. */
START_TEST(all_that_the_kernel_counted_is_waited_for)
{
	uint64_t began;

	go();
	put(3);
	counted(7, 2);
	ck_assert(!workerside_loop(3 * TIMEOUT_MS, begin));
	ck_assert_uint_eq(received(), 3); /* at once, whatever the write_delay is */
	put(2);
	began = clock_mono_ns();
	ck_assert(workerside_loop(20000, NULL));
	ck_assert_uint_ge(clock_mono_ns() - began, QUIET_MS * MS);
	ck_assert_uint_eq(received(), 5);
	ck_assert_uint_eq(ledger_kernel(attach.ledger).packets, 7);
	ck_assert_int_eq(side.uplink.exit_code, EXIT_SUCCESS);
}
END_TEST

/* The filter that lets none in is new for the packets that were on their way. */
START_TEST(a_packet_that_follows_is_waited_for_anew)
{
	go();
	handring_counters.late = 40;
	ck_assert(workerside_loop(60000, begin));
	ck_assert_uint_eq(handring_counters.late, 0);
	ck_assert_uint_eq(ledger_kernel(attach.ledger).packets, 40);
}
END_TEST

/* The kernel counts a packet when it puts it into the open block, not when it hands that over. */
START_TEST(a_long_block_timeout_does_not_delay_the_end)
{
	what.group.block_timeout_ns = 60000 * MS;
	go();
	put(3);
	counted(3, 0);
	ck_assert(workerside_loop(30000, begin));
	ck_assert_uint_eq(received(), 3);
}
END_TEST

START_TEST(a_second_request_changes_nothing)
{
	go();
	put(1);
	counted(1, 0);
	ck_assert(!workerside_loop(QUIET_MS / 4, begin));
	ck_assert(workerside_loop(20000, begin));
	ck_assert_int_eq(side.uplink.exit_code, EXIT_SUCCESS);
}
END_TEST

/* More may come in all the time: what was there counts. */
START_TEST(without_a_supervisor_what_was_in_the_ring_is_written)
{
	unsigned left;

	go();
	put(3);
	counted(7, 2);
	ck_assert(!workerside_loop(50, orphaned));
	ck_assert_uint_eq(place_logged("the supervisor is gone"), 1);
	left = alarm(0);
	ck_assert_uint_ge(left, 3);
	ck_assert_uint_le(left, 4);
	counted(100, 0);
	put(2);
	ck_assert(workerside_loop(1500, NULL));
	ck_assert_uint_eq(received(), 5);
	ck_assert_int_eq(side.uplink.exit_code, EXIT_SUCCESS);
}
END_TEST

/* Else it would be in the way of the next one. */
START_TEST(without_a_supervisor_it_does_not_last)
{
	uint64_t began = clock_mono_ns();

	go();
	counted(1, 0);
	ck_assert(!workerside_loop(1000, orphaned));
	ck_assert(workerside_loop(20000, NULL));
	alarm(0);
	ck_assert_uint_ge(clock_mono_ns() - began, 2000 * MS + TIMEOUT_MS * MS);
	ck_assert_uint_eq(received(), 0);
	ck_assert_int_eq(side.uplink.exit_code, EXIT_SUCCESS);
}
END_TEST

/* Nobody will give it a file any more. */
START_TEST(without_a_supervisor_no_file_is_waited_for)
{
	ck_assert(!workerside_loop(50, begin));
	ck_assert(workerside_loop(5000, orphaned));
	alarm(0);
	ck_assert_int_eq(side.uplink.exit_code, EXIT_SUCCESS);
}
END_TEST

Suite *suite_drain(void)
{
	Suite *s = suite_create("drain");
	TCase *t = tcase_create("drain");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, without_a_ring_there_is_nothing_to_wait_for);
	tcase_add_test(t, a_ring_that_waits_for_its_file_is_drained_later);
	tcase_add_test(t, what_was_not_asked_for_is_not_done);
	tcase_add_test(t, all_that_the_kernel_counted_is_waited_for);
	tcase_add_test(t, a_packet_that_follows_is_waited_for_anew);
	tcase_add_test(t, a_long_block_timeout_does_not_delay_the_end);
	tcase_add_test(t, a_second_request_changes_nothing);
	tcase_add_test(t, without_a_supervisor_what_was_in_the_ring_is_written);
	tcase_add_test(t, without_a_supervisor_it_does_not_last);
	tcase_add_test(t, without_a_supervisor_no_file_is_waited_for);
	suite_add_tcase(s, t);
	return s;
}
