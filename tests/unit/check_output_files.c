/* daemon/supervisor/output.c: the file in use is looked at, synced, rotated, finished and lost;
 * files of the previous instance that are sought. */
#include "suites.h"
#include "archiveside.h"
#include "outputs.h"
#include "place.h"

#include "../../daemon/base/clock.h"

#include <errno.h>
#include <string.h>

static const struct message_result interfered = { .lost = 1, .text = "was removed" };

static void tick(void)
{
	output_tick(&output, clock_mono_ns() + OUTPUTS_LATER);
}

/* ---- the file in use ---- */

START_TEST(a_file_in_use_is_looked_at_one_look_after_the_other)
{
	outputs_begin(false);
	tick();
	archiveside_quiet(); /* nothing is in it */
	outputs_write(0, 10);
	archiveside_expect(MESSAGE_NAME, NULL);
	tick();
	tick();
	ck_assert_uint_eq(output.current->pending, FILE_LOOKING);
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_LOOK);
	ck_assert_uint_eq(archiveside.asked.archive.file.end, outputs_record(0, 10, 0).end);
	archiveside_answer(NULL);
	archiveside_quiet();
	ck_assert_uint_eq(output.current->pending, 0);
	tick();
	archiveside_expect(MESSAGE_LOOK, NULL);
}
END_TEST

/* The look says up to where it was written: of another file that would be wrong */
START_TEST(a_file_of_which_nothing_was_reported_is_not_looked_at)
{
	outputs_begin(true);
	output.record.serial = 7;
	tick();
	archiveside_quiet();
}
END_TEST

START_TEST(a_name_that_is_refused_is_asked_for_again)
{
	static const struct message_result denied = { .error = EACCES, .text = "denied" };

	outputs_begin(false);
	outputs_write(0, 10);
	archiveside_expect(MESSAGE_NAME, &denied);
	ck_assert_int_eq(output.current->name_error, EACCES);
	ck_assert_uint_eq(output.current->state, FILE_USED);
	tick();
	tick(); /* it is asked for already */
	archiveside_expect(MESSAGE_NAME, &denied);
	archiveside_expect(MESSAGE_LOOK, NULL);
	archiveside_quiet();
	ck_assert_uint_eq(place_logged("denied; retrying"), 1);
	tick();
	archiveside_expect(MESSAGE_NAME, NULL);
	ck_assert_int_eq(output.current->name_error, 0);
	ck_assert_uint_eq(place_logged("is named now"), 1);
	ck_assert_uint_eq(outputs.saved.files_opened, 1);
}
END_TEST

START_TEST(what_is_written_is_synced_one_sync_after_the_other)
{
	outputs_begin(false);
	output_sync(&output);
	archiveside_quiet();
	outputs_write(0, 10);
	archiveside_expect(MESSAGE_NAME, NULL);
	output_sync(&output);
	output_sync(&output);
	archiveside_expect(MESSAGE_SYNC, NULL);
	archiveside_quiet();
	output_sync(&output);
	archiveside_expect(MESSAGE_SYNC, NULL);
	ck_assert_uint_eq(outputs.saved.sync_errors, 0);
	outputs_told_nothing();
}
END_TEST

/* What is on the disk of it is not known any more: fsync(2) reports an error once */
START_TEST(a_file_whose_sync_failed_ends_as_a_suspect_and_is_synced_no_more)
{
	static const struct message_result eio = { .error = EIO, .text = "no sync" };
	struct message_result suspect = { .error = EIO, .spoiled = EIO };

	outputs_begin(true);
	output_sync(&output);
	archiveside_expect(MESSAGE_SYNC, &eio);
	ck_assert_uint_eq(outputs.saved.sync_errors, 1);
	outputs_told(MESSAGE_ROTATE, false);
	outputs_told_nothing();
	output_sync(&output);
	archiveside_quiet();
	output_forget(&output); /* a new worker does not know */
	outputs_offered(0);
	outputs_offered(1);
	outputs_told(MESSAGE_ROTATE, false);
	outputs_move(0, 10);
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_FINISH);
	ck_assert_uint_eq(archiveside.asked.archive.file.error, EIO);
	archiveside_answer(&suspect);
	ck_assert_uint_eq(outputs.saved.sync_errors, 1); /* it is counted already */
	ck_assert_uint_eq(outputs.saved.files_completed, 0);
}
END_TEST

