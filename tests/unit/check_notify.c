/* daemon/supervisor/notify.c: what the service manager passed to this process, and what it cannot
 * be sent. (What it is sent, in which order: check_fdstore.c.) */
#include "manager.h"
#include "place.h"
#include "suites.h"

#include "../../daemon/supervisor/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST 3 /* SD_LISTEN_FDS_START of sd-daemon.h */
#define MANY  254

static struct notify *notify;

static void setup(void)
{
	manager_begin();
	place_log();
	ck_assert_int_eq(notify_new(&notify), 0);
}

static void teardown(void)
{
	notify_free(notify);
	manager_end();
}

/* ---- what was passed ---- */

static void environment(const char *name, long long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", value);
	ck_assert_int_eq(setenv(name, text, 1), 0);
}

/* As the manager does: descriptors from FIRST on, their names in between colons. */
static void pass(const int *fds, int count, const char *names)
{
	for (int i = 0; i < count; i++) {
		ck_assert_int_eq(dup2(fds[i], FIRST + i), FIRST + i);
		close(fds[i]);
	}
	environment("LISTEN_PID", getpid());
	environment("LISTEN_FDS", count);
	ck_assert_int_eq(setenv("LISTEN_FDNAMES", names, 1), 0);
}

static int listening(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un any = { .sun_family = AF_UNIX };

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&any, sizeof(any.sun_family)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	return fd;
}

static int memory(void)
{
	return memfd_create("x", MFD_CLOEXEC);
}

static struct {
	char names[256];
	unsigned count;
	int fds[8];
} taken;

