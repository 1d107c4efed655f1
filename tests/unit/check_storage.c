/* daemon/supervisor/storage.c: a capture as its archive knows it, and what the archive's answers
 * lead to. */
#include "suites.h"
#include "archiveside.h"
#include "place.h"
#include "slotside.h"

#include "../../daemon/base/clock.h"

#include <errno.h>
#include <string.h>

static struct storage *const storage = &slotside.storage;
static struct slot *const list = slotside.list;
static struct message_capture capture;

static void setup(void)
{
	slotside_begin(2, true);
	capture = (struct message_capture){ .name = "a", .directory = "/d" };
}

/* Both slots write five packets into their first files. */
static void both_write(void)
{
	struct message_report report;

	for (unsigned i = 0; i < 2; i++) {
		slotside_run(&list[i]);
		slotside_arrive(5);
		slotside_write(&list[i], 5);
		report = slotside_report(&list[i]);
		slotside_send(&list[i], &report);
		archiveside_expect(MESSAGE_NAME, NULL);
	}
	storage_news(storage);
}

/* ---- announced ---- */

START_TEST(a_capture_is_placed_when_its_directory_is_open)
{
	storage_init(storage, &slotside.slots, &slotside.gap);
	ck_assert(!storage_placed(storage));
	ck_assert_uint_eq(storage->available, UINT64_MAX);
	storage_announce(storage, &capture, true);
	ck_assert_uint_eq(storage->state, STORAGE_ANNOUNCED);
	slotside.slots.due = false;
	archiveside_expect(MESSAGE_CAPTURE, NULL);
	ck_assert(storage_placed(storage));
	ck_assert(slotside.slots.due);
	ck_assert_uint_eq(storage_news(storage), STORAGE_OPEN);
	ck_assert_uint_eq(storage_news(storage), 0); /* it was heard */
}
END_TEST

START_TEST(where_nothing_is_written_the_directory_counts_as_open)
{
	storage_init(storage, &slotside.slots, &slotside.gap);
	storage_announce(storage, &capture, false);
	ck_assert(storage_placed(storage));
	ck_assert_uint_eq(storage_news(storage), STORAGE_OPEN);
	archiveside_quiet();
}
END_TEST

START_TEST(another_announcement_opens_nothing_unless_the_directory_is_another_one)
{
	storage_announce(storage, &capture, true);
	ck_assert(storage_placed(storage)); /* files go on */
	archiveside_expect(MESSAGE_CAPTURE, NULL);
	ck_assert_uint_eq(storage_news(storage), 0);
	storage_forget(storage);
	ck_assert(!storage_placed(storage));
	storage_announce(storage, &capture, true);
	archiveside_expect(MESSAGE_CAPTURE, NULL);
	ck_assert_uint_eq(storage_news(storage), STORAGE_OPEN);
}
END_TEST

START_TEST(a_directory_that_cannot_be_used_is_told_with_its_reason)
{
	static const struct message_result denied = { .error = EACCES, .text = "not allowed" };

	storage_forget(storage);
	storage_announce(storage, &capture, true);
	archiveside_expect(MESSAGE_CAPTURE, &denied);
	ck_assert_uint_eq(storage->state, STORAGE_REFUSED);
	ck_assert_int_eq(storage->error, EACCES);
	ck_assert_str_eq(storage->text, "not allowed");
	ck_assert_uint_eq(storage_news(storage), STORAGE_CLOSED);
	ck_assert_uint_gt(list[0].output.retry_ns, clock_mono_ns()); /* its files not at once */
	storage_forget(storage);				     /* it is none that is open */
	ck_assert_uint_eq(storage->state, STORAGE_REFUSED);
	storage_announce(storage, &capture, true);
	ck_assert_uint_eq(storage->state, STORAGE_ANNOUNCED);
	archiveside_expect(MESSAGE_CAPTURE, NULL);
	ck_assert_uint_eq(storage_news(storage), STORAGE_OPEN);
}
END_TEST

