/* daemon/supervisor/inherited.c: what the previous instance left of a capture, as data. The store
 * is filled by hand, its rings are the kernel's. (Arbitrary bytes: the fuzz target checkpoint.) */
#include "left.h"
#include "packetring.h"
#include "place.h"
#include "suites.h"

#include "../../daemon/base/clock.h"
#include "../../daemon/supervisor/inherited.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct inherited inherited;

static bool take(void)
{
	return inherited_take(&inherited, left.store, left.capture);
}

/* As the capture does: the record and the rings are its own. */
static void all_taken(void)
{
	for (unsigned i = 0; i < inherited.workers; i++) {
		close(inherited_ledger(&inherited, i));
		if (inherited.rings[i].ring_fd >= 0)
			close(inherited.rings[i].ring_fd);
	}
	inherited_taken(&inherited);
	checkpoint_unmap(inherited.saved);
	close(inherited.saved_fd);
	free(inherited.earlier);
}

/* What was refused leaves nothing behind, in the store or open. */
static void refused_whole(void)
{
	ck_assert(inherited.found);
	ck_assert_int_eq(fcntl(left.record_fd, F_GETFD), -1);
	ck_assert_ptr_null(inherited.saved);
	ck_assert_int_eq(inherited.saved_fd, -1);
	ck_assert_ptr_null(inherited.rings);
	ck_assert_uint_eq(inherited.workers, 0);
	ck_assert_ptr_null(inherited.earlier);
	ck_assert(!fdstore_end(left.store));
	ck_assert_uint_eq(place_logged("dropping stored descriptor"),
			  0); /* nothing was left for that */
}

START_TEST(a_capture_of_which_nothing_is_left_begins)
{
	left.capture->name[0] = 'b';
	ck_assert(!take());
	ck_assert(!inherited.found);
	ck_assert_int_eq(inherited.saved_fd, -1);
	ck_assert_uint_eq(place_logged("<"), 0);
}
END_TEST

START_TEST(what_recorded_continues_with_all_its_rings)
{
	struct ledger_totals t = ledger_totals(left.ledgers[1]);

	t.received = t.written = 30;
	ledger_commit(left.ledgers[1], &t);
	ledger_add(left.ledgers[1], &(struct ledger_kernel){ .packets = 31, .drops = 1 });
	ck_assert(take());
	ck_assert(inherited.found);
	ck_assert_uint_eq(inherited.workers, 2);
	ck_assert_uint_eq(inherited.saved->alive_ns, LEFT_AT);
	ck_assert_ptr_null(inherited.earlier);
	ck_assert_uint_eq(inherited.gap.since_ns, 0);
	ck_assert_uint_eq(ledger_totals(inherited.rings[1].ledger).received, 30);
	ck_assert(inherited_whole(&inherited));
	ck_assert_uint_eq(place_logged("<"), 0);
	all_taken();
	ck_assert_ptr_null(inherited.rings);
}
END_TEST

/* They are written out first. */
START_TEST(rings_of_another_fingerprint_bring_their_configuration)
{
	left.capture->group.workers = 1;
	ck_assert(take());
	ck_assert_uint_eq(inherited.workers, 2);
	ck_assert_ptr_nonnull(inherited.earlier);
	ck_assert_int_eq(inherited.earlier->group.workers, 2);
	ck_assert_str_eq(inherited.earlier->name, "a");
	ck_assert_int_eq(left.capture->group.workers, 1);
	all_taken();
}
END_TEST

/* ---- what cannot be continued ---- */

static void record_damage(void)
{
	left.record->slots[0].files_opened = UINT64_MAX;
}

static void fingerprint_damage(void)
{
	left.record->fingerprint.workers = 65;
}

static void version_change(void)
{
	left.record->version++;
}

static void link_type_change(void)
{
	left.record->fingerprint.link_type = 127;
}

static void link_type_clear(void)
{
	left.record->fingerprint.link_type = 0;
}

static void ledgers_damage(void)
{
	for (unsigned i = 0; i < LEFT_WORKERS; i++)
		left.ledgers[i]->magic++;
}

