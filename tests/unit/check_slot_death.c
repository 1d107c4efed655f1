/* daemon/supervisor/slot.c, worker_process.c: a worker's death, the next one, the ledger that it
 * leaves. */
#include "suites.h"
#include "archiveside.h"
#include "children.h"
#include "nomemory.h"
#include "place.h"
#include "slotside.h"

#include "../../daemon/base/clock.h"

#include <errno.h>
#include <signal.h>

static struct slot *const slot = &slotside.list[0];

static void setup(void)
{
	slotside_begin(1, true);
}

static void gets_files(void)
{
	slotside_turn();
	slotside_hears(slot, MESSAGE_FILE);
	slotside_hears(slot, MESSAGE_FILE);
}

/* ---- while it starts ---- */

START_TEST(a_worker_that_dies_while_it_starts_is_the_captures_fault)
{
	static const struct {
		int status;
		const char *text;
	} rows[] = {
		{ 3 << 8, "worker 0 ended with status 3 while starting" },
		{ SIGSEGV, "worker 0 was killed by signal 11 while starting" },
		{ SIGKILL, "worker 0 was killed by signal 9 while starting (out of memory?)" },
		{ 0, "worker 0 ended with status 0 while starting" },
	};

	slot_begin(slot);
	ck_assert_int_eq(slot_start(slot), 0);
	slotside_die(slot, rows[_i].status);
	ck_assert_uint_eq(slot->state, SLOT_SETTLED);
	ck_assert_uint_eq(slot->fault.kind, FAULT_START);
	ck_assert_int_eq(slot->fault.number, 1);
	ck_assert_str_eq(slot->fault.text, rows[_i].text);
	ck_assert_uint_eq(slot->saved->restarts, 0);
	slotside_turn();
}
END_TEST

START_TEST(a_worker_that_was_silent_while_it_started_was_not_short_of_memory)
{
	slot_begin(slot);
	ck_assert_int_eq(slot_start(slot), 0);
	slot_tick(slot, slot->worker.process.heard_ns + UINT64_C(60000000000));
	slotside_die(slot, SIGKILL);
	ck_assert_str_eq(slot->fault.text, "worker 0 was silent while starting and was killed");
}
END_TEST

START_TEST(one_that_is_given_up_while_it_starts_is_no_fault)
{
	slot_begin(slot);
	ck_assert_int_eq(slot_start(slot), 0);
	slot_abandon(slot);
	slotside_die(slot, SIGKILL);
	ck_assert_uint_eq(slot->state, SLOT_SETTLED);
	ck_assert_uint_eq(slot->fault.kind, FAULT_NONE);
}
END_TEST

/* Its descriptor came with what it still said */
START_TEST(a_ring_that_a_dead_worker_still_sent_is_closed_with_its_slot)
{
	slot_begin(slot);
	ck_assert_int_eq(slot_start(slot), 0);
	slot->worker.progress = PROGRESS_RING;
	slot->worker.asked = PROGRESS_JOINED;
	slotside_join(slot);
	slotside_die(slot, 1 << 8);
	ck_assert_int_ge(slot->ring.fd, 0);
	ck_assert(slotside_dropping(slot));
	slotside_turn();
	slot_next(slot);
	ck_assert_int_eq(slot->ring.fd, -1);
	slotside_turn();
}
END_TEST

/* ---- the next one ---- */

START_TEST(the_next_worker_continues_with_the_ring_and_the_files_at_once)
{
	pid_t first;

	slotside_run(slot);
	first = slot->worker.process.pid;
	slotside_arrive(10);
	slotside_write(slot, 4);
	ck_assert(!slot_reaped(slot, first + 1, SIGSEGV)); /* another's */
	slotside_die(slot, SIGSEGV);
	ck_assert_uint_eq(slot->state, SLOT_VACANT);
	ck_assert_uint_eq(slot->saved->restarts, 1);
	ck_assert_uint_eq(slot->tally.reported.written, 4);
	ck_assert_uint_eq(place_logged("a/0: worker killed by signal 11"), 1);
	ck_assert(!slotside_dropping(slot));
	slotside_next(slot);
	ck_assert_int_ne(slot->worker.process.pid, first);
	slotside_hears(slot, MESSAGE_WORKER);
	ck_assert_uint_eq(slotside.heard.worker.resume, 1);
	ck_assert_uint_eq(slotside.heard.worker.quarantine, 0);
	ck_assert_uint_eq(slotside.heard.worker.generation, slot->ring.generation);
	slotside_hears(slot, MESSAGE_FILE);
	ck_assert_uint_eq(slotside.heard.file.serial, 0);
	slotside_hears(slot, MESSAGE_FILE);
	ck_assert_uint_eq(slotside.heard.file.serial, 1);
	slotside_say(slot, MESSAGE_READY);
	slotside_turn();
	ck_assert_uint_eq(slot->died_ns, 0);
	ck_assert_uint_eq(place_logged("after the previous worker died"), 1);
	slotside_write(slot, 6);
	ck_assert_uint_eq(slotside_report(slot).counters.received, 10);
}
END_TEST

