/* daemon/supervisor/link.c: changes that were missed are read again until that has gone well; what
 * messages of the kernel mean, which are made up here. */
#include "linkmessages.h"
#include "nomemory.h"
#include "place.h"
#include "suites.h"

#include "../../daemon/supervisor/link.h"

#include <errno.h>
#include <event2/event.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* The linker puts these in the places of send() and recvfrom(). */
static int send_errors, send_error; /* so many more calls fail */
static bool lose;		    /* the next message, as where the buffer is full */
ssize_t __real_send(int fd, const void *data, size_t bytes, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t bytes, int flags);
ssize_t __real_recvfrom(int fd, void *data, size_t bytes, int flags, struct sockaddr *from,
			socklen_t *from_bytes);
ssize_t __wrap_recvfrom(int fd, void *data, size_t bytes, int flags, struct sockaddr *from,
			socklen_t *from_bytes);

ssize_t __wrap_send(int fd, const void *data, size_t bytes, int flags)
{
	if (send_errors == 0)
		return __real_send(fd, data, bytes, flags);
	send_errors--;
	errno = send_error;
	return -1;
}

ssize_t __wrap_recvfrom(int fd, void *data, size_t bytes, int flags, struct sockaddr *from,
			socklen_t *from_bytes)
{
	ssize_t n;

	if (linkmessages.bytes)
		return linkmessages_take(data, bytes, from);
	n = __real_recvfrom(fd, data, bytes, flags, from, from_bytes);
	if (!lose || n < 0)
		return n;
	while (__real_recvfrom(fd, data, bytes, flags, from, from_bytes) > 0)
		;
	lose = false;
	errno = ENOBUFS;
	return -1;
}

static struct event_base *base;
static unsigned changes;

static void changed(void *context)
{
	ck_assert_ptr_eq(context, &changes);
	changes++;
}

static bool is_up(const struct links *links)
{
	struct link link;

	ck_assert(links_by_name(links, "lo", &link));
	return link.up;
}

static void up(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &request), 0);
	close(fd);
}

static void give_up(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
}

/* Runs the event loop until the interface is known to be up. False: it never is. */
static bool seen_up(const struct links *links)
{
	bool late = false;
	struct event *end = event_new(base, -1, 0, give_up, &late);

	event_add(end, &(struct timeval){ 20, 0 });
	while (!is_up(links) && !late)
		event_base_loop(base, EVLOOP_ONCE);
	event_free(end);
	return is_up(links);
}

static void missed(int error, int times)
{
	struct links *links;

	if (unshare(CLONE_NEWNET)) /* not root */
		return;
	base = event_base_new();
	ck_assert_int_eq(links_new(&links, base, changed, &changes), 0);
	ck_assert(!is_up(links));
	lose = true;
	send_error = error;
	send_errors = times;
	up();
	ck_assert(seen_up(links));
	ck_assert(!lose);
	ck_assert_int_eq(send_errors, 0);
	ck_assert_uint_gt(changes, 0);
	links_free(links);
	event_base_free(base);
}

START_TEST(what_was_missed_is_read_anew)
{
	missed(0, 0);
}
END_TEST

START_TEST(that_is_tried_again_until_it_goes_well)
{
	missed(ENOBUFS, 3);
}
END_TEST

/* ---- messages ---- */

static struct links *links;

static void alone_setup(void)
{
	ck_assert_msg(unshare(CLONE_NEWNET) == 0, "a network namespace needs root");
	place_log();
	base = event_base_new();
	ck_assert_int_eq(links_new(&links, base, changed, &changes), 0);
}

static void alone_teardown(void)
{
	links_free(links);
	event_base_free(base);
}

/* What was made is read: a change of the loopback wakes the reader. */
static void heard(void)
{
	static bool is;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = is ? 0 : IFF_UP };

	is = !is;
	ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &request), 0);
	close(fd);
	while (linkmessages.bytes)
		ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
}

static struct link found(const char *called)
{
	struct link link = { 0 };

	ck_assert_msg(links_by_name(links, called, &link), "%s", called);
	return link;
}

static bool missing(const char *called)
{
	struct link link;

	return !links_by_name(links, called, &link);
}

START_TEST(what_is_there_is_known_at_once)
{
	struct links *now;
	struct link link;

	ck_assert_int_eq(links_new(&now, NULL, NULL, NULL), 0);
	ck_assert(links_by_name(now, "lo", &link));
	ck_assert_int_eq(link.ifindex, 1);
	ck_assert_uint_eq(link.type, ARPHRD_LOOPBACK);
	ck_assert(!link.up && !link.running);
	ck_assert(!links_by_name(now, "va", &link));
	ck_assert(!links_by_index(now, 2, &link));
	links_free(now);
	links_free(NULL);
}
END_TEST

