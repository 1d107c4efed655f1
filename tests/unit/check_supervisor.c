/* daemon/supervisor/supervisor.c, captures.c, view.c, account.c, status.c: the life of an instance,
 * from its start to its account. */
#include "children.h"
#include "instance.h"
#include "manager.h"
#include "place.h"
#include "settings.h"
#include "suites.h"

#include "../../daemon/supervisor/limits.h"
#include "../../daemon/supervisor/status.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* ---- a capture that records ---- */

static bool all_is_shown(void)
{
	struct capture_view v = instance_view(0);
	struct worker_view w = instance_worker(0, 0);

	ck_assert_uint_eq(view_captures(instance.supervisor), 1);
	ck_assert_str_eq(v.name, "a");
	ck_assert_str_eq(v.interface, "lo");
	ck_assert_str_eq(v.device, "lo");
	ck_assert_str_eq(v.fanout, "hash");
	ck_assert_str_eq(v.fanout_flags[0], "ignore_outgoing"); /* of a loopback */
	ck_assert_ptr_null(v.fanout_flags[1]);
	ck_assert(v.fanout_known);
	ck_assert_uint_eq(v.fanout_id, 77);
	ck_assert_uint_eq(v.workers, 2);
	ck_assert(!v.degraded && v.link_up && v.ready);
	ck_assert_ptr_null(v.reason);
	ck_assert_uint_ne(v.since_ns, 0);
	ck_assert_uint_eq(v.ring_bytes, 256 << 10);
	ck_assert_uint_eq(v.ring_blocks, 4);
	ck_assert_double_eq_tol(v.ring_seconds, 2, 1e-9); /* three blocks of 1 s, less one held */
	ck_assert_double_gt(w.ring_seconds, 0);
	ck_assert_double_le(w.ring_seconds, v.ring_seconds);
	ck_assert_uint_eq(v.disk_available, 1 << 30);
	ck_assert_uint_eq(v.total.written, 30);
	ck_assert_int_gt(w.pid, 0);
	ck_assert_str_eq(w.state, "running");
	ck_assert(w.up);
	ck_assert_uint_ne(w.started_ns, 0);
	ck_assert_str_eq(w.file, "file-0");
	ck_assert_uint_eq(w.counters.written, 20);
	ck_assert_str_eq(supervisor_phase(instance.supervisor), "");
	ck_assert(!view_rotating(instance.supervisor, NULL));
	ck_assert_ptr_null(view_rotation_refused(instance.supervisor, "a"));
	status_send(instance.supervisor);
	manager_read();
	ck_assert_ptr_nonnull(strstr(manager.texts, "STATUS=a: 2 of 2 workers, 30 packets"));
	return true;
}

static bool is_stopping(void)
{
	if (strcmp(supervisor_phase(instance.supervisor), "stopping: ") != 0)
		return false; /* the signal is not served yet */
	status_send(instance.supervisor);
	return instance_is(0, "stopping");
}

START_TEST(a_capture_records_until_it_is_stopped)
{
	static instance_step *const steps[] = {
		instance_records,	instance_is_ready,    instance_packets_come,
		instance_packets_shown, instance_files_named, all_is_shown,
		instance_stops,		is_stopping,	      NULL
	};

	instance_configure("a", INSTANCE_LOOPBACK);
	ck_assert_int_eq(instance_begin(), 0);
	ck_assert_int_eq(instance_run(steps), EXIT_SUCCESS);
	ck_assert_str_eq(instance.account,
			 "a: 30 packets seen, 0 dropped by the kernel, 30 received, 30 written, 0 "
			 "discarded, 2 files\n"
			 "a worker 0: 20 packets seen, 0 dropped by the kernel, 20 received, 20 "
			 "written, 0 discarded, 1 files\n"
			 "a worker 1: 10 packets seen, 0 dropped by the kernel, 10 received, 10 "
			 "written, 0 discarded, 1 files\n");
	ck_assert_str_eq(supervisor_phase(instance.supervisor), "ended: ");
	ck_assert_ptr_nonnull(strstr(manager.texts, "STOPPING=1"));
	ck_assert_ptr_nonnull(strstr(manager.texts, "STATUS=stopping: a: "));
	ck_assert_uint_eq(manager.count, 0); /* nothing of it is stored any more */
	ck_assert_uint_eq(place_logged("<3>") + place_logged("<4>"), 0);
}
END_TEST

