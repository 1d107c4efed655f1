/* daemon/supervisor/slot.c, captureend.c: which state may follow on which. */
#include "suites.h"

#include "../../daemon/supervisor/capture.h"

static struct config_capture config = { .name = "a" };

/* Rows: from; columns: to; 1: it may follow. The diagonal is no change. */
static const bool slots[5][5] = {
	/* to: IDLE STARTING RUNNING WAITING ENDED */
	[SLOT_IDLE] = { 1, 1, 0, 1, 1 },    [SLOT_STARTING] = { 1, 1, 1, 0, 1 },
	[SLOT_RUNNING] = { 1, 0, 1, 1, 1 }, [SLOT_WAITING] = { 1, 0, 1, 1, 1 },
	[SLOT_ENDED] = { 0, 0, 0, 0, 1 },
};

static const bool captures[6][6] = {
	/* to: WAITING STARTING RUNNING LEAVING STOPPING STOPPED */
	[CAPTURE_WAITING] = { 1, 1, 1, 0, 1, 0 },  [CAPTURE_STARTING] = { 1, 1, 1, 1, 1, 0 },
	[CAPTURE_RUNNING] = { 0, 0, 1, 1, 1, 0 },  [CAPTURE_LEAVING] = { 1, 0, 0, 1, 1, 0 },
	[CAPTURE_STOPPING] = { 0, 0, 0, 0, 1, 1 }, [CAPTURE_STOPPED] = { 0, 0, 0, 0, 0, 1 },
};

START_TEST(a_slot_enters_the_states_that_may_follow_and_no_other)
{
	struct capture capture = { .config = &config };

	for (unsigned from = 0; from < 5; from++)
		for (unsigned to = 0; to < 5; to++) {
			struct slot slot = { .capture = &capture, .state = (enum slot_state)from };

			slot_enter(&slot, (enum slot_state)to);
			ck_assert_uint_eq(slot.state, slots[from][to] ? to : from);
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
	tcase_add_test(t, a_capture_enters_the_states_that_may_follow_and_no_other);
	suite_add_tcase(s, t);
	return s;
}