START_TEST(a_device_has_its_names_and_its_state)
{
	struct link link;
	uint64_t id;

	linkmessage_device(RTM_NEWLINK, 7, IFF_UP | IFF_RUNNING);
	linkmessage_name("va");
	linkmessage_whole();
	linkmessage_alternatives("a-name-longer-than-a-device-can-have", "va2");
	heard();
	link = found("va");
	ck_assert_int_eq(link.ifindex, 7);
	ck_assert_uint_eq(link.type, ARPHRD_NONE);
	ck_assert(link.up && link.running);
	id = link.id;
	ck_assert_uint_eq(found("va2").id, id);
	ck_assert_str_eq(found("a-name-longer-than-a-device-can-have").name, "va");
	ck_assert(missing("va3") && missing("") && missing("v"));
	ck_assert(links_by_index(links, 7, &link) && link.id == id);
	ck_assert(links_by_id(links, id, &link) && link.ifindex == 7);
	ck_assert(!links_by_id(links, id + 1, &link));
	ck_assert(!links_by_index(links, 8, &link));
}
END_TEST

START_TEST(an_empty_name_is_none_and_ends_no_list)
{
	linkmessage_device(RTM_NEWLINK, 7, IFF_UP);
	linkmessage_name("va");
	linkmessage_whole();
	linkmessage_alternatives("", "two");
	heard();
	ck_assert_int_eq(found("two").ifindex, 7);
	ck_assert(missing(""));
}
END_TEST

/* Of a device that is not set up RUNNING says nothing. */
START_TEST(a_device_that_is_down_does_not_run)
{
	linkmessage_device(RTM_NEWLINK, 7, IFF_RUNNING);
	linkmessage_name("va");
	heard();
	ck_assert(!found("va").up && !found("va").running);
	linkmessage_device(RTM_NEWLINK, 7, IFF_UP);
	linkmessage_name("va");
	heard();
	ck_assert(found("va").up && !found("va").running);
}
END_TEST

/* Events of wireless devices have the name alone: that says nothing of the other names. */
START_TEST(alternative_names_stay_until_a_whole_message_has_others)
{
	linkmessage_device(RTM_NEWLINK, 7, IFF_UP);
	linkmessage_name("va");
	linkmessage_whole();
	linkmessage_alternatives("one", "two");
	heard();
	linkmessage_device(RTM_NEWLINK, 7, IFF_UP);
	linkmessage_name("vb");
	heard();
	ck_assert_str_eq(found("one").name, "vb"); /* renamed */
	ck_assert(missing("va"));
	linkmessage_device(RTM_NEWLINK, 7, IFF_UP);
	linkmessage_name("vb");
	linkmessage_whole();
	linkmessage_alternatives("two", "three");
	heard();
	ck_assert(missing("one"));
	ck_assert_uint_eq(found("two").id, found("three").id);
	linkmessage_device(RTM_NEWLINK, 7, IFF_UP);
	linkmessage_name("vb");
	linkmessage_whole();
	heard();
	ck_assert(missing("two") && missing("three"));
}
END_TEST

/* Another device may get its name and its number. */
START_TEST(a_device_that_is_gone_is_another_one_when_it_comes_again)
{
	struct link link;
	uint64_t id;

	linkmessage_device(RTM_NEWLINK, 7, IFF_UP);
	linkmessage_name("va");
	heard();
	id = found("va").id;
	linkmessage_device(RTM_DELLINK, 9, 0); /* unknown */
	linkmessage_device(RTM_DELLINK, 7, 0);
	heard();
	ck_assert(missing("va"));
	ck_assert(!links_by_id(links, id, &link));
	linkmessage_device(RTM_NEWLINK, 7, IFF_UP);
	linkmessage_name("va");
	heard();
	ck_assert_uint_ne(found("va").id, id);
}
END_TEST

START_TEST(many_devices_are_known)
{
	char called[16];

	for (int i = 100; i < 150; i++) {
		snprintf(called, sizeof(called), "v%d", i);
		linkmessage_device(RTM_NEWLINK, i, IFF_UP);
		linkmessage_name(called);
	}
	heard();
	for (int i = 100; i < 150; i++) {
		snprintf(called, sizeof(called), "v%d", i);
		ck_assert_int_eq(found(called).ifindex, i);
	}
}
END_TEST

START_TEST(what_is_no_whole_message_of_a_device_is_passed_over)
{
	struct ifinfomsg port = { .ifi_family = AF_BRIDGE, .ifi_index = 8, .ifi_flags = IFF_UP };
	char longest[64];
	struct link link;

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	linkmessage(RTM_NEWLINK, 0); /* a bridge's port */
	linkmessage_append(&port, sizeof(port));
	linkmessage_name("port");
	linkmessage(RTM_NEWADDR, 0);
	linkmessage_append(&port, sizeof(port));
	linkmessage_device(RTM_NEWLINK, 9, IFF_UP); /* whose name is too long, or none */
	linkmessage_name(longest);
	linkmessage_name("");
	heard();
	ck_assert(missing("port"));
	longest[DEVICE_BYTES - 1] = '\0';
	ck_assert_int_eq(found(longest).ifindex, 9);
	linkmessage_device(RTM_NEWLINK, 12, IFF_UP);
	linkmessage_cut();
	heard();
	ck_assert(!links_by_index(links, 12, &link));
}
END_TEST

