/* daemon/supervisor/supervisor.c, former.c, account.c: an instance hands over, the next one
 * continues. */
#include "instance.h"
#include "manager.h"
#include "place.h"
#include "settings.h"
#include "suites.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define BEYOND 64 /* above the numbers that are passed */

#define BETWEEN "interface=va on_missing=wait workers=2 ring_size=256K block_size=64K directory=/d"

static instance_step *const none[] = { NULL };

static bool waits(void)
{
	return instance_is(0, "down") && instance_view(0).ready;
}

static bool leaves;

static void leaving(void *context)
{
	ck_assert_ptr_eq(context, &leaves);
	ck_assert(!leaves); /* once */
	leaves = true;
}

static bool hooked(void)
{
	supervisor_hook(instance.supervisor,
			&(struct supervisor_hooks){ .leaving = leaving, .context = &leaves });
	return true;
}

static bool hands_over(void)
{
	return strcmp(supervisor_phase(instance.supervisor), "handing over: ") == 0;
}

static instance_step *const until_handed_over[] = { instance_records,	    instance_is_ready,
						    instance_packets_come,  instance_packets_shown,
						    instance_files_named,   hooked,
						    instance_hand_over,	    hands_over,
						    instance_stops,	    instance_hand_over,
						    instance_manager_wakes, NULL };

/* What is stored, and remains so, comes to the next instance as a manager passes it. */
static void stored_pass(void)
{
	char names[1024] = "", number[16];
	unsigned count = manager.count;
	int fd;

	for (unsigned i = 0; i < count; i++) {
		fd = fcntl(manager.stored[i].fd, F_DUPFD_CLOEXEC, BEYOND);
		close(manager.stored[i].fd);
		manager.stored[i].fd = fd;
	}
	for (unsigned i = 0; i < count; i++) {
		ck_assert_int_eq(dup2(manager.stored[i].fd, 3 + (int)i), 3 + (int)i);
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", i ? ":" : "",
			 manager.stored[i].name);
	}
	*manager.texts = '\0';
	snprintf(number, sizeof(number), "%d", (int)getpid());
	setenv("LISTEN_PID", number, 1);
	snprintf(number, sizeof(number), "%u", count);
	setenv("LISTEN_FDS", number, 1);
	setenv("LISTEN_FDNAMES", names, 1);
}

static void next(void)
{
	supervisor_free(instance.supervisor);
	instance.supervisor = NULL;
	stored_pass();
	settings_begin(&instance.config);
}

/* Neither a stop nor a second one changes it. */
static bool ring_is_kept(void)
{
	ck_assert_uint_eq(instance_view(0).ring_bytes, UINT64_C(64) << 20);
	return true;
}

static void handed_over(const char *settings)
{
	instance_configure("a", settings);
	ck_assert_int_eq(instance_begin(), 0);
	ck_assert_int_eq(instance_run(until_handed_over), EX_TEMPFAIL);
	ck_assert(leaves);
	ck_assert_str_eq(instance.account, ""); /* it is the next one's */
	ck_assert_uint_eq(place_logged("<6>handing over: "), 1);
	ck_assert_uint_eq(manager.count, 5);
	ck_assert(manager_stores("capture.a") && manager_stores("ring.a.1.1"));
	next();
}

START_TEST(the_next_instance_continues)
{
	static instance_step *const steps[] = { instance_records,	instance_is_ready,
						instance_packets_shown, instance_packets_come,
						instance_stops,		NULL };

	handed_over(INSTANCE_LOOPBACK);
	instance_configure("a", INSTANCE_LOOPBACK);
	ck_assert_int_eq(instance_begin(), 0);
	ck_assert_int_eq(instance_run(steps), EXIT_SUCCESS);
	ck_assert_ptr_nonnull(strstr(instance.account, "a: 60 packets seen, 0 dropped by the "
						       "kernel, 60 received, 60 written"));
	ck_assert_uint_eq(manager.count, 0);
}
END_TEST

