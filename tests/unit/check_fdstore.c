/* daemon/supervisor/fdstore.c, and notify.c below it, against a service manager that is a socket.
 */
#include "manager.h"
#include "suites.h"

#include "../../daemon/base/log.h"
#include "../../daemon/supervisor/fdstore.h"
#include "../../daemon/supervisor/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct notify *notify;
static struct fdstore *store;

static void setup(void)
{
	manager_begin();
	ck_assert_int_eq(notify_new(&notify), 0);
	ck_assert_int_eq(fdstore_new(&store, notify), 0);
}

static void teardown(void)
{
	fdstore_free(store);
	notify_free(notify);
	manager_end();
}

/* Names of captures may have dots and digits: a, a.1 and a.1.0 are three. */
START_TEST(names_say_whose_they_are)
{
	static const struct {
		const char *name, *capture;
		bool is;
	} rows[] = {
		{ "capture.a", "a", true },
		{ "capture.a.1", "a", false },
		{ "capture.a.1", "a.1", true },
		{ "ledger.a.1", "a", true },
		{ "ledger.a.1", "a.1", false },
		{ "ledger.a.1.0", "a", false },
		{ "ledger.a.1.0", "a.1", true },
		{ "ring.a.1.0", "a", true },
		{ "ring.a.1.0", "a.1", false },
		{ "ring.a.1.0.7", "a.1", true },
		{ "ring.a.1.0.7", "a", false },
		{ "ring.a.1.0.7", "a.1.0", false },
		{ "ring.a.63.18446744073709551615", "a", true },
		{ "ring.a", "a", false },
		{ "ledger.a", "a", false },
		{ "ledger.a.", "a", false },
		{ "control", "control", false },
		{ "ledger.ab.0", "a", false },
		{ "", "", false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		ck_assert_msg(fdstore_is_of(rows[i].name, rows[i].capture) == rows[i].is,
			      "%s of %s", rows[i].name, rows[i].capture);
}
END_TEST

static void left_put(const char *name)
{
	fdstore_inherit(store, name, dup(STDIN_FILENO));
}

/* Of one worker: whatever its ring's generation, and nothing of a capture whose name begins so. */
START_TEST(what_one_worker_left_is_discarded_alone)
{
	struct fdstore_key key = { FDSTORE_LEDGER, "a", 0, 0 };
	int ring;

	left_put("ring.a.1.0.7");
	left_put("ring.a.0.3");
	left_put("ring.a.1.7");
	left_put("ledger.a.1");
	left_put("ledger.a.0");
	ring = fdstore_take_ring(store, "a", 1);
	ck_assert_int_ge(ring, 0);
	close(ring);
	ck_assert_int_eq(fdstore_take_ring(store, "a", 1), -1);
	ck_assert_int_eq(fdstore_take_ring(store, "a", 2), -1);
	fdstore_discard_worker(store, "a", 1);
	key.worker = 1;
	ck_assert_int_eq(fdstore_take(store, &key), -1);
	key.worker = 0;
	ring = fdstore_take(store, &key);
	ck_assert_int_ge(ring, 0);
	close(ring);
	ring = fdstore_take_ring(store, "a", FDSTORE_ANY);
	ck_assert_int_ge(ring, 0);
	close(ring);
	ck_assert_int_eq(fdstore_take_ring(store, "a", FDSTORE_ANY), -1);
	ring = fdstore_take_ring(store, "a.1", 0);
	ck_assert_int_ge(ring, 0);
	close(ring);
	ck_assert(!fdstore_end(store));
}
END_TEST

static void line_log(int *file)
{
	*file = memfd_create("log", MFD_CLOEXEC);
	ck_assert_int_eq(dup2(*file, STDERR_FILENO), STDERR_FILENO);
	unsetenv("JOURNAL_STREAM");
	log_open(LOG_INFO, "");
}

static bool logged(int file, const char *what)
{
	char lines[4096] = "";

	ck_assert_int_ge(pread(file, lines, sizeof(lines) - 1, 0), 0);
	return strstr(lines, what) != NULL;
}

/* (6): put, dropped, and put again; an inherited one is there until it is dropped. */
START_TEST(what_is_put_is_stored_until_it_is_dropped)
{
	const struct fdstore_key ring = { FDSTORE_RING, "a", 1, 7 },
				 next = { FDSTORE_RING, "a", 1, 8 };
	const struct fdstore_key left = { FDSTORE_LEDGER, "a", 1, 0 };

	fdstore_put(store, &ring, STDIN_FILENO);
	ck_assert_uint_eq(manager_read(), 1);
	ck_assert(manager_stores("ring.a.1.7"));
	ck_assert(fdstore_has(store, &ring));
	ck_assert(!fdstore_has(store, &next));
	fdstore_put(store, &next, STDIN_FILENO);
	fdstore_drop(store, &ring);
	manager_read();
	ck_assert(!manager_stores("ring.a.1.7"));
	ck_assert(manager_stores("ring.a.1.8"));
	ck_assert(!fdstore_has(store, &ring));
	ck_assert(fdstore_has(store, &next));
	fdstore_put(store, &ring, STDIN_FILENO);
	ck_assert(fdstore_has(store, &ring));

	left_put("ledger.a.1");
	ck_assert(fdstore_has(store, &left));
	close(fdstore_take(store, &left));
	ck_assert(fdstore_has(store, &left));
	ck_assert(!fdstore_end(store)); /* all is taken */
	ck_assert(fdstore_has(store, &left));
	fdstore_drop(store, &left);
	ck_assert(!fdstore_has(store, &left));
}
END_TEST

/* Many rings in a row take no more place than there are at a time. */
START_TEST(names_come_and_go)
{
	struct fdstore_key ring = { FDSTORE_RING, "a", 0, 0 };

	for (; ring.generation < 1000; ring.generation++) {
		struct fdstore_key before = { FDSTORE_RING, "a", 0, ring.generation - 1 };
		int fd;

		fdstore_put(store, &ring, STDIN_FILENO);
		if (ring.generation)
			fdstore_drop(store, &before);
		manager_read();
		ck_assert_uint_eq(manager.count, 1);
		ck_assert(fdstore_has(store, &ring));
		ck_assert(!ring.generation || !fdstore_has(store, &before));
		ck_assert_ptr_null(fdstore_capture(store, 2, &fd));
		*manager.texts = '\0';
	}
}
END_TEST

/* A manager that reads nothing. */
static void manager_fill(void)
{
	for (unsigned i = 0; i < 1000; i++)
		notify_status(notify, "%u", i);
}

/* (N1, N2, F1): in the order in which it was sent, each with its descriptor, but for what was
 * dropped meanwhile. */
START_TEST(what_is_dropped_before_it_was_sent_is_never_stored)
{
	const struct fdstore_key first = { FDSTORE_RING, "a", 0, 1 },
				 second = { FDSTORE_RING, "a", 0, 2 };
	int ends[2];
	char byte;

	manager_fill();
	ck_assert_int_eq(pipe(ends), 0);
	fdstore_put(store, &first, STDIN_FILENO);
	fdstore_put(store, &second, ends[1]);
	close(ends[1]);
	fdstore_drop(store, &first);
	notify_ready(notify);
	ck_assert_uint_gt(manager_read(), 0);
	ck_assert_uint_eq(manager.count, 0);
	*manager.texts = '\0';
	notify_watchdog(notify);
	manager_read();
	ck_assert_str_eq(manager.texts, "FDSTORE=1 FDNAME=ring.a.0.2 FDPOLL=0\n"
					"FDSTOREREMOVE=1 FDNAME=ring.a.0.1\nREADY=1\nWATCHDOG=1\n");
	ck_assert(manager_stores("ring.a.0.2"));
	ck_assert_int_eq(write(manager.stored[0].fd, "x", 1), 1);
	ck_assert_int_eq(read(ends[0], &byte, 1), 1);
	close(ends[0]);
}
END_TEST

/* (N3) */
START_TEST(it_is_settled_when_the_manager_has_read_all)
{
	const struct fdstore_key ring = { FDSTORE_RING, "a", 0, 1 };

	ck_assert(fdstore_settled(store)); /* nothing was sent */
	fdstore_drop(store, &ring);
	ck_assert(!fdstore_settled(store));
	ck_assert(!fdstore_settled(store));
	manager_read();
	ck_assert(fdstore_settled(store));
	ck_assert(fdstore_settled(store));
	manager_fill(); /* the barrier waits for its turn as well */
	fdstore_drop(store, &ring);
	ck_assert(!fdstore_settled(store));
	manager_read();
	ck_assert(!fdstore_settled(store));
	manager_read();
	ck_assert(fdstore_settled(store));
}
END_TEST

START_TEST(without_a_manager_nothing_is_sent_or_waited_for)
{
	const struct fdstore_key ring = { FDSTORE_RING, "a", 0, 1 };
	struct fdstore *other = NULL;
	struct notify *none = NULL;

	unsetenv("NOTIFY_SOCKET");
	ck_assert_int_eq(notify_new(&none), 0);
	ck_assert_int_eq(fdstore_new(&other, none), 0);
	ck_assert(!notify_manager(none));
	fdstore_put(other, &ring, STDIN_FILENO);
	ck_assert(fdstore_settled(other));
	notify_settle(none);
	fdstore_check(other, NULL, 5, 5);
	ck_assert_uint_eq(manager_read(), 0);
	fdstore_free(other);
	notify_free(none);
	fdstore_free(NULL);
	notify_free(NULL);
}
END_TEST

/* What this instance has put is no inheritance. */
START_TEST(a_capture_is_discarded_without_what_is_new_of_it)
{
	const struct fdstore_key old = { FDSTORE_RING, "a", 0, 1 },
				 new = { FDSTORE_RING, "a", 0, 2 };
	int fd, ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	fdstore_inherit(store, "ring.a.0.1", ends[1]);
	left_put("capture.a");
	left_put("capture.b");
	ck_assert_str_eq(fdstore_capture(store, 0, &fd), "");
	ck_assert_str_eq(fdstore_capture(store, 1, &fd), "a");
	ck_assert_int_ge(fd, 0);
	fdstore_put(store, &new, STDIN_FILENO);
	fdstore_discard(store, "a");
	ck_assert(!fdstore_has(store, &old));
	ck_assert(fdstore_has(store, &new));
	ck_assert_int_eq(poll(&(struct pollfd){ ends[0], POLLIN, 0 }, 1, 0), 1); /* closed */
	ck_assert_str_eq(fdstore_capture(store, 1, &fd), "");
	ck_assert_str_eq(fdstore_capture(store, 2, &fd), "b");
	close(ends[0]);
}
END_TEST

/* (8): what nobody counted is logged, a ring louder than the others. */
START_TEST(what_no_capture_takes_is_closed_and_logged)
{
	int ends[2], file;

	line_log(&file);
	ck_assert_int_eq(pipe(ends), 0);
	fdstore_inherit(store, "ring.x.0.1", ends[1]);
	left_put("capture.x");
	left_put("test.store");
	ck_assert(fdstore_end(store));
	ck_assert_int_eq(poll(&(struct pollfd){ ends[0], POLLIN, 0 }, 1, 0), 1); /* closed */
	ck_assert(logged(file, "<3>dropping stored descriptor ring.x.0.1"));
	ck_assert(logged(file, "<5>dropping stored descriptor capture.x"));
	ck_assert(!logged(file, "test.store"));
	manager_read();
	ck_assert_str_eq(manager.texts, "FDSTOREREMOVE=1 FDNAME=ring.x.0.1\n"
					"FDSTOREREMOVE=1 FDNAME=capture.x\n"
					"FDSTOREREMOVE=1 FDNAME=test.store\n");
	ck_assert(!fdstore_end(store));
	close(ends[0]);
}
END_TEST

/* The record that they belong to is not there: a new one is made, and new ledgers. */
START_TEST(what_takes_the_name_of_what_was_left_stays_stored)
{
	const struct fdstore_key key = { FDSTORE_LEDGER, "x", 0, 0 };

	left_put("ledger.x.0");
	fdstore_put(store, &key, STDOUT_FILENO);
	ck_assert(!fdstore_end(store));
	ck_assert(fdstore_has(store, &key));
	manager_read();
	ck_assert(manager_stores("ledger.x.0"));
	ck_assert_int_eq(fdstore_take(store, &key), -1);
}
END_TEST

/* Five descriptors of which two are not sent yet; one more is needed to try it. */
static const struct {
	unsigned max;
	const char *told; /* $FDSTORE */
	bool too_small;
} limits[] = {
	{ 0, NULL, true }, { 4, NULL, true }, { 5, NULL, true }, { 6, NULL, false },
	{ 9, "4", true },  { 9, "5", false }, { 9, "?", false },
};

START_TEST(a_store_that_is_too_small_is_logged)
{
	struct event_base *base = event_base_new();
	struct fdstore_key key = { FDSTORE_RING, "a", 0, 1 };
	int file;

	line_log(&file);
	manager.max = limits[_i].max;
	if (limits[_i].told)
		setenv("FDSTORE", limits[_i].told, 1);
	for (; key.worker < 3; key.worker++)
		fdstore_put(store, &key, STDIN_FILENO);
	fdstore_check(store, base, 5, 2);
	manager_read();
	event_base_loop(base, EVLOOP_NONBLOCK);
	ck_assert_int_eq(logged(file, "FileDescriptorStoreMax=6"), limits[_i].too_small);
	manager_read();
	ck_assert(!manager_stores("test.store"));
	fdstore_check_end(store);
	fdstore_free(store);
	store = NULL;
	event_base_free(base);
}
END_TEST

Suite *suite_fdstore(void)
{
	Suite *s = suite_create("fdstore");
	TCase *t = tcase_create("fdstore");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, names_say_whose_they_are);
	tcase_add_test(t, what_one_worker_left_is_discarded_alone);
	tcase_add_test(t, what_is_put_is_stored_until_it_is_dropped);
	tcase_add_test(t, names_come_and_go);
	tcase_add_test(t, what_is_dropped_before_it_was_sent_is_never_stored);
	tcase_add_test(t, it_is_settled_when_the_manager_has_read_all);
	tcase_add_test(t, without_a_manager_nothing_is_sent_or_waited_for);
	tcase_add_test(t, a_capture_is_discarded_without_what_is_new_of_it);
	tcase_add_test(t, what_no_capture_takes_is_closed_and_logged);
	tcase_add_test(t, what_takes_the_name_of_what_was_left_stays_stored);
	tcase_add_loop_test(t, a_store_that_is_too_small_is_logged, 0,
			    sizeof(limits) / sizeof(*limits));
	suite_add_tcase(s, t);
	return s;
}
