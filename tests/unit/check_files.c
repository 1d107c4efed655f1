/* daemon/supervisor/files.c: what each answer of the archive leads to, and what is logged of it. */
#include "suites.h"
#include "archiveside.h"
#include "children.h"
#include "place.h"

#include "../../daemon/supervisor/files.h"

#include <errno.h>
#include <string.h>

static struct event_base *base;
static struct files *files;
static struct archive_client *client;
static struct seen {
	unsigned placed, opened, finished, delayed, astray, spoiled, retained, maintained, failed;
	bool was_spoiled;
	struct output_file *file;
	struct message_result result;
	char what[MESSAGE_TEXT];
} seen;
static int owner;
static const struct archive_target target = { .worker = 3, .owner = &owner };
static const struct ledger_file record = { .serial = 4, .since_ns = 1, .first_ns = 1, .end = 4196 };

static void event_placed(void *who)
{
	ck_assert_ptr_eq(who, &owner);
	seen.placed++;
}

static void event_opened(void *who, struct output_file *file)
{
	ck_assert_ptr_eq(who, &owner);
	output_file_enter(file, FILE_READY);
	seen.opened++;
}

static void event_finished(void *who, const struct ledger_file *finished, bool spoiled,
			   const struct message_result *result)
{
	ck_assert_ptr_eq(who, &owner);
	ck_assert_uint_eq(finished->serial, 4);
	seen.finished += result != NULL;
	seen.delayed += result == NULL;
	seen.was_spoiled = spoiled;
}

static void event_astray(void *who, struct output_file *file, const char *what)
{
	ck_assert_ptr_eq(who, &owner);
	seen.astray++;
	seen.file = file;
	strcpy(seen.what, what);
}

static void event_spoiled(void *who, struct output_file *file)
{
	ck_assert_ptr_eq(who, &owner);
	seen.spoiled++;
	seen.file = file;
}

static void event_retained(void *who, const struct message_result *result, bool last)
{
	ck_assert_ptr_eq(who, &owner);
	seen.retained++;
	seen.maintained += last;
	seen.result = *result;
}

static void event_failed(void *who, struct output_file *file, const struct message_result *result)
{
	ck_assert_ptr_eq(who, &owner);
	seen.failed++;
	seen.file = file;
	seen.result = *result;
}

static const struct files_events events = {
	event_placed,  event_opened,   event_finished, event_astray,
	event_spoiled, event_retained, event_failed,
};

static void announce(void *who)
{
	static const struct message_capture capture = { .name = "a", .directory = "/d" };

	archive_client_announce(client, &capture, who);
}

static void setup(void)
{
	memset(&seen, 0, sizeof(seen));
	children_begin();
	place_log();
	base = event_base_new();
	ck_assert_int_eq(files_new(&files, base, &events), 0);
	client = files_client(files);
	archiveside_begin(base, client);
	announce(&owner);
	archiveside_expect(MESSAGE_CAPTURE, NULL);
}

static void teardown(void)
{
	archive_client_reaped(client, archive_client_pid(client), 0);
	files_free(files);
	event_base_free(base);
	children_begin();
}

/* One that is made, and in use. */
static struct output_file *used(void)
{
	struct output_file *file = files_open(files, &target, 4);

	ck_assert_ptr_nonnull(file);
	archiveside_expect(MESSAGE_OPEN,
			   &(struct message_result){ .name = ".ahead", .device = 8, .inode = 9 });
	files_name(files, file, &record);
	archiveside_expect(MESSAGE_NAME, &(struct message_result){ .name = "a.partial" });
	return file;
}

/* ---- a file's life ---- */

