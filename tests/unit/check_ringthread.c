/* daemon/worker/ringthread.c: two threads, a ring in memory between them. */
#include "handring.h"
#include "suites.h"

#include "../../daemon/base/clock.h"
#include "../../daemon/base/linktype.h"
#include "../../daemon/worker/ringthread.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define WAIT_NS	 UINT64_C(20000000000)
#define DELAY_NS UINT64_C(300000000)

static struct handring ring;
static struct message_worker what;
static struct ledger *ledger;
static struct ringthread *thread;
static int events;

static void setup(void)
{
	handring_open(&ring);
	failing = (struct handring_failing){ 0 };
	what = (struct message_worker){ .group.block_bytes = HANDRING_BLOCK_BYTES,
					.blocks = HANDRING_BLOCKS,
					.group.snaplen = 262144,
					.link_type = LINKTYPE_ETHERNET,
					.config.write_delay_ns = DELAY_NS,
					.config.file_bytes = 1u << 30 };
	ledger = ledger_map(ledger_create());
	ck_assert_ptr_nonnull(ledger);
	events = eventfd(0, EFD_NONBLOCK);
	ck_assert_int_eq(ringthread_new(&thread, &ring.handle, ledger, &what, events), 0);
}

static void teardown(void)
{
	ringthread_stop(thread);
	handring_close(&ring);
	ledger_unmap(ledger);
	close(events);
}

static int give(uint64_t serial)
{
	const struct message_file file = { .serial = serial, .align = 4 };
	int fd = handring_file(), rc = ringthread_file(thread, &file, fd);

	if (rc)
		close(fd);
	return rc;
}

static void go(void)
{
	ck_assert_int_eq(ringthread_start(thread), 0);
	ck_assert(!ringthread_running(thread));
	ringthread_go(thread);
	ck_assert(ringthread_running(thread));
}

/* Until the condition holds: looked at every millisecond. */
#define UNTIL(condition)                                                                           \
	do {                                                                                       \
		uint64_t end_ = clock_mono_ns() + WAIT_NS;                                         \
		while (!(condition)) {                                                             \
			ck_assert_msg(clock_mono_ns() < end_, "%s", #condition);                   \
			poll(NULL, 0, 1);                                                          \
		}                                                                                  \
	} while (0)

START_TEST(a_file_is_taken_where_there_is_a_place_for_it)
{
	static const uint32_t wrong[] = { 0, 2, 6, 131072 };
	struct message_file file = { .serial = 0, .align = 4 };

	ck_assert(!ringthread_ready(thread));
	ck_assert_int_eq(ringthread_file(thread, &file, -1), -EINVAL);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		file.align = wrong[i];
		ck_assert_int_eq(ringthread_file(thread, &file, 0), -EINVAL);
	}
	ck_assert_int_eq(give(0), 0);
	ck_assert(ringthread_ready(thread));
	ck_assert_int_eq(give(1), 0);
	ck_assert_int_eq(give(2), -EINVAL); /* the one before was not taken */
	ck_assert(!ringthread_running(NULL));
}
END_TEST

START_TEST(where_nothing_is_written_no_file_is_waited_for)
{
	what.group.output = OUTPUT_NONE;
	ck_assert(ringthread_ready(thread));
	what.group.output = OUTPUT_PCAPNG;
	ck_assert(!ringthread_ready(thread));
	ringthread_suspend(thread, true);
	ck_assert(ringthread_ready(thread));
}
END_TEST

START_TEST(a_little_is_held_for_the_write_delay)
{
	uint64_t begin;

	ck_assert_int_eq(give(0), 0);
	go();
	begin = clock_mono_ns();
	handring_put(&ring, 3, 60, true);
	UNTIL(ledger_totals(ledger).written == 3);
	ck_assert_uint_ge(clock_mono_ns() - begin, DELAY_NS);
}
END_TEST

START_TEST(while_draining_nothing_is_held)
{
	what.config.write_delay_ns = WAIT_NS * 100;
	ck_assert_int_eq(give(0), 0);
	go();
	handring_put(&ring, 4, 60, true);
	ringthread_drain(thread);
	UNTIL(ledger_totals(ledger).written == 4);
	handring_put(&ring, 5, 60, true);
	UNTIL(ledger_totals(ledger).written == 9);
}
END_TEST