/* 0 is what one says that was to drain */
START_TEST(a_worker_that_just_ends_is_replaced)
{
	slotside_run(slot);
	slotside_die(slot, 0);
	ck_assert_uint_eq(slot->state, SLOT_VACANT);
	ck_assert_uint_eq(slot->saved->restarts, 1);
	ck_assert_uint_eq(place_logged("a/0: worker ended with status 0"), 1);
}
END_TEST

START_TEST(a_worker_that_dies_while_it_drains_is_replaced_by_one_that_drains)
{
	slotside_run(slot);
	slot_drain(slot);
	slotside_turn();
	slotside_hears(slot, MESSAGE_DRAIN);
	slotside_die(slot, _i ? 1 << 8 : SIGSEGV);
	ck_assert_uint_eq(slot->state, SLOT_VACANT);
	slotside_next(slot);
	slotside_hears(slot, MESSAGE_WORKER);
	slotside_hears(slot, MESSAGE_FILE);
	slotside_hears(slot, MESSAGE_FILE);
	slotside_hears(slot, MESSAGE_DRAIN);
	slotside_die(slot, 0);
	ck_assert_uint_eq(slot->state, SLOT_SETTLED);
}
END_TEST

START_TEST(the_second_death_without_progress_is_followed_by_a_pause)
{
	slotside_run(slot);
	slotside_die(slot, SIGSEGV);
	slotside_next(slot);
	slotside_die(slot, SIGSEGV);
	ck_assert(event_pending(slot->respawn, EV_TIMEOUT, NULL));
	slotside_turn();
	ck_assert_uint_eq(slot->state, SLOT_VACANT);
	slotside_next(slot);
	ck_assert_uint_eq(slot->saved->restarts, 2);
	slotside_arrive(1);
	slotside_write(slot, 1); /* progress */
	slotside_die(slot, SIGSEGV);
	ck_assert(!event_pending(slot->respawn, EV_TIMEOUT, NULL));
	slotside_next(slot);
	slotside_die(slot, SIGSEGV); /* none since */
	ck_assert(event_pending(slot->respawn, EV_TIMEOUT, NULL));
}
END_TEST

/* It did not die of its start */
START_TEST(a_worker_that_lived_for_a_second_counts_as_progress)
{
	slotside_run(slot);
	slotside_die(slot, SIGSEGV);
	slotside_next(slot);
	slot->worker.process.started_ns -= UINT64_C(1500000000);
	slotside_die(slot, SIGSEGV);
	ck_assert(!event_pending(slot->respawn, EV_TIMEOUT, NULL));
}
END_TEST

START_TEST(workers_that_only_die_end_the_slot)
{
	slotside_run(slot);
	slotside_arrive(10);
	for (unsigned i = 0; i < DEATHS_LOOP; i++) {
		if (i)
			slotside_next(slot);
		ck_assert_uint_eq(slot->fault.kind, FAULT_NONE);
		slotside_die(slot, SIGSEGV);
	}
	ck_assert_uint_eq(slot->state, SLOT_SETTLED);
	ck_assert_uint_eq(slot->fault.kind, FAULT_LOOP);
	ck_assert_str_eq(slot->fault.text, "worker 0 died 5 times in a row (last by signal 11)");
	ck_assert_uint_eq(slot->tally.reported.discarded_abandoned, 10);
	ck_assert(!event_pending(slot->respawn, EV_TIMEOUT, NULL));
	ck_assert(slotside_dropping(slot));
	slotside_turn();
}
END_TEST

