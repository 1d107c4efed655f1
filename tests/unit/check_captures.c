/* daemon/supervisor/captures.c, former.c: questions about all captures. */
#include "suites.h"

#include "../../daemon/supervisor/capture_state.h"
#include "../../daemon/supervisor/captures.h"
#include "../../daemon/supervisor/former.h"
#include "../../daemon/supervisor/notify.h"

enum { COUNT = 2 };

static struct capture_context context;
static struct capture capture[COUNT];
static struct capture *const captures[COUNT] = { &capture[0], &capture[1] };

static void setup(void)
{
	context.configured = COUNT;
	for (unsigned i = 0; i < COUNT; i++)
		capture[i] = (struct capture){ .context = &context,
					       .slots.index = i,
					       .state = CAPTURE_RUNNING };
}

START_TEST(begun_are_those_that_record_or_wait_for_their_interface)
{
	ck_assert(captures_begun(captures, COUNT));
	capture[1].state = CAPTURE_STARTING;
	ck_assert(!captures_begun(captures, COUNT));
	capture[1].state = CAPTURE_WAITING;
	ck_assert(!captures_begun(captures, COUNT)); /* for its directory */
	capture[1].storage.state = STORAGE_PLACED;
	ck_assert(captures_begun(captures, COUNT));
}
END_TEST

START_TEST(nothing_has_begun_where_all_have_failed)
{
	capture[0].goal = capture[1].goal = CAPTURE_FAIL;
	capture[1].state = CAPTURE_DRAINING;
	ck_assert(!captures_begun(captures, COUNT));
	capture[0].goal = CAPTURE_RECORD;
	ck_assert(captures_begun(captures, COUNT));
}
END_TEST

/* It writes what was left, and no capture that is configured records. */
START_TEST(a_former_capture_is_none_that_records)
{
	capture[0].goal = CAPTURE_FAIL;
	capture[0].state = CAPTURE_FAILED;
	capture[1].goal = CAPTURE_STOP;
	capture[1].state = CAPTURE_DRAINING;
	context.configured = 1;
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
	capture[0].config = &now;
	capture[1].config = &then;
	ck_assert(!former_group_held(captures, COUNT, store, 7));
	capture[1].earlier = &then;
	ck_assert(former_group_held(captures, COUNT, store, 7));
	ck_assert(!former_group_held(captures, COUNT, store, 8));
	capture[1].earlier = NULL;
	context.configured = 1;
	ck_assert(former_group_held(captures, COUNT, store, 7));
	capture[1].state = CAPTURE_STOPPED;
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