START_TEST(a_failed_sync_of_a_file_that_was_left_rotates_nothing)
{
	struct output_file other = { .serial = 9 };

	outputs_begin(true);
	output_spoiled(&output, &other);
	ck_assert_uint_eq(outputs.saved.sync_errors, 1);
	outputs_told_nothing();
}
END_TEST

/* ---- finished ---- */

START_TEST(a_file_that_does_not_end_well_is_not_complete)
{
	static const struct {
		struct message_result result;
		bool spoiled;
		unsigned completed, errors;
	} rows[] = {
		{ { .error = 0 }, false, 1, 0 },
		{ { .error = EIO }, false, 0, 1 },
		{ { .error = EIO }, true, 0, 0 }, /* counted as it was written */
		{ { .error = 0 }, true, 1, 0 },
	};
	const struct ledger_file record = outputs_record(0, 10, 0);

	checkpoint_put(&outputs.saved, 0, 1, 2);
	output.finishing = 1;
	output_finished(&output, &record, rows[_i].spoiled, &rows[_i].result);
	ck_assert_uint_eq(outputs.saved.files_completed, rows[_i].completed);
	ck_assert_uint_eq(outputs.saved.sync_errors, rows[_i].errors);
	ck_assert_uint_eq(output.finishing, 0);
	ck_assert_ptr_null(checkpoint_find(&outputs.saved, 0));
}
END_TEST

START_TEST(what_is_delayed_is_still_to_be_finished)
{
	static const struct message_result later = { .error = EACCES, .later = 1, .text = "later" };

	outputs_begin(true);
	outputs_move(0, 10);
	archiveside_expect(MESSAGE_FINISH, &later);
	archiveside_expect(MESSAGE_OPEN, NULL);
	ck_assert_ptr_nonnull(checkpoint_find(&outputs.saved, 0));
	archive_client_tick(files_client(outputs.files));
	archiveside_expect(MESSAGE_FINISH, NULL);
	ck_assert_uint_eq(output.finishing, 0);
	ck_assert_uint_eq(outputs.saved.files_completed, 1);
	ck_assert_uint_eq(outputs.saved.sync_errors, 0);
}
END_TEST

START_TEST(what_is_delayed_and_spoiled_is_counted_once_and_the_next_instance_knows)
{
	struct message_result result = { .later = 1, .error = EIO, .spoiled = EIO };

	outputs_begin(true);
	outputs_move(0, 10);
	archiveside_expect(MESSAGE_FINISH, &result);
	result.later = 0;
	ck_assert_uint_eq(checkpoint_find(&outputs.saved, 0)->record.error, EIO);
	archiveside_expect(MESSAGE_OPEN, NULL);
	archive_client_tick(files_client(outputs.files));
	archiveside_expect(MESSAGE_FINISH, &result);
	ck_assert_uint_eq(archiveside.asked.archive.file.error, EIO);
	ck_assert_uint_eq(outputs.saved.sync_errors, 1);
}
END_TEST

START_TEST(what_the_archive_removed_and_repaired_is_counted)
{
	const struct message_result result = { .removed = 2, .repaired = 3 };

	output_retained(&output, &result);
	output_retained(&output, &result);
	ck_assert_uint_eq(outputs.saved.files_removed, 4);
	ck_assert_uint_eq(outputs.saved.files_repaired, 6);
}
END_TEST

/* ---- another program ---- */