/* A block that two died of is not read; one who was killed from outside died of no block */
START_TEST(a_block_that_two_workers_died_of_is_not_read_by_the_third)
{
	static const struct {
		int first, second;
		bool quarantined;
	} rows[] = {
		{ SIGSEGV, SIGBUS, true },
		{ SIGSEGV, SIGKILL, false },
		{ SIGKILL, SIGSEGV, false },
		{ SIGSEGV, 1 << 8, false },
	};

	slotside_run(slot);
	slotside_write(slot, 0);
	slot->ring.ledger->in_progress = 17;
	slotside_die(slot, rows[_i].first);
	slotside_next(slot);
	slotside_die(slot, rows[_i].second);
	ck_assert_uint_eq(slot->deaths.quarantine, rows[_i].quarantined ? 17 : 0);
	ck_assert_uint_eq(place_logged("two workers died in block 17 of the ring"),
			  rows[_i].quarantined);
	slotside_next(slot);
	slotside_hears(slot, MESSAGE_WORKER);
	ck_assert_uint_eq(slotside.heard.worker.quarantine, rows[_i].quarantined ? 17 : 0);
}
END_TEST

/* The supervisor killed it for that: it was the block, perhaps */
START_TEST(a_block_at_which_a_worker_hangs_counts_too)
{
	slotside_run(slot);
	slot->ring.ledger->in_progress = 17;
	for (unsigned i = 0; i < 2; i++) {
		if (i)
			slotside_next(slot);
		slot_tick(slot, slot->worker.process.heard_ns + UINT64_C(4000000000));
		slotside_die(slot, SIGKILL);
	}
	ck_assert_uint_eq(slot->deaths.quarantine, 17);
}
END_TEST

START_TEST(what_cannot_be_started_is_tried_again_in_a_second)
{
	slotside_run(slot);
	slotside_die(slot, SIGSEGV);
	children_refuse(EAGAIN);
	slotside_turn();
	ck_assert_uint_eq(slot->state, SLOT_VACANT);
	ck_assert_uint_eq(place_logged("a/0: starting a worker: no further process"), 1);
	ck_assert_uint_eq(slot->deaths.in_a_row, 2); /* as if it had died */
	slotside_turn();
	ck_assert_uint_eq(place_logged("a/0: starting a worker"), 1);
	children_refuse(0);
	slotside_next(slot);
	slotside_hears(slot, MESSAGE_WORKER);
	gets_files();
}
END_TEST

/* Nothing reads the ring meanwhile: what comes is seen by the kernel alone */
START_TEST(a_vacant_slots_kernel_counters_are_read_now_and_then)
{
	slotside_run(slot);
	slotside_arrive(10);
	slot_tick(slot, clock_mono_ns());
	ck_assert_uint_eq(slot->tally.reported.packets, 0); /* it has a worker: that reads them */
	slotside_die(slot, SIGSEGV);
	ck_assert_uint_eq(slot->tally.reported.packets, 10);
	slotside_arrive(5);
	slot_tick(slot, clock_mono_ns());
	ck_assert_uint_eq(slot->tally.reported.packets, 15);
	ck_assert_uint_eq(slot->tally.reported.received, 0);
}
END_TEST

/* ---- the ledger ---- */

START_TEST(an_unusable_ledger_ends_the_slot_with_what_was_reported_last)
{
	struct message_report report;

	slotside_run(slot);
	slotside_arrive(10);
	slotside_write(slot, 6);
	report = slotside_report(slot);
	slotside_send(slot, &report);
	archiveside_expect(MESSAGE_NAME, NULL);
	slotside_spoil(slot);
	slotside_die(slot, SIGKILL);
	ck_assert_uint_eq(slot->state, SLOT_SETTLED);
	ck_assert_uint_eq(slot->fault.kind, FAULT_LOST);
	ck_assert_uint_eq(place_logged("a/0: the ledger is"), 1);
	ck_assert_uint_eq(slot->tally.reported.packets, 10);
	ck_assert_uint_eq(slot->tally.reported.written, 6);
	ck_assert_uint_eq(slot->tally.reported.discarded_abandoned, 4);
	ck_assert_uint_eq(slot->saved->restarts, 0);
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_FINISH);
	ck_assert_uint_eq(archiveside.asked.archive.file.end, report.current.end);
	slotside_turn();
}
END_TEST

/* Behind the spare file, or, where there is none, the current one; before the current one */
static const struct {
	uint64_t serial;
	bool spare, usable;
} positions[] = {
	{ 0, true, false }, { 1, true, true },	{ 2, true, true },
	{ 3, true, false }, { 1, false, true }, { 2, false, false },
};

