/* daemon/supervisor/slot.c, stored_ring.c: a worker's place from its beginning to its end: what it
 * is told, what it reports, what becomes of its ring and files. Deaths: check_slot_death.c. */
#include "suites.h"
#include "archiveside.h"
#include "children.h"
#include "place.h"
#include "slotside.h"

#include <errno.h>
#include <signal.h>
#include <sysexits.h>
#include <unistd.h>

static struct slot *const slot = &slotside.list[0];
static const struct message_result no_space = { .error = ENOSPC, .text = "no room" },
				   eio = { .error = EIO, .text = "cannot be made" };

static void setup(void)
{
	slotside_begin(1, true);
}

/* ---- the beginning ---- */

START_TEST(an_empty_slot_has_a_ledger_and_no_ring)
{
	ck_assert_uint_eq(slot->state, SLOT_EMPTY);
	ck_assert(slotside_stored(slot, FDSTORE_LEDGER));
	ck_assert(!slotside_stored(slot, FDSTORE_RING));
	slotside_turn();
	ck_assert_uint_eq(children_count(), 1); /* the archive's */
	archiveside_quiet();
}
END_TEST

START_TEST(a_worker_gets_its_task_makes_its_ring_and_gets_the_files)
{
	slot_begin(slot);
	ck_assert_uint_eq(slot->state, SLOT_STARTING);
	ck_assert(slotside.slots.due);
	ck_assert_int_eq(slot_start(slot), 0);
	slotside_hears(slot, MESSAGE_WORKER);
	ck_assert_uint_eq(slotside.heard.worker.resume, 0);
	ck_assert_uint_eq(slotside.heard.worker.blocks, SLOTSIDE_BLOCKS);
	ck_assert_uint_eq(slotside.heard.worker.generation, slot->ring.generation);
	archiveside_expect(MESSAGE_OPEN, NULL);
	archiveside_expect(MESSAGE_OPEN, NULL);
	slotside_turn();
	ck_assert_uint_eq(slotside_hear(slot), 0); /* no files before there is a ring */
	slot->worker.asked = PROGRESS_JOINED;
	slotside_say(slot, MESSAGE_SOCKET_MADE);
	slotside_say(slot, MESSAGE_RING_MADE);
	slotside_join(slot);
	slotside_turn();
	ck_assert_int_ge(slot->ring.fd, 0);
	ck_assert(slotside_stored(slot, FDSTORE_RING));
	ck_assert_uint_eq(slot->group.id, 77);
	ck_assert_uint_eq(slot->state, SLOT_STARTING);
	for (uint64_t serial = 0; serial < 2; serial++) {
		slotside_hears(slot, MESSAGE_FILE);
		ck_assert_uint_eq(slotside.heard.file.serial, serial);
		ck_assert_int_ge(slotside.passed, 0);
	}
	ck_assert_uint_eq(slotside_hear(slot), 0);
	slotside_say(slot, MESSAGE_READY);
	slotside_turn();
	ck_assert_uint_eq(slot->state, SLOT_RUNNING);
	ck_assert_uint_eq(slotside_hear(slot), 0);
}
END_TEST

START_TEST(where_nothing_is_written_no_file_is_asked_for)
{
	slotside_end();
	slotside_begin(1, false);
	slotside_run(slot);
	archiveside_quiet();
	ck_assert_uint_eq(slotside_hear(slot), 0);
	slotside_arrive(5);
	slotside_write(slot, 5);
	slotside_send(slot, &(struct message_report){ .counters = slotside_report(slot).counters });
	ck_assert_uint_eq(slot->tally.reported.received, 5);
}
END_TEST

START_TEST(a_worker_that_cannot_be_started_is_told_of_and_given_up)
{
	children_refuse(EAGAIN);
	slot_begin(slot);
	ck_assert_int_eq(slot_start(slot), -EAGAIN);
	slot_abandon(slot);
	ck_assert_uint_eq(slot->state, SLOT_SETTLED);
	for (unsigned i = 0; i < 2; i++)
		archiveside_expect(MESSAGE_OPEN, NULL);
	for (unsigned i = 0; i < 2; i++)
		archiveside_expect(MESSAGE_DISCARD, NULL);
	slotside_turn();
}
END_TEST

