/* daemon/supervisor/slot.c, output_file.c, storage.c, capture_state.c: which state may follow on
 * which. */
#include "suites.h"
#include "place.h"

#include "../../daemon/supervisor/capture_state.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct config_capture config = { .name = "a" };

/* Rows: from; columns: to; 1: it may follow. The diagonal is no change. */
static const bool slots[5][5] = {
	/* to: EMPTY STARTING RUNNING VACANT SETTLED */
	[SLOT_EMPTY] = { 1, 1, 0, 1, 1 },   [SLOT_STARTING] = { 0, 1, 1, 0, 1 },
	[SLOT_RUNNING] = { 0, 0, 1, 1, 1 }, [SLOT_VACANT] = { 0, 0, 1, 1, 1 },
	[SLOT_SETTLED] = { 1, 0, 0, 0, 1 },
};

static const bool files[8][8] = {
	/* to: NEW SOUGHT ASKED MISSING READY USED ASTRAY ENDING */
	[FILE_NEW] = { 1, 1, 1, 0, 0, 0, 0, 0 },    [FILE_SOUGHT] = { 0, 1, 0, 1, 1, 1, 0, 1 },
	[FILE_ASKED] = { 0, 0, 1, 1, 1, 0, 0, 1 },  [FILE_MISSING] = { 0, 1, 1, 1, 0, 0, 0, 1 },
	[FILE_READY] = { 0, 0, 0, 0, 1, 1, 0, 1 },  [FILE_USED] = { 0, 0, 0, 0, 0, 1, 1, 1 },
	[FILE_ASTRAY] = { 0, 0, 0, 0, 0, 0, 1, 1 }, [FILE_ENDING] = { 0, 0, 0, 0, 0, 0, 0, 1 },
};

static const bool captures[6][6] = {
	/* to: WAITING STARTING RUNNING DRAINING STOPPED FAILED */
	[CAPTURE_WAITING] = { 1, 1, 1, 1, 0, 0 }, [CAPTURE_STARTING] = { 1, 1, 1, 1, 0, 0 },
	[CAPTURE_RUNNING] = { 0, 0, 1, 1, 0, 0 }, [CAPTURE_DRAINING] = { 1, 0, 0, 1, 1, 1 },
	[CAPTURE_STOPPED] = { 0, 0, 0, 0, 1, 0 }, [CAPTURE_FAILED] = { 0, 0, 0, 0, 0, 1 },
};

static const bool storages[4][4] = {
	/* to: UNKNOWN ANNOUNCED PLACED REFUSED */
	[STORAGE_UNKNOWN] = { 1, 1, 1, 0 },
	[STORAGE_ANNOUNCED] = { 0, 1, 1, 1 },
	[STORAGE_PLACED] = { 0, 1, 1, 1 },
	[STORAGE_REFUSED] = { 0, 1, 1, 1 },
};

START_TEST(a_slot_enters_the_states_that_may_follow_and_no_other)
{
	for (unsigned from = 0; from < 5; from++)
		for (unsigned to = 0; to < 5; to++) {
			struct slots all = { 0 };
			struct slot slot = { .slots = &all, .state = (enum slot_state)from };

			slot_enter(&slot, (enum slot_state)to);
			ck_assert_uint_eq(slot.state, slots[from][to] ? to : from);
			ck_assert_uint_eq(all.due, slots[from][to] && to != from);
		}
}
END_TEST

START_TEST(a_file_enters_the_states_that_may_follow_and_no_other)
{
	for (unsigned from = 0; from < 8; from++)
		for (unsigned to = 0; to < 8; to++) {
			struct output_file file = { .state = (enum output_file_state)from };

			output_file_enter(&file, (enum output_file_state)to);
			ck_assert_uint_eq(file.state, files[from][to] ? to : from);
		}
}
END_TEST

/* <3>: LOG_ERR, <7>: LOG_DEBUG, as sd-daemon(3) has them */
static void is_logged(const char *subject, const char *from, const char *to, bool follows)
{
	char text[128];

	snprintf(text, sizeof(text), "<%d>%s%s -> %s%s\n", follows ? 7 : 3, subject, from, to,
		 follows ? "" : ": refused");
	ck_assert_msg(place_logged(text) == (strcmp(from, to) != 0), "%s", text);
}

START_TEST(each_step_of_a_slot_is_logged_and_each_that_is_refused_as_an_error)
{
	static const char *const names[] = { "empty", "starting", "running", "vacant", "settled" };

	place_log();
	for (unsigned from = 0; from < 5; from++)
		for (unsigned to = 0; to < 5; to++) {
			struct slots all = { 0 };
			struct slot slot = { .slots = &all,
					     .state = (enum slot_state)from,
					     .index = 2,
					     .task.capture = "a" };

			slot_enter(&slot, (enum slot_state)to);
			is_logged("a/2: worker ", names[from], names[to], slots[from][to]);
		}
}
END_TEST