static void take(void *context, const char *name, int fd)
{
	ck_assert_ptr_eq(context, &taken);
	snprintf(taken.names + strlen(taken.names), sizeof(taken.names) - strlen(taken.names),
		 "%s ", name);
	taken.fds[taken.count++] = fd;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

START_TEST(listeners_are_asked_for_and_the_rest_is_passed)
{
	const int fds[] = { memory(), listening(), memory(), listening() };
	uid_t uid = 1;
	gid_t gid = 1;

	ck_assert_int_eq(fchown(fds[2], 77, 88), 0);
	pass(fds, 4, "ledger.a.0:control:capture.a:metrics");
	ck_assert(notify_handed());
	ck_assert(notify_handed_by(&uid, &gid));
	ck_assert_uint_eq(uid, 77); /* the record's, whatever comes before it */
	ck_assert_uint_eq(gid, 88);
	ck_assert_int_eq(notify_listener("control"), FIRST + 1);
	ck_assert_int_eq(notify_listener("metrics"), FIRST + 3);
	notify_passed(take, &taken);
	ck_assert_str_eq(taken.names, "ledger.a.0 capture.a ");
	ck_assert_int_eq(taken.fds[0], FIRST);
	ck_assert_int_eq(taken.fds[1], FIRST + 2);
	for (int i = 0; i < 4; i++)
		ck_assert(is_open(FIRST + i));
	notify_passed(take, &taken); /* once */
	ck_assert_uint_eq(taken.count, 2);
	ck_assert(!notify_handed());
	ck_assert_int_eq(notify_listener("control"), -ENOENT);
}
END_TEST

START_TEST(two_sockets_of_one_name_are_one_too_many)
{
	const int fds[] = { listening(), listening(), listening() };

	pass(fds, 3, "control:metrics:control");
	ck_assert_int_eq(notify_listener("control"), -EEXIST);
	ck_assert_int_eq(notify_listener("metrics"), FIRST + 1);
}
END_TEST

/* Nobody would ever accept from it: a client would wait for ever. */
START_TEST(a_listener_of_another_name_is_closed_and_logged)
{
	const int fds[] = { listening(), memory() };

	pass(fds, 2, "afcapd.socket:ring.a.0.1");
	notify_passed(take, &taken);
	ck_assert_str_eq(taken.names, "ring.a.0.1 ");
	ck_assert(!is_open(FIRST));
	ck_assert(is_open(FIRST + 1));
	ck_assert_uint_eq(place_logged("<4>a socket unit passes a listening socket as "
				       "afcapd.socket, which is not served"),
			  1);
}
END_TEST

/* Listeners alone are there at the first start as well. */
START_TEST(listeners_are_no_inheritance)
{
	const int fds[] = { listening() };
	uid_t uid = 1;
	gid_t gid = 1;

	ck_assert(!notify_handed()); /* nothing at all */
	ck_assert_int_eq(notify_listener("control"), -ENOENT);
	pass(fds, 1, "control");
	ck_assert(!notify_handed());
	ck_assert(!notify_handed_by(&uid, &gid));
	ck_assert_uint_eq(uid, 1);
	ck_assert_int_eq(notify_listener("metrics"), -ENOENT);
	environment("LISTEN_PID", getpid() + 1); /* for another process */
	ck_assert_int_eq(notify_listener("control"), -ENOENT);
}
END_TEST

START_TEST(the_watchdog_is_heard_twice_within_its_time)
{
	ck_assert_uint_eq(notify_watchdog_ms(), 0);
	environment("WATCHDOG_USEC", 10000000);
	environment("WATCHDOG_PID", getpid());
	ck_assert_uint_eq(notify_watchdog_ms(), 5000);
	environment("WATCHDOG_PID", getpid() + 1);
	ck_assert_uint_eq(notify_watchdog_ms(), 0);
}
END_TEST

/* ---- what is sent ---- */

static const struct {
	const char *address;
	bool manager;
} addresses[] = {
	{ "/run/systemd/notify", true }, { "@x", true }, { "@", false }, { "/", false },
	{ "run/systemd/notify", false }, { "", false },
};

START_TEST(a_manager_has_a_path_or_an_abstract_name)
{
	struct notify *other;

	setenv("NOTIFY_SOCKET", addresses[_i].address, 1);
	ck_assert_int_eq(notify_new(&other), 0);
	ck_assert_int_eq(notify_manager(other), addresses[_i].manager);
	notify_free(other);
}
END_TEST

START_TEST(a_path_that_no_socket_can_have_is_no_managers)
{
	char path[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];

	for (size_t n = sizeof(path) - 2; n < sizeof(path); n++) { /* with the NUL behind it */
		struct notify *other;

		memset(path, 'x', n);
		path[0] = '/';
		path[n] = '\0';
		setenv("NOTIFY_SOCKET", path, 1);
		ck_assert_int_eq(notify_new(&other), 0);
		ck_assert_int_eq(notify_manager(other), n == sizeof(path) - 2);
		notify_free(other);
	}
}
END_TEST

START_TEST(its_states_are_sent_and_a_long_text_is_cut)
{
	char text[1000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	notify_ready(notify);
	notify_status(notify, "%s %u", "one", 2);
	notify_stopping(notify);
	notify_watchdog(notify);
	ck_assert_uint_eq(manager_read(), 4);
	ck_assert_str_eq(manager.texts, "READY=1\nSTATUS=one 2\nSTOPPING=1\nWATCHDOG=1\n");
	*manager.texts = '\0';
	notify_status(notify, "%s", text);
	manager_read();
	ck_assert_uint_eq(strlen(manager.texts), 511 + strlen("\n"));
}
END_TEST

/* A state is news, which is repeated: silence is enough. What must not be missed is logged. */
START_TEST(a_manager_that_is_gone_is_logged)
{
	manager_end();
	notify_status(notify, "x");
	notify_watchdog(notify);
	ck_assert_uint_eq(place_logged("notifying the service manager"), 0);
	notify_ready(notify);
	ck_assert_uint_eq(place_logged("<3>notifying the service manager: "), 1);
}
END_TEST

static void manager_fill(void)
{
	for (unsigned i = 0; i < 1000; i++)
		notify_status(notify, "%u", i);
}

START_TEST(what_was_queued_for_a_manager_that_is_gone_is_logged)
{
	manager_fill();
	notify_ready(notify);
	notify_stopping(notify);
	ck_assert_uint_eq(place_logged("notifying the service manager"), 0);
	manager_end();
	notify_watchdog(notify);
	ck_assert_uint_eq(place_logged("<3>notifying the service manager: "), 2);
}
END_TEST

START_TEST(more_descriptors_than_a_message_takes_are_refused)
{
	int fds[MANY];

	for (unsigned i = 0; i < MANY; i++)
		fds[i] = STDIN_FILENO;
	notify_send(notify, "FDSTORE=1", fds, MANY);
	ck_assert_uint_eq(place_logged("<3>notifying the service manager: Argument list too long"),
			  1);
	ck_assert_uint_eq(manager_read(), 0);
}
END_TEST

/* A message without its descriptors says something else: it is given up as a whole. */
START_TEST(a_message_whose_descriptors_cannot_be_kept_is_given_up)
{
	struct rlimit before;
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	manager_fill();
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 0, before.rlim_max }), 0);
	notify_send(notify, "FDSTORE=1\nFDNAME=x\nFDPOLL=0", &ends[1], 1);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	ck_assert_uint_eq(place_logged("<3>no descriptor to notify the service manager"), 1);
	close(ends[1]);
	ck_assert_int_eq(poll(&(struct pollfd){ ends[0], POLLIN, 0 }, 1, 0), 1); /* hung up */
	manager_read();
	*manager.texts = '\0';
	notify_ready(notify);
	manager_read();
	ck_assert_str_eq(manager.texts, "READY=1\n");
}
END_TEST

