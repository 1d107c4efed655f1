/* daemon/supervisor/tally.c: what is believed of a worker and of its ledger, what readers see while
 * files are lost. */
#include "handring.h"
#include "suites.h"

#include "../../daemon/supervisor/tally.h"
#include "../../lib/afcap.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct checkpoint_slot saved;
static struct tally tally;

/* What a worker that read all, wrote so many, and discarded 7 reports. */
static struct counters report_of(uint64_t written)
{
	return (struct counters){ .packets = written + 7,
				  .received = written + 7,
				  .written = written,
				  .discarded_io_error = 7 };
}

/* What a reader is shown then. */
static struct counters shown(uint64_t written, bool exact)
{
	struct counters c = report_of(written);

	ck_assert(tally_take(&tally, &c, true, 1));
	tally_counters(&tally, exact, &c);
	ck_assert_uint_eq(c.received, c.written + counters_discarded(&c));
	return c;
}

static void setup(void)
{
	memset(&saved, 0, sizeof(saved));
	tally_init(&tally, &saved);
}

START_TEST(written_stands_still_until_the_loss_is_made_up)
{
	ck_assert_uint_eq(shown(1000, false).written, 1000);
	checkpoint_lose(&saved, NULL, 300);
	ck_assert_uint_eq(shown(1000, false).written, 1000);
	ck_assert_uint_eq(shown(1000, false).discarded_file_lost, 0);
	ck_assert_uint_eq(tally_debt(&tally), 300);
	ck_assert_uint_eq(shown(1100, false).written, 1000);
	ck_assert_uint_eq(shown(1100, false).discarded_file_lost, 100);
	ck_assert_uint_eq(tally_debt(&tally), 200);
	ck_assert_uint_eq(shown(1300, false).discarded_file_lost, 300);
	ck_assert_uint_eq(tally_debt(&tally), 0);
	ck_assert_uint_eq(shown(1301, false).written, 1001);
	ck_assert_uint_eq(shown(1301, false).discarded_file_lost, 300);
	ck_assert_uint_eq(shown(1301, false).files_lost, 1);
}
END_TEST

START_TEST(the_account_is_exact_at_once)
{
	shown(1000, false);
	checkpoint_lose(&saved, NULL, 300);
	ck_assert_uint_eq(shown(1000, true).written, 700);
	ck_assert_uint_eq(shown(1000, true).discarded_file_lost, 300);
	ck_assert_uint_eq(shown(1000, false).written, 1000);
}
END_TEST

/* Whatever comes when: no counter falls, the sum is right in every snapshot (shown() sees to it),
 * and in the end what was lost is what is counted. A new daemon continues with the same record. */
START_TEST(no_counter_falls_whatever_is_lost_when)
{
	uint64_t written = 0, lost = 0;
	struct counters before = { 0 };

	srand((unsigned)_i + 1);
	for (unsigned i = 0; i < 2000; i++) {
		struct counters now;
		int what = rand() % 8;

		if (what == 0 && written > lost) {
			uint64_t n = 1 + (uint64_t)rand() % (written - lost);

			checkpoint_lose(&saved, NULL, n);
			lost += n;
		} else if (what == 1) {
			struct checkpoint_slot next = saved;

			memset(&saved, 0xff, sizeof(saved));
			saved = next;
			checkpoint_recover(&saved);
		} else {
			written += (uint64_t)rand() % 1000;
		}
		now = shown(written, false);
		ck_assert(!counters_fell(&now, &before));
		ck_assert_uint_le(now.discarded_file_lost, lost);
		ck_assert_uint_eq(tally_debt(&tally), lost - now.discarded_file_lost);
		before = now;
	}
	ck_assert_uint_gt(lost, 0);
	ck_assert_uint_eq(shown(written, true).written, written - lost);
	ck_assert_uint_eq(shown(written, true).discarded_file_lost, lost);
}
END_TEST