START_TEST(each_step_of_a_file_is_logged_and_each_that_is_refused_as_an_error)
{
	static const char *const names[] = { "new",   "sought", "asked",  "missing",
					     "ready", "used",	"astray", "ending" };

	place_log();
	for (unsigned from = 0; from < 8; from++)
		for (unsigned to = 0; to < 8; to++) {
			struct output_file file = { .state = (enum output_file_state)from,
						    .serial = 9,
						    .target = { 1, 2, NULL } };

			output_file_enter(&file, (enum output_file_state)to);
			is_logged("file 9 of capture 1, worker 2: ", names[from], names[to],
				  files[from][to]);
		}
}
END_TEST

START_TEST(a_storage_enters_the_states_that_may_follow_and_no_other)
{
	static const char *const names[] = { "unknown", "announced", "placed", "refused" };

	place_log();
	for (unsigned from = 0; from < 4; from++)
		for (unsigned to = 0; to < 4; to++) {
			struct slots all = { .index = 3 };
			struct storage storage = { .slots = &all,
						   .state = (enum storage_state)from };

			storage_enter(&storage, (enum storage_state)to);
			ck_assert_uint_eq(storage.state, storages[from][to] ? to : from);
			is_logged("storage of capture 3: ", names[from], names[to],
				  storages[from][to]);
		}
}
END_TEST

START_TEST(a_file_is_in_use_while_a_worker_writes_to_it)
{
	for (unsigned state = 0; state < 8; state++) {
		struct output_file file = { .state = (enum output_file_state)state };

		ck_assert_int_eq(output_file_used(&file),
				 state == FILE_USED || state == FILE_ASTRAY);
	}
	ck_assert(!output_file_used(NULL));
}
END_TEST

/* Whatever was asked for last: MISSING, too, and ENDING, until it is found */
START_TEST(a_file_is_sought_while_it_is_known_and_not_found)
{
	struct output_file file = { .inode = 5, .fd = -1 };

	ck_assert(output_file_sought(&file));
	file.fd = 7;
	ck_assert(!output_file_sought(&file));
	file = (struct output_file){ .fd = -1 };
	ck_assert(!output_file_sought(&file));
	ck_assert(!output_file_sought(NULL));
}
END_TEST

START_TEST(a_file_is_visible_by_a_name_that_does_not_begin_with_a_dot)
{
	ck_assert(!output_file_visible(&(struct output_file){ .name = "" }));
	ck_assert(!output_file_visible(&(struct output_file){ .name = ".a" }));
	ck_assert(output_file_visible(&(struct output_file){ .name = "a" }));
}
END_TEST

START_TEST(a_file_that_is_freed_is_closed)
{
	const struct archive_target target = { 0 };
	struct output_file *file =
		output_file_new(&target, 4, calloc(1, sizeof(struct archive_request)));
	int fd = dup(STDERR_FILENO);

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(file->state, FILE_NEW);
	ck_assert_int_eq(file->fd, -1);
	ck_assert_uint_eq(file->serial, 4);
	file->fd = fd;
	output_file_free(file);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
	output_file_free(NULL);
	ck_assert_ptr_null(output_file_new(&target, 4, NULL)); /* its end could not be asked for */
}
END_TEST

START_TEST(each_step_of_a_capture_is_logged_and_each_that_is_refused_as_an_error)
{
	static const char *const names[] = { "waiting",	 "starting", "running",
					     "draining", "stopped",  "failed" };

	place_log();
	for (unsigned from = 0; from < 6; from++)
		for (unsigned to = 0; to < 6; to++) {
			struct capture capture = { .config = &config,
						   .state = (enum capture_state)from };

			capture_enter(&capture, (enum capture_state)to);
			is_logged("a: ", names[from], names[to], captures[from][to]);
		}
}
END_TEST

START_TEST(a_capture_enters_the_states_that_may_follow_and_no_other)
{
	for (unsigned from = 0; from < 6; from++)
		for (unsigned to = 0; to < 6; to++) {
			struct capture capture = { .config = &config,
						   .state = (enum capture_state)from };

			capture_enter(&capture, (enum capture_state)to);
			ck_assert_uint_eq(capture.state, captures[from][to] ? to : from);
		}
}
END_TEST

Suite *suite_states(void)
{
	Suite *s = suite_create("states");
	TCase *t = tcase_create("states");

	tcase_add_test(t, a_slot_enters_the_states_that_may_follow_and_no_other);
	tcase_add_test(t, a_file_enters_the_states_that_may_follow_and_no_other);
	tcase_add_test(t, a_capture_enters_the_states_that_may_follow_and_no_other);
	tcase_add_test(t, each_step_of_a_slot_is_logged_and_each_that_is_refused_as_an_error);
	tcase_add_test(t, each_step_of_a_file_is_logged_and_each_that_is_refused_as_an_error);
	tcase_add_test(t, a_storage_enters_the_states_that_may_follow_and_no_other);
	tcase_add_test(t, each_step_of_a_capture_is_logged_and_each_that_is_refused_as_an_error);
	tcase_add_test(t, a_file_is_in_use_while_a_worker_writes_to_it);
	tcase_add_test(t, a_file_is_sought_while_it_is_known_and_not_found);
	tcase_add_test(t, a_file_that_is_freed_is_closed);
	tcase_add_test(t, a_file_is_visible_by_a_name_that_does_not_begin_with_a_dot);
	suite_add_tcase(s, t);
	return s;
}
