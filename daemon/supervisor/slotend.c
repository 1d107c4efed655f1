/* What becomes of a slot whose worker died, is silent, or has to end. */
#include "capture.h"
#include "fdstore.h"
#include "slotfiles.h"

#include "../base/clock.h"
#include "../base/log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEADY_NS     UINT64_C(1000000000) /* a worker that lived so long did not die of starting */
#define LOOP_NS	      UINT64_C(10000000000)
#define STARTING_MORE 10 /* times worker_timeout, for the allocation of a ring */

static void totals_report(struct slot *slot)
{
	struct ledger_totals totals;

	tally_read(&slot->tally, slot->ledger, slot_writes(slot), clock_mono_ns(), &totals);
	slot->record = totals.current;
	slotfiles_follow(slot, &totals.current, &totals.previous);
}

static void ring_close(struct slot *slot)
{
	if (slot->ring_fd < 0)
		return;
	fdstore_drop(slot->capture->store,
		     &(struct fdstore_key){ FDSTORE_RING, slot->capture->config->name, slot->index,
					    slot->generation });
	close(slot->ring_fd);
	slot->ring_fd = -1;
}

void slot_next_ring(struct slot *slot)
{
	ledger_next_ring(slot->ledger);
	slot->generation++;
}

/* Ready for the next ring. */
static void slot_idle(struct slot *slot)
{
	ring_close(slot);
	slot_next_ring(slot);
	slot_enter(slot, SLOT_IDLE);
	slot->progress = PROGRESS_NONE;
	slot->draining = slot->gone = false;
	slot->refused = slot->no_space = slot->no_room = 0;
	slot->suspect = slot->quarantine = 0; /* a rotation ends with the last old file */
	slot->awaits_file = false;
	slot->failures = 0;
}

void slot_settle(struct slot *slot)
{
	struct ledger_totals totals;
	uint64_t left;

	if (slot->state == SLOT_ENDED || slot->state == SLOT_IDLE)
		return;
	/* By what a dead worker still sent it is not: worker_buried() comes to it */
	if (!tally_settle(&slot->tally, slot->ledger, slot->ring_fd, &totals, &left))
		return;
	if (left)
		slot_log(slot, LOG_ERR, "%llu packets left in the ring are abandoned",
			 (unsigned long long)left);
	totals_report(slot);
	slotfiles_close(slot, &totals.current);
	if (slot->capture->state == CAPTURE_LEAVING)
		slot_idle(slot);
	else
		slot_enter(slot, SLOT_ENDED);
	*slot->due = true;
}

void slot_end(struct slot *slot)
{
	const char *name = slot->capture->config->name;

	slot_enter(slot, SLOT_ENDED);
	ring_close(slot);
	fdstore_drop(slot->capture->store,
		     &(struct fdstore_key){ FDSTORE_LEDGER, name, slot->index, 0 });
}

static bool crash_loop(struct slot *slot, uint64_t now)
{
	memmove(slot->deaths_ns, slot->deaths_ns + 1,
		sizeof(slot->deaths_ns[0]) * (SLOT_DEATHS - 1));
	slot->deaths_ns[SLOT_DEATHS - 1] = now;
	return slot->failures >= SLOT_DEATHS && now - slot->deaths_ns[0] <= LOOP_NS;
}

/* A block of which two workers died, one after the other, is not looked into by a third. Who is
 * killed from outside died of no block. */
static void block_suspect(struct slot *slot, int status)
{
	bool fault = WIFSIGNALED(status) && (WTERMSIG(status) != SIGKILL || slot->process.silent);
	uint64_t in_hand = fault ? slot->ledger->in_hand : 0;

	if (in_hand && in_hand == slot->suspect) {
		slot->quarantine = in_hand;
		slot_log(slot, LOG_ERR,
			 "two workers died of the ring's block %llu: its packets are "
			 "abandoned, its bytes go into the file for a report",
			 (unsigned long long)in_hand);
	}
	slot->suspect = in_hand;
}

static void slot_respawn(struct slot *slot, int status)
{
	int number;
	const char *how = process_death(status, &number);
	uint64_t now = clock_mono_ns(), received = ledger_totals(slot->ledger).received;
	char text[128];
	unsigned ms;

	if (now - slot->process.started_ns > STEADY_NS || received != slot->received_before)
		slot->failures = 0;
	ms = process_backoff_ms(++slot->failures);
	slot->saved->restarts++;
	slot_enter(slot, SLOT_WAITING);
	block_suspect(slot, status);
	if (crash_loop(slot, now)) {
		snprintf(text, sizeof(text), "worker %u died %u times in a row (last by %s %d)",
			 slot->index, slot->failures, how, number);
		slot->given_up = true;
		capture_fail(slot->capture, text);
		slot_settle(slot); /* if it was ending anyway */
		return;
	}
	slot_log(slot, LOG_WARNING, "worker %s %d; the next one goes on in %u ms",
		 WIFSIGNALED(status) ? "killed by signal" : "ended with status", number, ms);
	if (ms == 0)
		slot_go_on(slot);
	else
		event_add(slot->respawn, &(struct timeval){ ms / 1000, ms % 1000 * 1000 });
}

