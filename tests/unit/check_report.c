/* daemon/worker/report.c: what the supervisor hears of the ring thread, and the watchdog. */
#include "handring.h"
#include "place.h"
#include "suites.h"
#include "workerside.h"

#include "../../daemon/base/clock.h"
#include "../../daemon/base/linktype.h"
#include "../../daemon/worker/report.h"

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MS	UINT64_C(1000000)
#define WAIT_NS UINT64_C(20000000000)

/* Until the condition holds: looked at every millisecond. */
#define UNTIL(condition)                                                                           \
	do {                                                                                       \
		uint64_t end_ = clock_mono_ns() + WAIT_NS;                                         \
		while (!(condition)) {                                                             \
			ck_assert_msg(clock_mono_ns() < end_, "%s", #condition);                   \
			poll(NULL, 0, 1);                                                          \
		}                                                                                  \
	} while (0)

static struct handring ring;
static struct message_worker what;
static struct attach attach;
static struct report report;

static void setup(void)
{
	workerside_begin();
	place_log();
	handring_open(&ring);
	failing = (struct handring_failing){ 0 };
	what = (struct message_worker){
		.blocks = HANDRING_BLOCKS,
		.link_type = LINKTYPE_ETHERNET,
		.group = { .block_bytes = HANDRING_BLOCK_BYTES, .snaplen = 262144 },
		.config = { .timeout_ns = 300 * MS, .write_delay_ns = MS, .file_bytes = 1u << 30 }
	};
	attach = (struct attach){ .uplink = &side.uplink,
				  .what = &what,
				  .ledger = ledger_map(ledger_create()),
				  .notify = eventfd(0, EFD_NONBLOCK),
				  .socket = -1,
				  .ring = &ring.handle,
				  .joined = true };
	ck_assert_ptr_nonnull(attach.ledger);
	ck_assert_int_eq(
		ringthread_new(&attach.thread, attach.ring, attach.ledger, &what, attach.notify),
		0);
	handring_counters = (struct handring_counters){ .socket = afcap_fd(attach.ring) };
	ck_assert(report_init(&report, &attach));
}

static void teardown(void)
{
	if (attach.thread)
		ringthread_stop(attach.thread);
	handring_counters.socket = -1;
	event_free(report.timer);
	handring_close(&ring);
	workerside_end();
}

static void give(uint64_t serial)
{
	const struct message_file file = { .serial = serial, .align = 4 };

	ck_assert_int_eq(ringthread_file(attach.thread, &file, handring_file()), 0);
}

static void go(void)
{
	give(0);
	ck_assert_int_eq(ringthread_start(attach.thread), 0);
	ringthread_go(attach.thread);
}

static struct ledger_totals totals(void)
{
	return ledger_totals(attach.ledger);
}

/* The report that was sent last, of `count`. */
static const struct message_report *heard(unsigned count)
{
	while (count--)
		ck_assert_uint_eq(workerside_hear(), MESSAGE_REPORT);
	return &side.heard.report;
}

START_TEST(what_the_ledger_has_is_reported)
{
	const struct message_report *r;
	struct ledger_totals t = totals();

	t.received = 60;
	t.written = 55;
	t.discarded_io_error = 5;
	t.previous = (struct ledger_file){ .serial = 3, .end = 8192 };
	t.current = (struct ledger_file){ .serial = 4, .end = 4096, .first_ns = 7 };
	ledger_commit(attach.ledger, &t);
	handring_counters.counts = (struct afcap_kernel_stats){ 100, 40, 2 };
	report.gone = true;
	report.no_space = ENOSPC;
	report.refused = EDQUOT;
	report_send(&report);
	r = heard(1);
	ck_assert_uint_eq(r->counters.packets, 100);
	ck_assert_uint_eq(r->counters.drops, 40);
	ck_assert_uint_eq(r->counters.freezes, 2);
	ck_assert_uint_eq(r->counters.received, 60);
	ck_assert_uint_eq(r->counters.written, 55);
	ck_assert_mem_eq(&r->current, &t.current, sizeof(t.current));
	ck_assert_mem_eq(&r->previous, &t.previous, sizeof(t.previous));
	ck_assert_uint_eq(r->gone, 1);
	ck_assert_uint_eq(r->no_space, ENOSPC);
	ck_assert_uint_eq(r->refused, EDQUOT);
	ck_assert_uint_eq(ledger_kernel(attach.ledger).packets, 100);
}
END_TEST

START_TEST(without_the_kernels_counters_the_others_are_reported)
{
	handring_counters.counts.packets = 9;
	report_send(&report);
	handring_counters.error = EIO;
	report_send(&report);
	ck_assert_uint_eq(heard(2)->counters.packets, 9);
	ck_assert_uint_eq(place_logged("reading the kernel's statistics: "), 1);
	ck_assert_int_eq(side.uplink.exit_code, WORKERSIDE_RUNNING);
}
END_TEST

/* A rotation waits for them: they are asked for before they are read. */
START_TEST(a_report_has_the_statistics_that_a_rotation_waits_for)
{
	go();
	handring_put(&ring, 3, 60, true);
	UNTIL(totals().written == 3);
	give(1);
	ringthread_rotate(attach.thread);
	UNTIL(ringthread_statistics_wanted(attach.thread));
	handring_counters.counts = (struct afcap_kernel_stats){ 5, 2, 0 };
	report_send(&report);
	UNTIL(totals().current.serial == 1);
	ck_assert_uint_eq(totals().previous.finish.drops, 2);
	ck_assert_uint_eq(totals().previous.finish.packets, 5);
	ck_assert_uint_eq(heard(1)->current.serial, 0);
}
END_TEST

START_TEST(without_a_ring_thread_there_is_no_news)
{
	struct ringthread *thread = attach.thread;

	attach.thread = NULL;
	report_news(&report);
	ck_assert_uint_eq(workerside_hear(), 0);
	attach.thread = thread;
}
END_TEST

/* Of so many writes a second, the first one that fails, and one that fails for another reason. */
START_TEST(a_write_that_fails_is_logged_once)
{
	go();
	failing = (struct handring_failing){ .count = 1000, .error = EFBIG };
	for (unsigned i = 1; i <= 3; i++) {
		handring_put(&ring, 1, 60, true);
		UNTIL(totals().discarded_no_space == i);
		report_news(&report);
	}
	ck_assert_uint_eq(place_logged("writing: "), 1);
	report.error_ns = clock_mono_ns() - UINT64_C(60000000000); /* a minute ago */
	handring_put(&ring, 1, 60, true);
	UNTIL(totals().discarded_no_space == 4);
	report_news(&report);
	ck_assert_uint_eq(place_logged("writing: "), 2);
	failing.error = EIO;
	handring_put(&ring, 1, 60, true);
	UNTIL(totals().discarded_io_error == 1);
	report_news(&report);
	ck_assert_uint_eq(place_logged("writing: "), 3);
	ck_assert_uint_eq(heard(5)->counters.write_errors, 5);
}
END_TEST

START_TEST(a_disk_that_is_full_is_in_every_report)
{
	go();
	failing = (struct handring_failing){ .count = 1000, .error = ENOSPC, .no_space = true };
	handring_put(&ring, 1, 60, true);
	UNTIL((report_news(&report), report.refused == ENOSPC));
	UNTIL(totals().discarded_no_space == 1);
	report_news(&report);
	while (workerside_hear())
		;
	report_send(&report);
	ck_assert_uint_eq(heard(1)->no_space, ENOSPC);
	ck_assert_uint_eq(heard(0)->refused, 0);
}
END_TEST

/* A link that was deleted has the index -1, here in the address of what stands for the socket. */
START_TEST(a_link_that_is_gone_stays_gone)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t at = offsetof(struct sockaddr_ll, sll_ifindex);
	pid_t own = getpid();

	memset((char *)&address + at, 0xff, sizeof(int));
	memcpy((char *)&address + sizeof(struct sockaddr_ll), &own, sizeof(own));
	ck_assert_int_eq(bind(ring.handle.fd, (struct sockaddr *)&address,
			      sizeof(struct sockaddr_ll) + sizeof(own)),
			 0);
	go();
	report_news(&report);
	ck_assert_uint_eq(heard(1)->gone, 0);
	atomic_store(&ring.handle.sender_error, true); /* as it stands where a link went down */
	afcap_wake(&ring.handle);
	UNTIL((report_news(&report), report.gone));
	while (workerside_hear())
		ck_assert_uint_eq(side.heard.type, MESSAGE_REPORT);
	report_news(&report);
	ck_assert_uint_eq(heard(1)->gone, 1);
}
END_TEST