/* Whatever ring_size = auto decides now, by the memory that is left beside them. */
START_TEST(rings_keep_the_size_that_they_were_made_with)
{
	static instance_step *const steps[] = { instance_records, ring_is_kept,
						instance_packets_come, instance_stops, NULL };

	handed_over("interface=lo workers=2 ring_size=64M directory=/d");
	instance_configure("a", "interface=lo workers=2 ring_size=auto directory=/d");
	instance.config.capture[0].group.ring_auto = 1;
	instance.config.capture[0].group.ring_bytes = UINT64_C(1) << 30;
	ck_assert_int_eq(instance_begin(), 0);
	ck_assert_int_eq(instance_run(steps), EXIT_SUCCESS);
	ck_assert_uint_eq(place_logged("its configuration has changed"), 0);
	ck_assert_ptr_nonnull(strstr(instance.account, "a: 60 packets seen, 0 dropped by the "
						       "kernel, 60 received, 60 written"));
}
END_TEST

/* Its rings are written out and counted; the present section is not kept from beginning. */
START_TEST(a_section_that_is_gone_is_finished_and_accounted)
{
	static instance_step *const steps[] = { waits, instance_is_ready, instance_stops, NULL };

	handed_over(INSTANCE_LOOPBACK);
	instance_configure("b", "interface=va on_missing=wait workers=1 directory=/d");
	ck_assert_int_eq(instance_begin(), 0);
	ck_assert_uint_eq(view_captures(instance.supervisor), 1);
	ck_assert_int_eq(instance_run(steps), EXIT_SUCCESS);
	ck_assert_ptr_nonnull(strstr(instance.account, "a: 30 packets seen, 0 dropped by the "
						       "kernel, 30 received, 30 written"));
	ck_assert_uint_eq(manager.count, 0);
}
END_TEST

/* Where nothing is configured any more, it ends when that is done. */
START_TEST(without_a_section_it_ends_with_what_was_left)
{
	handed_over(INSTANCE_LOOPBACK);
	ck_assert_int_eq(instance_begin(), 0);
	ck_assert_int_eq(instance_run(none), EXIT_SUCCESS);
	ck_assert_ptr_nonnull(strstr(instance.account, "a: 30 packets seen"));
	ck_assert_ptr_null(strstr(manager.texts, "READY=1"));
	ck_assert_uint_eq(manager.count, 0);
}
END_TEST

/* It waits for another interface when it is handed over again: the rings of the first one are
 * written out, and there is no link type yet. */
START_TEST(a_capture_between_two_interfaces_continues_its_counters)
{
	static instance_step *const again[] = { waits, instance_is_ready, instance_hand_over,
						instance_manager_wakes, NULL };
	static instance_step *const steps[] = { waits, instance_is_ready, instance_stops, NULL };

	handed_over("interface=any workers=2 ring_size=256K block_size=64K directory=/d");
	instance_configure("a", BETWEEN);
	ck_assert_int_eq(instance_begin(), 0);
	ck_assert_int_eq(instance_run(again), EX_TEMPFAIL);
	next();
	instance_configure("a", BETWEEN);
	ck_assert_int_eq(instance_begin(), 0);
	ck_assert_int_eq(instance_run(steps), EXIT_SUCCESS);
	ck_assert_ptr_nonnull(strstr(instance.account, "a: 30 packets seen, 0 dropped by the "
						       "kernel, 30 received, 30 written"));
	ck_assert_uint_eq(place_logged("cannot be resumed"), 0);
}
END_TEST

Suite *suite_handover(void)
{
	Suite *s = suite_create("handover");
	TCase *t = tcase_create("handover");

	tcase_add_checked_fixture(t, instance_setup, instance_teardown);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, the_next_instance_continues);
	tcase_add_test(t, rings_keep_the_size_that_they_were_made_with);
	tcase_add_test(t, a_section_that_is_gone_is_finished_and_accounted);
	tcase_add_test(t, without_a_section_it_ends_with_what_was_left);
	tcase_add_test(t, a_capture_between_two_interfaces_continues_its_counters);
	suite_add_tcase(s, t);
	return s;
}