/* False: the dead worker's ledger is unusable. It is made again from what was reported last; the
 * ring is given up, and with it the group, whose other members drain. */
static bool ledger_usable(struct slot *slot)
{
	const struct ledger_bounds bounds = {
		.generation = slot->generation,
		.blocks = slot->capture->plan.ring.blocks,
		.serial_least = slot->current ? slot->current->serial : 0,
		.serial_most = slot->spare ? slot->spare->serial : UINT64_MAX,
		.writes = slot_writes(slot),
	};
	const char *problem =
		tally_judge(&slot->tally, slot->ledger, slot->ring_fd, &bounds, &slot->record);

	if (problem)
		slot_log(slot, LOG_ERR,
			 "the ledger is of no use (%s): counting goes on from the last report, the "
			 "ring is given up, what it holds is abandoned",
			 problem);
	return !problem;
}

/* Who kills by signal 9 is the kernel most of the time, for want of memory. */
static void starting_text(const struct slot *slot, int status, char *text, size_t size)
{
	if (slot->process.silent)
		snprintf(text, size, "worker %u was silent while starting and was killed",
			 slot->index);
	else if (WIFSIGNALED(status))
		snprintf(text, size, "worker %u was killed by signal %d while starting%s",
			 slot->index, WTERMSIG(status),
			 WTERMSIG(status) == SIGKILL ? " (out of memory?)" : "");
	else
		snprintf(text, size, "worker %u ended with status %d while starting", slot->index,
			 WEXITSTATUS(status));
}

static void worker_buried(struct slot *slot, int status)
{
	struct capture *capture = slot->capture;
	bool starting = slot->state == SLOT_STARTING, usable = ledger_usable(slot);

	totals_report(slot);
	if (starting && !capture_abandoned(capture)) {
		char text[128];

		starting_text(slot, status, text, sizeof(text));
		capture_start_failed(capture, EXIT_FAILURE, text);
	}
	if (!usable && capture->state == CAPTURE_RUNNING)
		capture_leave(capture, false, "a worker's ledger was of no use");
	if (starting || !usable || capture_abandoned(capture) ||
	    (slot->draining && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS))
		slot_settle(slot);
	else if (capture_handing_over(capture))
		slot_enter(slot, SLOT_WAITING); /* for a worker of the next daemon */
	else
		slot_respawn(slot, status);
}

bool slot_reaped(struct slot *slot, pid_t pid, int status)
{
	char text[1024];

	if (slot->process.pid <= 0 || pid != slot->process.pid)
		return false;
	tally_died(&slot->tally);
	slot->died_ns = clock_mono_ns();
	/* What it still said: a reason for its end, and a descriptor perhaps. Reports are in the
	 * ledger. */
	process_reaped(&slot->process, pid);
	if (process_crash_text(&slot->process, text, sizeof(text)))
		slot_log(slot, LOG_ERR, "the worker died of %s", text);
	worker_buried(slot, status);
	return true;
}

static void slot_watch(struct slot *slot, uint64_t now)
{
	uint64_t limit = slot->capture->config->worker.timeout_ns, silent;

	if (slot->progress < PROGRESS_JOINED)
		limit *= STARTING_MORE;
	silent = process_watch(&slot->process, now, limit);
	if (silent)
		slot_log(slot, LOG_ERR, "the worker has said nothing for %llu ms: it is killed",
			 (unsigned long long)silent / 1000000);
}

void slot_tick(struct slot *slot, uint64_t now)
{
	if (slot->process.pid > 0) {
		slot_watch(slot, now);
	} else if (slot->ring_fd >= 0 && slot->state == SLOT_WAITING) {
		ledger_take(slot->ledger, afcap_stats_take, slot->ring_fd);
		totals_report(slot);
	}
}

void slot_drain(struct slot *slot)
{
	if (slot->state == SLOT_IDLE || slot->state == SLOT_ENDED)
		return; /* the next ring is another matter */
	slot->draining = true;
	if (slot->state == SLOT_WAITING && slot->given_up) {
		slot_settle(slot);
	} else if (slot->state == SLOT_WAITING && !slot->awaits_file) {
		event_del(slot->respawn);
		slot_go_on(slot);
	} else if (slot->state == SLOT_RUNNING) {
		slot_say(slot, MESSAGE_DRAIN);
	}
}

void slot_kill(struct slot *slot)
{
	if (slot->process.pid > 0)
		process_kill(&slot->process);
	else if (capture_abandoned(slot->capture))
		slot_settle(slot);
}