START_TEST(a_ledger_of_files_that_the_worker_did_not_have_is_unusable)
{
	bool usable = positions[_i].usable;
	struct ledger_totals totals;
	struct message_report report;

	slotside_run(slot);
	slotside_arrive(1);
	slotside_write(slot, 1);
	totals = ledger_totals(slot->ring.ledger);
	totals.previous = totals.current;
	totals.current = (struct ledger_file){ .serial = 1, .end = LEDGER_FILE_BEGIN };
	ledger_commit(slot->ring.ledger, &totals);
	report = slotside_report(slot);
	no_memory = !positions[_i].spare;
	slotside_send(slot, &report);
	no_memory = false;
	ck_assert_uint_eq(slot->output.current->serial, 1);
	ck_assert_int_eq(slot->output.spare != NULL, positions[_i].spare);
	totals.current.serial = positions[_i].serial;
	ledger_commit(slot->ring.ledger, &totals);
	slotside_die(slot, SIGKILL);
	ck_assert_uint_eq(slot->fault.kind, usable ? FAULT_NONE : FAULT_LOST);
	ck_assert_uint_eq(slot->state, usable ? SLOT_VACANT : SLOT_SETTLED);
}
END_TEST

/* The first thing that went wrong counts */
START_TEST(an_unusable_ledger_of_a_worker_that_starts_is_a_failed_start)
{
	slot_begin(slot);
	ck_assert_int_eq(slot_start(slot), 0);
	slot->ring.ledger->magic++;
	slotside_die(slot, 1 << 8);
	ck_assert_uint_eq(slot->state, SLOT_SETTLED);
	ck_assert_uint_eq(slot->fault.kind, FAULT_START);
	ck_assert_uint_eq(place_logged("a/0: the ledger is"), 1);
}
END_TEST

START_TEST(a_drained_worker_with_an_unusable_ledger_is_a_loss)
{
	slotside_run(slot);
	slot_drain(slot);
	slotside_turn();
	slotside_spoil(slot);
	slotside_die(slot, 0);
	ck_assert_uint_eq(slot->state, SLOT_SETTLED);
	ck_assert_uint_eq(slot->fault.kind, FAULT_LOST);
}
END_TEST

Suite *suite_slot_death(void)
{
	Suite *s = suite_create("slot_death");
	TCase *t = tcase_create("slot_death");

	tcase_add_checked_fixture(t, setup, slotside_end);
	tcase_add_loop_test(t, a_worker_that_dies_while_it_starts_is_the_captures_fault, 0, 4);
	tcase_add_test(t, a_worker_that_was_silent_while_it_started_was_not_short_of_memory);
	tcase_add_test(t, one_that_is_given_up_while_it_starts_is_no_fault);
	tcase_add_test(t, a_ring_that_a_dead_worker_still_sent_is_closed_with_its_slot);
	tcase_add_test(t, the_next_worker_continues_with_the_ring_and_the_files_at_once);
	tcase_add_test(t, a_worker_that_just_ends_is_replaced);
	tcase_add_loop_test(t, a_worker_that_dies_while_it_drains_is_replaced_by_one_that_drains, 0,
			    2);
	tcase_add_test(t, the_second_death_without_progress_is_followed_by_a_pause);
	tcase_add_test(t, a_worker_that_lived_for_a_second_counts_as_progress);
	tcase_add_test(t, workers_that_only_die_end_the_slot);
	tcase_add_loop_test(t, a_block_that_two_workers_died_of_is_not_read_by_the_third, 0, 4);
	tcase_add_test(t, a_block_at_which_a_worker_hangs_counts_too);
	tcase_add_test(t, what_cannot_be_started_is_tried_again_in_a_second);
	tcase_add_test(t, a_vacant_slots_kernel_counters_are_read_now_and_then);
	tcase_add_test(t, an_unusable_ledger_ends_the_slot_with_what_was_reported_last);
	tcase_add_loop_test(t, a_ledger_of_files_that_the_worker_did_not_have_is_unusable, 0,
			    sizeof(positions) / sizeof(*positions));
	tcase_add_test(t, an_unusable_ledger_of_a_worker_that_starts_is_a_failed_start);
	tcase_add_test(t, a_drained_worker_with_an_unusable_ledger_is_a_loss);
	suite_add_tcase(s, t);
	return s;
}