START_TEST(what_a_starting_worker_says_is_the_fault_the_first_time)
{
	slot_begin(slot);
	ck_assert_int_eq(slot_start(slot), 0);
	slotside_fail(slot, EX_NOPERM, "no permission");
	slotside_turn();
	ck_assert_uint_eq(slot->fault.kind, FAULT_START);
	ck_assert_int_eq(slot->fault.number, EX_NOPERM);
	ck_assert_str_eq(slot->fault.text, "no permission");
	slotside_die(slot, 1 << 8);
	ck_assert_str_eq(slot->fault.text, "no permission"); /* "ended with status 1" says less */
	ck_assert_uint_eq(slot->state, SLOT_SETTLED);
}
END_TEST

START_TEST(what_a_running_worker_says_of_its_end_is_logged)
{
	slotside_run(slot);
	slotside_fail(slot, EX_NOPERM, "the file went away");
	slotside_fail(slot, EX_NOPERM, "and more"); /* once in its life */
	slotside_turn();
	slotside_turn();
	ck_assert_uint_eq(place_logged("and more"), 0);
	ck_assert_uint_eq(slot->fault.kind, FAULT_NONE);
	ck_assert_uint_eq(place_logged("a/0: the file went away"), 1);
}
END_TEST

START_TEST(without_its_first_file_a_worker_cannot_start)
{
	slot_begin(slot);
	ck_assert_int_eq(slot_start(slot), 0);
	archiveside_expect(MESSAGE_OPEN, &no_space); /* waits for room */
	ck_assert_uint_eq(slot->fault.kind, FAULT_NONE);
	archiveside_expect(MESSAGE_OPEN, &eio);
	ck_assert_uint_eq(slot->fault.kind, FAULT_FILES);
	ck_assert_int_eq(slot->fault.number, EIO);
	ck_assert_str_eq(slot->fault.text, "cannot be made");
}
END_TEST

START_TEST(a_running_worker_continues_in_its_file_where_the_next_cannot_be_made)
{
	struct output_file file = { .state = FILE_ASKED };

	slotside_run(slot);
	slot_file_failed(slot, &file, &eio);
	slot_file_failed(slot, &file, &eio);
	ck_assert_uint_eq(slot->fault.kind, FAULT_NONE);
	ck_assert_uint_eq(place_logged("a: cannot be made; continuing in the current file"), 1);
	slot_file_failed(slot, &file, &no_space);
	ck_assert_uint_eq(slot_lacks(slot), LACKS_SPACE);
	ck_assert(!slot_suspended(slot)); /* it has the current one */
}
END_TEST

/* ---- reports ---- */

START_TEST(a_report_is_counted_and_its_file_named)
{
	struct message_report report;

	slotside_run(slot);
	slotside_arrive(10);
	slotside_write(slot, 10);
	report = slotside_report(slot);
	slotside_send(slot, &report);
	ck_assert_uint_eq(slot->tally.reported.packets, 10);
	ck_assert_uint_eq(slot->tally.reported.written, 10);
	archiveside_expect(MESSAGE_NAME, NULL);
	ck_assert_uint_eq(slot->saved->files_opened, 1);
	ck_assert(!slot->gone);
	ck_assert(!slot->wants_room);
}
END_TEST

/* A worker may be compromised */
START_TEST(a_report_that_cannot_be_changes_nothing_and_ends_the_worker)
{
	struct message_report report;

	slotside_run(slot);
	slotside_arrive(10);
	slotside_write(slot, 10);
	report = slotside_report(slot);
	report.gone = 1;
	if (_i == 0)
		report.counters.received++; /* which were neither written nor discarded */
	else if (_i == 1)
		report.counters.packets = 9;
	else
		report.current.serial = 2;
	slotside_send(slot, &report);
	ck_assert(children_find(slot->worker.process.pid)->killed);
	ck_assert_uint_eq(place_logged("the worker sent an impossible report"), 1);
	ck_assert_uint_eq(slot->tally.reported.packets, 0);
	ck_assert(!slot->gone);
	archiveside_quiet();
}
END_TEST