START_TEST(a_file_that_another_program_took_away_is_left)
{
	outputs_begin(true);
	outputs.tally.reported.written = 10;
	tick();
	archiveside_expect(MESSAGE_LOOK, &interfered);
	ck_assert_uint_eq(output.current->state, FILE_ASTRAY);
	ck_assert_uint_gt(output.lost_ns, 0);
	ck_assert_uint_eq(
		place_logged("was removed while it was written (10 packets in it so far)"), 1);
	outputs_told(MESSAGE_ROTATE, false);
	outputs_told_nothing();
	tick();
	archiveside_quiet(); /* it is known */
	output_astray(&output, output.current, "again");
	outputs_told_nothing();
	ck_assert_uint_eq(place_logged("again"), 0);
	ck_assert_uint_eq(outputs.saved.files_lost, 0); /* not before it has ended */
	output_forget(&output);
	ck_assert(output.rotate);
}
END_TEST

START_TEST(another_file_than_the_one_in_use_does_not_go_astray)
{
	struct output_file other = { .state = FILE_USED };

	outputs_begin(true);
	output_astray(&output, &other, "gone");
	ck_assert_uint_eq(other.state, FILE_USED);
	outputs_told_nothing();
	ck_assert_uint_eq(output.lost_ns, 0);
}
END_TEST

/* But for the packets that can still be read */
START_TEST(what_is_lost_of_a_file_is_discarded)
{
	struct message_result lost = { .lost = 1,
				       .readable = 4,
				       .text = "eth0.pcapng was removed" };
	struct counters shown;

	outputs_begin(true);
	outputs.tally.reported.received = outputs.tally.reported.written = 10;
	outputs_move(0, 10);
	archiveside_expect(MESSAGE_FINISH, &lost);
	ck_assert_uint_eq(outputs.saved.files_lost, 1);
	ck_assert_uint_eq(outputs.saved.packets_lost, 6);
	ck_assert_uint_eq(outputs.saved.files_completed, 0);
	ck_assert_ptr_null(checkpoint_find(&outputs.saved, 0));
	ck_assert_uint_eq(place_logged("a/0: eth0.pcapng was removed: 6 packets in it are lost"),
			  1);
	tally_counters(&outputs.tally, true, &shown);
	ck_assert_uint_eq(shown.written, 4);
	ck_assert_uint_eq(shown.discarded_file_lost, 6);
	ck_assert_uint_gt(output.lost_ns, 0);
	ck_assert_uint_eq(output.finishing, 0);
}
END_TEST

/* ---- rotation ---- */

START_TEST(a_rotation_lasts_until_the_file_that_was_in_use_is_finished)
{
	outputs_begin(true);
	output_rotate(&output);
	ck_assert(output_rotating(&output));
	outputs_told(MESSAGE_ROTATE, false);
	outputs_told_nothing();
	outputs_write(0, 12); /* not yet */
	ck_assert(output_rotating(&output));
	outputs_move(0, 12);
	ck_assert(output_rotating(&output));
	archiveside_expect(MESSAGE_FINISH, NULL);
	ck_assert(!output_rotating(&output));
	ck_assert_uint_eq(output.rotating, 0);
	archiveside_expect(MESSAGE_OPEN, NULL);
}
END_TEST

START_TEST(a_file_without_a_packet_is_not_rotated)
{
	output_rotate(&output); /* there is none */
	ck_assert(!output_rotating(&output));
	outputs_begin(false);
	output_rotate(&output);
	ck_assert(!output_rotating(&output));
	outputs_told_nothing();
}
END_TEST

/* The worker has not reported its first packet: that is older than the request */
START_TEST(a_rotation_is_for_what_the_ledger_says_not_the_last_report)
{
	outputs_begin(false);
	outputs_commit(0, 1);
	output_rotate(&output);
	ck_assert(output_rotating(&output));
	outputs_told(MESSAGE_ROTATE, false);
}
END_TEST

/* It has left the file, has reported neither that, nor anything in the next one */
START_TEST(a_rotation_that_the_worker_has_done_already_is_waited_for_and_not_asked_for)
{
	struct ledger_totals totals;

	outputs_begin(true);
	totals = ledger_totals(outputs.ledger);
	totals.previous = totals.current;
	totals.current = outputs_record(1, 0, 10);
	ledger_commit(outputs.ledger, &totals);
	output_rotate(&output);
	ck_assert(output_rotating(&output));
	outputs_told_nothing();
	output_follow(&output, &totals.current, &totals.previous);
	archiveside_expect(MESSAGE_FINISH, NULL);
	ck_assert(!output_rotating(&output));
}
END_TEST