static uint64_t decided; /* at the start */

static bool a_size_is_shown(void)
{
	uint64_t bytes = instance_view(0).ring_bytes;

	ck_assert(bytes == decided || bytes == limits_ring_auto(2));
	return true;
}

START_TEST(the_size_of_rings_is_decided_at_the_start)
{
	static instance_step *const steps[] = { instance_records, a_size_is_shown, instance_stops,
						NULL };

	instance_configure("a", "interface=lo workers=2 ring_size=auto directory=/d");
	decided = limits_ring_auto(2);
	ck_assert_int_eq(instance_begin(), 0);
	ck_assert_int_eq(instance_run(steps), EXIT_SUCCESS);
}
END_TEST

/* ---- captures that do not record ---- */

static bool waits(void)
{
	struct capture_view v = instance_view(0);

	if (!v.ready)
		return false;
	ck_assert_str_eq(v.state, "down");
	ck_assert_str_eq(v.reason, "there is no interface va");
	ck_assert(v.degraded && !v.link_up);
	ck_assert_ptr_null(v.device);
	ck_assert_uint_eq(v.since_ns, 0);
	ck_assert_str_eq(instance_worker(0, 0).state, "waiting");
	ck_assert_int_eq(instance_worker(0, 0).pid, -1);
	return true;
}

START_TEST(a_capture_whose_interface_may_come_is_waited_for)
{
	static instance_step *const steps[] = { waits, instance_is_ready, instance_stops, NULL };

	instance_configure("a", "interface=va on_missing=wait workers=1 directory=/d");
	ck_assert_int_eq(instance_begin(), 0);
	ck_assert_int_eq(instance_run(steps), EXIT_SUCCESS);
	ck_assert_uint_eq(place_logged("<5>a: there is no interface va: waiting for it"), 1);
	ck_assert_uint_eq(children_count(), 1); /* the archive process alone */
}
END_TEST

static instance_step *const none[] = { NULL };

START_TEST(a_capture_that_cannot_be_ends_the_start)
{
	instance_configure("a", INSTANCE_LOOPBACK);
	instance_configure("b", "interface=vb workers=1 directory=/d");
	ck_assert_int_eq(instance_begin(), 0);
	ck_assert_int_eq(instance_run(none), EX_CONFIG);
	ck_assert_uint_eq(place_logged("<3>test.conf:7: no such interface: vb"), 1);
	ck_assert_ptr_null(strstr(manager.texts, "READY=1"));
	ck_assert_str_eq(instance.account, ""); /* nothing was recorded */
	ck_assert_uint_eq(manager.count, 0);
}
END_TEST

START_TEST(a_directory_that_cannot_be_ends_the_start)
{
	instance_configure("a", INSTANCE_LOOPBACK);
	instance.directory_error = ENOENT;
	ck_assert_int_eq(instance_begin(), 0);
	ck_assert_int_eq(instance_run(none), EX_CONFIG);
	ck_assert_uint_eq(place_logged("<3>capture a: refused by the test"), 1);
	ck_assert_ptr_null(strstr(manager.texts, "READY=1"));
}
END_TEST

START_TEST(without_an_archive_process_nothing_begins)
{
	instance_configure("a", INSTANCE_LOOPBACK " worker_timeout=60s");
	instance.archive_dies = true;
	ck_assert_int_eq(instance_begin(), 0);
	ck_assert_int_eq(instance_run(none), EXIT_FAILURE);
	ck_assert_uint_eq(place_logged("<3>the archive process cannot be started"), 2);
	ck_assert_ptr_null(strstr(manager.texts, "READY=1"));
}
END_TEST

START_TEST(without_a_process_it_does_not_start)
{
	instance_configure("a", INSTANCE_LOOPBACK);
	children_refuse(EAGAIN);
	ck_assert_int_eq(instance_begin(), EXIT_FAILURE);
	ck_assert_uint_eq(place_logged("<3>starting: "), 1);
}
END_TEST

static bool fails(void)
{
	supervisor_failed(instance.supervisor, 42, "the test says so");
	supervisor_failed(instance.supervisor, 43, "the test says so again");
	return true;
}