START_TEST(a_file_is_known_as_the_archive_made_and_named_it)
{
	struct output_file *file = files_open(files, &target, 4);

	ck_assert_uint_eq(file->state, FILE_ASKED);
	archiveside_expect(MESSAGE_OPEN,
			   &(struct message_result){ .name = ".ahead", .device = 8, .inode = 9 });
	ck_assert_uint_eq(seen.opened, 1);
	ck_assert_int_ge(file->fd, 0);
	ck_assert_uint_eq(file->align, 512);
	ck_assert_uint_eq(file->device, 8);
	ck_assert_uint_eq(file->inode, 9);
	ck_assert(!output_file_visible(file));
	files_name(files, file, &record);
	ck_assert_uint_eq(file->state, FILE_USED);
	ck_assert_uint_eq(file->pending, FILE_NAMING);
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_NAME);
	ck_assert_str_eq(archiveside.asked.archive.name, ".ahead");
	archiveside_answer(&(struct message_result){ .name = "a.partial" });
	ck_assert_uint_eq(file->pending, 0);
	ck_assert_str_eq(file->name, "a.partial");
	ck_assert(output_file_visible(file));
	files_finish(files, file, &record);
	ck_assert_uint_eq(file->state, FILE_ENDING);
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_FINISH);
	ck_assert_str_eq(archiveside.asked.archive.name, "a.partial");
	ck_assert_uint_eq(archiveside.asked.archive.file.end, 4196);
	archiveside_answer(NULL);
	ck_assert_uint_eq(seen.finished, 1);
	ck_assert(!seen.was_spoiled);
	ck_assert_uint_eq(seen.failed + seen.astray + seen.spoiled, 0);
}
END_TEST

/* It ended before it was made: there is a file to be discarded, and no one who takes it */
START_TEST(a_file_that_is_made_too_late_is_discarded_with_its_descriptor)
{
	struct output_file *file = files_open(files, &target, 4);

	files_discard(files, file);
	archiveside_expect(MESSAGE_OPEN, &(struct message_result){ .name = ".ahead" });
	ck_assert_uint_eq(seen.opened, 0);
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_DISCARD);
	ck_assert_str_eq(archiveside.asked.archive.name, ".ahead");
	archiveside_answer(NULL);
	ck_assert(archive_queue_idle(archive_client_queue(client)));
}
END_TEST

START_TEST(what_cannot_be_discarded_is_logged_with_its_file)
{
	struct output_file *file = used();

	files_discard(files, file);
	archiveside_expect(MESSAGE_DISCARD,
			   &(struct message_result){ .error = EROFS, .text = "cannot remove" });
	ck_assert_uint_eq(place_logged("a/3: cannot remove"), 1);
	ck_assert(archive_queue_idle(archive_client_queue(client)));
}
END_TEST

START_TEST(a_file_that_another_program_took_goes_astray_at_its_naming_or_a_look)
{
	static const struct message_result gone = { .lost = 1, .text = "was moved away" };
	struct output_file *file = used();

	if (_i) {
		files_look(files, file, &record);
		ck_assert_uint_eq(file->pending, FILE_LOOKING);
		archiveside_expect(MESSAGE_LOOK, &gone);
	} else {
		files_name(files, file, &record);
		archiveside_expect(MESSAGE_NAME, &gone);
	}
	ck_assert_uint_eq(file->pending, 0);
	ck_assert_uint_eq(seen.astray, 1);
	ck_assert_ptr_eq(seen.file, file);
	ck_assert_str_eq(seen.what, "was moved away");
	output_file_free(file);
}
END_TEST

START_TEST(a_look_changes_neither_name_nor_anything_else)
{
	struct output_file *file = used();

	files_look(files, file, &record);
	archiveside_expect(MESSAGE_LOOK, &(struct message_result){ .name = "other" });
	ck_assert_str_eq(file->name, "a.partial");
	ck_assert_uint_eq(seen.astray, 0);
	files_look(files, file, &record);
	archiveside_expect(MESSAGE_LOOK,
			   &(struct message_result){ .error = EIO, .text = "cannot look" });
	ck_assert_uint_eq(place_logged("a/3: cannot look"), 1);
	ck_assert_uint_eq(file->pending, 0);
	output_file_free(file);
}
END_TEST

START_TEST(a_failed_sync_spoils_the_file)
{
	struct output_file *file = used();

	files_sync(files, file);
	archiveside_expect(MESSAGE_SYNC, &(struct message_result){ .name = "other" });
	ck_assert_str_eq(file->name, "a.partial");
	ck_assert_uint_eq(seen.spoiled, 0);
	files_sync(files, file);
	archiveside_expect(MESSAGE_SYNC,
			   &(struct message_result){ .error = EIO, .text = "cannot sync" });
	ck_assert_uint_eq(seen.spoiled, 1);
	ck_assert_ptr_eq(seen.file, file);
	ck_assert_int_eq(file->spoiled, EIO);
	ck_assert_uint_eq(file->pending, 0);
	ck_assert_uint_eq(place_logged("a/3: cannot sync"), 1);
	files_finish(files, file, &record);
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_FINISH);
	ck_assert_uint_eq(archiveside.asked.archive.file.error, EIO);
	archiveside_answer(NULL);
	ck_assert(seen.was_spoiled);
}
END_TEST

