/* A worker's process, its reports, its death and its successor. */
#include "slot.h"
#include "inherited_files.h"

#include "../base/clock.h"
#include "../base/invariant.h"
#include "../base/log.h"
#include "../../lib/afcap.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#define STEADY_NS UINT64_C(1000000000) /* a worker that lived longer did not die at its start */

static const char *const state_names[] = {
	[SLOT_EMPTY] = "empty",	  [SLOT_STARTING] = "starting", [SLOT_RUNNING] = "running",
	[SLOT_VACANT] = "vacant", [SLOT_SETTLED] = "settled",
};

/* The states that may follow, as bits. */
static const unsigned next_states[] = {
	[SLOT_EMPTY] = 1 << SLOT_STARTING | 1 << SLOT_VACANT | 1 << SLOT_SETTLED,
	[SLOT_STARTING] = 1 << SLOT_RUNNING | 1 << SLOT_SETTLED,
	[SLOT_RUNNING] = 1 << SLOT_VACANT | 1 << SLOT_SETTLED,
	[SLOT_VACANT] = 1 << SLOT_RUNNING | 1 << SLOT_SETTLED,
	[SLOT_SETTLED] = 1 << SLOT_EMPTY,
};

void slot_enter(struct slot *slot, enum slot_state state)
{
	bool follows = next_states[slot->state] & 1U << state;

	if (slot->state == state)
		return;
	invariant(follows);
	slot_log(slot, follows ? LOG_DEBUG : LOG_ERR, "worker %s -> %s%s", state_names[slot->state],
		 state_names[state], follows ? "" : ": refused");
	if (!follows)
		return;
	slot->state = state;
	slot->slots->due = true;
}

void slot_check(const struct slot *slot)
{
	(void)slot;
	invariant((slot->worker.process.pid > 0) ==
		  (slot->state == SLOT_STARTING || slot->state == SLOT_RUNNING));
	invariant(slot->state != SLOT_EMPTY ||
		  (slot->ring.fd < 0 && !slot->output.current && !slot->deaths.quarantine));
	invariant(slot->state != SLOT_VACANT || slot->ring.fd >= 0);
	invariant(!slot->tally.unjudged);
	output_check(&slot->output);
}

bool slot_writes(const struct slot *slot)
{
	return slot->task.group.output == OUTPUT_PCAPNG;
}

bool slot_suspended(const struct slot *slot)
{
	return slot->no_space || output_suspended(&slot->output);
}

enum output_lack slot_lacks(const struct slot *slot)
{
	return output_lacks(&slot->output, slot->no_space);
}

/* The first fault counts, until its capture has handled it. */
__attribute__((format(printf, 4, 5))) static void
fault_set(struct slot *slot, enum slot_fault_kind kind, int number, const char *format, ...)
{
	va_list ap;

	slot->slots->due = true;
	if (slot->fault.kind)
		return;
	slot->fault.kind = kind;
	slot->fault.number = number;
	va_start(ap, format);
	vsnprintf(slot->fault.text, sizeof(slot->fault.text), format, ap);
	va_end(ap);
}

/* ---- its worker ---- */

/* A worker may be compromised: an impossible report changes nothing, and the worker is replaced. */
static bool on_report(void *owner, const struct message_report *r)
{
	struct slot *slot = owner;

	if (slot->worker.process.silent)
		return true;
	if (!output_known(&slot->output, &r->current) ||
	    !tally_take(&slot->tally, &r->counters, slot_writes(slot), clock_mono_ns())) {
		slot_log(slot, LOG_ERR, "the worker sent an impossible report; it is replaced");
		return false;
	}
	slot->gone |= r->gone != 0;
	slot->no_space = (int)r->no_space;
	slot->refused = r->refused ? (int)r->refused : slot->no_space;
	slot->wants_room |= slot->refused != 0; /* it retries: the oldest file may be removed */
	slot->slots->due = true;
	output_follow(&slot->output, &r->current, &r->previous);
	return true;
}

static void on_joined(void *owner, const struct message_group *group, int ring)
{
	struct slot *slot = owner;

	stored_ring_put(&slot->ring, ring);
	slot->group = *group;
}

static void on_failed(void *owner, uint32_t exit_code, const char *text)
{
	struct slot *slot = owner;

	if (slot->state == SLOT_STARTING)
		fault_set(slot, FAULT_START, process_exit_code(exit_code), "%s", text);
	else
		slot_log(slot, LOG_ERR, "%s", text);
}