START_TEST(what_is_held_is_written_at_the_end)
{
	what.config.write_delay_ns = WAIT_NS * 100;
	ck_assert_int_eq(give(0), 0);
	go();
	handring_put(&ring, 3, 60, true);
	UNTIL(atomic_load(&ring.handle.counts.blocks_timeout) == 1); /* it was taken */
	ringthread_stop(thread);
	ck_assert(!ringthread_running(thread));
	ck_assert_uint_eq(ledger_totals(ledger).written, 3);
	ck_assert_uint_eq(handring_used(&ring), 0);
	ringthread_stop(thread);
}
END_TEST

/* The main thread's part of a rotation is the kernel's statistics. */
START_TEST(the_next_file_is_taken_into_use_when_the_statistics_are_there)
{
	uint64_t times;

	what.config.write_delay_ns = 1000000;
	ck_assert_int_eq(give(0), 0);
	go();
	handring_put(&ring, 3, 60, true);
	UNTIL(ledger_totals(ledger).written == 3);
	UNTIL(read(events, &times, sizeof(times)) > 0);
	ck_assert(!ringthread_statistics_wanted(thread));
	ringthread_rotate(thread);
	ck_assert_int_eq(give(1), 0);
	UNTIL(ringthread_statistics_wanted(thread));
	UNTIL(read(events, &times, sizeof(times)) > 0);
	ck_assert_uint_eq(ledger_totals(ledger).current.serial, 0);
	ringthread_statistics_taken(thread);
	UNTIL(ledger_totals(ledger).current.serial == 1);
	ck_assert_int_eq(give(2), 0); /* there is a place again */
	handring_put(&ring, 4, 60, true);
	UNTIL(ledger_totals(ledger).written == 7);
	ck_assert_uint_gt(ledger_totals(ledger).current.end, LEDGER_FILE_BEGIN);
}
END_TEST

START_TEST(a_first_file_may_come_late)
{
	what.config.write_delay_ns = 1000000;
	ringthread_suspend(thread, true);
	go();
	handring_put(&ring, 3, 60, true);
	UNTIL(ledger_totals(ledger).discarded_no_space == 3);
	ck_assert_int_eq(give(0), 0);
	ringthread_suspend(thread, false);
	handring_put(&ring, 4, 60, true);
	UNTIL(ledger_totals(ledger).received == 7);
	handring_put(&ring, 5, 60, true);
	UNTIL(ledger_totals(ledger).received == 12);
	ck_assert_uint_eq(ledger_totals(ledger).discarded_no_space, 3);
	ck_assert_uint_eq(ledger_totals(ledger).written, 9);
	ck_assert_int_eq(give(1), 0);
}
END_TEST

START_TEST(news_come_once_and_states_for_as_long_as_they_last)
{
	struct ringthread_news news;

	what.config.write_delay_ns = 1000000;
	ck_assert_int_eq(give(0), 0);
	ringthread_news(thread, &news);
	ck_assert_int_eq(news.link | news.error | news.fatal | news.refused | news.no_space, 0);
	failing = (struct handring_failing){ .count = 1000, .error = EDQUOT, .no_space = true };
	go();
	handring_put(&ring, 3, 60, true);
	UNTIL((ringthread_news(thread, &news), news.refused == EDQUOT));
	UNTIL((ringthread_news(thread, &news), news.no_space == EDQUOT));
	UNTIL(ledger_totals(ledger).discarded_no_space == 3);
	ringthread_news(thread, &news);
	ck_assert_int_eq(news.error, 0);
	ck_assert_int_eq(news.no_space, EDQUOT);
	ck_assert_int_eq(news.refused, 0);
	atomic_store(&ring.handle.sender_error, true); /* as it stands where a link went down */
	afcap_wake(&ring.handle);
	UNTIL((ringthread_news(thread, &news), news.link == AFCAP_DOWN));
	ringthread_news(thread, &news);
	ck_assert_int_eq(news.link | news.fatal, 0);
}
END_TEST

Suite *suite_ringthread(void)
{
	Suite *s = suite_create("ringthread");
	TCase *t = tcase_create("ringthread");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_file_is_taken_where_there_is_a_place_for_it);
	tcase_add_test(t, where_nothing_is_written_no_file_is_waited_for);
	tcase_add_test(t, a_little_is_held_for_the_write_delay);
	tcase_add_test(t, while_draining_nothing_is_held);
	tcase_add_test(t, what_is_held_is_written_at_the_end);
	tcase_add_test(t, the_next_file_is_taken_into_use_when_the_statistics_are_there);
	tcase_add_test(t, a_first_file_may_come_late);
	tcase_add_test(t, news_come_once_and_states_for_as_long_as_they_last);
	suite_add_tcase(s, t);
	return s;
}