/* By a write, which its worker counted */
START_TEST(a_file_that_a_write_spoiled_is_finished_as_one)
{
	struct ledger_file spoiled = record;

	spoiled.error = EIO;
	files_finish(files, used(), &spoiled);
	archiveside_expect(MESSAGE_FINISH, &(struct message_result){ .error = EIO });
	ck_assert(seen.was_spoiled);
}
END_TEST

/* Room for its end */
START_TEST(what_a_files_end_removed_is_told_and_is_no_maintenance)
{
	struct output_file *file = used();
	unsigned before = seen.retained;

	files_finish(files, file, &record);
	archiveside_expect(MESSAGE_FINISH, &(struct message_result){ .removed = 2 });
	ck_assert_uint_eq(seen.retained, before + 1);
	ck_assert_uint_eq(seen.result.removed, 2);
	ck_assert_uint_eq(seen.maintained, 0);
}
END_TEST

/* Its name may have been refused before */
START_TEST(a_file_that_went_astray_stays_astray_when_it_is_named)
{
	struct output_file *file = used();

	output_file_enter(file, FILE_ASTRAY);
	files_name(files, file, &record);
	archiveside_expect(MESSAGE_NAME, NULL);
	ck_assert_uint_eq(file->state, FILE_ASTRAY);
	ck_assert_uint_eq(place_logged("refused"), 0);
	output_file_free(file);
}
END_TEST

/* ---- names that are refused ---- */

START_TEST(a_refused_name_is_logged_once_and_when_it_is_given)
{
	static const struct message_result denied = { .error = EACCES, .text = "denied" },
					   readonly = { .error = EROFS, .text = "read-only" };
	struct output_file *file = used();

	for (unsigned i = 0; i < 2; i++) {
		files_name(files, file, &record);
		archiveside_expect(MESSAGE_NAME, &denied);
		ck_assert_int_eq(file->name_error, EACCES);
	}
	ck_assert_uint_eq(place_logged("denied; retrying"), 1);
	files_name(files, file, &record);
	archiveside_expect(MESSAGE_NAME, &readonly);
	ck_assert_uint_eq(place_logged("read-only; retrying"), 1);
	ck_assert_str_eq(file->name, "a.partial");
	files_name(files, file, &record);
	archiveside_expect(MESSAGE_NAME, &(struct message_result){ .name = "b.partial" });
	ck_assert_uint_eq(place_logged("b.partial is named now"), 1);
	ck_assert_int_eq(file->name_error, 0);
	output_file_free(file);
}
END_TEST

START_TEST(a_refused_end_is_logged_once_and_when_it_is_done)
{
	static const struct message_result denied = {
		.error = EACCES, .later = 1, .spoiled = EIO, .text = "denied"
	};

	files_finish(files, used(), &record);
	for (unsigned i = 0; i < 3; i++) {
		archiveside_expect(MESSAGE_FINISH, &denied);
		archive_client_tick(client);
	}
	ck_assert_uint_eq(seen.delayed, 3);
	ck_assert_uint_eq(place_logged("denied; retrying"), 1);
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_FINISH);
	ck_assert_uint_eq(archiveside.asked.archive.file.error, EIO); /* it is known by now */
	archiveside_answer(&(struct message_result){ .name = "a.suspect" });
	ck_assert_uint_eq(place_logged("a.suspect is finished now"), 1);
	ck_assert_uint_eq(seen.finished, 1);
	ck_assert(seen.was_spoiled);
}
END_TEST

START_TEST(an_end_that_failed_for_good_is_logged_unless_the_loss_will_be)
{
	static const struct message_result failed = { .error = EIO, .text = "no end" },
					   lost = { .error = ENOENT, .lost = 1, .text = "gone" };

	files_finish(files, used(), &record);
	archiveside_expect(MESSAGE_FINISH, &failed);
	files_finish(files, used(), &record);
	archiveside_expect(MESSAGE_FINISH, &lost);
	ck_assert_uint_eq(seen.finished, 2);
	ck_assert_uint_eq(place_logged("no end"), 1);
	ck_assert_uint_eq(place_logged("gone"), 0);
}
END_TEST