static void on_ready(void *owner)
{
	struct slot *slot = owner;

	if (slot->died_ns)
		slot_log(slot, LOG_DEBUG, "reading again %.1f ms after the previous worker died",
			 (double)(clock_mono_ns() - slot->died_ns) / 1e6);
	slot->died_ns = 0;
	slot_enter(slot, SLOT_RUNNING);
}

static void on_changed(void *owner)
{
	struct slot *slot = owner;

	slot->slots->due = true;
}

static const struct worker_process_events worker_events = { on_joined, on_ready, on_report,
							    on_failed, on_changed };

/* Starts the first process, or the next one on the same ring. Returns 0 or -errno. */
static int slot_spawn(struct slot *slot)
{
	const struct worker_process_plan plan = { .ledger_fd = slot->ring.ledger_fd,
						  .ring_fd = slot->ring.fd,
						  .generation = slot->ring.generation,
						  .quarantine = slot->deaths.quarantine };
	int rc;

	invariant(slot->worker.process.pid < 0 && !slot->tally.unjudged);
	rc = worker_process_start(&slot->worker, &plan);
	if (rc)
		return rc;
	slot->received_before = ledger_totals(slot->ring.ledger).received;
	slot_enter(slot, slot->ring.fd >= 0 ? SLOT_RUNNING : SLOT_STARTING);
	output_forget(&slot->output);
	slot->sent = SLOT_RECORD;
	return 0;
}

/* Starts the next one on the same ring, if it may start. */
static void slot_continue(struct slot *slot)
{
	int rc;

	if (slot->goal >= SLOT_HAND_OVER || event_pending(slot->respawn, EV_TIMEOUT, NULL) ||
	    output_awaits(&slot->output))
		return;
	rc = slot_spawn(slot);
	if (rc) {
		slot_log(slot, LOG_ERR, "starting a worker: %s; retrying", process_failure(-rc));
		slot->deaths.in_a_row++;
		event_add(slot->respawn, &(struct timeval){ 1, 0 });
	}
}

/* Sends its files first, then the request to end. */
static void worker_tell(struct slot *slot)
{
	struct message message;
	int fd;

	while (worker_process_takes(&slot->worker) && output_message(&slot->output, &message, &fd))
		worker_process_send(&slot->worker, &message, fd);
	if (slot->sent || !slot->goal || slot->goal == SLOT_ABANDON ||
	    !worker_process_takes(&slot->worker))
		return;
	slot->sent = slot->goal;
	worker_process_say(&slot->worker,
			   slot->goal == SLOT_DRAIN ? MESSAGE_DRAIN : MESSAGE_HANDOVER);
}

void slot_step(struct slot *slot)
{
	if (slot->state == SLOT_VACANT)
		slot_continue(slot);
	if (slot->state == SLOT_RUNNING || slot->state == SLOT_STARTING)
		worker_tell(slot);
}

static void respawn_cb(evutil_socket_t fd, short what, void *arg)
{
	struct slot *slot = arg;

	(void)fd;
	(void)what;
	slot->slots->due = true;
}

int slot_init(struct slot *slot, struct slots *slots, struct checkpoint_slot *saved,
	      const struct message_worker *task, int ledger_fd)
{
	const struct archive_target target = { slots->index, task->worker, slot };
	int rc;

	*slot = (struct slot){
		.slots = slots, .task = *task, .index = task->worker, .saved = saved
	};
	tally_init(&slot->tally, saved);
	worker_process_init(&slot->worker, slots->base, &worker_events, slot, &slot->task);
	rc = stored_ring_init(&slot->ring, slots->store, slot->task.capture, slot->index,
			      ledger_fd);
	output_init(&slot->output, slots->files, slot->task.capture, &target);
	slot->output.tally = &slot->tally;
	slot->output.ledger = slot->ring.ledger;
	slot->output.saved = saved;
	slot->respawn = event_new(slots->base, -1, 0, respawn_cb, slot);
	return rc || slot->respawn ? rc : -ENOMEM;
}

void slot_free(struct slot *slot)
{
	process_close(&slot->worker.process);
	if (slot->respawn)
		event_free(slot->respawn);
	output_free(&slot->output); /* handed over, or abandoned */
	stored_ring_free(&slot->ring);
}

/* ---- its life ---- */

