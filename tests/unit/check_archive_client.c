/* daemon/supervisor/archive_queue.c, archive_client.c, files.c: requests that wait, are refused,
 * are repeated to the next process, or find no memory. */
#include "suites.h"
#include "archiveside.h"
#include "children.h"
#include "nomemory.h"

#include "../../daemon/base/channel.h"
#include "../../daemon/supervisor/files.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct event_base *base;
static struct files *files;
static struct archive_client *client;
static struct archive_queue *queue;
static struct seen {
	unsigned delayed, finished, retained, placed, opened, failed;
	int error;
} seen;
static int owner;
static const struct archive_target target = { .owner = &owner };
static const struct ledger_file record = { .serial = 4 };

static void event_placed(void *who)
{
	ck_assert_ptr_eq(who, &owner);
	seen.placed++;
}

static void event_opened(void *who, struct output_file *file)
{
	ck_assert_ptr_eq(who, &owner);
	ck_assert_int_ge(file->fd, 0);
	output_file_enter(file, FILE_READY);
	seen.opened++;
}

static void event_finished(void *who, const struct ledger_file *finished, bool spoiled,
			   const struct message_result *result)
{
	ck_assert_ptr_eq(who, &owner);
	ck_assert_uint_eq(finished->serial, 4);
	ck_assert(!spoiled);
	seen.delayed += !result;
	seen.finished += result != NULL;
	seen.error = result ? result->error : 0;
}

static void event_retained(void *who, const struct message_result *result, bool last)
{
	ck_assert_ptr_eq(who, &owner);
	seen.retained += last;
	seen.error = result->error;
}

static void event_failed(void *who, struct output_file *file, const struct message_result *result)
{
	ck_assert_ptr_eq(who, &owner);
	ck_assert_str_eq(result->text, "no");
	ck_assert(!file || file->state == FILE_MISSING);
	seen.failed++;
	seen.error = result->error;
}

static const struct files_events events = {
	.placed = event_placed,
	.opened = event_opened,
	.finished = event_finished,
	.retained = event_retained,
	.failed = event_failed,
};

/* The archive's answer to what it received last. */
static void answer(int error, bool later)
{
	struct message_result result = { .error = error, .later = later };

	strcpy(result.text, error ? "no" : "");
	archiveside_answer(&result);
}

static void expect(uint32_t type, int error, bool later)
{
	ck_assert_str_eq(message_name(archiveside_hear()), message_name(type));
	answer(error, later);
}

/* The process dies; the next comes as soon as it may. */
static void dies(void)
{
	unsigned before = children_count();

	child_close(children_last());
	ck_assert(archive_client_reaped(client, archive_client_pid(client), SIGKILL));
	while (children_count() == before)
		event_base_loop(base, EVLOOP_ONCE);
}

static void announce(uint32_t capture, const char *directory, uint64_t budget)
{
	static struct message_capture m;

	m = (struct message_capture){ .capture = capture,
				      .name = "a",
				      .config.disk_budget = budget };
	strcpy(m.directory, directory);
	archive_client_announce(client, &m, &owner);
}

static void setup(void)
{
	memset(&seen, 0, sizeof(seen));
	children_begin();
	base = event_base_new();
	ck_assert_int_eq(files_new(&files, base, &events), 0);
	client = files_client(files);
	queue = archive_client_queue(client);
	archiveside_begin(base, client);
	for (uint32_t i = 0; i < 2; i++) {
		announce(i, "/old", 0);
		expect(MESSAGE_CAPTURE, 0, false);
	}
	ck_assert_uint_eq(seen.placed, 2);
	ck_assert(archive_queue_idle(queue));
}

static void teardown(void)
{
	no_memory = false;
	archive_client_reaped(client, archive_client_pid(client), 0);
	files_free(files);
	event_base_free(base);
	children_begin();
}

static struct output_file *opened(uint32_t capture)
{
	struct archive_target t = { .capture = capture, .owner = &owner };
	struct output_file *file = files_open(files, &t, 4);

	ck_assert_ptr_nonnull(file);
	expect(MESSAGE_OPEN, 0, false);
	return file;
}

/* ---- order ---- */

START_TEST(a_request_waits_for_the_answer_to_the_one_before)
{
	struct output_file *file = opened(0);

	files_sync(files, file);
	files_look(files, file, &record);
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_SYNC);
	ck_assert_uint_eq(archiveside_hear(), 0);
	ck_assert_uint_eq(file->pending, FILE_SYNCING | FILE_LOOKING);
	output_file_free(file);
}
END_TEST