START_TEST(a_file_holds_what_was_written_between_its_marks)
{
	const struct ledger_file record = { .begin = { .written = 100 },
					    .finish = { .written = 150 } };
	const struct ledger_file nonsense = { .begin = { .written = 100 } };

	shown(1000, false);
	ck_assert_uint_eq(tally_lose(&tally, &record, 0), 50);
	ck_assert_uint_eq(tally_lose(&tally, &record, 20), 30);
	ck_assert_uint_eq(tally_lose(&tally, &record, 60), 0);
	ck_assert_uint_eq(tally_lose(&tally, &nonsense, 0), 0);
	ck_assert_uint_eq(saved.packets_lost, 80);
	ck_assert_uint_eq(saved.files_lost, 4);
}
END_TEST

/* More is lost than was ever written: a worker's records are its word. */
START_TEST(nothing_is_counted_below_zero)
{
	shown(10, false);
	checkpoint_lose(&saved, NULL, 1000);
	ck_assert_uint_eq(shown(10, true).written, 0);
	ck_assert_uint_eq(shown(10, true).discarded_file_lost, 10);
	ck_assert_uint_eq(shown(12, false).written, 10);
	saved.written_shown = 5000; /* of a ledger that is not this one */
	ck_assert_uint_eq(shown(12, false).written, 12);
}
END_TEST

/* A worker's marks may say anything; and so may a record that was damaged. */
START_TEST(no_more_is_lost_than_was_written)
{
	const struct ledger_file hostile = { .finish = { .written = UINT64_MAX } };

	shown(1000, true);
	ck_assert_uint_eq(tally_lose(&tally, &hostile, 0), 1000);
	shown(1010, true);
	ck_assert_uint_eq(tally_lose(&tally, &hostile, 0), 10);
	ck_assert_uint_eq(saved.packets_lost, 1010);
	ck_assert_uint_eq(shown(2000, true).written, 990);
	ck_assert_uint_eq(saved.files_lost, 2);

	saved.packets_lost = saved.written_shown = COUNTER_MAX;
	tally_bound(&tally);
	ck_assert_uint_eq(tally_debt(&tally), 2000);
	ck_assert_uint_eq(shown(2300, true).written, 300);
	ck_assert_uint_eq(shown(4000, true).written, 2000);
	ck_assert_uint_eq(tally_debt(&tally), 0);
}
END_TEST

/* A SIGKILL after any store. */
START_TEST(a_loss_is_counted_once_wherever_that_is_interrupted)
{
	struct checkpoint_file *file;

	checkpoint_put(&saved, 4, 1, 2);
	checkpoint_lose(&saved, checkpoint_find(&saved, 4), 20);
	ck_assert_uint_eq(saved.packets_lost, 20);
	ck_assert_uint_eq(saved.files_lost, 1);
	ck_assert_ptr_null(checkpoint_find(&saved, 4));
	for (unsigned stores = 0; stores < 4; stores++) {
		struct checkpoint_slot killed = saved;

		checkpoint_put(&killed, 5, 1, 2);
		file = checkpoint_find(&killed, 5);
		file->lost_packets_after = 50;
		file->lost_files_after = 2;
		file->lost = stores > 0;
		if (stores > 1)
			killed.packets_lost = 50;
		if (stores > 2)
			killed.files_lost = 2;
		checkpoint_recover(&killed);
		ck_assert_uint_eq(killed.packets_lost, stores ? 50 : 20);
		ck_assert_uint_eq(killed.files_lost, stores ? 2 : 1);
		ck_assert((checkpoint_find(&killed, 5) == NULL) == (stores > 0));
	}
}
END_TEST