void slot_resume(struct slot *slot, int ring_fd)
{
	struct ledger_totals totals;

	checkpoint_recover(slot->saved);
	if (ring_fd >= 0)
		slot->ring.fd = ring_fd; /* the ring is in the store */
	tally_read(&slot->tally, slot->ring.ledger, slot_writes(slot), clock_mono_ns(), &totals);
	tally_bound(&slot->tally);
	slot->output.record = totals.current;
	if (ring_fd >= 0)
		slot_enter(slot, SLOT_VACANT);
	if (slot_writes(slot))
		inherited_seek(&slot->output, ring_fd >= 0);
	if (ring_fd < 0)
		stored_ring_next(&slot->ring);
}

void slot_resumed(struct slot *slot)
{
	if (slot->state == SLOT_VACANT && slot_writes(slot))
		inherited_continue(&slot->output);
	slot->slots->due = true;
}

void slot_begin(struct slot *slot)
{
	slot->goal = SLOT_RECORD;
	slot_enter(slot, SLOT_STARTING);
}

int slot_start(struct slot *slot)
{
	int rc = slot_writes(slot) ? output_begin(&slot->output) : 0;

	return rc ? rc : slot_spawn(slot);
}

static void totals_report(struct slot *slot)
{
	struct ledger_totals totals;

	tally_read(&slot->tally, slot->ring.ledger, slot_writes(slot), clock_mono_ns(), &totals);
	output_follow(&slot->output, &totals.current, &totals.previous);
}

/* No process reads this ring any more: its packets are abandoned, its files end. No packet may
 * arrive until it is closed. */
static void slot_settle(struct slot *slot)
{
	struct ledger_totals totals;
	uint64_t left;

	if (slot->ring.fd >= 0)
		afcap_filter_drop_all(slot->ring.fd);
	if (!tally_settle(&slot->tally, slot->ring.ledger, slot->ring.fd, &totals, &left)) {
		invariant(false); /* T2 */
		return;
	}
	if (left)
		slot_log(slot, LOG_ERR, "%llu packets left in the ring are abandoned",
			 (unsigned long long)left);
	totals_report(slot);
	output_end(&slot->output, &totals.current);
	slot->worker.progress = PROGRESS_NONE;
	event_del(slot->respawn);
	slot_enter(slot, SLOT_SETTLED);
}

void slot_next(struct slot *slot)
{
	stored_ring_next(&slot->ring);
	slot_enter(slot, SLOT_EMPTY);
	slot->goal = SLOT_RECORD;
	slot->worker.progress = PROGRESS_NONE;
	slot->gone = slot->wants_room = false;
	slot->refused = slot->no_space = 0;
	deaths_forget(&slot->deaths);
}

void slot_close(struct slot *slot)
{
	if (slot->ring.fd >= 0)
		stored_ring_next(&slot->ring);
}

void slot_end(struct slot *slot)
{
	slot_enter(slot, SLOT_SETTLED);
	stored_ring_end(&slot->ring);
}

static bool slot_aim(struct slot *slot, enum slot_goal goal)
{
	if (slot->state == SLOT_EMPTY || slot->state == SLOT_SETTLED || slot->goal >= goal)
		return false;
	slot->goal = goal;
	slot->slots->due = true;
	event_del(slot->respawn);
	return true;
}

void slot_drain(struct slot *slot)
{
	slot_aim(slot, SLOT_DRAIN);
}

void slot_abandon(struct slot *slot)
{
	if (!slot_aim(slot, SLOT_ABANDON))
		return;
	if (slot->worker.process.pid > 0)
		process_kill(&slot->worker.process);
	else
		slot_settle(slot);
}

void slot_hand_over(struct slot *slot, bool kill)
{
	slot_aim(slot, SLOT_HAND_OVER);
	if (kill)
		process_kill(&slot->worker.process);
}

/* ---- its worker's death ---- */

/* A worker that was killed from outside did not die in a block. */
static void block_suspect(struct slot *slot, int status)
{
	bool fault = worker_process_is_fault(&slot->worker, status);
	uint64_t sequence = fault ? slot->ring.ledger->in_progress : 0;

	if (deaths_suspect(&slot->deaths, sequence))
		slot_log(slot, LOG_ERR,
			 "two workers died in block %llu of the ring: its packets are abandoned, "
			 "its bytes are stored in the file",
			 (unsigned long long)sequence);
}