/* A worker may be compromised */
START_TEST(a_ledger_of_files_that_the_worker_does_not_have_rotates_what_was_reported)
{
	outputs_begin(true);
	outputs_commit(1000, 5);
	output_rotate(&output);
	ck_assert_uint_eq(output.rotating, 1);
	outputs_told(MESSAGE_ROTATE, false);
}
END_TEST

START_TEST(a_second_rotation_of_the_same_file_asks_for_nothing)
{
	outputs_begin(true);
	output_rotate(&output);
	outputs_told(MESSAGE_ROTATE, false);
	output_rotate(&output);
	outputs_told_nothing();
	ck_assert(output_rotating(&output));
}
END_TEST

/* The next file cannot be made: nothing that is waited for would come */
START_TEST(without_room_for_the_next_file_there_is_no_rotation)
{
	static const struct message_result no_space = { .error = ENOSPC, .text = "no room" };

	ck_assert_int_eq(output_begin(&output), 0);
	archiveside_expect(MESSAGE_OPEN, NULL);
	archiveside_expect(MESSAGE_OPEN, &no_space);
	ck_assert(!output_stuck(&output)); /* nothing is in the current one */
	outputs_write(0, 10);
	archiveside_expect(MESSAGE_NAME, NULL);
	ck_assert(output_stuck(&output));
	ck_assert(!output_suspended(&output)); /* there is room in the current one */
	output_rotate(&output);
	ck_assert(!output_rotating(&output));
	tick();
	archiveside_expect(MESSAGE_OPEN, NULL);
	ck_assert(!output_stuck(&output));
	output_rotate(&output);
	ck_assert(output_rotating(&output));
}
END_TEST

/* ---- of the previous instance ---- */

/* Its current file, the spare one, one that ended: each is sought. */
static struct output_file *sought(uint64_t serial)
{
	struct output_file *file;

	checkpoint_put(&outputs.saved, serial, 1, 100 + serial);
	file = files_reopen(outputs.files, &output.target, serial, 1, 100 + serial);
	ck_assert_ptr_nonnull(file);
	ck_assert(output_file_sought(file));
	return file;
}

START_TEST(a_file_that_is_found_is_ready_or_in_use_as_its_name_says)
{
	static const struct message_result visible = { .name = "a-w0.pcapng.partial" },
					   hidden = { .name = ".a-w0-ahead" };

	output.current = sought(0);
	output.spare = sought(1);
	ck_assert(output_awaits(&output));
	ck_assert(output_seeks(&output));
	outputs_told_nothing();
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_REOPEN);
	ck_assert_uint_eq(archiveside.asked.archive.inode, 100);
	archiveside_answer(&visible);
	ck_assert_uint_eq(output.current->state, FILE_USED);
	ck_assert(!output_awaits(&output));
	ck_assert(output_seeks(&output));
	archiveside_expect(MESSAGE_REOPEN, &hidden);
	ck_assert_uint_eq(output.spare->state, FILE_READY);
	ck_assert(!output_seeks(&output));
	ck_assert_uint_eq(checkpoint_find(&outputs.saved, 0)->inode, 100); /* as it was */
	outputs_offered(0);
	outputs_offered(1);
}
END_TEST

START_TEST(where_no_spare_file_was_left_one_is_made)
{
	output_spare(&output); /* not without a current one (O2) */
	ck_assert_ptr_null(output.spare);
	output.current = sought(4);
	archiveside_expect(MESSAGE_REOPEN, NULL);
	output_spare(&output);
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_OPEN);
	ck_assert_uint_eq(archiveside.asked.archive.file.serial, 5);
	archiveside_answer(NULL);
	output_spare(&output); /* there is one */
	archiveside_quiet();
}
END_TEST

