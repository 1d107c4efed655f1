/* daemon/supervisor/inherited_files.c: files that the previous instance left are sought, continued
 * in, finished, or lost. */
#include "suites.h"
#include "archiveside.h"
#include "outputs.h"
#include "place.h"

#include "../../daemon/base/clock.h"
#include "../../daemon/supervisor/inherited_files.h"

#include <errno.h>
#include <string.h>

#define CURRENT                                                                                    \
	5 /* the ledger's: its worker wrote ten packets into it, and three into the one before */

static const struct message_result visible = { .name = "a-w0.pcapng.partial" },
				   gone = { .error = ENOENT, .text = "not there" },
				   held = { .error = EWOULDBLOCK, .text = "another has it" };

static void setup(void)
{
	struct ledger_totals totals;

	outputs_setup();
	totals = ledger_totals(outputs.ledger);
	totals.previous = outputs_record(CURRENT - 1, 3, 0);
	totals.current = outputs_record(CURRENT, 10, 3);
	totals.current.finish = (struct ledger_mark){ 0 }; /* it has not ended */
	totals.received = totals.written = 13;
	ledger_commit(outputs.ledger, &totals);
	outputs.tally.reported.written = outputs.tally.reported.received = 13;
}

/* The checkpoint has a record of this file, whose inode is 100 more than its number. */
static struct checkpoint_file *recorded(uint64_t serial)
{
	checkpoint_put(&outputs.saved, serial, 8, 100 + serial);
	return checkpoint_find(&outputs.saved, serial);
}

/* The next request is for this file. */
static void sought(uint64_t serial)
{
	ck_assert_str_eq(message_name(archiveside_hear()), message_name(MESSAGE_REOPEN));
	ck_assert_uint_eq(archiveside.asked.archive.file.serial, serial);
	ck_assert_uint_eq(archiveside.asked.archive.inode, 100 + serial);
	ck_assert_uint_eq(archiveside.asked.archive.device, 8);
}

static void found(uint64_t serial, const struct message_result *result)
{
	sought(serial);
	archiveside_answer(result);
}

/* The next request makes this one. */
static void made(uint64_t serial)
{
	ck_assert_str_eq(message_name(archiveside_hear()), message_name(MESSAGE_OPEN));
	ck_assert_uint_eq(archiveside.asked.archive.file.serial, serial);
	archiveside_answer(NULL);
}

START_TEST(the_worker_continues_in_the_ledgers_file_and_the_spare_one)
{
	recorded(CURRENT);
	recorded(CURRENT + 1);
	inherited_seek(&output, true);
	ck_assert(output_awaits(&output));
	found(CURRENT, &visible);
	ck_assert(!output_awaits(&output));
	ck_assert(output_seeks(&output));
	found(CURRENT + 1, &(struct message_result){ .name = ".ahead" });
	ck_assert(!output_seeks(&output));
	inherited_continue(&output);
	archiveside_quiet();
	ck_assert_uint_eq(output.current->serial, CURRENT);
	ck_assert_uint_eq(output.current->state, FILE_USED);
	ck_assert_uint_eq(output.spare->serial, CURRENT + 1);
	ck_assert_uint_eq(output.spare->state, FILE_READY);
	ck_assert_ptr_nonnull(checkpoint_find(&outputs.saved, CURRENT));
}
END_TEST

/* Of which its ledger knows the end, as the worker died with the daemon */
START_TEST(a_file_that_had_ended_is_finished_when_it_is_found)
{
	recorded(CURRENT - 1);
	inherited_seek(&output, true);
	ck_assert_uint_eq(checkpoint_find(&outputs.saved, CURRENT - 1)->ended, 1);
	found(CURRENT - 1, &visible);
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_FINISH);
	ck_assert_uint_eq(archiveside.asked.archive.file.finish.written, 3);
	ck_assert_str_eq(archiveside.asked.archive.name, visible.name);
	archiveside_answer(NULL);
	ck_assert_uint_eq(outputs.saved.files_completed, 1);
	ck_assert_ptr_null(checkpoint_find(&outputs.saved, CURRENT - 1));
}
END_TEST

/* The first record given of a file's end counts, and one that was never used is discarded */
START_TEST(a_file_ends_as_its_record_says)
{
	struct checkpoint_file *saved = recorded(1);
	const struct ledger_file end = outputs_record(1, _i ? 7 : 0, 0);

	checkpoint_end(saved, &end);
	inherited_seek(&output, true);
	found(1, &visible);
	ck_assert_uint_eq(archiveside_hear(), _i ? MESSAGE_FINISH : MESSAGE_DISCARD);
	if (_i)
		ck_assert_uint_eq(archiveside.asked.archive.file.finish.written, 7);
	archiveside_answer(NULL);
	ck_assert_ptr_null(checkpoint_find(&outputs.saved, 1));
}
END_TEST