static void ledgers_not_seen(void)
{
	for (unsigned i = 0; i < LEFT_WORKERS; i++)
		left.ledgers[i]->totals[0].received = left.ledgers[i]->totals[0].written = 5;
}

static void ledgers_not_written(void)
{
	for (unsigned i = 0; i < LEFT_WORKERS; i++) {
		ledger_add(left.ledgers[i], &(struct ledger_kernel){ .packets = 5 });
		left.ledgers[i]->totals[left.ledgers[i]->totals_version & 1].received = 5;
	}
}

static const struct {
	void (*damage)(void);
	const char *why, *lost;
} refusals[] = {
	{ record_damage, "its record is damaged", "<3>a: its rings held 6" },
	{ fingerprint_damage, "its record is damaged", "<3>a: its rings held 6" },
	{ version_change, "it had another version", "<3>a: its rings held 6" },
	/* The ledgers are right: all was written */
	{ link_type_change, "its link type cannot be recorded", "<5>a: its rings held 0" },
	{ link_type_clear, "its link type cannot be recorded", "<5>a: its rings held 0" },
	{ ledgers_damage, "its ledgers have another version", "<3>a: its rings held 6" },
	{ ledgers_not_seen, "more packets were received than the kernel has seen",
	  "<3>a: its rings held 6" },
	{ ledgers_not_written, "received does not equal written plus discarded",
	  "<3>a: its rings held 6" },
};

START_TEST(what_cannot_be_believed_is_closed_counted_and_logged)
{
	char line[256], when[CLOCK_TEXT_BYTES];

	packetring_fill(left.rings[0]); /* 6 packets, and none in the other one */
	refusals[_i].damage();
	ck_assert(!take());
	refused_whole();
	snprintf(line, sizeof(line),
		 "the previous instance, last alive at %s, cannot be resumed: %s",
		 clock_text(when, LEFT_AT), refusals[_i].why);
	ck_assert_uint_eq(place_logged(line), 1);
	ck_assert_uint_eq(place_logged(refusals[_i].lost), 1);
	ck_assert_uint_eq(place_logged("packets, which are lost"), 1);
	ck_assert_uint_eq(inherited.gap.since_ns, LEFT_AT);
	ck_assert(inherited.gap.refused);
}
END_TEST

/* A ledger that can be believed says what is unread: the ring's headers are not needed. */
START_TEST(a_ledger_says_what_is_unread)
{
	ledger_add(left.ledgers[1], &(struct ledger_kernel){ .packets = 31, .drops = 1 });
	link_type_change();
	ck_assert(!take());
	ck_assert_uint_eq(place_logged("<3>a: its rings held 30 packets, which are lost"), 1);
}
END_TEST

/* Under a ring's name is something else. */
START_TEST(what_cannot_be_counted_may_be_more)
{
	ledgers_not_seen();
	close(fdstore_take_ring(left.store, "a", 1));
	fdstore_inherit(left.store, "ring.a.1.1", open("/dev/null", O_RDONLY | O_CLOEXEC));
	ck_assert(!take());
	ck_assert_uint_eq(place_logged("<3>a: its rings held 0 packets or more"), 1);
}
END_TEST

/* Of two workers one has no ring, the other one no ledger: there is nothing to continue with. */
START_TEST(no_ring_with_a_ledger_is_none)
{
	packetring_fill(left.rings[0]);
	left.ledgers[0]->magic++;
	close(fdstore_take_ring(left.store, "a", 1));
	ck_assert(!take());
	refused_whole();
	ck_assert_uint_eq(place_logged("<3>a: its rings held 6 packets, which are lost"), 1);
}
END_TEST

START_TEST(where_its_time_is_not_known_it_is_said_without)
{
	left.record->magic++;
	ck_assert(!take());
	refused_whole();
	ck_assert_uint_eq(place_logged("<4>a: the previous instance cannot be resumed: it had"), 1);
	ck_assert_uint_eq(place_logged("its rings held 0 packets or more, which are lost"), 1);
	ck_assert_uint_eq(inherited.gap.since_ns, 0);
}
END_TEST