/* Asking is no reason to give up: no later instance may finish it. */
START_TEST(what_is_refused_for_long_is_left_until_it_is_done)
{
	static const struct message_result denied = { .error = EACCES,
						      .later = 1,
						      .text = "denied" };

	ck_assert(!files_left(files, 0));
	files_finish(files, used(), &record);
	for (unsigned i = 0; i < 2 * ARCHIVE_TRIES; i++) {
		archiveside_expect(MESSAGE_FINISH, &denied);
		ck_assert(files_left(files, 0));
		ck_assert(!files_left(files, 1));
		archive_client_tick(client);
	}
	archiveside_expect(MESSAGE_FINISH, NULL);
	ck_assert(!files_left(files, 0));
	ck_assert_uint_eq(seen.finished, 1);
	ck_assert_uint_eq(place_logged("not finished"), 0);
}
END_TEST

START_TEST(what_will_not_be_finished_is_logged_with_its_reason)
{
	static const struct message_result denied = { .error = EACCES,
						      .later = 1,
						      .text = "denied" };

	files_finish(files, used(), &record);
	archiveside_expect(MESSAGE_FINISH, &denied);
	files_finish(files, used(), &record);
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_FINISH);
	ck_assert_uint_eq(files_unfinished(files), 2);
	ck_assert_uint_eq(place_logged("a/3: a.partial in /d is not finished: Permission"), 1);
	ck_assert_uint_eq(place_logged("a/3: a.partial in /d is not finished: its file system"), 1);
}
END_TEST

START_TEST(what_is_given_up_where_the_directory_changes_is_logged)
{
	static const struct message_result denied = { .error = EACCES,
						      .later = 1,
						      .text = "denied" };

	files_finish(files, used(), &record);
	for (unsigned i = 0; i < ARCHIVE_TRIES; i++) {
		archive_client_tick(client);
		archiveside_expect(MESSAGE_FINISH, &denied);
	}
	ck_assert(files_done(files, 0));
	ck_assert_uint_eq(seen.finished, 1);
	ck_assert_uint_eq(place_logged("a/3: a.partial in /d is not finished: Permission"), 1);
}
END_TEST

START_TEST(a_refused_announcement_is_its_owners_or_logged)
{
	static const struct message_result denied = { .error = EACCES, .text = "denied" };

	announce(&owner);
	archiveside_expect(MESSAGE_CAPTURE, &denied);
	ck_assert_uint_eq(seen.failed, 1);
	ck_assert_ptr_null(seen.file);
	ck_assert_int_eq(seen.result.error, EACCES);
	ck_assert_uint_eq(place_logged("denied"), 0);
	announce(NULL);
	archiveside_expect(MESSAGE_CAPTURE, &denied);
	ck_assert_uint_eq(seen.failed, 1);
	ck_assert_uint_eq(place_logged("a: denied"), 1);
	announce(NULL);
	archiveside_expect(MESSAGE_CAPTURE, NULL);
	ck_assert_uint_eq(seen.placed, 1); /* of setup() */
}
END_TEST

Suite *suite_files(void)
{
	Suite *s = suite_create("files");
	TCase *t = tcase_create("files");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_file_is_known_as_the_archive_made_and_named_it);
	tcase_add_test(t, a_file_that_is_made_too_late_is_discarded_with_its_descriptor);
	tcase_add_test(t, what_cannot_be_discarded_is_logged_with_its_file);
	tcase_add_loop_test(t, a_file_that_another_program_took_goes_astray_at_its_naming_or_a_look,
			    0, 2);
	tcase_add_test(t, a_look_changes_neither_name_nor_anything_else);
	tcase_add_test(t, a_failed_sync_spoils_the_file);
	tcase_add_test(t, a_file_that_a_write_spoiled_is_finished_as_one);
	tcase_add_test(t, what_a_files_end_removed_is_told_and_is_no_maintenance);
	tcase_add_test(t, a_file_that_went_astray_stays_astray_when_it_is_named);
	tcase_add_test(t, a_refused_name_is_logged_once_and_when_it_is_given);
	tcase_add_test(t, a_refused_end_is_logged_once_and_when_it_is_done);
	tcase_add_test(t, an_end_that_failed_for_good_is_logged_unless_the_loss_will_be);
	tcase_add_test(t, what_is_refused_for_long_is_left_until_it_is_done);
	tcase_add_test(t, what_will_not_be_finished_is_logged_with_its_reason);
	tcase_add_test(t, what_is_given_up_where_the_directory_changes_is_logged);
	tcase_add_test(t, a_refused_announcement_is_its_owners_or_logged);
	suite_add_tcase(s, t);
	return s;
}
