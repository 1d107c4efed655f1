/* daemon/supervisor/slot.c: a ring that is handed over, and one of a previous instance. */
#include "suites.h"
#include "archiveside.h"
#include "children.h"
#include "handring.h"
#include "slotside.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static struct slot *const slot = &slotside.list[0];

static void setup(void)
{
	slotside_begin(1, true);
}

START_TEST(a_worker_that_hands_over_leaves_the_ring_and_is_not_replaced)
{
	slotside_run(slot);
	slotside_arrive(10);
	slotside_write(slot, 4);
	slot_hand_over(slot, _i);
	ck_assert_int_eq(children_find(slot->worker.process.pid)->killed, _i);
	slotside_turn();
	slotside_hears(slot, MESSAGE_HANDOVER);
	slotside_die(slot, _i ? SIGKILL : 0);
	ck_assert_uint_eq(slot->state, SLOT_VACANT);
	ck_assert(slotside_stored(slot, FDSTORE_RING));
	ck_assert(!slotside_dropping(slot));
	ck_assert_uint_eq(slot->saved->restarts, 0);
	slotside_turn();
	ck_assert_uint_eq(slot->state, SLOT_VACANT);
	ck_assert_uint_eq(children_count(), 2); /* the archive's, and it */
	ck_assert_uint_eq(ledger_totals(slot->ring.ledger).discarded_abandoned, 0);
}
END_TEST

/* Nothing says where the next one continues */
START_TEST(a_ring_with_an_unusable_ledger_is_not_handed_over)
{
	uint64_t generation;

	slotside_run(slot);
	generation = slot->ring.generation;
	slot_hand_over(slot, false);
	slotside_turn();
	slotside_spoil(slot);
	slotside_die(slot, 0);
	ck_assert_uint_eq(slot->state, SLOT_SETTLED);
	ck_assert_int_eq(slot->ring.fd, -1);
	ck_assert_uint_eq(slot->ring.generation, generation + 1);
	ck_assert_uint_eq(ledger_totals(slot->ring.ledger).generation, generation + 1);
	slotside_turn();
}
END_TEST

/* The respawn that was due does not come */
START_TEST(a_vacant_slot_that_is_handed_over_or_given_up_stays_without_a_worker)
{
	slotside_run(slot);
	slotside_arrive(3);
	slotside_die(slot, SIGSEGV);
	slotside_next(slot);
	slotside_die(slot, SIGSEGV);
	ck_assert(event_pending(slot->respawn, EV_TIMEOUT, NULL));
	if (_i)
		slot_abandon(slot);
	else
		slot_hand_over(slot, true);
	ck_assert(!event_pending(slot->respawn, EV_TIMEOUT, NULL));
	slotside_turn();
	ck_assert_uint_eq(slot->state, _i ? SLOT_SETTLED : SLOT_VACANT);
	ck_assert_uint_eq(slot->tally.reported.discarded_abandoned, _i ? 3 : 0);
	ck_assert_int_eq(slotside_dropping(slot), _i);
}
END_TEST

/* ---- of a previous instance ---- */

/* What the previous instance left: a ring with ten packets, of which four are written into a file,
 * number 0 with inode 15. Returns the ring's descriptor, which the store has, too. */
static int inherit(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	handring_counters = (struct handring_counters){ .socket = fd };
	stored_ring_put(&slot->ring, fd);
	slotside_arrive(10);
	slotside_write(slot, 4);
	slot->ring.fd = -1;
	checkpoint_put(slot->saved, 0, 8, 15);
	slot->saved->restarts = 3;
	return fd;
}

START_TEST(a_ring_of_the_previous_instance_gets_a_worker_when_its_file_is_found)
{
	slot_resume(slot, inherit());
	slot_resumed(slot);
	ck_assert_uint_eq(slot->state, SLOT_VACANT);
	ck_assert_uint_eq(slot->tally.reported.written, 4);
	slotside_turn();
	ck_assert_uint_eq(children_count(), 1);
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_REOPEN);
	ck_assert_uint_eq(archiveside.asked.archive.inode, 15);
	archiveside_answer(&(struct message_result){ .name = "a-w0.pcapng.partial" });
	slotside_next(slot);
	slotside_hears(slot, MESSAGE_WORKER);
	ck_assert_uint_eq(slotside.heard.worker.resume, 1);
	slotside_hears(slot, MESSAGE_FILE);
	ck_assert_uint_eq(slotside.heard.file.serial, 0);
	ck_assert_uint_eq(slotside_hear(slot), 0); /* no spare file was left */
	ck_assert_uint_eq(slot->saved->restarts, 3);
	slot_tick(slot, 0); /* it is looked at before its worker has reported anything */
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_LOOK);
	ck_assert_uint_eq(archiveside.asked.archive.file.end, LEDGER_FILE_BEGIN + 400);
}
END_TEST