START_TEST(a_file_that_is_made_says_that_the_directory_is_open)
{
	slot_begin(&list[0]);
	ck_assert_int_eq(slot_start(&list[0]), 0);
	storage_forget(storage);
	archiveside_expect(MESSAGE_OPEN, NULL);
	ck_assert_uint_eq(storage_news(storage), STORAGE_OPEN);
}
END_TEST

/* ---- maintenance ---- */

START_TEST(maintenance_is_asked_for_once_at_a_time)
{
	storage_maintain(storage);
	storage_maintain(storage);
	ck_assert_uint_eq(storage->maintenance, MAINTENANCE_ASKED);
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_MAINTAIN);
	ck_assert_uint_eq(archiveside.asked.archive.file.error, 0);
	slotside.slots.due = false;
	archiveside_answer(NULL);
	archiveside_quiet();
	ck_assert_uint_eq(storage->maintenance, MAINTENANCE_NONE);
	ck_assert(!storage->wanted);
	ck_assert(slotside.slots.due);
	ck_assert_uint_eq(storage_news(storage), STORAGE_MAINTAINED);
	storage_maintain(storage);
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_MAINTAIN);
}
END_TEST

START_TEST(where_nothing_is_written_nothing_is_maintained)
{
	slotside_end();
	slotside_begin(2, false);
	storage_maintain(storage);
	ck_assert_uint_eq(storage->maintenance, MAINTENANCE_NONE);
	archiveside_quiet();
}
END_TEST

START_TEST(maintenance_says_which_write_was_refused)
{
	list[1].refused = EDQUOT;
	storage_maintain(storage);
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_MAINTAIN);
	ck_assert_uint_eq(archiveside.asked.archive.file.error, EDQUOT);
	archiveside_answer(NULL);
	list[1].state = SLOT_SETTLED; /* no file goes for a worker that writes no more */
	storage_maintain(storage);
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_MAINTAIN);
	ck_assert_uint_eq(archiveside.asked.archive.file.error, 0);
}
END_TEST

/* A worker waits: what is under way may have made no room for it */
START_TEST(what_was_refused_meanwhile_is_wanted_afterwards)
{
	storage_maintain(storage);
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_MAINTAIN);
	list[0].refused = ENOSPC;
	list[0].wants_room = true;
	storage_relieve(storage);
	ck_assert(!list[0].wants_room);
	ck_assert_uint_eq(storage->maintenance, MAINTENANCE_ASK_AGAIN);
	archiveside_answer(NULL);
	ck_assert(storage->wanted);
	archiveside_quiet(); /* its capture asks */
}
END_TEST

START_TEST(no_worker_that_wants_room_no_maintenance)
{
	storage_relieve(storage);
	archiveside_quiet();
	list[1].wants_room = true;
	storage_relieve(storage);
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_MAINTAIN);
	archiveside_answer(NULL);
	storage_relieve(storage);
	archiveside_quiet();
}
END_TEST

START_TEST(what_maintenance_did_is_known_and_counted)
{
	const struct message_result result = { .removed = 2,
					       .repaired = 1,
					       .available = 12345,
					       .again = 1,
					       .held = 1,
					       .until_ns = { 0, 77 } };

	storage_maintain(storage);
	archiveside_expect(MESSAGE_MAINTAIN, &result);
	ck_assert_uint_eq(list[0].saved->files_removed, 2);
	ck_assert_uint_eq(list[0].saved->files_repaired, 1);
	ck_assert_uint_eq(storage->available, 12345);
	ck_assert(storage->more);
	ck_assert(storage->held);
	ck_assert_uint_eq(slotside.gap.until_ns[1], 77);
	storage_maintain(storage);
	archiveside_expect(MESSAGE_MAINTAIN, NULL);
	ck_assert(!storage->more);
	ck_assert(!storage->held);
}
END_TEST