/* What is still queued or asked is closed, not sent. */
START_TEST(at_the_end_nothing_stays_open)
{
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	notify_ready(notify);
	ck_assert(!notify_settled(notify)); /* a barrier is with the manager */
	manager_fill();
	notify_send(notify, "FDSTORE=1\nFDNAME=x\nFDPOLL=0", &ends[1], 1);
	close(ends[1]);
	notify_free(notify);
	notify = NULL;
	ck_assert_int_eq(poll(&(struct pollfd){ ends[0], POLLIN, 0 }, 1, 0), 1); /* hung up */
	manager_read();
	ck_assert_uint_eq(manager.count, 0);
}
END_TEST

static void *manager_wakes(void *nothing)
{
	poll(NULL, 0, 100);
	manager_read();
	return nothing;
}

START_TEST(settling_waits_for_the_manager)
{
	pthread_t thread;

	notify_ready(notify);
	ck_assert_int_eq(pthread_create(&thread, NULL, manager_wakes, NULL), 0);
	notify_settle(notify);
	ck_assert_str_eq(manager.texts, "READY=1\nBARRIER=1\n"); /* it has read all */
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert(notify_settled(notify));
}
END_TEST

Suite *suite_notify(void)
{
	Suite *s = suite_create("notify");
	TCase *t = tcase_create("notify");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, listeners_are_asked_for_and_the_rest_is_passed);
	tcase_add_test(t, two_sockets_of_one_name_are_one_too_many);
	tcase_add_test(t, a_listener_of_another_name_is_closed_and_logged);
	tcase_add_test(t, listeners_are_no_inheritance);
	tcase_add_test(t, the_watchdog_is_heard_twice_within_its_time);
	tcase_add_loop_test(t, a_manager_has_a_path_or_an_abstract_name, 0,
			    sizeof(addresses) / sizeof(*addresses));
	tcase_add_test(t, a_path_that_no_socket_can_have_is_no_managers);
	tcase_add_test(t, its_states_are_sent_and_a_long_text_is_cut);
	tcase_add_test(t, a_manager_that_is_gone_is_logged);
	tcase_add_test(t, what_was_queued_for_a_manager_that_is_gone_is_logged);
	tcase_add_test(t, more_descriptors_than_a_message_takes_are_refused);
	tcase_add_test(t, a_message_whose_descriptors_cannot_be_kept_is_given_up);
	tcase_add_test(t, at_the_end_nothing_stays_open);
	tcase_add_test(t, settling_waits_for_the_manager);
	suite_add_tcase(s, t);
	return s;
}
