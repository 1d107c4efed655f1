/* daemon/supervisor/output.c: which file is current, what the worker is sent of the two, and files
 * that cannot be made. */
#include "suites.h"
#include "archiveside.h"
#include "outputs.h"
#include "place.h"

#include "../../daemon/base/clock.h"

#include <errno.h>

static const struct message_result no_space = { .error = ENOSPC, .text = "no room" };

/* ---- the two files ---- */

START_TEST(it_begins_with_the_ledgers_file_and_the_next_one)
{
	struct ledger_totals totals = ledger_totals(outputs.ledger);

	totals.current.serial = 41;
	ledger_commit(outputs.ledger, &totals);
	ck_assert_int_eq(output_begin(&output), 0);
	for (uint64_t serial = 41; serial < 43; serial++) {
		ck_assert_uint_eq(archiveside_hear(), MESSAGE_OPEN);
		ck_assert_uint_eq(archiveside.asked.archive.file.serial, serial);
		outputs_told_nothing();
		archiveside_answer(NULL);
		outputs_offered(serial);
		ck_assert_ptr_nonnull(checkpoint_find(&outputs.saved, serial));
	}
	outputs_told_nothing();
	ck_assert_uint_eq(output.current->state, FILE_READY);
	ck_assert_uint_eq(outputs.saved.files_opened, 0); /* nothing is in it */
}
END_TEST

/* (O1): a worker takes the first file that comes for the current one */
START_TEST(the_spare_file_is_not_offered_before_the_current_one)
{
	ck_assert_int_eq(output_begin(&output), 0);
	archiveside_expect(MESSAGE_OPEN, &no_space);
	archiveside_expect(MESSAGE_OPEN, NULL);
	ck_assert_int_ge(output.spare->fd, 0);
	outputs_told_nothing(); /* there was room for one: that is none any more */
	output_tick(&output, clock_mono_ns() + OUTPUTS_LATER);
	archiveside_expect(MESSAGE_OPEN, NULL);
	outputs_offered(0);
	outputs_offered(1);
}
END_TEST

START_TEST(a_file_gets_its_name_with_its_first_packet_and_counts_once)
{
	outputs_begin(false);
	outputs_write(0, 0);
	archiveside_quiet();
	outputs_write(0, 3);
	ck_assert_uint_eq(output.current->state, FILE_USED);
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_NAME);
	ck_assert_uint_eq(archiveside.asked.archive.file.first_ns,
			  outputs_record(0, 3, 0).first_ns);
	archiveside_answer(NULL);
	outputs_write(0, 9);
	archiveside_quiet();
	ck_assert_uint_eq(outputs.saved.files_opened, 1);
	ck_assert_uint_eq(checkpoint_find(&outputs.saved, 0)->counted, 1);
}
END_TEST

/* The instance before has counted it */
START_TEST(a_file_that_was_counted_before_a_restart_is_not_counted_again)
{
	outputs_begin(false);
	checkpoint_find(&outputs.saved, 0)->counted = 1;
	outputs_write(0, 3);
	archiveside_expect(MESSAGE_NAME, NULL);
	ck_assert_uint_eq(outputs.saved.files_opened, 0);
}
END_TEST

START_TEST(what_the_worker_has_left_is_finished_and_another_one_made)
{
	outputs_begin(true);
	outputs_move(0, 12);
	ck_assert_uint_eq(output.current->serial, 1);
	ck_assert_uint_eq(output.spare->serial, 2);
	outputs_told_nothing(); /* it has the one, and the other is not made yet */
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_FINISH); /* as nothing else was asked for */
	ck_assert_uint_eq(archiveside.asked.archive.file.serial, 0);
	ck_assert_uint_eq(archiveside.asked.archive.file.finish.written, 12);
	ck_assert_uint_eq(checkpoint_find(&outputs.saved, 0)->ended, 1);
	archiveside_answer(NULL);
	ck_assert_uint_eq(outputs.saved.files_completed, 1);
	ck_assert_ptr_null(checkpoint_find(&outputs.saved, 0));
	archiveside_expect(MESSAGE_OPEN, NULL);
	outputs_offered(2);
	outputs_told_nothing();
}
END_TEST

