/* daemon/supervisor/lost.c: what readers see while files are lost; archive_queue.c: whose answers
 * count. */
#include "suites.h"

#include "../../daemon/supervisor/archive_queue.h"
#include "../../daemon/supervisor/lost.h"

#include <stdlib.h>
#include <string.h>

static struct checkpoint_slot saved;

/* What a reader is shown of a worker that wrote so many, and discarded 7. */
static struct counters shown(uint64_t written, bool exact)
{
	struct counters c = { .received = written + 7,
			      .written = written,
			      .discarded_io_error = 7 };

	lost_pay(&saved, written);
	lost_count(&saved, exact, &c);
	ck_assert_uint_eq(c.received, c.written + counters_discarded(&c));
	return c;
}

static void setup(void)
{
	memset(&saved, 0, sizeof(saved));
}

START_TEST(written_stands_still_until_the_loss_is_made_up)
{
	ck_assert_uint_eq(shown(1000, false).written, 1000);
	checkpoint_lose(&saved, NULL, 300);
	ck_assert_uint_eq(shown(1000, false).written, 1000);
	ck_assert_uint_eq(shown(1000, false).discarded_file_lost, 0);
	ck_assert_uint_eq(lost_debt(&saved, 1000), 300);
	ck_assert_uint_eq(shown(1100, false).written, 1000);
	ck_assert_uint_eq(shown(1100, false).discarded_file_lost, 100);
	ck_assert_uint_eq(lost_debt(&saved, 1100), 200);
	ck_assert_uint_eq(shown(1300, false).discarded_file_lost, 300);
	ck_assert_uint_eq(lost_debt(&saved, 1300), 0);
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
		ck_assert_uint_eq(lost_debt(&saved, written), lost - now.discarded_file_lost);
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

	ck_assert_uint_eq(lost_packets(&record, 0), 50);
	ck_assert_uint_eq(lost_packets(&record, 20), 30);
	ck_assert_uint_eq(lost_packets(&record, 60), 0);
	ck_assert_uint_eq(lost_packets(&nonsense, 0), 0);
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

	ck_assert_uint_eq(lost_bounded(&saved, 1000, 300), 300);
	checkpoint_lose(&saved, NULL, lost_bounded(&saved, 1000, lost_packets(&hostile, 0)));
	ck_assert_uint_eq(saved.packets_lost, 1000);
	checkpoint_lose(&saved, NULL, lost_bounded(&saved, 1010, lost_packets(&hostile, 0)));
	ck_assert_uint_eq(saved.packets_lost, 1010);
	ck_assert_uint_eq(shown(2000, true).written, 990);
	ck_assert_uint_eq(saved.files_lost, 2);

	saved.packets_lost = saved.written_shown = COUNTER_MOST;
	lost_bound(&saved, 2000);
	ck_assert_uint_eq(lost_debt(&saved, 2000), 2000);
	ck_assert_uint_eq(shown(2300, true).written, 300);
	ck_assert_uint_eq(shown(4000, true).written, 2000);
	ck_assert_uint_eq(lost_debt(&saved, 4000), 0);
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

/* A capture that is told again is nobody's request */
START_TEST(files_are_removed_where_somebody_counts_them)
{
	static struct message request, answer;

	request.type = MESSAGE_CAPTURE;
	answer.type = message_answer(MESSAGE_CAPTURE);
	ck_assert(archive_request_answered(&request, &answer, -1));
	answer.result.removed = 1;
	ck_assert(!archive_request_answered(&request, &answer, -1));
	request.type = MESSAGE_KEEP;
	answer.type = message_answer(MESSAGE_KEEP);
	ck_assert(archive_request_answered(&request, &answer, -1));
}
END_TEST

Suite *suite_lost(void)
{
	Suite *s = suite_create("lost");
	TCase *t = tcase_create("lost");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, written_stands_still_until_the_loss_is_made_up);
	tcase_add_test(t, the_account_is_exact_at_once);
	tcase_add_loop_test(t, no_counter_falls_whatever_is_lost_when, 0, 20);
	tcase_add_test(t, a_file_holds_what_was_written_between_its_marks);
	tcase_add_test(t, nothing_is_counted_below_zero);
	tcase_add_test(t, no_more_is_lost_than_was_written);
	tcase_add_test(t, a_loss_is_counted_once_wherever_that_is_interrupted);
	tcase_add_test(t, files_are_removed_where_somebody_counts_them);
	suite_add_tcase(s, t);
	return s;
}