START_TEST(what_fails_first_is_the_exit_code)
{
	static instance_step *const steps[] = { instance_records, instance_packets_come,
						instance_packets_shown, fails, NULL };

	instance_configure("a", INSTANCE_LOOPBACK);
	ck_assert_int_eq(instance_begin(), 0);
	ck_assert_int_eq(instance_run(steps), 42);
	ck_assert_uint_eq(place_logged("<3>the test says so"), 1);
	ck_assert_ptr_nonnull(strstr(instance.account, "a: 30 packets seen"));
}
END_TEST

/* ---- signals ---- */

static bool rotate(void)
{
	raise(SIGUSR1);
	return true;
}

static bool rotating(void)
{
	return view_rotating(instance.supervisor, "a");
}

static bool rotations_are_counted(void)
{
	ck_assert(!view_rotating(instance.supervisor, "b"));
	ck_assert_uint_eq(supervisor_rotate(instance.supervisor, "b"), 0);
	ck_assert_uint_eq(supervisor_rotate(instance.supervisor, "a"), 1);
	ck_assert_uint_eq(supervisor_rotate(instance.supervisor, NULL), 1);
	return true;
}

START_TEST(a_rotation_is_under_way_until_the_next_files_are_used)
{
	static instance_step *const steps[] = {
		instance_records, instance_packets_come, instance_packets_shown, rotate,
		rotating,	  rotations_are_counted, instance_stops,	 NULL
	};

	instance_configure("a", INSTANCE_LOOPBACK);
	ck_assert_int_eq(instance_begin(), 0);
	ck_assert_int_eq(instance_run(steps), EXIT_SUCCESS);
	ck_assert_uint_eq(place_logged("<6>SIGUSR1: "), 1);
}
END_TEST

static bool a_moment(void)
{
	static unsigned calls;

	return ++calls % 50 == 0; /* two signals in a row are meant as one */
}

/* The workers do not end: the second signal ends them, what is in their rings is abandoned. */
START_TEST(the_second_signal_abandons_what_is_left)
{
	static instance_step *const steps[] = { instance_records,
						instance_packets_come,
						instance_packets_shown,
						instance_stops,
						is_stopping,
						instance_stops,
						NULL };

	instance_configure("a", INSTANCE_LOOPBACK " drain_timeout=1h");
	instance.worker_stubborn = true;
	ck_assert_int_eq(instance_begin(), 0);
	ck_assert_int_eq(instance_run(steps), EXIT_SUCCESS);
	ck_assert_uint_eq(place_logged("<6>stopping: "), 1);
	ck_assert_uint_eq(place_logged("<4>stopping at once"), 1);
	ck_assert_uint_eq(place_logged("exiting without waiting"), 0);
}
END_TEST

static bool archive_deaf(void)
{
	instance.archive_deaf = true;
	return true;
}

START_TEST(the_third_signal_does_not_wait_for_the_disk)
{
	static instance_step *const steps[] = { instance_records,
						instance_packets_come,
						instance_packets_shown,
						instance_files_named,
						archive_deaf,
						instance_stops,
						is_stopping,
						a_moment,
						instance_stops,
						a_moment,
						instance_stops,
						NULL };

	instance_configure("a", INSTANCE_LOOPBACK);
	ck_assert_int_eq(instance_begin(), 0);
	ck_assert_int_eq(instance_run(steps), EXIT_FAILURE);
	ck_assert_uint_eq(place_logged("<4>exiting without waiting for the disk"), 1);
	ck_assert_ptr_nonnull(strstr(instance.account, "a: 30 packets seen"));
}
END_TEST

/* ---- a worker that dies ---- */

static bool one_dies(void)
{
	instance_kill(0, SIGKILL);
	return true;
}

static bool one_is_replaced(void)
{
	struct capture_view v = instance_view(0);

	if (!v.reason)
		return false;
	ck_assert_str_eq(v.reason, "a worker is being replaced");
	ck_assert(v.degraded);
	ck_assert_str_eq(v.state, "running");
	return true;
}

static bool all_are_up(void)
{
	return instance_worker(0, 0).up && instance_view(0).total.restarts == 1;
}