/* (T1): one field of a report that fits is changed. */
START_TEST(a_report_that_cannot_be_changes_nothing)
{
	static const struct counters good = {
		.packets = 100, .drops = 10, .received = 90, .written = 80, .discarded_no_space = 10
	};
	struct counters c;

	ck_assert(tally_take(&tally, &good, true, 1));
#define BAD(change)                                                                                \
	do {                                                                                       \
		struct tally before = tally;                                                       \
		c = good;                                                                          \
		change;                                                                            \
		ck_assert_msg(!tally_take(&tally, &c, true, 2), "%s", #change);                    \
		ck_assert_mem_eq(&before, &tally, sizeof(tally));                                  \
	} while (0)
	BAD(c.packets = 99);
	BAD(c.drops = 101);
	BAD(c.drops = 11);
	BAD(c.received = 91);
	BAD(c.written = 81);
	BAD(c.polls = UINT64_MAX);
	BAD(c.packets = c.received = c.written = COUNTER_MAX + 1);
	BAD(c.restarts = 1);
	BAD(c.files_opened = 1);
	BAD(c.files_completed = 1);
	BAD(c.files_removed = 1);
	BAD(c.files_repaired = 1);
	BAD(c.files_lost = 1);
	BAD((c.written = 79, c.discarded_file_lost = 1));
#undef BAD
	c = good;
	c.received = c.packets - c.drops;
	c.written = c.discarded_no_space = 0;
	ck_assert(!tally_take(&tally, &c, false, 2)); /* they fell */
	c.written = 80;
	c.discarded_no_space = 10;
	c.packets = 200;
	c.received = 190; /* no files: what is received is nothing more */
	ck_assert(!tally_take(&tally, &c, true, 2));
	ck_assert(tally_take(&tally, &c, false, 2));
	ck_assert_uint_eq(tally.reported.received, 190);
}
END_TEST

/* A slot that the capture has again counts on, and what was lost is the supervisor's. */
START_TEST(earlier_ledgers_and_the_supervisors_own_are_counted)
{
	struct counters c = report_of(50);

	saved.before.written = saved.before.received = 1000;
	saved.before.write_errors = 1;
	saved.restarts = 3;
	saved.files_opened = 7;
	saved.files_completed = 6;
	saved.files_removed = 5;
	saved.files_repaired = 4;
	saved.sync_errors = 2;
	tally_init(&tally, &saved);
	ck_assert(tally_take(&tally, &c, true, 1));
	tally_sum(&tally, &c);
	ck_assert_uint_eq(c.written, 1050);
	ck_assert_uint_eq(c.restarts, 0);
	tally_counters(&tally, true, &c);
	ck_assert_uint_eq(c.written, 1050);
	ck_assert_uint_eq(c.write_errors, 3);
	ck_assert_uint_eq(c.restarts * 1000 + c.files_opened * 100 + c.files_completed * 10, 3760);
	ck_assert_uint_eq(c.files_removed * 10 + c.files_repaired, 54);
}
END_TEST

/* Over whole seconds: a report in between is an event's. */
START_TEST(rates_are_of_about_a_second)
{
	const uint64_t second = 1000000000;
	struct counters c = report_of(1000);

	ck_assert(tally_take(&tally, &c, true, second));
	ck_assert_double_eq(tally.rate.packets, 0);
	c = report_of(3000);
	c.received_bytes = 64000;
	ck_assert(tally_take(&tally, &c, true, second + second / 2));
	ck_assert_double_eq(tally.rate.packets, 0);
	ck_assert(tally_take(&tally, &c, true, 3 * second));
	ck_assert_double_eq(tally.rate.packets, 1000);
	ck_assert_double_eq(tally.rate.bytes, 32000);
}
END_TEST

/* ---- of a ledger whose worker has died ---- */

#define RING 12345 /* no descriptor: its statistics are these, reset by reading */

static int ledger_fd;
static struct ledger *ledger;
static const struct ledger_file file = { .serial = 3, .end = LEDGER_FILE_BEGIN };
static const struct ledger_bounds bounds = {
	.blocks = 8, .serial_min = 3, .serial_max = 3, .writes = true
};

/* The kernel saw 100 packets, the worker read 60 of them, wrote 55, and had reported 50. */
static void ledger_setup(void)
{
	const struct ledger_kernel kernel = { 100, 0, 0 };
	struct counters reported = { .packets = 100, .received = 50, .written = 50 };
	struct ledger_totals t;

	setup();
	handring_counters = (struct handring_counters){ .socket = RING };
	ledger_fd = ledger_create();
	ledger = ledger_map(ledger_fd);
	ck_assert_ptr_nonnull(ledger);
	ledger_add(ledger, &kernel);
	t = ledger_totals(ledger);
	t.generation = bounds.generation;
	t.next_sequence = 5;
	t.current = file;
	t.received = 60;
	t.written = 55;
	t.discarded_io_error = 5;
	ledger_commit(ledger, &t);
	ck_assert(tally_take(&tally, &reported, true, 1));
	handring_counters.counts = (struct afcap_kernel_stats){ 30, 10, 2 };
}

static void ledger_teardown(void)
{
	ledger_unmap(ledger);
	close(ledger_fd);
}

/* (T2) */
START_TEST(a_ledger_is_judged_before_it_is_settled)
{
	struct ledger_totals t = { 0 };
	struct counters c;
	uint64_t left = 0;

	tally_died(&tally);
	ck_assert(!tally_settle(&tally, ledger, -1, &t, &left));
	ck_assert_uint_eq(ledger_totals(ledger).received, 60);
	ck_assert_ptr_null(tally_judge(&tally, ledger, -1, &bounds, &file));
	ck_assert(tally_settle(&tally, ledger, -1, &t, &left));
	ck_assert_uint_eq(left, 40);
	ck_assert_uint_eq(t.received, 100);
	ck_assert_uint_eq(t.discarded_abandoned, 40);
	ck_assert_uint_eq(t.current.finish.packets, 100);
	ck_assert_uint_eq(t.current.finish.written, 55);
	tally_read(&tally, ledger, true, 2, &t);
	tally_counters(&tally, true, &c);
	ck_assert_uint_eq(c.received, 100);
	ck_assert_uint_eq(c.written, 55);
	ck_assert_uint_eq(counters_discarded(&c), 45);
	ck_assert(tally_settle(&tally, ledger, -1, &t, &left)); /* once more changes nothing */
	ck_assert_uint_eq(left, 0);
	ck_assert_uint_eq(ledger_totals(ledger).received, 100);
}
END_TEST

/* Counting continues from the last report, and all that is not in it is abandoned. */
START_TEST(an_unusable_ledger_is_made_again_of_the_last_report)
{
	struct ledger_totals t = ledger_totals(ledger);
	struct counters c;
	uint64_t left = 0;

	t.written = 40; /* below what was reported */
	t.discarded_io_error = 20;
	ledger_commit(ledger, &t);
	tally_died(&tally);
	ck_assert_str_eq(tally_judge(&tally, ledger, -1, &bounds, &file), "counters decreased");
	ck_assert_ptr_null(tally_judge(&tally, ledger, -1, &bounds, &file));
	ck_assert(tally_settle(&tally, ledger, -1, &t, &left));
	ck_assert_uint_eq(left, 50);
	tally_read(&tally, ledger, true, 2, &t);
	tally_counters(&tally, true, &c);
	ck_assert_uint_eq(c.packets, 100);
	ck_assert_uint_eq(c.received, 100);
	ck_assert_uint_eq(c.written, 50);
	ck_assert_uint_eq(c.discarded_abandoned, 50);
}
END_TEST

/* More than the kernel has seen is told by its statistics alone. */
START_TEST(what_was_received_is_judged_by_what_the_kernel_saw)
{
	struct ledger_totals t = ledger_totals(ledger);

	t.received = 101;
	t.written = 96;
	ledger_commit(ledger, &t);
	tally_died(&tally);
	ck_assert_str_eq(tally_judge(&tally, ledger, -1, &bounds, &file),
			 "more packets were received than the kernel has seen");
	ck_assert_uint_eq(ledger_totals(ledger).received, 50);
}
END_TEST

/* What the kernel saw since the worker's death is counted, usable or not (T3). */
START_TEST(the_kernels_statistics_are_counted_once)
{
	struct ledger_totals t = ledger_totals(ledger);
	struct counters c;
	uint64_t left = 0;

	t.received = 110; /* it read more than it had seen counted */
	t.written = 105;
	ledger_commit(ledger, &t);
	tally_died(&tally);
	ck_assert_ptr_null(tally_judge(&tally, ledger, RING, &bounds, &file));
	ck_assert(tally_settle(&tally, ledger, RING, &t, &left));
	ck_assert_uint_eq(left, 10); /* 100 of before, and 30 of which 10 were dropped */
	tally_read(&tally, ledger, true, 2, &t);
	tally_counters(&tally, true, &c);
	ck_assert_uint_eq(c.packets, 130);
	ck_assert_uint_eq(c.drops, 10);
	ck_assert_uint_eq(c.freezes, 2);
	ck_assert_uint_eq(c.packets - c.drops, c.written + counters_discarded(&c));
}
END_TEST

/* Unusable by what is in it, or only by what the kernel then says. */
START_TEST(of_an_unusable_ledger_they_are_not_lost)
{
	struct ledger_totals t = ledger_totals(ledger);
	struct counters c;
	uint64_t left = 0;

	if (_i) {
		t.received = 200;
		t.written = 195;
		ledger_commit(ledger, &t);
	} else {
		ledger->magic++;
		ledger->pending[ledger->kernel_version & 1][0] = 5;
	}
	tally_died(&tally);
	ck_assert_str_eq(tally_judge(&tally, ledger, RING, &bounds, &file),
			 _i ? "more packets were received than the kernel has seen"
			    : "its header is overwritten");
	ck_assert(tally_settle(&tally, ledger, RING, &t, &left));
	ck_assert_uint_eq(left, 70);
	tally_read(&tally, ledger, true, 2, &t);
	tally_counters(&tally, true, &c);
	ck_assert_uint_eq(c.packets, 130);
	ck_assert_uint_eq(c.drops, 10);
	ck_assert_uint_eq(c.written, 50);
	ck_assert_uint_eq(c.discarded_abandoned, 70);
}
END_TEST

START_TEST(what_was_only_counted_is_given_up_once_when_it_is_recorded)
{
	struct ledger_totals t = ledger_totals(ledger);
	struct counters c;

	t.received += 30; /* neither written nor discarded */
	ledger_commit(ledger, &t);
	saved.before = (struct counters){ .received = 9, .written = 2 };
	ck_assert_uint_eq(tally_give_up(&tally, ledger), 37);
	ck_assert_uint_eq(tally_give_up(&tally, ledger), 0);
	tally_counters(&tally, true, &c);
	ck_assert_uint_eq(c.received, 99);
	ck_assert_uint_eq(c.received, c.written + counters_discarded(&c));
}
END_TEST

Suite *suite_tally(void)
{
	Suite *s = suite_create("tally");
	TCase *t = tcase_create("tally");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, written_stands_still_until_the_loss_is_made_up);
	tcase_add_test(t, the_account_is_exact_at_once);
	tcase_add_loop_test(t, no_counter_falls_whatever_is_lost_when, 0, 20);
	tcase_add_test(t, a_file_holds_what_was_written_between_its_marks);
	tcase_add_test(t, nothing_is_counted_below_zero);
	tcase_add_test(t, no_more_is_lost_than_was_written);
	tcase_add_test(t, a_loss_is_counted_once_wherever_that_is_interrupted);
	tcase_add_test(t, a_report_that_cannot_be_changes_nothing);
	tcase_add_test(t, earlier_ledgers_and_the_supervisors_own_are_counted);
	tcase_add_test(t, rates_are_of_about_a_second);
	suite_add_tcase(s, t);
	t = tcase_create("ledger");
	tcase_add_checked_fixture(t, ledger_setup, ledger_teardown);
	tcase_add_test(t, a_ledger_is_judged_before_it_is_settled);
	tcase_add_test(t, an_unusable_ledger_is_made_again_of_the_last_report);
	tcase_add_test(t, what_was_received_is_judged_by_what_the_kernel_saw);
	tcase_add_test(t, the_kernels_statistics_are_counted_once);
	tcase_add_loop_test(t, of_an_unusable_ledger_they_are_not_lost, 0, 2);
	tcase_add_test(t, what_was_only_counted_is_given_up_once_when_it_is_recorded);
	suite_add_tcase(s, t);
	return s;
}
