/* daemon/supervisor/group.c: in what order members make their sockets and join. */
#include "suites.h"

#include "../../daemon/supervisor/group.h"

#include <string.h>

#define MEMBERS 4

static struct slot list[MEMBERS];
static struct slots slots;
static struct group group;

static void setup(void)
{
	memset(list, 0, sizeof(list));
	slots = (struct slots){ .count = MEMBERS, .list = list };
	for (unsigned i = 0; i < MEMBERS; i++) {
		list[i].worker.process.channel = -1; /* what it is asked for is in worker.asked */
		list[i].worker.task = &list[i].task;
		list[i].ring.fd = -1;
	}
	group_init(&group, &slots, NULL);
	group_begin(&group, &(struct group_config){ .fanout = 1, .fanout_id = -1 }, 0x8000);
}

static void teardown(void)
{
	group_free(&group);
}

static void asked(enum worker_progress a, enum worker_progress b, enum worker_progress c,
		  enum worker_progress d)
{
	const enum worker_progress expected[MEMBERS] = { a, b, c, d };

	for (unsigned i = 0; i < MEMBERS; i++)
		ck_assert_msg(list[i].worker.asked == expected[i],
			      "member %u: asked for %u, not %u", i, list[i].worker.asked,
			      expected[i]);
}

START_TEST(a_group_is_as_configured)
{
	ck_assert_uint_eq(group.message.mode, 1);
	ck_assert_uint_eq(group.message.flags, 0x8000 | AFCAP_FANOUT_FLAG_UNIQUEID);
	ck_assert_uint_eq(group.message.id, 0);
	group_begin(&group, &(struct group_config){ .fanout = 2, .fanout_id = 65535 }, 0);
	ck_assert_uint_eq(group.message.flags, 0);
	ck_assert_uint_eq(group.message.id, 65535);
	ck_assert(!group.known);
}
END_TEST

/* One socket after the other; rings beside each other; one join after the other. */
START_TEST(members_come_in_slot_order)
{
	ck_assert_int_eq(group_advance(&group), GROUP_STARTING);
	asked(PROGRESS_SOCKET, PROGRESS_NONE, PROGRESS_NONE, PROGRESS_NONE);
	ck_assert_int_eq(group_advance(&group), GROUP_STARTING);
	asked(PROGRESS_SOCKET, PROGRESS_NONE, PROGRESS_NONE, PROGRESS_NONE);
	list[0].worker.progress = PROGRESS_SOCKET;
	group_advance(&group);
	asked(PROGRESS_SOCKET, PROGRESS_SOCKET, PROGRESS_NONE, PROGRESS_NONE);
	list[1].worker.progress = PROGRESS_RING; /* earlier than the first one */
	group_advance(&group);
	asked(PROGRESS_SOCKET, PROGRESS_SOCKET, PROGRESS_SOCKET, PROGRESS_NONE);
	list[0].worker.progress = PROGRESS_RING;
	list[2].worker.progress = PROGRESS_RING;
	group_advance(&group);
	asked(PROGRESS_JOINED, PROGRESS_SOCKET, PROGRESS_SOCKET, PROGRESS_SOCKET);
}
END_TEST

/* The others join what the kernel made of it. */
START_TEST(the_first_one_says_what_the_group_is)
{
	for (unsigned i = 0; i < MEMBERS; i++)
		list[i].worker.progress = PROGRESS_RING;
	group_advance(&group);
	list[0].worker.progress = PROGRESS_JOINED;
	list[0].group = (struct message_group){ .id = 77, .mode = 1, .flags = 0x4000 };
	ck_assert_int_eq(group_advance(&group), GROUP_JOINED);
	ck_assert(group.known);
	ck_assert_mem_eq(&group.message, &list[0].group, sizeof(group.message));
	ck_assert_int_eq(group_advance(&group), GROUP_STARTING);
	asked(PROGRESS_JOINED, PROGRESS_JOINED, PROGRESS_SOCKET, PROGRESS_SOCKET);
	list[1].worker.progress = PROGRESS_JOINED;
	group_advance(&group);
	asked(PROGRESS_JOINED, PROGRESS_JOINED, PROGRESS_JOINED, PROGRESS_SOCKET);
}
END_TEST

START_TEST(it_is_ready_when_all_read)
{
	group_resume(&group, &(struct message_group){ .id = 5 });
	for (unsigned i = 0; i < MEMBERS; i++) {
		ck_assert_int_eq(group_advance(&group), GROUP_STARTING);
		list[i].worker.progress = PROGRESS_READY;
	}
	ck_assert_int_eq(group_advance(&group), GROUP_READY);
	ck_assert_uint_eq(group.message.id, 5);
	ck_assert(!group_gone(&group));
	list[2].gone = true;
	ck_assert(group_gone(&group));
}
END_TEST

START_TEST(what_is_bound_to_no_device_has_no_news)
{
	group_bind(&group, NULL);
	ck_assert(group.up);
	ck_assert_uint_eq(group_look(&group, "any"), 0);
	list[0].gone = true;
	ck_assert_uint_eq(group_look(&group, "any"), 0);
}
END_TEST

Suite *suite_group(void)
{
	Suite *s = suite_create("group");
	TCase *t = tcase_create("group");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_group_is_as_configured);
	tcase_add_test(t, members_come_in_slot_order);
	tcase_add_test(t, the_first_one_says_what_the_group_is);
	tcase_add_test(t, it_is_ready_when_all_read);
	tcase_add_test(t, what_is_bound_to_no_device_has_no_news);
	suite_add_tcase(s, t);
	return s;
}