/* What it says is of no maintenance that is done */
START_TEST(maintenance_that_failed_is_no_news)
{
	const struct message_result result = { .error = EIO, .full = 1, .available = 5 };

	storage_maintain(storage);
	archiveside_expect(MESSAGE_MAINTAIN, &result);
	ck_assert_uint_eq(storage_news(storage), 0);
	ck_assert_uint_eq(storage->maintenance, MAINTENANCE_NONE);
	ck_assert_uint_eq(storage->reserve_next, LACKS_NOTHING);
	ck_assert_uint_eq(storage->available, UINT64_MAX);
}
END_TEST

/* A file that was made has removed others, and says how much space there is; it is no maintenance
 */
START_TEST(what_a_files_making_removed_is_counted)
{
	const struct message_result result = { .removed = 1, .available = 9, .full = 1 };

	slot_begin(&list[1]);
	ck_assert_int_eq(slot_start(&list[1]), 0);
	archiveside_expect(MESSAGE_OPEN, &result);
	ck_assert_uint_eq(list[1].saved->files_removed, 1);
	ck_assert_uint_eq(storage->available, 9);
	ck_assert_uint_eq(storage->reserve_next, LACKS_NOTHING);
	ck_assert_uint_eq(storage_news(storage) & STORAGE_MAINTAINED, 0);
}
END_TEST

START_TEST(where_disk_reserve_is_not_kept_nothing_is_written)
{
	struct message_result result = { .full = 1, .no_inode = (uint32_t)_i };

	both_write();
	ck_assert(!storage_reserve(storage));
	storage_maintain(storage);
	archiveside_expect(MESSAGE_MAINTAIN, &result);
	ck_assert_uint_eq(storage->reserve, LACKS_NOTHING); /* until it is acted upon */
	ck_assert(storage_reserve(storage));
	ck_assert_uint_eq(storage->reserve, _i ? LACKS_INODES : LACKS_SPACE);
	ck_assert(!storage_reserve(storage));
	slotside_turn();
	for (unsigned i = 0; i < 2; i++) {
		ck_assert(slot_suspended(&list[i]));
		slotside_hears(&list[i], MESSAGE_SUSPEND);
		ck_assert_uint_eq(slotside.heard.suspend.suspended, 1);
	}
	storage_maintain(storage);
	archiveside_expect(MESSAGE_MAINTAIN, NULL);
	ck_assert(storage_reserve(storage));
	slotside_turn();
	for (unsigned i = 0; i < 2; i++) {
		slotside_hears(&list[i], MESSAGE_SUSPEND);
		ck_assert_uint_eq(slotside.heard.suspend.suspended, 0);
	}
}
END_TEST

/* ---- now and then ---- */

START_TEST(a_tick_maintains_what_is_announced)
{
	storage_tick(storage, 1, 0);
	archiveside_expect(MESSAGE_MAINTAIN, NULL);
	storage->state = STORAGE_UNKNOWN;
	storage_tick(storage, 2, 0);
	archiveside_quiet();
}
END_TEST

START_TEST(what_is_written_is_synced_as_often_as_configured)
{
	both_write();
	storage->state = STORAGE_UNKNOWN; /* no maintenance between them */
	storage_tick(storage, 100, 0);
	storage_tick(storage, 100, -1);
	archiveside_quiet();
	storage_tick(storage, 100, 50);
	for (uint32_t i = 0; i < 2; i++) {
		ck_assert_uint_eq(archiveside_hear(), MESSAGE_SYNC);
		ck_assert_uint_eq(archiveside.asked.archive.worker, i);
		archiveside_answer(NULL);
	}
	storage_tick(storage, 149, 50);
	archiveside_quiet();
	storage_tick(storage, 150, 50);
	archiveside_expect(MESSAGE_SYNC, NULL);
}
END_TEST

/* ---- files of the previous instance ---- */

static void sought(struct slot *slot, uint64_t inode)
{
	checkpoint_put(slot->saved, 0, 1, inode);
	slot->output.current = files_reopen(slotside.files, &slot->output.target, 0, 1, inode);
	ck_assert_ptr_nonnull(slot->output.current);
}

