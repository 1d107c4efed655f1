/* daemon/supervisor/slot.c, output_file.c, captureend.c: which state may follow on which. */
#include "suites.h"

#include "../../daemon/supervisor/capture.h"

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
	suite_add_tcase(s, t);
	return s;
}