START_TEST(a_ring_whose_file_is_gone_continues_in_another_one)
{
	static const struct message_result gone = { .error = ENOENT, .text = "it is not there" };

	slot_resume(slot, inherit());
	slot_resumed(slot);
	archiveside_expect(MESSAGE_REOPEN, &gone);
	ck_assert_uint_eq(slot->saved->packets_lost, 4);
	ck_assert_uint_eq(slot->saved->files_lost, 1);
	slotside_turn();
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_OPEN);
	ck_assert_uint_eq(archiveside.asked.archive.file.serial, 2);
	archiveside_answer(NULL);
	slotside_turn();
	ck_assert_uint_eq(slot->state, SLOT_RUNNING);
	slotside_hears(slot, MESSAGE_WORKER);
	slotside_hears(slot, MESSAGE_FILE);
	ck_assert_uint_eq(slotside.heard.file.serial, 2);
}
END_TEST

/* A record without which no worker could continue: nothing says which file it was */
START_TEST(a_ring_without_a_record_of_its_file_continues_in_another_one)
{
	int ring = inherit();

	checkpoint_drop(checkpoint_find(slot->saved, 0));
	slot_resume(slot, ring);
	archiveside_quiet(); /* what other slots have is sought first */
	slot_resumed(slot);
	ck_assert(slotside.slots.due);
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_OPEN);
	ck_assert_uint_eq(archiveside.asked.archive.file.serial, 2);
}
END_TEST

START_TEST(a_slot_whose_ring_is_gone_is_empty_and_its_counters_continue)
{
	uint64_t generation = slot->ring.generation;
	int ring = inherit();

	close(ring);
	slot_resume(slot, -1);
	slot_resumed(slot);
	ck_assert_uint_eq(slot->state, SLOT_EMPTY);
	ck_assert_uint_eq(slot->ring.generation, generation + 1);
	ck_assert_uint_eq(slot->tally.reported.packets, 10);
	ck_assert_uint_eq(slot->tally.reported.written, 4);
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_REOPEN); /* its file ends */
	archiveside_answer(&(struct message_result){ .name = "a-w0.pcapng.partial" });
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_FINISH);
	ck_assert_uint_eq(archiveside.asked.archive.file.end, LEDGER_FILE_BEGIN + 400);
	archiveside_answer(NULL);
	ck_assert_uint_eq(slot->saved->files_completed, 1);
}
END_TEST

/* Another program wrote into the record: more lost than there ever was */
START_TEST(what_a_record_says_of_losses_is_no_more_than_was_written)
{
	int ring = inherit();

	slot->saved->packets_lost = slot->saved->written_shown = 1000;
	slot_resume(slot, ring);
	ck_assert_uint_eq(slot->saved->packets_lost, 4);
	ck_assert_uint_eq(slot->saved->written_shown, 4);
}
END_TEST

/* The previous instance died as it counted a loss (C3 of checkpoint.h) */
START_TEST(a_loss_whose_counting_was_interrupted_is_counted)
{
	int ring = inherit();

	checkpoint_put(slot->saved, 9, 8, 99);
	*checkpoint_find(slot->saved, 9) = (struct checkpoint_file){
		.serial_after = 10, .lost = 1, .lost_packets_after = 2, .lost_files_after = 1
	};
	slot_resume(slot, ring);
	ck_assert_uint_eq(slot->saved->packets_lost, 2);
	ck_assert_uint_eq(slot->saved->files_lost, 1);
	ck_assert_ptr_null(checkpoint_find(slot->saved, 9));
}
END_TEST

Suite *suite_slot_handover(void)
{
	Suite *s = suite_create("slot_handover");
	TCase *t = tcase_create("slot_handover");

	tcase_add_checked_fixture(t, setup, slotside_end);
	tcase_add_loop_test(t, a_worker_that_hands_over_leaves_the_ring_and_is_not_replaced, 0, 2);
	tcase_add_test(t, a_ring_with_an_unusable_ledger_is_not_handed_over);
	tcase_add_loop_test(t, a_vacant_slot_that_is_handed_over_or_given_up_stays_without_a_worker,
			    0, 2);
	tcase_add_test(t, a_ring_of_the_previous_instance_gets_a_worker_when_its_file_is_found);
	tcase_add_test(t, a_ring_whose_file_is_gone_continues_in_another_one);
	tcase_add_test(t, a_ring_without_a_record_of_its_file_continues_in_another_one);
	tcase_add_test(t, a_slot_whose_ring_is_gone_is_empty_and_its_counters_continue);
	tcase_add_test(t, what_a_record_says_of_losses_is_no_more_than_was_written);
	tcase_add_test(t, a_loss_whose_counting_was_interrupted_is_counted);
	suite_add_tcase(s, t);
	return s;
}