/* Making room would repair what is sought */
START_TEST(until_all_is_found_nothing_is_repaired_and_no_spare_file_made)
{
	sought(&list[0], 10);
	sought(&list[1], 11);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert(storage_seeks(storage));
		storage_tick(storage, 1, 0);
		storage_spares(storage);
		slotside.slots.due = false;
		archiveside_expect(MESSAGE_REOPEN, NULL);
		ck_assert(slotside.slots.due);
	}
	archiveside_quiet();
	ck_assert(!storage_seeks(storage));
	ck_assert_uint_eq(list[0].output.current->state, FILE_READY);
	storage_spares(storage);
	for (uint32_t i = 0; i < 2; i++) {
		ck_assert_uint_eq(archiveside_hear(), MESSAGE_OPEN);
		ck_assert_uint_eq(archiveside.asked.archive.worker, i);
		ck_assert_uint_eq(archiveside.asked.archive.file.serial, 1);
		archiveside_answer(NULL);
	}
	storage_tick(storage, 1, 0);
	archiveside_expect(MESSAGE_MAINTAIN, NULL);
}
END_TEST

START_TEST(a_file_that_is_not_found_is_its_slots_matter)
{
	static const struct message_result gone = { .error = ENOENT, .text = "not there" };

	sought(&list[1], 11);
	slotside.slots.due = false;
	archiveside_expect(MESSAGE_REOPEN, &gone);
	ck_assert(slotside.slots.due);
	ck_assert_uint_eq(list[1].fault.kind, FAULT_NONE);
	ck_assert_uint_eq(list[1].output.current->serial, 2);
	ck_assert(storage_placed(storage)); /* the directory is as it was */
}
END_TEST

START_TEST(a_file_that_cannot_be_made_is_its_slots_matter)
{
	static const struct message_result eio = { .error = EIO, .text = "not made" };

	slot_begin(&list[1]);
	ck_assert_int_eq(slot_start(&list[1]), 0);
	archiveside_expect(MESSAGE_OPEN, &eio);
	ck_assert_uint_eq(list[1].fault.kind, FAULT_FILES);
	ck_assert_uint_eq(list[0].fault.kind, FAULT_NONE);
	ck_assert(storage_placed(storage));
	ck_assert_uint_eq(storage_news(storage), 0);
}
END_TEST

/* ---- what is wrong with files in use ---- */

START_TEST(nothing_is_wrong_with_files_that_are_as_they_were_written)
{
	both_write();
	strcpy(storage->reason, "old");
	storage_review(storage);
	ck_assert_str_eq(storage->reason, "");
}
END_TEST

START_TEST(a_name_that_is_refused_is_a_reason_until_it_is_given)
{
	both_write();
	list[1].output.current->name_error = EACCES;
	storage_review(storage);
	ck_assert_ptr_nonnull(strstr(storage->reason, "cannot be given their names (Permission"));
	list[1].output.current->name_error = 0;
	storage_review(storage);
	ck_assert_str_eq(storage->reason, "");
}
END_TEST

START_TEST(a_file_that_cannot_be_finished_is_a_reason_until_it_is)
{
	static const struct message_result later = { .error = EROFS, .later = 1, .text = "later" };

	both_write();
	slot_abandon(&list[0]);
	slotside.slots.due = false;
	slotside_die(&list[0], 9);
	archiveside_expect(MESSAGE_FINISH, &later);
	storage_review(storage);
	ck_assert_ptr_nonnull(strstr(storage->reason, "cannot be given their names (Read-only"));
}
END_TEST

