/* daemon/supervisor/captures.c, former.c: questions about all captures. */
#include "suites.h"

#include "../../daemon/supervisor/captures.h"
#include "../../daemon/supervisor/former.h"
#include "../../daemon/supervisor/notify.h"

enum { COUNT = 2 };

static struct capture captures[COUNT];

static void setup(void)
{
	for (unsigned i = 0; i < COUNT; i++)
		captures[i] = (struct capture){ .state = CAPTURE_RUNNING };
}

START_TEST(begun_are_those_that_record_or_wait_for_their_interface)
{
	ck_assert(captures_begun(captures, COUNT));
	captures[1].state = CAPTURE_STARTING;
	ck_assert(!captures_begun(captures, COUNT));
	captures[1].state = CAPTURE_WAITING;
	ck_assert(!captures_begun(captures, COUNT)); /* for its directory */
	captures[1].storage.state = STORAGE_PLACED;
	ck_assert(captures_begun(captures, COUNT));
}
END_TEST

START_TEST(nothing_has_begun_where_all_have_failed)
{
	captures[0].goal = captures[1].goal = CAPTURE_FAIL;
	captures[1].state = CAPTURE_DRAINING;
	ck_assert(!captures_begun(captures, COUNT));
	captures[0].goal = CAPTURE_RECORD;
	ck_assert(captures_begun(captures, COUNT));
}
END_TEST

/* It writes what was left, and no capture that is configured records. */
START_TEST(a_former_capture_is_none_that_records)
{
	captures[0].goal = CAPTURE_FAIL;
	captures[0].state = CAPTURE_FAILED;
	captures[1].goal = CAPTURE_STOP;
	captures[1].state = CAPTURE_DRAINING;
	captures[1].former = true;
	ck_assert(!captures_begun(captures, COUNT));
}
END_TEST

/* Of a section that is gone, or of what one was before it was changed. */
START_TEST(a_group_is_held_while_rings_of_an_earlier_configuration_are_in_it)
{
	static struct config_capture then = { .group.fanout_id = 7 },
				     now = { .group.fanout_id = 8 };
	struct notify *notify;
	struct fdstore *store;

	ck_assert_int_eq(notify_new(&notify), 0);
	ck_assert_int_eq(fdstore_new(&store, notify), 0);
	captures[0].config = &now;
	captures[1].config = &then;
	ck_assert(!former_group_held(captures, COUNT, store, 7));
	captures[1].earlier = &then;
	ck_assert(former_group_held(captures, COUNT, store, 7));
	ck_assert(!former_group_held(captures, COUNT, store, 8));
	captures[1].earlier = NULL;
	captures[1].former = true;
	ck_assert(former_group_held(captures, COUNT, store, 7));
	captures[1].state = CAPTURE_STOPPED;
	ck_assert(!former_group_held(captures, COUNT, store, 7));
	fdstore_free(store);
	notify_free(notify);
}
END_TEST

Suite *suite_captures(void)
{
	Suite *s = suite_create("captures");
	TCase *t = tcase_create("captures");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, begun_are_those_that_record_or_wait_for_their_interface);
	tcase_add_test(t, nothing_has_begun_where_all_have_failed);
	tcase_add_test(t, a_former_capture_is_none_that_records);
	tcase_add_test(t, a_group_is_held_while_rings_of_an_earlier_configuration_are_in_it);
	suite_add_tcase(s, t);
	return s;
}
