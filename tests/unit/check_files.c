/* daemon/supervisor/files.c, filesleft.c: requests that wait, are refused, or find no memory. */
#include "suites.h"

#include "../../daemon/supervisor/files_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct files files;
static struct told {
	unsigned delayed, finished, cared;
	int error;
} told;
static int owner;

/* The linker puts it in the place of calloc(). */
static bool no_memory;
void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes)
{
	return no_memory ? NULL : __real_calloc(count, bytes);
}

static void event_finished(void *who, const struct ledger_file *record, bool spoiled,
			   const struct message_result *result)
{
	ck_assert_ptr_eq(who, &owner);
	ck_assert_uint_eq(record->serial, 4);
	ck_assert(!spoiled);
	told.delayed += !result;
	told.finished += result != NULL;
	told.error = result ? result->error : 0;
}

static const struct files_events events = { .finished = event_finished };

static void setup(void)
{
	static struct message_capture capture = { .name = "a", .directory = "/old" };

	memset(&files, 0, sizeof(files));
	memset(&told, 0, sizeof(told));
	files.events = &events;
	files.process.channel = files.process.pid = -1;
	TAILQ_INIT(&files.queue);
	TAILQ_INIT(&files.delayed);
	for (unsigned i = 0; i < CAPTURES_MAX; i++)
		files.directories[i] = -1;
	for (capture.capture = 0; capture.capture < 2; capture.capture++)
		files_capture(&files, &capture, NULL);
	while (!TAILQ_EMPTY(&files.queue)) {
		struct request *r = TAILQ_FIRST(&files.queue);

		TAILQ_REMOVE(&files.queue, r, link);
		free(r);
	}
}

/* The archive has this answer to the head of the queue */
static void answer(int error, bool later)
{
	static struct message_result result;
	struct request *r = TAILQ_FIRST(&files.queue);

	result = (struct message_result){ .error = error, .later = later };
	TAILQ_REMOVE(&files.queue, r, link);
	files_answered(&files, r, &result, -1);
	if (!r->error)
		free(r);
}

static struct output_file *opened(uint32_t capture)
{
	struct output_file *file = files_open(&files, capture, 0, 4, &owner);
	struct request *r = TAILQ_LAST(&files.queue, request_queue);

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(r->type, MESSAGE_OPEN);
	TAILQ_REMOVE(&files.queue, r, link);
	free(r);
	return file;
}

static const struct ledger_file record = { .serial = 4 };

/* For a while: then its directory can be left. */
START_TEST(what_is_refused_is_left_to_be_done_until_it_goes_well)
{
	files_finish(&files, 0, 0, opened(0), &record, &owner);
	ck_assert(!files_left(&files, 0));
	ck_assert(files_left(&files, 1));
	for (unsigned i = 1; i < 6; i++) {
		answer(EACCES, true);
		ck_assert_uint_eq(told.delayed, i);
		ck_assert(!files_left(&files, 0));
		ck_assert(files_left(&files, 1));
		ck_assert_int_eq(files_delayed(&files, 0), EACCES);
		files_tick(&files);
		ck_assert(!files_left(&files, 0));
	}
	answer(0, false);
	ck_assert_uint_eq(told.finished, 1);
	ck_assert_int_eq(told.error, 0);
	ck_assert(files_left(&files, 0));
}
END_TEST

START_TEST(what_is_refused_for_ever_is_given_up_where_the_directory_changes)
{
	files_finish(&files, 0, 0, opened(0), &record, &owner);
	for (unsigned i = 0; i < 6; i++) {
		files_tick(&files);
		answer(EACCES, true);
	}
	ck_assert(files_left(&files, 1)); /* another's is not given up */
	ck_assert_uint_eq(told.finished, 0);
	ck_assert(files_left(&files, 0));
	ck_assert_uint_eq(told.finished, 1);
	ck_assert_int_eq(told.error, EACCES);
	ck_assert_int_eq(files_delayed(&files, 0), 0);
	ck_assert(TAILQ_EMPTY(&files.delayed));
}
END_TEST

START_TEST(the_end_of_a_file_needs_no_memory)
{
	struct output_file *used = opened(0), *unused = opened(0);

	no_memory = true;
	ck_assert_ptr_null(files_open(&files, 0, 0, 5, &owner));
	ck_assert_ptr_null(files_reopen(&files, 0, 0, 5, 1, 2, &owner));
	files_finish(&files, 0, 0, used, &record, &owner);
	files_discard(&files, 0, 0, unused, &owner);
	no_memory = false;
	ck_assert_uint_eq(TAILQ_FIRST(&files.queue)->type, MESSAGE_FINISH);
	ck_assert_uint_eq(TAILQ_LAST(&files.queue, request_queue)->type, MESSAGE_DISCARD);
	answer(0, false);
	answer(0, false);
	ck_assert_uint_eq(told.finished, 1);
}
END_TEST

/* A flag that stays set would say that it is asked for already, for ever */
START_TEST(what_there_was_no_memory_for_is_asked_for_again)
{
	struct output_file *file = opened(0);

	no_memory = true;
	files_sync(&files, 0, 0, file, &owner);
	ck_assert(!file->syncing);
	files_look(&files, 0, 0, file, &record, &owner);
	ck_assert(!file->looking);
	files_name(&files, 0, 0, file, &record, &owner);
	ck_assert(file->named && !file->naming);
	ck_assert_int_eq(file->name_error, ENOMEM); /* as lost_tick() looks at it */
	ck_assert(!files_keep(&files, 0, 0, &owner));
	files_retry(&files, 0, 0, file, &owner);
	ck_assert(file->failed);
	no_memory = false;
	ck_assert(TAILQ_EMPTY(&files.queue));
	ck_assert(files_keep(&files, 0, 0, &owner));
	files_sync(&files, 0, 0, file, &owner);
	ck_assert(file->syncing);
}
END_TEST

START_TEST(a_capture_is_told_to_the_next_process_where_there_was_no_memory)
{
	const struct message_capture capture = { .capture = 1, .name = "a", .directory = "/new" };

	no_memory = true;
	files_capture(&files, &capture, &owner);
	no_memory = false;
	ck_assert(TAILQ_EMPTY(&files.queue));
	ck_assert_ptr_eq(files.owed[1], &owner);
	ck_assert_str_eq(files.captures[1].directory, "/new");
}
END_TEST

Suite *suite_files(void)
{
	Suite *s = suite_create("files");
	TCase *t = tcase_create("files");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, what_is_refused_is_left_to_be_done_until_it_goes_well);
	tcase_add_test(t, what_is_refused_for_ever_is_given_up_where_the_directory_changes);
	tcase_add_test(t, the_end_of_a_file_needs_no_memory);
	tcase_add_test(t, what_there_was_no_memory_for_is_asked_for_again);
	tcase_add_test(t, a_capture_is_told_to_the_next_process_where_there_was_no_memory);
	suite_add_tcase(s, t);
	return s;
}