START_TEST(a_ring_thread_that_ended_is_the_workers_end)
{
	close(ring.handle.epoll);
	go();
	UNTIL((report_news(&report), side.uplink.exit_code != WORKERSIDE_RUNNING));
	ring.handle.epoll = -1;
	while (workerside_hear() == MESSAGE_REPORT)
		;
	ck_assert_uint_eq(side.heard.type, MESSAGE_FAILED);
	ck_assert_ptr_nonnull(strstr(side.heard.failed.text, "waiting for the ring: "));
	ck_assert_int_eq(side.uplink.exit_code, EXIT_FAILURE);
}
END_TEST

static void begin(void)
{
	report_begin(&report);
}

/* When the next one is there, in milliseconds after `begun`. */
static uint64_t report_after(uint64_t begun)
{
	while (workerside_hear() != MESSAGE_REPORT) {
		ck_assert_uint_lt(clock_mono_ns() - begun, WAIT_NS);
		ck_assert(!workerside_loop(20, NULL));
	}
	return (clock_mono_ns() - begun) / MS;
}

START_TEST(a_report_comes_each_second)
{
	uint64_t begun = clock_mono_ns(), first;

	begin();
	first = report_after(begun);
	ck_assert_uint_ge(first, 990);
	ck_assert_uint_lt(first, 1900); /* on a machine with too little time, too */
	ck_assert_uint_ge(report_after(begun), 1990);
}
END_TEST