START_TEST(what_another_process_sends_is_passed_over)
{
	linkmessages.sender = 77;
	linkmessage_device(RTM_DELLINK, 1, 0);
	linkmessage_device(RTM_NEWLINK, 7, IFF_UP);
	linkmessage_name("va");
	heard();
	ck_assert(missing("va"));
	ck_assert_int_eq(found("lo").ifindex, 1);
}
END_TEST

static const struct {
	size_t bytes; /* of its body, which may be cut */
	const char *logged;
} refusals[] = {
	{ sizeof(struct nlmsgerr), "<3>watching interfaces: Operation not permitted; retrying" },
	{ sizeof(int), "<3>watching interfaces: Input/output error" },
};

/* What is known stays until a dump has gone well. */
START_TEST(a_dump_that_is_refused_is_logged_and_repeated)
{
	const struct nlmsgerr refusal = { .error = -EPERM };

	linkmessage_device(RTM_NEWLINK, 7, IFF_UP);
	linkmessage_name("va");
	linkmessage(NLMSG_ERROR, 0);
	linkmessage_append(&refusal, refusals[_i].bytes);
	heard();
	ck_assert_uint_eq(place_logged(refusals[_i].logged), 1);
	ck_assert_int_eq(found("va").ifindex, 7);
	linkmessage(NLMSG_ERROR, 0); /* the next one likewise: no news */
	linkmessage_append(&refusal, refusals[_i].bytes);
	while (!missing("va")) /* the kernel knows none, says the next one */
		ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
	ck_assert_int_eq(found("lo").ifindex, 1);
	ck_assert_uint_eq(place_logged("watching interfaces"), 1);
}
END_TEST

/* What changed while it was read may be missing in it. */
START_TEST(a_dump_that_was_disturbed_is_repeated)
{
	linkmessage_device(RTM_NEWLINK, 7, IFF_UP);
	linkmessage_name("va");
	linkmessage(NLMSG_DONE, NLM_F_DUMP_INTR);
	heard();
	while (!missing("va"))
		ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
	ck_assert_int_eq(found("lo").ifindex, 1);
	ck_assert_uint_eq(place_logged("<3>"), 0);
}
END_TEST

START_TEST(interfaces_that_cannot_be_read_are_an_error)
{
	struct nlmsgerr refusal = { .error = -EPERM };
	struct links *none = NULL;

	send_errors = 1;
	send_error = ENOBUFS;
	ck_assert_int_eq(links_new(&none, base, changed, &changes), -ENOBUFS);
	linkmessage(NLMSG_ERROR, 0);
	linkmessage_append(&refusal, sizeof(refusal));
	ck_assert_int_eq(links_new(&none, base, changed, &changes), -EPERM);
	no_memory = true;
	ck_assert_int_eq(links_new(&none, base, changed, &changes), -ENOMEM);
	no_memory = false;
	ck_assert_ptr_null(none);
}
END_TEST

Suite *suite_link(void)
{
	Suite *s = suite_create("link");
	TCase *t = tcase_create("link"), *messages = tcase_create("messages");

	tcase_add_test(t, what_was_missed_is_read_anew);
	tcase_add_test(t, that_is_tried_again_until_it_goes_well);
	tcase_set_timeout(t, 30);
	suite_add_tcase(s, t);
	tcase_add_checked_fixture(messages, alone_setup, alone_teardown);
	tcase_set_timeout(messages, 30);
	tcase_add_test(messages, what_is_there_is_known_at_once);
	tcase_add_test(messages, a_device_has_its_names_and_its_state);
	tcase_add_test(messages, an_empty_name_is_none_and_ends_no_list);
	tcase_add_test(messages, a_device_that_is_down_does_not_run);
	tcase_add_test(messages, alternative_names_stay_until_a_whole_message_has_others);
	tcase_add_test(messages, a_device_that_is_gone_is_another_one_when_it_comes_again);
	tcase_add_test(messages, many_devices_are_known);
	tcase_add_test(messages, what_is_no_whole_message_of_a_device_is_passed_over);
	tcase_add_test(messages, what_another_process_sends_is_passed_over);
	tcase_add_loop_test(messages, a_dump_that_is_refused_is_logged_and_repeated, 0,
			    sizeof(refusals) / sizeof(*refusals));
	tcase_add_test(messages, a_dump_that_was_disturbed_is_repeated);
	tcase_add_test(messages, interfaces_that_cannot_be_read_are_an_error);
	suite_add_tcase(s, messages);
	return s;
}