/* It is finished when it is found, by what is known then */
START_TEST(a_file_that_ends_before_it_is_found_keeps_its_record)
{
	static const struct message_result busy = { .error = EWOULDBLOCK, .text = "held" };
	const struct ledger_file last = outputs_record(0, 10, 0);
	struct checkpoint_file *record;

	output.current = sought(0);
	if (_i)
		archiveside_expect(MESSAGE_REOPEN, &busy);
	ck_assert_uint_eq(output.current->state, _i ? FILE_MISSING : FILE_SOUGHT);
	output_file_end(&output, output.current, &last);
	record = checkpoint_find(&outputs.saved, 0);
	ck_assert_ptr_nonnull(record);
	ck_assert_uint_eq(record->ended, 1);
	ck_assert_uint_eq(record->record.finish.written, 10);
	ck_assert_uint_eq(output.finishing, 0);
	if (_i)
		output.current = NULL; /* it is freed; else the request still has it */
	else
		ck_assert_uint_eq(output.current->state, FILE_SOUGHT);
}
END_TEST

/* ... as it was: when it is found, it is discarded */
START_TEST(what_was_lost_since_is_not_in_a_file_that_is_sought)
{
	struct ledger_file last = outputs_record(0, 0, 0);
	struct output_file *file = sought(0);

	output.current = file;
	last.finish.packets = 5;
	output_end(&output, &last);
	ck_assert_uint_eq(checkpoint_find(&outputs.saved, 0)->ended, 1);
	ck_assert_uint_eq(checkpoint_find(&outputs.saved, 0)->record.since_ns, 0);
	ck_assert_ptr_null(output.current);
	output_file_free(file); /* the answer to what seeks it would */
}
END_TEST

Suite *suite_output_files(void)
{
	Suite *s = suite_create("output_files");
	TCase *t = tcase_create("output_files");

	tcase_add_checked_fixture(t, outputs_setup, outputs_teardown);
	tcase_add_test(t, a_file_in_use_is_looked_at_one_look_after_the_other);
	tcase_add_test(t, a_file_of_which_nothing_was_reported_is_not_looked_at);
	tcase_add_test(t, a_name_that_is_refused_is_asked_for_again);
	tcase_add_test(t, what_is_written_is_synced_one_sync_after_the_other);
	tcase_add_test(t, a_file_whose_sync_failed_ends_as_a_suspect_and_is_synced_no_more);
	tcase_add_test(t, a_failed_sync_of_a_file_that_was_left_rotates_nothing);
	tcase_add_loop_test(t, a_file_that_does_not_end_well_is_not_complete, 0, 4);
	tcase_add_test(t, what_is_delayed_is_still_to_be_finished);
	tcase_add_test(t, what_is_delayed_and_spoiled_is_counted_once_and_the_next_instance_knows);
	tcase_add_test(t, what_the_archive_removed_and_repaired_is_counted);
	tcase_add_test(t, a_file_that_another_program_took_away_is_left);
	tcase_add_test(t, another_file_than_the_one_in_use_does_not_go_astray);
	tcase_add_test(t, what_is_lost_of_a_file_is_discarded);
	tcase_add_test(t, a_rotation_lasts_until_the_file_that_was_in_use_is_finished);
	tcase_add_test(t, a_file_without_a_packet_is_not_rotated);
	tcase_add_test(t, a_rotation_is_for_what_the_ledger_says_not_the_last_report);
	tcase_add_test(t,
		       a_rotation_that_the_worker_has_done_already_is_waited_for_and_not_asked_for);
	tcase_add_test(t,
		       a_ledger_of_files_that_the_worker_does_not_have_rotates_what_was_reported);
	tcase_add_test(t, a_second_rotation_of_the_same_file_asks_for_nothing);
	tcase_add_test(t, without_room_for_the_next_file_there_is_no_rotation);
	tcase_add_test(t, a_file_that_is_found_is_ready_or_in_use_as_its_name_says);
	tcase_add_test(t, where_no_spare_file_was_left_one_is_made);
	tcase_add_loop_test(t, a_file_that_ends_before_it_is_found_keeps_its_record, 0, 2);
	tcase_add_test(t, what_was_lost_since_is_not_in_a_file_that_is_sought);
	suite_add_tcase(s, t);
	return s;
}