/* It is killed: what it still sends may have waited for long */
START_TEST(a_worker_that_was_silent_for_too_long_is_not_believed_any_more)
{
	struct message_report report;

	slotside_run(slot);
	slot_tick(slot, slot->worker.process.heard_ns + UINT64_C(3000000001));
	ck_assert(children_find(slot->worker.process.pid)->killed);
	slotside_arrive(10);
	slotside_write(slot, 10);
	report = slotside_report(slot);
	slotside_send(slot, &report);
	ck_assert_uint_eq(slot->tally.reported.packets, 0);
	slotside_die(slot, SIGKILL);
	ck_assert_uint_eq(slot->tally.reported.packets, 10); /* by its ledger */
}
END_TEST

START_TEST(a_worker_may_be_silent_for_long_while_it_makes_its_ring)
{
	slot_begin(slot);
	ck_assert_int_eq(slot_start(slot), 0);
	slot_tick(slot, slot->worker.process.heard_ns + UINT64_C(29000000000));
	ck_assert(!children_find(slot->worker.process.pid)->killed);
	slot_tick(slot, slot->worker.process.heard_ns + UINT64_C(30000000001));
	ck_assert(children_find(slot->worker.process.pid)->killed);
	ck_assert_uint_eq(place_logged("a/0: the worker has not reported for 30000 ms"), 1);
}
END_TEST

START_TEST(that_an_interface_is_gone_stays_true)
{
	struct message_report report;

	slotside_run(slot);
	report = slotside_report(slot);
	report.gone = 1;
	slotside_send(slot, &report);
	ck_assert(slot->gone);
	report.gone = 0;
	slotside_send(slot, &report);
	ck_assert(slot->gone);
}
END_TEST

START_TEST(a_refused_write_is_tried_again_and_asks_for_room)
{
	static const struct {
		uint32_t refused, no_space;
		int slot_refused;
		bool wants, suspended;
		enum output_lack lack;
	} rows[] = {
		{ 0, 0, 0, false, false, LACKS_NOTHING },
		{ ENOSPC, 0, ENOSPC, true, false, LACKS_NOTHING },
		{ ENOSPC, ENOSPC, ENOSPC, true, true, LACKS_SPACE },
		{ 0, EDQUOT, EDQUOT, true, true, LACKS_QUOTA },
	};
	struct message_report report;

	slotside_run(slot);
	report = slotside_report(slot);
	report.refused = rows[_i].refused;
	report.no_space = rows[_i].no_space;
	slotside_send(slot, &report);
	ck_assert_int_eq(slot->refused, rows[_i].slot_refused);
	ck_assert_int_eq(slot->wants_room, rows[_i].wants);
	ck_assert_int_eq(slot_suspended(slot), rows[_i].suspended);
	ck_assert_int_eq(slot_lacks(slot), rows[_i].lack);
	report.refused = report.no_space = 0;
	slotside_send(slot, &report);
	ck_assert_int_eq(slot->refused, 0);
	ck_assert(!slot_suspended(slot));
	ck_assert_int_eq(slot->wants_room, rows[_i].wants); /* until the capture has looked */
}
END_TEST

/* ---- the end ---- */

START_TEST(a_worker_that_drains_gets_its_files_first)
{
	slot_begin(slot);
	ck_assert_int_eq(slot_start(slot), 0);
	slotside_hears(slot, MESSAGE_WORKER);
	slot_drain(slot);
	slotside_turn();
	ck_assert_uint_eq(slotside_hear(slot), 0); /* it makes its ring: it cannot be told */
	archiveside_expect(MESSAGE_OPEN, NULL);
	archiveside_expect(MESSAGE_OPEN, NULL);
	slot->worker.progress = PROGRESS_RING;
	slot->worker.asked = PROGRESS_JOINED;
	slotside_join(slot);
	slotside_turn();
	slotside_hears(slot, MESSAGE_FILE);
	slotside_hears(slot, MESSAGE_FILE);
	slotside_hears(slot, MESSAGE_DRAIN);
	slotside_turn();
	ck_assert_uint_eq(slotside_hear(slot), 0); /* once */
}
END_TEST