START_TEST(what_opens_goes_before_what_finishes)
{
	struct output_file *old = opened(0), *next;

	files_finish(files, opened(0), &record); /* is sent */
	files_finish(files, old, &record);
	next = files_open(files, &target, 5);
	expect(MESSAGE_FINISH, 0, false);
	expect(MESSAGE_OPEN, 0, false);
	expect(MESSAGE_FINISH, 0, false);
	output_file_free(next);
}
END_TEST

/* An archive process takes nothing for a capture that it does not know. */
START_TEST(a_capture_is_announced_before_its_files_are_sought)
{
	struct archive_target t = { .capture = 2, .owner = &owner };
	struct output_file *one = files_open(files, &target, 5), *next, *sought; /* `one` is sent */

	next = files_open(files, &target, 6);
	announce(2, "/other", 0);
	sought = files_reopen(files, &t, 4, 1, 1);
	expect(MESSAGE_OPEN, 0, false);
	expect(MESSAGE_OPEN, 0, false); /* its directory may be on a server that does not answer */
	expect(MESSAGE_CAPTURE, 0, false);
	expect(MESSAGE_REOPEN, 0, false);
	output_file_free(one);
	output_file_free(next);
	output_file_free(sought);
}
END_TEST

START_TEST(under_a_budget_a_file_ends_before_the_next_is_made)
{
	struct output_file *old = opened(0), *next;

	announce(0, "/old", 1 << 20);
	expect(MESSAGE_CAPTURE, 0, false);
	files_sync(files, old); /* is sent */
	files_finish(files, old, &record);
	next = files_open(files, &target, 5);
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_SYNC);
	ck_assert_uint_eq(TAILQ_LAST(&queue->queue, archive_requests)->type, MESSAGE_OPEN);
	output_file_free(next);
}
END_TEST

/* ---- refused ---- */

/* For a while: then its directory can be left. */
START_TEST(what_is_refused_is_left_to_be_done_until_it_goes_well)
{
	files_finish(files, opened(0), &record);
	ck_assert(!files_done(files, 0));
	ck_assert(files_done(files, 1));
	for (unsigned i = 1; i < ARCHIVE_TRIES; i++) {
		expect(MESSAGE_FINISH, EACCES, true);
		ck_assert_uint_eq(seen.delayed, i);
		ck_assert(!files_done(files, 0));
		ck_assert(files_done(files, 1));
		ck_assert_int_eq(files_delayed(files, 0), EACCES);
		archive_client_tick(client);
		ck_assert(!files_done(files, 0));
	}
	expect(MESSAGE_FINISH, 0, false);
	ck_assert_uint_eq(seen.finished, 1);
	ck_assert_int_eq(seen.error, 0);
	ck_assert(files_done(files, 0));
}
END_TEST

START_TEST(what_is_refused_for_ever_is_given_up_where_the_directory_changes)
{
	files_finish(files, opened(0), &record);
	for (unsigned i = 0; i < ARCHIVE_TRIES; i++) {
		archive_client_tick(client);
		expect(MESSAGE_FINISH, EACCES, true);
	}
	ck_assert(files_done(files, 1)); /* another's is not given up */
	ck_assert_uint_eq(seen.finished, 0);
	ck_assert(files_done(files, 0));
	ck_assert_uint_eq(seen.finished, 1);
	ck_assert_int_eq(seen.error, EACCES);
	ck_assert_int_eq(files_delayed(files, 0), 0);
}
END_TEST

START_TEST(what_is_refused_at_the_end_is_tried_some_more_times)
{
	files_finish(files, opened(0), &record);
	expect(MESSAGE_FINISH, EACCES, true);
	for (unsigned i = 0; i < ARCHIVE_TRIES; i++) {
		ck_assert(!archive_queue_settled(queue));
		archive_client_tick(client);
		expect(MESSAGE_FINISH, EACCES, true);
	}
	ck_assert(archive_queue_settled(queue));
	ck_assert_uint_eq(files_unfinished(files), 1);
}
END_TEST