static void in_progress(uint64_t sequence)
{
	__atomic_store_n(&attach.ledger->in_progress, sequence, __ATOMIC_RELAXED);
}

/* At each look another block, or none; and before it runs, of one that died. */
START_TEST(a_block_that_ends_is_left_alone)
{
	what.config.timeout_ns = 1900 * MS;
	in_progress(9);
	ck_assert(!workerside_loop(3200, begin));
	go();
	for (uint64_t i = 10; i < 13; i++) {
		in_progress(i);
		ck_assert(!workerside_loop(1000, NULL));
	}
	in_progress(0);
	ck_assert(!workerside_loop(1000, NULL));
	ck_assert_uint_eq(place_logged("does not finish"), 0);
}
END_TEST

START_TEST(a_block_without_an_end_is_the_workers)
{
	go();
	in_progress(9);
	workerside_loop(10000, begin);
}
END_TEST

Suite *suite_report(void)
{
	Suite *s = suite_create("report");
	TCase *t = tcase_create("report");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, what_the_ledger_has_is_reported);
	tcase_add_test(t, without_the_kernels_counters_the_others_are_reported);
	tcase_add_test(t, a_report_has_the_statistics_that_a_rotation_waits_for);
	tcase_add_test(t, without_a_ring_thread_there_is_no_news);
	tcase_add_test(t, a_write_that_fails_is_logged_once);
	tcase_add_test(t, a_disk_that_is_full_is_in_every_report);
	tcase_add_test(t, a_link_that_is_gone_stays_gone);
	tcase_add_test(t, a_ring_thread_that_ended_is_the_workers_end);
	tcase_add_test(t, a_report_comes_each_second);
	tcase_add_test(t, a_block_that_ends_is_left_alone);
	tcase_add_test_raise_signal(t, a_block_without_an_end_is_the_workers, SIGABRT);
	suite_add_tcase(s, t);
	return s;
}