/* It was written between two reports: first and last are said at once */
START_TEST(a_file_that_was_begun_and_left_since_the_last_report_has_its_name_first)
{
	outputs_begin(false);
	outputs_move(0, 5);
	archiveside_expect(MESSAGE_NAME, NULL);
	archiveside_expect(MESSAGE_OPEN, NULL);
	archiveside_expect(MESSAGE_FINISH, NULL);
	ck_assert_uint_eq(outputs.saved.files_opened, 1);
	ck_assert_uint_eq(outputs.saved.files_completed, 1);
}
END_TEST

START_TEST(a_report_moves_it_by_one_file_that_the_worker_has)
{
	const struct ledger_file second = outputs_record(1, 0, 10),
				 third = outputs_record(2, 0, 10);
	const struct ledger_file first = outputs_record(0, 10, 0), other = outputs_record(7, 10, 0);

	outputs_begin(true);
	output_follow(&output, &third, &second);
	ck_assert_uint_eq(output.current->serial, 0);
	output_follow(&output, &second, &other); /* not from the current one */
	ck_assert_uint_eq(output.current->serial, 0);
	output_follow(&output, &second, &first);
	ck_assert_uint_eq(output.current->serial, 1);
	archiveside_expect(MESSAGE_FINISH, NULL);
	archiveside_expect(MESSAGE_OPEN, &no_space);
	output_follow(&output, &third, &second); /* it cannot have that one */
	ck_assert_uint_eq(output.current->serial, 1);
	ck_assert_uint_eq(output.record.serial, 2);
}
END_TEST

START_TEST(a_report_of_another_file_names_nothing)
{
	outputs_begin(false);
	outputs_write(7, 10);
	archiveside_quiet();
	ck_assert_uint_eq(output.current->state, FILE_READY);
	ck_assert_uint_eq(outputs.saved.files_opened, 0);
}
END_TEST

START_TEST(a_worker_may_report_the_files_it_has_and_no_other)
{
	struct ledger_file record = outputs_record(9, 1, 0);

	ck_assert(output_known(&output, &record)); /* no files: nothing is known of any */
	outputs_begin(true);
	for (uint64_t serial = 0; serial < 4; serial++) {
		record = outputs_record(serial, 1, 0);
		ck_assert_int_eq(output_known(&output, &record), serial < 2);
	}
	record = outputs_record(0, 1, 0);
	record.end = LEDGER_FILE_BEGIN - 1; /* the archive's header */
	ck_assert(!output_known(&output, &record));
}
END_TEST

/* ---- the end ---- */

START_TEST(at_the_end_a_used_file_is_finished_an_unused_one_discarded)
{
	const struct ledger_file last = outputs_record(0, 10, 0);

	outputs_begin(true);
	output.rotate = true;
	output_end(&output, &last);
	ck_assert_ptr_null(output.current);
	ck_assert_ptr_null(output.spare);
	outputs_told_nothing();
	archiveside_expect(MESSAGE_FINISH, NULL);
	archiveside_expect(MESSAGE_DISCARD, NULL);
	ck_assert_uint_eq(outputs.saved.files_completed, 1);
	ck_assert_ptr_null(checkpoint_find(&outputs.saved, 0));
	ck_assert_ptr_null(checkpoint_find(&outputs.saved, 1));
}
END_TEST

START_TEST(at_the_end_files_without_a_packet_leave_nothing)
{
	const struct ledger_file last = outputs_record(0, 0, 0);

	outputs_begin(false);
	output_end(&output, &last);
	archiveside_expect(MESSAGE_DISCARD, NULL);
	archiveside_expect(MESSAGE_DISCARD, NULL);
	ck_assert_uint_eq(outputs.saved.files_opened, 0);
	ck_assert_uint_eq(outputs.saved.files_completed, 0);
}
END_TEST

/* A file's statistics say what was dropped in its time, and all files together all of it */
START_TEST(what_was_lost_since_the_last_file_ended_is_in_one)
{
	struct ledger_file last = outputs_record(0, 0, 0);

	outputs_begin(false);
	last.finish.packets = last.finish.drops = 5;
	output_end(&output, &last);
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_NAME);
	ck_assert_uint_gt(archiveside.asked.archive.file.first_ns, 0);
	archiveside_answer(NULL);
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_FINISH);
	ck_assert_uint_gt(archiveside.asked.archive.file.since_ns, 0);
	ck_assert_uint_eq(archiveside.asked.archive.file.finish.drops, 5);
	archiveside_answer(NULL);
	ck_assert_uint_eq(outputs.saved.files_opened, 1);
}
END_TEST