START_TEST(a_drained_slot_is_settled_and_balances)
{
	slotside_run(slot);
	slotside_arrive(10);
	slot_drain(slot);
	slotside_turn();
	slotside_hears(slot, MESSAGE_DRAIN);
	slotside_write(slot, 10);
	slotside_die(slot, 0);
	ck_assert_uint_eq(slot->state, SLOT_SETTLED);
	ck_assert_uint_eq(slot->fault.kind, FAULT_NONE);
	ck_assert_uint_eq(slot->saved->restarts, 0);
	ck_assert_uint_eq(slot->tally.reported.packets, 10);
	ck_assert_uint_eq(slot->tally.reported.written, 10);
	ck_assert_uint_eq(slot->tally.reported.discarded_abandoned, 0);
	ck_assert(slotside_dropping(slot)); /* what comes now is no one's */
	ck_assert_uint_eq(slot->worker.progress, PROGRESS_NONE);
	archiveside_expect(MESSAGE_NAME, NULL);
	archiveside_expect(MESSAGE_FINISH, NULL);
	archiveside_expect(MESSAGE_DISCARD, NULL);
	ck_assert_uint_eq(slot->saved->files_completed, 1);
	slotside_turn();
}
END_TEST

START_TEST(what_an_abandoned_slot_had_in_its_ring_is_counted)
{
	slotside_run(slot);
	slotside_arrive(10);
	slotside_write(slot, 4);
	slot_abandon(slot);
	ck_assert(children_find(slot->worker.process.pid)->killed);
	ck_assert_uint_eq(slot->state, SLOT_RUNNING); /* until it is reaped */
	slotside_turn();
	ck_assert_uint_eq(slotside_hear(slot), 0);
	slotside_arrive(2);
	slotside_die(slot, SIGKILL);
	ck_assert_uint_eq(slot->state, SLOT_SETTLED);
	ck_assert_uint_eq(slot->tally.reported.received, 12);
	ck_assert_uint_eq(slot->tally.reported.written, 4);
	ck_assert_uint_eq(slot->tally.reported.discarded_abandoned, 8);
	ck_assert_uint_eq(place_logged("a/0: 8 packets left in the ring are abandoned"), 1);
	ck_assert_uint_eq(slot->fault.kind, FAULT_NONE);
	slotside_turn();
}
END_TEST

START_TEST(a_goal_does_not_go_back_and_an_empty_slot_has_none)
{
	slot_drain(slot);
	slot_abandon(slot);
	slot_hand_over(slot, false);
	ck_assert_uint_eq(slot->goal, SLOT_RECORD);
	ck_assert_uint_eq(slot->state, SLOT_EMPTY);
	slotside_run(slot);
	slotside.slots.due = false;
	slot_hand_over(slot, false);
	ck_assert_uint_eq(slot->goal, SLOT_HAND_OVER);
	ck_assert(slotside.slots.due);
	slot_drain(slot);
	ck_assert_uint_eq(slot->goal, SLOT_HAND_OVER);
	slot_abandon(slot);
	slot_hand_over(slot, false);
	ck_assert_uint_eq(slot->goal, SLOT_ABANDON);
	slotside_die(slot, SIGKILL);
	ck_assert_uint_eq(slot->state, SLOT_SETTLED);
	slot_begin(slot); /* not from there */
	ck_assert_uint_eq(slot->state, SLOT_SETTLED);
	ck_assert_uint_eq(place_logged("refused"), 1);
}
END_TEST

/* SETTLED -> EMPTY: another ring, the same ledger, counters go on */
START_TEST(the_next_ring_is_another_one_and_counters_continue)
{
	uint64_t generation = slot->ring.generation;
	struct message_report report;

	slotside_run(slot);
	slotside_arrive(10);
	slotside_write(slot, 10);
	report = slotside_report(slot);
	report.gone = 1;
	report.no_space = ENOSPC;
	slotside_send(slot, &report);
	slot->deaths.quarantine = 3;
	slot_abandon(slot);
	slotside_die(slot, SIGKILL);
	slot_next(slot);
	ck_assert_uint_eq(slot->state, SLOT_EMPTY);
	ck_assert_uint_eq(slot->goal, SLOT_RECORD);
	ck_assert_uint_eq(slot->ring.generation, generation + 1);
	ck_assert_int_eq(fdstore_has(slotside.store,
				     &(struct fdstore_key){ FDSTORE_RING, "a", 0, generation }),
			 false);
	ck_assert(slotside_stored(slot, FDSTORE_LEDGER));
	ck_assert(!slot->gone);
	ck_assert(!slot->wants_room);
	ck_assert(!slot_suspended(slot));
	ck_assert_int_eq(slot->refused, 0);
	slotside_turn();
	while (archiveside_hear())
		archiveside_answer(NULL);
	slotside_run(slot);
	ck_assert_uint_eq(slot->output.current->serial, 2); /* 1 was the spare file's */
	ck_assert_uint_eq(slot->tally.reported.written, 10);
	slotside_arrive(1);
	slotside_write(slot, 1);
	report = slotside_report(slot);
	slotside_send(slot, &report);
	ck_assert_uint_eq(slot->tally.reported.written, 11);
}
END_TEST