/* Nothing says where it ends: it is repaired as any other that is left */
START_TEST(a_file_whose_end_is_not_known_is_not_sought)
{
	recorded(1);
	inherited_seek(&output, true);
	archiveside_quiet();
	ck_assert_ptr_null(checkpoint_find(&outputs.saved, 1));
}
END_TEST

/* It was left without a packet: its name was never given */
START_TEST(a_file_that_was_left_unused_is_not_sought)
{
	struct ledger_totals totals = ledger_totals(outputs.ledger);

	totals.previous = outputs_record(CURRENT - 1, 0, 0);
	ledger_commit(outputs.ledger, &totals);
	recorded(CURRENT - 1);
	inherited_seek(&output, true);
	archiveside_quiet();
	ck_assert_ptr_null(checkpoint_find(&outputs.saved, CURRENT - 1));
}
END_TEST

START_TEST(without_its_ring_the_ledgers_file_ends)
{
	recorded(CURRENT);
	recorded(CURRENT + 1); /* never used */
	inherited_seek(&output, false);
	ck_assert_ptr_null(output.current);
	ck_assert_ptr_null(output.spare);
	ck_assert_ptr_null(checkpoint_find(&outputs.saved, CURRENT + 1));
	found(CURRENT, &visible);
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_FINISH);
	ck_assert_uint_eq(archiveside.asked.archive.file.end, outputs_record(CURRENT, 10, 3).end);
	archiveside_answer(NULL);
	archiveside_quiet();
}
END_TEST

/* Many files ended since: its record was given up */
START_TEST(a_file_that_is_found_without_a_record_is_let_go)
{
	const struct ledger_file end = outputs_record(1, 7, 0);

	checkpoint_end(recorded(1), &end);
	inherited_seek(&output, true);
	sought(1);
	checkpoint_drop(checkpoint_find(&outputs.saved, 1));
	archiveside_answer(&visible);
	archiveside_quiet();
	ck_assert_uint_eq(outputs.saved.files_completed, 0);
}
END_TEST

/* ---- not found ---- */

/* What was written into it counts as it did, and is lost; nothing that is not committed is */
START_TEST(a_ledgers_file_that_is_gone_is_lost_and_another_one_made)
{
	recorded(CURRENT);
	recorded(CURRENT + 1);
	inherited_seek(&output, true);
	found(CURRENT, &gone);
	ck_assert_uint_eq(outputs.saved.files_lost, 1);
	ck_assert_uint_eq(outputs.saved.packets_lost, 10);
	ck_assert_uint_eq(place_logged("a/0: not there"), 1);
	ck_assert_uint_eq(place_logged("file 5 of the previous instance"), 1);
	ck_assert_ptr_null(checkpoint_find(&outputs.saved, CURRENT));
	ck_assert_ptr_null(output.spare);
	ck_assert_uint_eq(ledger_totals(outputs.ledger).current.serial, CURRENT + 2);
	ck_assert_uint_eq(ledger_totals(outputs.ledger).written, 13);
	found(CURRENT + 1, &(struct message_result){ .name = ".ahead" });
	made(CURRENT + 2);
	ck_assert_uint_eq(output.current->serial, CURRENT + 2);
	archiveside_expect(MESSAGE_DISCARD, NULL); /* the spare one */
	archiveside_quiet();
}
END_TEST

START_TEST(a_file_that_is_gone_and_held_nothing_is_no_loss)
{
	struct ledger_totals totals = ledger_totals(outputs.ledger);

	totals.current = outputs_record(CURRENT, 0, 13);
	ledger_commit(outputs.ledger, &totals);
	recorded(CURRENT);
	inherited_seek(&output, true);
	found(CURRENT, &gone);
	ck_assert_uint_eq(outputs.saved.files_lost, 0);
	made(CURRENT + 2);
}
END_TEST

START_TEST(a_file_that_ended_and_is_gone_is_lost_as_its_record_says)
{
	recorded(CURRENT - 1);
	inherited_seek(&output, true);
	found(CURRENT - 1, &gone);
	ck_assert_uint_eq(outputs.saved.files_lost, 1);
	ck_assert_uint_eq(outputs.saved.packets_lost, 3);
	ck_assert_ptr_null(checkpoint_find(&outputs.saved, CURRENT - 1));
	archiveside_quiet();
}
END_TEST