START_TEST(a_file_that_cannot_be_made_is_tried_again_when_asked)
{
	struct output_file *file = files_open(files, &target, 5);

	expect(MESSAGE_OPEN, ENOSPC, false);
	ck_assert_uint_eq(seen.failed, 1);
	ck_assert_int_eq(seen.error, ENOSPC);
	ck_assert_uint_eq(archiveside_hear(), 0);
	files_retry(files, file);
	expect(MESSAGE_OPEN, 0, false);
	ck_assert_uint_eq(seen.opened, 1);
	output_file_free(file);
}
END_TEST

START_TEST(that_a_file_which_is_not_wanted_any_more_failed_is_no_error)
{
	struct output_file *file = files_open(files, &target, 5);

	files_discard(files, file);
	expect(MESSAGE_OPEN, ENOSPC, false);
	expect(MESSAGE_DISCARD, 0, false);
	ck_assert_uint_eq(seen.failed, 0);
}
END_TEST

/* ---- the process ---- */

START_TEST(a_new_process_gets_every_capture_and_what_was_not_answered)
{
	files_finish(files, opened(0), &record);
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_FINISH);
	dies();
	for (uint32_t i = 0; i < 2; i++) {
		ck_assert_uint_eq(archiveside_hear(), MESSAGE_CAPTURE);
		ck_assert_uint_eq(archiveside.asked.capture.capture, i);
		answer(0, false);
	}
	expect(MESSAGE_FINISH, 0, false);
	ck_assert_uint_eq(seen.finished, 1);
	ck_assert_uint_eq(seen.placed, 4); /* again */
}
END_TEST

START_TEST(a_directory_that_the_next_process_cannot_use_is_its_captures_fault)
{
	dies();
	expect(MESSAGE_CAPTURE, EACCES, false);
	ck_assert_uint_eq(seen.failed, 1);
	expect(MESSAGE_CAPTURE, 0, false);
	ck_assert_uint_eq(seen.placed, 3);
}
END_TEST

START_TEST(retention_that_a_process_died_of_is_not_repeated)
{
	ck_assert(files_retain(files, &target, 0));
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_MAINTAIN);
	dies();
	ck_assert_uint_eq(seen.retained, 1);
	ck_assert_int_eq(seen.error, EPIPE);
	expect(MESSAGE_CAPTURE, 0, false);
	expect(MESSAGE_CAPTURE, 0, false);
	ck_assert_uint_eq(archiveside_hear(), 0);
}
END_TEST

START_TEST(an_answer_to_another_request_replaces_the_process)
{
	struct output_file *file = opened(0);

	files_sync(files, file);
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_SYNC);
	archiveside.asked.archive.file.serial++;
	answer(0, false);
	ck_assert_uint_eq(file->pending, FILE_SYNCING);
	ck_assert_uint_eq(archiveside_hear(), 0); /* it hears nothing any more */
	dies();
	expect(MESSAGE_CAPTURE, 0, false);
	expect(MESSAGE_CAPTURE, 0, false);
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_SYNC);
	output_file_free(file);
}
END_TEST

/* "Ask another process" comes with nothing, least of all with a descriptor: it would be no one's */
START_TEST(an_answer_that_sends_the_request_away_has_no_descriptor)
{
	static struct message asked = { .type = MESSAGE_OPEN }, away;

	away = (struct message){ .type = MESSAGE_OPENED };
	away.result.align = 512;
	ck_assert(archive_request_answered(&asked, &away, 7));
	away.result.again = 1;
	ck_assert(!archive_request_answered(&asked, &away, 7));
	away.result.error = ESTALE;
	ck_assert(archive_request_answered(&asked, &away, -1));
}
END_TEST

/* In some three seconds, as the next one comes later each time; that one opens the directories
 * again proves nothing */
START_TEST(processes_that_only_die_are_unavailable)
{
	for (unsigned i = 0; i < 7; i++) {
		dies();
		if (_i == 0)
			continue;
		expect(MESSAGE_CAPTURE, 0, false);
		expect(MESSAGE_CAPTURE, 0, false);
	}
	ck_assert(!archive_client_unavailable(client));
	child_close(children_last());
	ck_assert(archive_client_reaped(client, archive_client_pid(client), SIGKILL));
	ck_assert(archive_client_unavailable(client));
}
END_TEST

START_TEST(deaths_with_an_answer_between_them_are_not_counted_together)
{
	struct output_file *file;

	for (unsigned i = 0; i < 8; i++) {
		if (i % 4 == 0) {
			file = opened(0);
			output_file_free(file);
		}
		dies();
		expect(MESSAGE_CAPTURE, 0, false);
		expect(MESSAGE_CAPTURE, 0, false);
	}
	ck_assert(!archive_client_unavailable(client));
}
END_TEST