static void slot_respawn(struct slot *slot, int status)
{
	int number;
	const char *how = process_death(status, &number);
	uint64_t now = clock_mono_ns(), received = ledger_totals(slot->ring.ledger).received;
	bool progress = now - slot->worker.process.started_ns > STEADY_NS ||
			received != slot->received_before;
	unsigned ms = deaths_add(&slot->deaths, now, progress);

	slot->saved->restarts++;
	slot_enter(slot, SLOT_VACANT);
	block_suspect(slot, status);
	if (deaths_loop(&slot->deaths, now)) {
		fault_set(slot, FAULT_LOOP, 0, "worker %u died %u times in a row (last by %s %d)",
			  slot->index, slot->deaths.in_a_row, how, number);
		slot_settle(slot);
		return;
	}
	slot_log(slot, LOG_WARNING, "worker %s %d; the next one resumes in %u ms",
		 WIFSIGNALED(status) ? "killed by signal" : "ended with status", number, ms);
	if (ms)
		event_add(slot->respawn, &(struct timeval){ ms / 1000, ms % 1000 * 1000 });
}

/* False: the dead worker's ledger is unusable. It is restored from the last report; the ring is
 * given up, and with it the group, whose other members drain. */
static bool ledger_usable(struct slot *slot)
{
	const struct slot_output *o = &slot->output;
	const struct ledger_bounds bounds = {
		.generation = slot->ring.generation,
		.blocks = slot->task.blocks,
		.serial_min = o->current ? o->current->serial : 0,
		.serial_max = output_serial_max(o),
		.writes = slot_writes(slot),
	};
	const char *problem =
		tally_judge(&slot->tally, slot->ring.ledger, slot->ring.fd, &bounds, &o->record);

	if (problem)
		slot_log(slot, LOG_ERR,
			 "the ledger is unusable (%s): counting resumes from the last report, the "
			 "ring is given up, the packets in it are abandoned",
			 problem);
	return !problem;
}

static void worker_buried(struct slot *slot, int status)
{
	bool starting = slot->state == SLOT_STARTING, usable = ledger_usable(slot);
	bool drained = slot->sent == SLOT_DRAIN && WIFEXITED(status) &&
		       WEXITSTATUS(status) == EXIT_SUCCESS;
	char text[128];

	totals_report(slot);
	worker_process_start_text(&slot->worker, status, text, sizeof(text));
	if (starting && slot->goal != SLOT_ABANDON)
		fault_set(slot, FAULT_START, EXIT_FAILURE, "%s", text);
	else if (!usable)
		fault_set(slot, FAULT_LOST, EXIT_FAILURE, "a worker's ledger was unusable");
	if (starting || !usable || drained || slot->goal == SLOT_ABANDON)
		slot_settle(slot);
	else if (slot->goal == SLOT_HAND_OVER)
		slot_enter(slot, SLOT_VACANT);
	else
		slot_respawn(slot, status);
	if (!usable && slot->goal == SLOT_HAND_OVER) /* the next one's position is unknown */
		slot_close(slot);
}

bool slot_reaped(struct slot *slot, pid_t pid, int status)
{
	if (slot->worker.process.pid <= 0 || pid != slot->worker.process.pid)
		return false;
	tally_died(&slot->tally);
	slot->died_ns = clock_mono_ns();
	/* Handles its last messages: the reason of its end, perhaps a descriptor. Reports are in
	 * the ledger. */
	worker_process_reaped(&slot->worker, pid);
	worker_buried(slot, status);
	return true;
}

void slot_tick(struct slot *slot, uint64_t now_ns)
{
	output_tick(&slot->output, now_ns);
	worker_process_watch(&slot->worker, now_ns);
	if (slot->state != SLOT_VACANT)
		return;
	ledger_take(slot->ring.ledger, afcap_stats_take, slot->ring.fd);
	totals_report(slot);
}

void slot_file_failed(struct slot *slot, struct output_file *file,
		      const struct message_result *result)
{
	enum output_failure failure = output_failed(&slot->output, file, result);

	slot->slots->due = true;
	if (failure == OUTPUT_HANDLED)
		return;
	if (slot->state == SLOT_STARTING)
		fault_set(slot, FAULT_FILES, result->error, "%s", result->text);
	else if (failure == OUTPUT_REFUSED)
		log_about(LOG_ERR, &(struct log_subject){ slot->task.capture, -1, NULL },
			  "%s; continuing in the current file", result->text);
}