/* That is no loss of what is in it: whatever repairs it later */
START_TEST(a_file_that_cannot_be_opened_is_not_lost)
{
	static const struct message_result eio = { .error = EIO, .text = "cannot open" };

	recorded(_i ? CURRENT : CURRENT - 1);
	inherited_seek(&output, true);
	found(_i ? CURRENT : CURRENT - 1, &eio);
	ck_assert_uint_eq(outputs.saved.files_lost, 0);
	ck_assert_uint_eq(place_logged("a/0: cannot open"), 1);
	ck_assert_ptr_null(checkpoint_find(&outputs.saved, _i ? CURRENT : CURRENT - 1));
	if (_i)
		made(CURRENT + 2);
	archiveside_quiet();
}
END_TEST

/* Nobody lived to count it; as the ledger's file it can no longer be continued in */
START_TEST(a_file_that_was_finished_already_is_counted)
{
	static const struct message_result done = { .error = EEXIST, .text = "has its name" };

	recorded(CURRENT - 1);
	recorded(CURRENT);
	inherited_seek(&output, true);
	found(CURRENT - 1, &done);
	ck_assert_uint_eq(outputs.saved.files_completed, 1);
	ck_assert_uint_eq(place_logged("has its name"), 0);
	found(CURRENT, &done);
	ck_assert_uint_eq(outputs.saved.files_completed, 1);
	ck_assert_uint_eq(place_logged("a/0: has its name"), 1);
	ck_assert_uint_eq(outputs.saved.files_lost, 0);
	made(CURRENT + 2);
}
END_TEST

/* A process of that instance has it still: it dies */
START_TEST(what_cannot_be_had_just_now_is_sought_again)
{
	recorded(CURRENT);
	recorded(CURRENT + 1);
	inherited_seek(&output, true);
	found(CURRENT, &held);
	found(CURRENT + 1, &held);
	ck_assert_uint_eq(place_logged("another has it"), 0);
	ck_assert(output_awaits(&output));
	output_tick(&output, clock_mono_ns());
	archiveside_quiet();
	output_tick(&output, clock_mono_ns() + OUTPUTS_LATER);
	found(CURRENT, &visible);
	found(CURRENT + 1, &(struct message_result){ .name = ".ahead" });
	ck_assert_uint_eq(output.current->state, FILE_USED);
	ck_assert(!output_seeks(&output));
}
END_TEST

START_TEST(a_spare_file_that_is_gone_is_made_again)
{
	recorded(CURRENT);
	recorded(CURRENT + 1);
	inherited_seek(&output, true);
	found(CURRENT, &visible);
	found(CURRENT + 1, &gone);
	ck_assert_ptr_null(output.spare);
	ck_assert_ptr_null(checkpoint_find(&outputs.saved, CURRENT + 1));
	ck_assert_uint_eq(outputs.saved.files_lost, 0);
	output_spare(&output);
	made(CURRENT + 1);
}
END_TEST

START_TEST(without_a_record_the_worker_continues_in_another_file)
{
	inherited_seek(&output, true);
	archiveside_quiet();
	inherited_continue(&output);
	made(CURRENT + 2);
	ck_assert_uint_eq(ledger_totals(outputs.ledger).current.serial, CURRENT + 2);
	ck_assert_uint_eq(outputs.saved.files_lost, 0); /* it may be there: it is repaired */
}
END_TEST

Suite *suite_inherited_files(void)
{
	Suite *s = suite_create("inherited_files");
	TCase *t = tcase_create("inherited_files");

	tcase_add_checked_fixture(t, setup, outputs_teardown);
	tcase_add_test(t, the_worker_continues_in_the_ledgers_file_and_the_spare_one);
	tcase_add_test(t, a_file_that_had_ended_is_finished_when_it_is_found);
	tcase_add_loop_test(t, a_file_ends_as_its_record_says, 0, 2);
	tcase_add_test(t, a_file_whose_end_is_not_known_is_not_sought);
	tcase_add_test(t, a_file_that_was_left_unused_is_not_sought);
	tcase_add_test(t, without_its_ring_the_ledgers_file_ends);
	tcase_add_test(t, a_file_that_is_found_without_a_record_is_let_go);
	tcase_add_test(t, a_ledgers_file_that_is_gone_is_lost_and_another_one_made);
	tcase_add_test(t, a_file_that_is_gone_and_held_nothing_is_no_loss);
	tcase_add_test(t, a_file_that_ended_and_is_gone_is_lost_as_its_record_says);
	tcase_add_loop_test(t, a_file_that_cannot_be_opened_is_not_lost, 0, 2);
	tcase_add_test(t, a_file_that_was_finished_already_is_counted);
	tcase_add_test(t, what_cannot_be_had_just_now_is_sought_again);
	tcase_add_test(t, a_spare_file_that_is_gone_is_made_again);
	tcase_add_test(t, without_a_record_the_worker_continues_in_another_file);
	suite_add_tcase(s, t);
	return s;
}