/* ... but not in one that cannot be made */
START_TEST(what_was_lost_where_there_is_no_file_makes_none)
{
	struct ledger_file last = outputs_record(0, 0, 0);

	ck_assert_int_eq(output_begin(&output), 0);
	archiveside_expect(MESSAGE_OPEN, &no_space);
	archiveside_expect(MESSAGE_OPEN, &no_space);
	last.finish.packets = 5;
	output_end(&output, &last);
	archiveside_expect(MESSAGE_DISCARD, NULL);
	archiveside_expect(MESSAGE_DISCARD, NULL);
	ck_assert_uint_eq(outputs.saved.files_opened, 0);
	ck_assert_uint_eq(output_lacks(&output, 0), LACKS_NOTHING);
}
END_TEST

/* ---- what the worker is told ---- */

START_TEST(the_next_worker_gets_both_files_again_and_what_is_in_force)
{
	outputs_begin(true);
	output_reserve(&output, true);
	outputs_told(MESSAGE_SUSPEND, true);
	outputs_told_nothing();
	output_rotate(&output);
	outputs_told(MESSAGE_ROTATE, false);
	outputs_told_nothing();
	output_forget(&output);
	outputs_offered(0);
	outputs_offered(1);
	outputs_told(MESSAGE_SUSPEND, true);
	outputs_told(MESSAGE_ROTATE, false);
	outputs_told_nothing();
	output_reserve(&output, false);
	outputs_told(MESSAGE_SUSPEND, false);
	outputs_told_nothing();
}
END_TEST

START_TEST(without_its_file_for_want_of_room_a_worker_discards)
{
	ck_assert_int_eq(output_begin(&output), 0);
	archiveside_expect(MESSAGE_OPEN, &no_space);
	ck_assert(output_suspended(&output));
	outputs_told(MESSAGE_SUSPEND, true);
	archiveside_expect(MESSAGE_OPEN, &no_space);
	outputs_told_nothing();
	output_tick(&output, clock_mono_ns() + OUTPUTS_LATER);
	archiveside_expect(MESSAGE_OPEN, NULL);
	ck_assert(!output_suspended(&output));
	outputs_offered(0);
	outputs_told(MESSAGE_SUSPEND, false);
}
END_TEST

/* ---- files that cannot be made ---- */

START_TEST(what_is_wanting_is_what_the_archive_says)
{
	static const struct {
		struct message_result result;
		int refused; /* a write */
		enum output_lack lack;
		enum output_failure failure;
	} rows[] = {
		{ { .error = ENOSPC }, 0, LACKS_SPACE, OUTPUT_HANDLED },
		{ { .error = ENOSPC, .no_inode = 1 }, 0, LACKS_INODES, OUTPUT_HANDLED },
		{ { .error = ENOSPC, .no_inode = 1 }, ENOSPC, LACKS_INODES, OUTPUT_HANDLED },
		{ { .error = EDQUOT }, 0, LACKS_QUOTA, OUTPUT_HANDLED },
		{ { .error = ENOSPC }, EDQUOT, LACKS_QUOTA, OUTPUT_HANDLED },
		{ { .error = EIO }, 0, LACKS_NOTHING, OUTPUT_REFUSED },
		{ { .error = EIO, .no_inode = 1 }, ENOSPC, LACKS_SPACE, OUTPUT_REFUSED },
	};

	ck_assert_int_eq(output_begin(&output), 0);
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_OPEN);
	archiveside_answer(&rows[_i].result);
	ck_assert_int_eq(outputs.failure, rows[_i].failure);
	ck_assert_int_eq(output_lacks(&output, rows[_i].refused), rows[_i].lack);
}
END_TEST

START_TEST(want_of_room_is_logged_once_until_a_file_is_made)
{
	ck_assert_int_eq(output_begin(&output), 0);
	archiveside_expect(MESSAGE_OPEN, &no_space);
	archiveside_expect(MESSAGE_OPEN, &no_space);
	ck_assert_uint_eq(place_logged("a/0: no room; retrying"), 1);
	output_tick(&output, clock_mono_ns() + OUTPUTS_LATER);
	archiveside_expect(MESSAGE_OPEN, NULL);
	output_tick(&output, clock_mono_ns() + OUTPUTS_LATER);
	archiveside_expect(MESSAGE_OPEN, &no_space);
	ck_assert_uint_eq(place_logged("a/0: no room; retrying"), 2);
}
END_TEST