START_TEST(a_worker_without_its_ledger_is_none)
{
	packetring_fill(left.rings[1]);
	for (unsigned i = 0; i < LEFT_WORKERS; i++)
		close(fdstore_take(left.store, &(struct fdstore_key){ FDSTORE_LEDGER, "a", i, 0 }));
	ck_assert(!take());
	refused_whole();
	ck_assert_uint_eq(place_logged("a worker's ledger is missing"), 1);
	ck_assert_uint_eq(place_logged("<3>a: its rings held 6 packets, which are lost"), 1);
}
END_TEST

/* Nothing is lost, and nothing logged; a gap that it knew of itself continues. */
START_TEST(what_did_not_record_yet_is_refused_in_silence)
{
	left.record->since_ns = 0;
	checkpoint_gap(left.record, LEFT_AT - NS(5), "its interface was deleted");
	ck_assert(!take());
	refused_whole();
	ck_assert_uint_eq(place_logged("<"), 0);
	ck_assert_uint_eq(inherited.gap.since_ns, LEFT_AT - NS(5));
	ck_assert_str_eq(inherited.gap.why, "its interface was deleted");
	ck_assert(inherited.gap.refused);
}
END_TEST

START_TEST(what_never_had_a_gap_has_none)
{
	left.record->since_ns = 0;
	ck_assert(!take());
	ck_assert_uint_eq(inherited.gap.since_ns, 0);
	ck_assert(!inherited.gap.refused);
}
END_TEST

/* ---- one ledger that is unusable ---- */

static bool is_closed(int watched)
{
	return poll(&(struct pollfd){ watched, POLLIN, 0 }, 1, 0) == 1;
}

START_TEST(one_unusable_ledger_costs_its_own_ring_alone)
{
	uint64_t before = clock_real_ns(), since_ns;

	packetring_fill(left.rings[0]);
	left.record->slots[0].restarts = 3;
	checkpoint_put(&left.record->slots[0], 7, 1, 2);
	left.ledgers[0]->totals[0].received = 5; /* not seen, not written */
	ck_assert(take());
	ck_assert_uint_eq(inherited.workers, 2);
	ck_assert_int_eq(inherited.rings[0].ring_fd, -1);
	ck_assert_int_eq(inherited.rings[0].ledger_fd, -1);
	ck_assert_int_ge(inherited.rings[1].ring_fd, 0);
	ck_assert_uint_eq(place_logged("<3>a/0: the ledger is unusable ("), 1);
	ck_assert_uint_eq(place_logged("the 6 packets in it are lost"), 1);
	ck_assert_ptr_null(checkpoint_find(&inherited.saved->slots[0], 7)); /* repaired */
	ck_assert_uint_eq(inherited.saved->slots[0].restarts, 3);	    /* its own */
	ck_assert(!inherited_whole(&inherited));
	ck_assert_str_eq(inherited_gap(&inherited, &since_ns), "a worker's ledger was unusable");
	ck_assert_uint_ge(since_ns, before);
	ck_assert_uint_le(since_ns, clock_real_ns());
	for (unsigned i = 0; i < LEFT_WORKERS; i++) {
		const struct fdstore_key ledger = { FDSTORE_LEDGER, "a", i, 0 };
		const struct fdstore_key ring = { FDSTORE_RING, "a", i, 1 };

		ck_assert_int_eq(fdstore_has(left.store, &ledger), i == 1);
		ck_assert_int_eq(fdstore_has(left.store, &ring), i == 1);
	}
	all_taken();
	ck_assert(!fdstore_end(left.store));
}
END_TEST

/* Then not even its ring's number is known: it is found by its worker. */
START_TEST(an_overwritten_ledger_costs_its_own_ring_alone)
{
	packetring_fill(left.rings[1]);
	left.ledgers[1]->magic++;
	ck_assert(take());
	ck_assert_int_eq(inherited.rings[1].ring_fd, -1);
	ck_assert_int_ge(inherited.rings[0].ring_fd, 0);
	ck_assert_uint_eq(
		place_logged("<3>a/1: the ledger is unusable (its header is overwritten)"), 1);
	ck_assert_uint_eq(place_logged("the 6 packets in it are lost"), 1);
	all_taken();
	ck_assert(!fdstore_end(left.store));
}
END_TEST