START_TEST(what_another_program_took_is_a_reason_for_a_minute)
{
	static const struct message_result gone = { .lost = 1, .text = "was removed" };

	both_write();
	slot_tick(&list[0], clock_mono_ns());
	slotside.slots.due = false;
	archiveside_expect(MESSAGE_LOOK, &gone);
	ck_assert(slotside.slots.due);
	ck_assert_uint_eq(list[0].output.current->state, FILE_ASTRAY);
	slotside_turn();
	slotside_hears(&list[0], MESSAGE_ROTATE);
	list[0].output.lost_ns = 0;
	storage_review(storage); /* it is in use still */
	ck_assert_str_eq(storage->reason, "files in use were lost (to another program, or in a "
					  "failed write-back): 0 files, 0 packets");
	slot_abandon(&list[0]);
	slotside_die(&list[0], 9);
	slotside.slots.due = false;
	archiveside_expect(MESSAGE_FINISH, &gone);
	ck_assert(slotside.slots.due);
	list[1].saved->written_shown = 0;
	list[1].saved->files_lost = 2;
	list[1].saved->packets_lost = 3;
	storage_review(storage);
	ck_assert_ptr_nonnull(strstr(storage->reason, ": 3 files, 8 packets"));
	list[0].output.lost_ns -= UINT64_C(60000000001);
	list[0].saved->written_shown = 0; /* no reader was shown more */
	storage_review(storage);
	ck_assert_str_eq(storage->reason, "");
	list[0].saved->written_shown = 5; /* what was shown is not made up for yet */
	storage_review(storage);
	ck_assert_ptr_nonnull(strstr(storage->reason, ": 3 files, 8 packets"));
}
END_TEST

START_TEST(a_failed_sync_rotates_the_file)
{
	static const struct message_result eio = { .error = EIO, .text = "not synced" };

	both_write();
	storage->state = STORAGE_UNKNOWN;
	storage_tick(storage, 100, 50);
	slotside.slots.due = false;
	archiveside_expect(MESSAGE_SYNC, &eio);
	ck_assert(slotside.slots.due);
	ck_assert_uint_eq(list[0].saved->sync_errors, 1);
	slotside_turn();
	slotside_hears(&list[0], MESSAGE_ROTATE);
	ck_assert_uint_eq(slotside_hear(&list[1]), 0);
}
END_TEST

Suite *suite_storage(void)
{
	Suite *s = suite_create("storage");
	TCase *t = tcase_create("storage");

	tcase_add_checked_fixture(t, setup, slotside_end);
	tcase_add_test(t, a_capture_is_placed_when_its_directory_is_open);
	tcase_add_test(t, where_nothing_is_written_the_directory_counts_as_open);
	tcase_add_test(t, another_announcement_opens_nothing_unless_the_directory_is_another_one);
	tcase_add_test(t, a_directory_that_cannot_be_used_is_told_with_its_reason);
	tcase_add_test(t, a_file_that_is_made_says_that_the_directory_is_open);
	tcase_add_test(t, maintenance_is_asked_for_once_at_a_time);
	tcase_add_test(t, where_nothing_is_written_nothing_is_maintained);
	tcase_add_test(t, maintenance_says_which_write_was_refused);
	tcase_add_test(t, what_was_refused_meanwhile_is_wanted_afterwards);
	tcase_add_test(t, no_worker_that_wants_room_no_maintenance);
	tcase_add_test(t, what_maintenance_did_is_known_and_counted);
	tcase_add_test(t, maintenance_that_failed_is_no_news);
	tcase_add_test(t, what_a_files_making_removed_is_counted);
	tcase_add_loop_test(t, where_disk_reserve_is_not_kept_nothing_is_written, 0, 2);
	tcase_add_test(t, a_tick_maintains_what_is_announced);
	tcase_add_test(t, what_is_written_is_synced_as_often_as_configured);
	tcase_add_test(t, until_all_is_found_nothing_is_repaired_and_no_spare_file_made);
	tcase_add_test(t, a_file_that_is_not_found_is_its_slots_matter);
	tcase_add_test(t, a_file_that_cannot_be_made_is_its_slots_matter);
	tcase_add_test(t, nothing_is_wrong_with_files_that_are_as_they_were_written);
	tcase_add_test(t, a_name_that_is_refused_is_a_reason_until_it_is_given);
	tcase_add_test(t, a_file_that_cannot_be_finished_is_a_reason_until_it_is);
	tcase_add_test(t, what_another_program_took_is_a_reason_for_a_minute);
	tcase_add_test(t, a_failed_sync_rotates_the_file);
	suite_add_tcase(s, t);
	return s;
}