START_TEST(the_same_error_is_to_be_logged_once_until_a_file_is_made)
{
	static const struct message_result eio = { .error = EIO }, eacces = { .error = EACCES };

	ck_assert_int_eq(output_begin(&output), 0);
	archiveside_expect(MESSAGE_OPEN, &eio);
	ck_assert_int_eq(outputs.failure, OUTPUT_REFUSED);
	archiveside_expect(MESSAGE_OPEN, &eio);
	ck_assert_int_eq(outputs.failure, OUTPUT_REFUSED_AGAIN);
	output_tick(&output, clock_mono_ns() + OUTPUTS_LATER);
	archiveside_expect(MESSAGE_OPEN, &eacces);
	ck_assert_int_eq(outputs.failure, OUTPUT_REFUSED);
	output_tick(&output, clock_mono_ns() + OUTPUTS_LATER);
	archiveside_expect(MESSAGE_OPEN, NULL);
	output_tick(&output, clock_mono_ns() + OUTPUTS_LATER);
	archiveside_expect(MESSAGE_OPEN, &eacces); /* the spare one */
	ck_assert_int_eq(outputs.failure, OUTPUT_REFUSED);
}
END_TEST

/* The current one first: with the spare one alone a worker can do nothing */
START_TEST(what_failed_is_tried_again_later_and_in_order)
{
	ck_assert_int_eq(output_begin(&output), 0);
	archiveside_expect(MESSAGE_OPEN, &no_space);
	archiveside_expect(MESSAGE_OPEN, &no_space);
	output_tick(&output, clock_mono_ns());
	archiveside_quiet();
	output_tick(&output, clock_mono_ns() + OUTPUTS_LATER);
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_OPEN);
	ck_assert_uint_eq(archiveside.asked.archive.file.serial, 0);
	output_tick(&output, clock_mono_ns() + OUTPUTS_LATER);
	archiveside_answer(NULL);
	archiveside_quiet();
	output_tick(&output, clock_mono_ns() + OUTPUTS_LATER);
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_OPEN);
	ck_assert_uint_eq(archiveside.asked.archive.file.serial, 1);
}
END_TEST

Suite *suite_output(void)
{
	Suite *s = suite_create("output");
	TCase *t = tcase_create("output");

	tcase_add_checked_fixture(t, outputs_setup, outputs_teardown);
	tcase_add_test(t, it_begins_with_the_ledgers_file_and_the_next_one);
	tcase_add_test(t, the_spare_file_is_not_offered_before_the_current_one);
	tcase_add_test(t, a_file_gets_its_name_with_its_first_packet_and_counts_once);
	tcase_add_test(t, a_file_that_was_counted_before_a_restart_is_not_counted_again);
	tcase_add_test(t, what_the_worker_has_left_is_finished_and_another_one_made);
	tcase_add_test(t, a_file_that_was_begun_and_left_since_the_last_report_has_its_name_first);
	tcase_add_test(t, a_report_moves_it_by_one_file_that_the_worker_has);
	tcase_add_test(t, a_report_of_another_file_names_nothing);
	tcase_add_test(t, a_worker_may_report_the_files_it_has_and_no_other);
	tcase_add_test(t, at_the_end_a_used_file_is_finished_an_unused_one_discarded);
	tcase_add_test(t, at_the_end_files_without_a_packet_leave_nothing);
	tcase_add_test(t, what_was_lost_since_the_last_file_ended_is_in_one);
	tcase_add_test(t, what_was_lost_where_there_is_no_file_makes_none);
	tcase_add_test(t, the_next_worker_gets_both_files_again_and_what_is_in_force);
	tcase_add_test(t, without_its_file_for_want_of_room_a_worker_discards);
	tcase_add_loop_test(t, what_is_wanting_is_what_the_archive_says, 0, 7);
	tcase_add_test(t, want_of_room_is_logged_once_until_a_file_is_made);
	tcase_add_test(t, the_same_error_is_to_be_logged_once_until_a_file_is_made);
	tcase_add_test(t, what_failed_is_tried_again_later_and_in_order);
	suite_add_tcase(s, t);
	return s;
}