START_TEST(what_a_given_up_ring_held_may_not_be_known)
{
	left.ledgers[1]->magic++;
	close(fdstore_take_ring(left.store, "a", 1));
	fdstore_inherit(left.store, "ring.a.1.9", open("/dev/null", O_RDONLY | O_CLOEXEC));
	ck_assert(take());
	ck_assert_uint_eq(place_logged("the 0 or more packets in it are lost"), 1);
	all_taken();
}
END_TEST

/* ---- rings that are not all there, or take nothing ---- */

START_TEST(a_ring_that_is_not_stored_is_a_gap_and_what_it_held_is_abandoned)
{
	uint64_t since_ns = 0;

	close(fdstore_take_ring(left.store, "a", 1));
	ledger_add(left.ledgers[1], &(struct ledger_kernel){ .packets = 31, .drops = 1 });
	checkpoint_gap(left.record, LEFT_AT - NS(5), "its interface was deleted");
	ck_assert(take());
	ck_assert_int_eq(inherited.rings[1].ring_fd, -1);
	ck_assert_uint_eq(ledger_totals(inherited.rings[1].ledger).discarded_abandoned, 30);
	ck_assert_uint_eq(place_logged("<3>a/1: its ring was not stored: the 30 packets"), 1);
	ck_assert_ptr_null(inherited.rings[1].problem);
	ck_assert(!inherited_whole(&inherited));
	ck_assert_str_eq(inherited_gap(&inherited, &since_ns), "its interface was deleted");
	ck_assert_uint_eq(since_ns, LEFT_AT - NS(5));
	all_taken();
}
END_TEST

START_TEST(rings_that_were_not_armed_are_a_gap_since_their_daemon_ended)
{
	uint64_t since_ns = 0;

	left.record->armed = 0;
	ck_assert(take());
	ck_assert(!inherited_whole(&inherited));
	ck_assert_str_eq(inherited_gap(&inherited, &since_ns),
			 "the daemon died while the capture was starting again");
	ck_assert_uint_eq(since_ns, LEFT_AT);
	all_taken();
}
END_TEST

START_TEST(a_gap_that_is_open_is_one_whatever_rings_there_are)
{
	checkpoint_gap(left.record, LEFT_AT - NS(5), "its interface was deleted");
	ck_assert(take());
	ck_assert(!inherited_whole(&inherited));
	all_taken();
}
END_TEST

START_TEST(rings_without_a_slot_are_given_up)
{
	ck_assert(take());
	inherited_forget(&inherited, left.store, "a");
	ck_assert_uint_eq(
		place_logged("<3>a: its rings are given up: the packets in them are lost"), 1);
	ck_assert_ptr_null(inherited.rings);
	ck_assert(!fdstore_end(left.store));
	inherited_forget(&inherited, left.store, "a"); /* once */
	ck_assert_uint_eq(place_logged("given up"), 1);
	checkpoint_unmap(inherited.saved);
	close(inherited.saved_fd);
}
END_TEST

/* A ring is gone with its last descriptor. */
START_TEST(what_is_refused_is_closed)
{
	int ends[2];

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	fdstore_inherit(left.store, "ring.a.5.1", ends[1]); /* of a worker that there was once */
	version_change();
	ck_assert(!take());
	ck_assert(is_closed(ends[0]));
	ck_assert_uint_eq(place_logged("its rings held 0 packets or more"), 1); /* it is no ring */
	close(ends[0]);
}
END_TEST

/* ---- the device of the rings ---- */

static struct links *links;
static struct link device;

static void rings_bind(int ifindex)
{
	close(fdstore_take_ring(left.store, "a", 0));
	left_put("ring.a.%u.1", 0, packetring_open(ifindex));
	ck_assert(take());
	ck_assert_int_eq(links_new(&links, NULL, NULL, NULL), 0);
	device = (struct link){ 0 };
}

static void device_teardown(void)
{
	links_free(links);
	all_taken();
	left_teardown();
}

