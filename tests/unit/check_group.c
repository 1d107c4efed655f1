/* daemon/supervisor/group.c: in what order members make their sockets and join, the filter that
 * they all have, what becomes of their device. */
#include "suites.h"

#include "../../daemon/supervisor/group.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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

/* ---- the filter ---- */

/* How many instructions the filter has that is on a member's socket; 0: none. */
static unsigned filter_of(unsigned member)
{
	struct sock_filter program[16];
	socklen_t count = 16; /* SO_GET_FILTER's unit is an instruction, net/core/filter.c */

	ck_assert_int_eq(
		getsockopt(list[member].ring.fd, SOL_SOCKET, SO_GET_FILTER, program, &count), 0);
	return count;
}

/* Members 0, 1 and 3 have rings. */
static void rings_make(void)
{
	for (unsigned i = 0; i < MEMBERS; i++) {
		list[i].ring.fd = i == 2 ? -1 : socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		ck_assert_int_eq(list[i].ring.fd >= 0, i != 2);
	}
}

static void rings_close(void)
{
	for (unsigned i = 0; i < MEMBERS; i++)
		if (list[i].ring.fd >= 0)
			close(list[i].ring.fd);
}

/* A program of so many instructions, which the group frees. */
static struct sock_fprog program_of(unsigned short count)
{
	struct sock_fprog program = { count, calloc(count, sizeof(struct sock_filter)) };

	ck_assert_ptr_nonnull(program.filter);
	for (unsigned i = 0; i < count; i++)
		program.filter[i] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 65535);
	return program;
}

START_TEST(every_ring_has_the_groups_program)
{
	struct sock_fprog two = program_of(2), three = program_of(3);

	rings_make();
	group_program(&group, &two);
	ck_assert_uint_eq(filter_of(0), 0); /* not before it is armed */
	ck_assert_int_eq(group_arm(&group), 0);
	for (unsigned i = 0; i < MEMBERS; i++)
		if (i != 2)
			ck_assert_uint_eq(filter_of(i), 2);
	group_program(&group, &three);
	ck_assert_int_eq(group_arm(&group), 0);
	ck_assert_uint_eq(filter_of(3), 3);
	group_drop_all(&group);
	for (unsigned i = 0; i < MEMBERS; i++)
		if (i != 2)
			ck_assert_uint_eq(filter_of(i), 1);
	rings_close();
}
END_TEST

START_TEST(a_ring_that_refuses_the_program_is_an_error)
{
	struct sock_fprog program = program_of(2);

	rings_make();
	close(list[1].ring.fd);
	list[1].ring.fd = dup(STDIN_FILENO); /* no socket */
	group_program(&group, &program);
	ck_assert_int_eq(group_arm(&group), -ENOTSOCK);
	ck_assert_uint_eq(filter_of(0), 2);
	ck_assert_uint_eq(filter_of(3), 0); /* its capture ends anyway */
	rings_close();
}
END_TEST

/* ---- the device ---- */

/* The loopback of a network namespace of its own. */
static struct links *links;
static struct link lo;

static void bind_lo(void)
{
	ck_assert_msg(unshare(CLONE_NEWNET) == 0, "a network namespace needs root");
	ck_assert_int_eq(links_new(&links, NULL, NULL, NULL), 0);
	ck_assert(links_by_name(links, "lo", &lo));
	group_init(&group, &slots, links);
	group_bind(&group, &lo);
	group.up = lo.running;
}

/* Bound to a device that was as `before` says, and is the loopback now. */
static unsigned news_since(struct link before)
{
	group_bind(&group, &before);
	group.up = lo.running;
	return group_look(&group, "lo");
}

START_TEST(a_device_that_is_as_it_was_has_no_news)
{
	bind_lo();
	ck_assert_uint_eq(group_look(&group, "lo"), 0);
	group_unbind(&group);
	ck_assert_uint_eq(group_look(&group, "eth9"), 0);
	links_free(links);
}
END_TEST

START_TEST(a_device_that_is_gone_or_is_another_one_is_news)
{
	struct link before;

	bind_lo();
	before = lo;
	before.id += 1000; /* of this name, and of another life */
	ck_assert_uint_eq(news_since(before), GROUP_LINK_GONE);
	before = lo;
	before.type++;
	ck_assert_uint_eq(news_since(before), GROUP_LINK_TYPE);
	list[3].gone = true; /* a worker was first to see it */
	ck_assert_uint_eq(news_since(lo), GROUP_LINK_GONE);
	links_free(links);
}
END_TEST

START_TEST(a_device_is_lost_that_the_kernel_has_not_or_that_is_down)
{
	struct link gone;

	bind_lo();
	ck_assert(group_lost(&group)); /* down, as each namespace's is at first */
	ck_assert_int_eq(system("ip link set lo up"), 0);
	ck_assert(!group_lost(&group)); /* whatever was read of it before */
	gone = lo;
	gone.ifindex += 1000;
	group_bind(&group, &gone);
	ck_assert(group_lost(&group));
	group_bind(&group, NULL); /* to all */
	ck_assert(!group_lost(&group));
	links_free(links);
}
END_TEST

START_TEST(a_device_with_another_name_is_followed)
{
	struct link before;

	bind_lo();
	before = lo;
	strcpy(before.name, "was");
	ck_assert_uint_eq(news_since(before), GROUP_LINK_RENAMED);
	ck_assert_str_eq(group.link.name, "lo");
	ck_assert_uint_eq(group_look(&group, "lo"), 0);
	links_free(links);
}
END_TEST

START_TEST(that_a_device_is_not_called_as_configured_any_more_is_news_once)
{
	bind_lo();
	ck_assert_uint_eq(group_look(&group, "eth9"), GROUP_LINK_ALIEN);
	ck_assert(group.renamed);
	ck_assert_uint_eq(group_look(&group, "eth9"), 0);
	ck_assert_uint_eq(group_look(&group, "lo"), 0); /* it has that name again */
	ck_assert(!group.renamed);
	ck_assert_uint_eq(group_look(&group, "eth9"), GROUP_LINK_ALIEN);
	group_unbind(&group); /* another one is to be looked for */
	ck_assert(!group.renamed);
	links_free(links);
}
END_TEST

START_TEST(a_carrier_that_comes_or_goes_is_news_once)
{
	bind_lo();
	group.up = !lo.running;
	ck_assert_uint_eq(group_look(&group, "lo"), GROUP_LINK_UPDOWN);
	ck_assert_int_eq(group.up, lo.running);
	ck_assert_uint_eq(group_look(&group, "lo"), 0);
	links_free(links);
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
	tcase_add_test(t, every_ring_has_the_groups_program);
	tcase_add_test(t, a_ring_that_refuses_the_program_is_an_error);
	tcase_add_test(t, a_device_that_is_as_it_was_has_no_news);
	tcase_add_test(t, a_device_that_is_gone_or_is_another_one_is_news);
	tcase_add_test(t, a_device_is_lost_that_the_kernel_has_not_or_that_is_down);
	tcase_add_test(t, a_device_with_another_name_is_followed);
	tcase_add_test(t, that_a_device_is_not_called_as_configured_any_more_is_news_once);
	tcase_add_test(t, a_carrier_that_comes_or_goes_is_news_once);
	suite_add_tcase(s, t);
	return s;
}