START_TEST(a_worker_that_dies_is_replaced)
{
	static instance_step *const steps[] = { instance_records,
						instance_packets_come,
						instance_packets_shown,
						instance_files_named,
						one_dies,
						one_is_replaced,
						all_are_up,
						instance_stops,
						NULL };

	instance_configure("a", INSTANCE_LOOPBACK);
	ck_assert_int_eq(instance_begin(), 0);
	ck_assert_int_eq(instance_run(steps), EXIT_SUCCESS);
	ck_assert_ptr_nonnull(strstr(instance.account, "a: 30 packets seen, 0 dropped by the "
						       "kernel, 30 received, 30 written"));
}
END_TEST

/* ---- no room ---- */

static bool reserve_is_missed(void)
{
	struct capture_view v = instance_view(0);

	return v.reason &&
	       strcmp(v.reason, "too little space is free for disk_reserve, and no file is left "
				"to remove: packets are counted as discarded_no_space") == 0 &&
	       strcmp(v.state, "suspended") == 0;
}

static bool room_again(void)
{
	instance.reserve_gone = false;
	return true;
}

START_TEST(a_capture_without_room_is_suspended_until_there_is_some)
{
	static instance_step *const steps[] = { reserve_is_missed, room_again, instance_records,
						instance_stops, NULL };

	instance_configure("a", INSTANCE_LOOPBACK);
	instance.reserve_gone = true;
	ck_assert_int_eq(instance_begin(), 0);
	ck_assert_int_eq(instance_run(steps), EXIT_SUCCESS);
	ck_assert_uint_eq(place_logged("there is space again"), 1);
}
END_TEST

/* ---- besides ---- */

START_TEST(without_a_manager_nothing_is_handed_over)
{
	static instance_step *const steps[] = { instance_records, instance_hand_over, a_moment,
						instance_stops, NULL };

	unsetenv("NOTIFY_SOCKET");
	instance_configure("a", INSTANCE_LOOPBACK);
	ck_assert_int_eq(instance_begin(), 0);
	ck_assert_int_eq(instance_run(steps), EXIT_SUCCESS);
	ck_assert_uint_eq(place_logged("<4>SIGUSR2 is ignored: no service manager"), 1);
}
END_TEST

static unsigned ticks;

static void ticked(void *context)
{
	ck_assert_ptr_eq(context, &ticks);
	ticks++;
}

static bool ticks_hooked(void)
{
	supervisor_hook(instance.supervisor,
			&(struct supervisor_hooks){ .ticked = ticked, .context = &ticks });
	return true;
}

static bool watched(void)
{
	manager_read();
	return ticks > 1 && strstr(manager.texts, "WATCHDOG=1");
}

START_TEST(it_ticks_and_the_watchdog_hears_of_it)
{
	static instance_step *const steps[] = { ticks_hooked, watched, instance_stops, NULL };

	setenv("WATCHDOG_USEC", "200000", 1);
	instance_configure("a", "interface=va on_missing=wait workers=1 directory=/d");
	ck_assert_int_eq(instance_begin(), 0);
	ck_assert_int_eq(instance_run(steps), EXIT_SUCCESS);
}
END_TEST

Suite *suite_supervisor(void)
{
	Suite *s = suite_create("supervisor");
	TCase *t = tcase_create("supervisor");

	tcase_add_checked_fixture(t, instance_setup, instance_teardown);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, a_capture_records_until_it_is_stopped);
	tcase_add_test(t, the_size_of_rings_is_decided_at_the_start);
	tcase_add_test(t, a_capture_whose_interface_may_come_is_waited_for);
	tcase_add_test(t, a_capture_that_cannot_be_ends_the_start);
	tcase_add_test(t, a_directory_that_cannot_be_ends_the_start);
	tcase_add_test(t, without_an_archive_process_nothing_begins);
	tcase_add_test(t, without_a_process_it_does_not_start);
	tcase_add_test(t, what_fails_first_is_the_exit_code);
	tcase_add_test(t, a_rotation_is_under_way_until_the_next_files_are_used);
	tcase_add_test(t, the_second_signal_abandons_what_is_left);
	tcase_add_test(t, the_third_signal_does_not_wait_for_the_disk);
	tcase_add_test(t, a_worker_that_dies_is_replaced);
	tcase_add_test(t, a_capture_without_room_is_suspended_until_there_is_some);
	tcase_add_test(t, without_a_manager_nothing_is_handed_over);
	tcase_add_test(t, it_ticks_and_the_watchdog_hears_of_it);
	suite_add_tcase(s, t);
	return s;
}