START_TEST(rings_continue_on_the_device_that_they_are_bound_to)
{
	rings_bind(1);
	ck_assert_ptr_null(inherited_device(&inherited, left.capture, links, &device));
	ck_assert_int_eq(device.ifindex, 1);
	strcpy(left.capture->group.interface, "va"); /* it was renamed: nothing is called so */
	ck_assert_ptr_null(inherited_device(&inherited, left.capture, links, &device));
	ck_assert_str_eq(device.name, "lo");
}
END_TEST

START_TEST(rings_without_a_device_do_not_continue)
{
	rings_bind(0);
	ck_assert_str_eq(inherited_device(&inherited, left.capture, links, &device),
			 "its interface disappeared while no daemon ran");
}
END_TEST

START_TEST(a_device_of_another_link_type_is_another_one)
{
	rings_bind(1);
	inherited.saved->fingerprint.link_type = 101;
	ck_assert_str_eq(inherited_device(&inherited, left.capture, links, &device),
			 "its interface's link type changed while no daemon ran");
}
END_TEST

/* The loopback's rings have ignored what goes out: what is asked for now was missed. */
START_TEST(packets_that_the_rings_did_not_take_are_another_configuration)
{
	rings_bind(1);
	inherited.saved->group.flags = AFCAP_FANOUT_FLAG_IGNORE_OUTGOING;
	ck_assert_ptr_null(inherited_device(&inherited, left.capture, links, &device));
	left.capture->group.fanout_flags_auto = 0;
	left.capture->group.fanout_flags = 0;
	ck_assert_str_eq(inherited_device(&inherited, left.capture, links, &device),
			 "its configuration has changed (fanout_flags)");
}
END_TEST

Suite *suite_inherited(void)
{
	Suite *s = suite_create("inherited");
	TCase *t = tcase_create("left"), *bound = tcase_create("bound");

	tcase_add_checked_fixture(t, left_setup, left_teardown);
	tcase_add_test(t, a_capture_of_which_nothing_is_left_begins);
	tcase_add_test(t, what_recorded_continues_with_all_its_rings);
	tcase_add_test(t, rings_of_another_fingerprint_bring_their_configuration);
	tcase_add_loop_test(t, what_cannot_be_believed_is_closed_counted_and_logged, 0,
			    sizeof(refusals) / sizeof(*refusals));
	tcase_add_test(t, a_ledger_says_what_is_unread);
	tcase_add_test(t, what_cannot_be_counted_may_be_more);
	tcase_add_test(t, no_ring_with_a_ledger_is_none);
	tcase_add_test(t, where_its_time_is_not_known_it_is_said_without);
	tcase_add_test(t, a_worker_without_its_ledger_is_none);
	tcase_add_test(t, what_did_not_record_yet_is_refused_in_silence);
	tcase_add_test(t, what_never_had_a_gap_has_none);
	tcase_add_test(t, one_unusable_ledger_costs_its_own_ring_alone);
	tcase_add_test(t, an_overwritten_ledger_costs_its_own_ring_alone);
	tcase_add_test(t, what_a_given_up_ring_held_may_not_be_known);
	tcase_add_test(t, a_ring_that_is_not_stored_is_a_gap_and_what_it_held_is_abandoned);
	tcase_add_test(t, rings_that_were_not_armed_are_a_gap_since_their_daemon_ended);
	tcase_add_test(t, a_gap_that_is_open_is_one_whatever_rings_there_are);
	tcase_add_test(t, rings_without_a_slot_are_given_up);
	tcase_add_test(t, what_is_refused_is_closed);
	suite_add_tcase(s, t);
	tcase_add_checked_fixture(bound, left_setup, device_teardown);
	tcase_add_test(bound, rings_continue_on_the_device_that_they_are_bound_to);
	tcase_add_test(bound, rings_without_a_device_do_not_continue);
	tcase_add_test(bound, a_device_of_another_link_type_is_another_one);
	tcase_add_test(bound, packets_that_the_rings_did_not_take_are_another_configuration);
	suite_add_tcase(s, bound);
	return s;
}