/* ---- memory ---- */

START_TEST(the_end_of_a_file_needs_no_memory)
{
	struct output_file *used = opened(0), *unused = opened(0);

	no_memory = true;
	ck_assert_ptr_null(files_open(files, &target, 5));
	ck_assert_ptr_null(files_reopen(files, &target, 5, 1, 2));
	files_finish(files, used, &record);
	files_discard(files, unused);
	no_memory = false;
	expect(MESSAGE_FINISH, 0, false);
	expect(MESSAGE_DISCARD, 0, false);
	ck_assert_uint_eq(seen.finished, 1);
}
END_TEST

/* A flag that stays set would say that it is asked for already, for ever */
START_TEST(what_there_was_no_memory_for_is_asked_for_again)
{
	struct output_file *file = opened(0), *missing = files_open(files, &target, 5);

	expect(MESSAGE_OPEN, EIO, false);
	ck_assert_uint_eq(missing->state, FILE_MISSING);
	no_memory = true;
	files_sync(files, file);
	ck_assert_uint_eq(file->pending, 0);
	files_look(files, file, &record);
	ck_assert_uint_eq(file->pending, 0);
	files_name(files, file, &record);
	ck_assert(output_file_used(file));
	ck_assert_uint_eq(file->pending, 0);
	ck_assert_int_eq(file->name_error, ENOMEM); /* as output_tick() looks at it */
	ck_assert(!files_retain(files, &target, 0));
	files_retry(files, missing);
	ck_assert_uint_eq(missing->state, FILE_MISSING);
	output_file_free(missing);
	no_memory = false;
	ck_assert(archive_queue_idle(queue));
	ck_assert(files_retain(files, &target, 0));
	files_sync(files, file);
	ck_assert_uint_eq(file->pending, FILE_SYNCING);
	output_file_free(file);
}
END_TEST

START_TEST(a_capture_is_announced_to_the_next_process_where_there_was_no_memory)
{
	no_memory = true;
	announce(1, "/new", 0);
	no_memory = false;
	ck_assert(archive_queue_idle(queue));
	ck_assert_uint_eq(seen.placed, 2);
	dies();
	expect(MESSAGE_CAPTURE, 0, false);
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_CAPTURE);
	ck_assert_str_eq(archiveside.asked.capture.directory, "/new");
	answer(0, false);
	ck_assert_uint_eq(seen.placed, 4); /* both */
}
END_TEST

Suite *suite_archive_client(void)
{
	Suite *s = suite_create("archive_client");
	TCase *t = tcase_create("archive_client");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_request_waits_for_the_answer_to_the_one_before);
	tcase_add_test(t, what_opens_goes_before_what_finishes);
	tcase_add_test(t, a_capture_is_announced_before_its_files_are_sought);
	tcase_add_test(t, under_a_budget_a_file_ends_before_the_next_is_made);
	tcase_add_test(t, what_is_refused_is_left_to_be_done_until_it_goes_well);
	tcase_add_test(t, what_is_refused_for_ever_is_given_up_where_the_directory_changes);
	tcase_add_test(t, what_is_refused_at_the_end_is_tried_some_more_times);
	tcase_add_test(t, a_file_that_cannot_be_made_is_tried_again_when_asked);
	tcase_add_test(t, that_a_file_which_is_not_wanted_any_more_failed_is_no_error);
	tcase_add_test(t, a_new_process_gets_every_capture_and_what_was_not_answered);
	tcase_add_test(t, a_directory_that_the_next_process_cannot_use_is_its_captures_fault);
	tcase_add_test(t, retention_that_a_process_died_of_is_not_repeated);
	tcase_add_test(t, an_answer_to_another_request_replaces_the_process);
	tcase_add_test(t, an_answer_that_sends_the_request_away_has_no_descriptor);
	tcase_add_loop_test(t, processes_that_only_die_are_unavailable, 0, 2);
	tcase_add_test(t, deaths_with_an_answer_between_them_are_not_counted_together);
	tcase_add_test(t, the_end_of_a_file_needs_no_memory);
	tcase_add_test(t, what_there_was_no_memory_for_is_asked_for_again);
	tcase_add_test(t, a_capture_is_announced_to_the_next_process_where_there_was_no_memory);
	suite_add_tcase(s, t);
	return s;
}