START_TEST(a_slot_that_ends_leaves_nothing_stored)
{
	int ring;

	slotside_run(slot);
	ring = slot->ring.fd;
	slot_abandon(slot);
	slotside_die(slot, SIGKILL);
	slot_end(slot);
	ck_assert_uint_eq(slot->state, SLOT_SETTLED);
	ck_assert(!slotside_stored(slot, FDSTORE_RING));
	ck_assert(!slotside_stored(slot, FDSTORE_LEDGER));
	ck_assert_int_eq(slot->ring.fd, -1);
	ck_assert_int_eq(dup(ring), -1); /* closed */
	slot_end(slot);
	ck_assert_uint_eq(place_logged("refused"), 0);
}
END_TEST

START_TEST(an_empty_slot_can_end_too)
{
	uint64_t generation = slot->ring.generation;

	slot_close(slot); /* there is no ring: its ledger is that of the next one */
	ck_assert_uint_eq(slot->ring.generation, generation);
	ck_assert_uint_eq(ledger_totals(slot->ring.ledger).generation, generation);
	slot_end(slot);
	ck_assert_uint_eq(slot->state, SLOT_SETTLED);
	ck_assert(!slotside_stored(slot, FDSTORE_LEDGER));
}
END_TEST

Suite *suite_slot(void)
{
	Suite *s = suite_create("slot");
	TCase *t = tcase_create("slot");

	tcase_add_checked_fixture(t, setup, slotside_end);
	tcase_add_test(t, an_empty_slot_has_a_ledger_and_no_ring);
	tcase_add_test(t, a_worker_gets_its_task_makes_its_ring_and_gets_the_files);
	tcase_add_test(t, where_nothing_is_written_no_file_is_asked_for);
	tcase_add_test(t, a_worker_that_cannot_be_started_is_told_of_and_given_up);
	tcase_add_test(t, what_a_starting_worker_says_is_the_fault_the_first_time);
	tcase_add_test(t, what_a_running_worker_says_of_its_end_is_logged);
	tcase_add_test(t, without_its_first_file_a_worker_cannot_start);
	tcase_add_test(t, a_running_worker_continues_in_its_file_where_the_next_cannot_be_made);
	tcase_add_test(t, a_report_is_counted_and_its_file_named);
	tcase_add_loop_test(t, a_report_that_cannot_be_changes_nothing_and_ends_the_worker, 0, 3);
	tcase_add_test(t, a_worker_that_was_silent_for_too_long_is_not_believed_any_more);
	tcase_add_test(t, a_worker_may_be_silent_for_long_while_it_makes_its_ring);
	tcase_add_test(t, that_an_interface_is_gone_stays_true);
	tcase_add_loop_test(t, a_refused_write_is_tried_again_and_asks_for_room, 0, 4);
	tcase_add_test(t, a_worker_that_drains_gets_its_files_first);
	tcase_add_test(t, a_drained_slot_is_settled_and_balances);
	tcase_add_test(t, what_an_abandoned_slot_had_in_its_ring_is_counted);
	tcase_add_test(t, a_goal_does_not_go_back_and_an_empty_slot_has_none);
	tcase_add_test(t, the_next_ring_is_another_one_and_counters_continue);
	tcase_add_test(t, a_slot_that_ends_leaves_nothing_stored);
	tcase_add_test(t, an_empty_slot_can_end_too);
	suite_add_tcase(s, t);
	return s;
}
