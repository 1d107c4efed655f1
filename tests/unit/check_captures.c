/* daemon/supervisor/captures.c, former.c: questions about all captures. */
#include "children.h"
#include "nomemory.h"
#include "settings.h"
#include "suites.h"

#include "../../daemon/supervisor/capture_link.h"
#include "../../daemon/supervisor/capture_start.h"
#include "../../daemon/supervisor/capture_state.h"
#include "../../daemon/supervisor/capture.h"
#include "../../daemon/supervisor/captures.h"
#include "../../daemon/supervisor/former.h"
#include "../../daemon/supervisor/notify.h"
#include "../../daemon/supervisor/supervisor.h"

#include <errno.h>
#include <stdlib.h>
#include <sysexits.h>

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

/* All that is asked of the captures is asked of those that there are. */
START_TEST(a_capture_without_memory_is_the_last_one_and_the_exit_code)
{
	static struct config config = { .captures = COUNT };
	struct capture *made[COUNT] = { NULL, &capture[1] };
	bool left = false;

	no_memory = true;
	ck_assert_int_eq(captures_make(made, &context, &config, &left), EXIT_FAILURE);
	no_memory = false;
	ck_assert_ptr_null(made[0]);
	ck_assert_ptr_eq(made[1], &capture[1]); /* not begun */
	ck_assert(!left);
}
END_TEST

/* Readers ask for those that there are, too. */
START_TEST(a_daemon_without_memory_for_a_capture_has_none_and_ends)
{
	struct event_base *base = event_base_new();
	static struct config config;
	struct supervisor *s;

	children_begin();
	unsetenv("NOTIFY_SOCKET");
	settings_begin(&config);
	settings_capture(&config, "a", "interface=lo directory=/tmp");
	settings_finish(&config);
	no_memory_of = sizeof(struct capture);
	ck_assert_int_eq(supervisor_new(&s, base, &config), 0);
	ck_assert_uint_eq(supervisor_captures(s), 0);
	ck_assert_uint_eq(supervisor_rotate(s, NULL), 0);
	supervisor_run(s);
	ck_assert_int_eq(supervisor_account(s), EXIT_FAILURE);
	supervisor_free(s);
	event_base_free(base);
}
END_TEST

/* What is sent to the next archive process again is refused again: the others record meanwhile. */
START_TEST(a_directory_that_is_refused_to_a_capture_that_has_ended_ends_no_daemon)
{
	static struct config_capture config = { .name = "a" };

	capture[0].config = capture[1].config = &config;
	capture[0].state = CAPTURE_STARTING;
	start_files_fault(&capture[0], EACCES, "refused");
	ck_assert_int_eq(capture_fatal(&capture[0])->exit_code, EX_NOPERM);
	capture[1].goal = CAPTURE_FAIL;
	capture[1].state = CAPTURE_FAILED;
	start_files_fault(&capture[1], EACCES, "refused");
	ck_assert_int_eq(capture_fatal(&capture[1])->exit_code, 0);
}
END_TEST

/* The kernel tells packet sockets of a deletion before it tells the supervisor, which still sees
 * the interface: lo stands for it. */
START_TEST(a_start_that_fails_since_its_interface_goes_ends_no_daemon)
{
	static struct config_capture config = { .name = "a", .group.interface = "lo" };
	struct slot slot = { .state = SLOT_SETTLED, .ring.fd = -1 };
	struct capture *c = &capture[0];
	struct group *g = &c->group;
	bool there;

	c->config = &config;
	c->state = CAPTURE_STARTING;
	c->slots.list = &slot;
	c->slots.count = 1;
	g->slots = &c->slots;
	ck_assert_int_eq(links_new(&g->links, NULL, NULL, NULL), 0);
	ck_assert(links_by_name(g->links, "lo", &g->link));
	g->up = g->link.running;
	capture_follow(c);
	ck_assert_int_eq(c->state, CAPTURE_STARTING); /* no worker has failed */
	slot.fault.kind = FAULT_START;
	there = _i && g->link.up;
	if (!_i)
		g->link.ifindex = 0x7ffffff0; /* in the kernel it is gone */
	capture_follow(c);
	ck_assert_int_eq(c->state, there ? CAPTURE_STARTING : CAPTURE_DRAINING);
	ck_assert_int_eq(capture_fatal(c)->exit_code, 0);
	links_free(g->links);
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
	tcase_add_loop_test(t, a_start_that_fails_since_its_interface_goes_ends_no_daemon, 0, 2);
	tcase_add_test(t, a_group_is_held_while_rings_of_an_earlier_configuration_are_in_it);
	tcase_add_test(t, a_capture_without_memory_is_the_last_one_and_the_exit_code);
	tcase_add_test(t, a_daemon_without_memory_for_a_capture_has_none_and_ends);
	tcase_add_test(t, a_directory_that_is_refused_to_a_capture_that_has_ended_ends_no_daemon);
	suite_add_tcase(s, t);
	return s;
}
