/* A slot for one worker of a capture. Its process may die and be replaced; the ring, the ledger and
 * the output files remain. It knows the task of its workers, not its capture: events become facts
 * (progress, state, fault, gone, wants_room), which its capture checks once in each turn of the
 * event loop (struct slots).
 *
 *            begin            READY             died
 *   EMPTY ---------> STARTING -----> RUNNING <--------> VACANT       a ring's life
 *     ^ \                |              |    next one    |  ^
 *     |  \               +------+-------+----------------+  |
 *     |   \                     v                           |
 *     |    \------------->   SETTLED                        |        drained, given up, or ended
 *     +------------------------+                            |
 *     |    the capture begins again                         |
 *     +-----------------------------------------------------+        a ring is inherited
 *
 * Invariants, at the end of each turn of the event loop (slot_check()):
 * (1) pid > 0 iff the slot is STARTING or RUNNING.
 * (2) EMPTY: no ring, no files, no quarantine.
 * (3) VACANT: a ring and no pid; only the supervisor reads the ring's statistics.
 * (4) The spare file is offered only if the current one is (O1 of output.h).
 * (5) The next process starts only after waitpid(2) of the one before, and after its ledger was
 *      judged (T2 of tally.h). */
#ifndef SLOT_H
#define SLOT_H

#include "deaths.h"
#include "output.h"
#include "stored_ring.h"
#include "worker_process.h"

struct storage;

struct slot;

/* The slots of a capture, and what they have in common. */
struct slots {
	struct event_base *base; /* borrowed, as the next two are */
	struct files *files;
	struct fdstore *store;
	struct storage *storage; /* the archive's state of the capture; a slot does not use it */
	unsigned index;		 /* the capture's number */
	bool due;		 /* a slot has changed: the capture must check it, in this turn */
	unsigned count;
	struct slot *list; /* owned */
};

enum slot_state {
	SLOT_EMPTY,    /* no ring: the capture waits for its interface */
	SLOT_STARTING, /* the worker makes its ring */
	SLOT_RUNNING,
	SLOT_VACANT, /* the worker died; the next one starts after the backoff, or with its file */
	SLOT_SETTLED,
};

/* The goal of a slot: it only advances; slot_begin() resets it. */
enum slot_goal {
	SLOT_RECORD,
	SLOT_DRAIN,	/* what the ring holds is written */
	SLOT_HAND_OVER, /* ... by a worker of the next instance */
	SLOT_ABANDON,	/* ... is counted as abandoned */
};

enum slot_fault_kind {
	FAULT_NONE,
	FAULT_START, /* its worker could not start */
	FAULT_LOOP,  /* its workers die in a loop: it is settled */
	FAULT_LOST,  /* its ledger was unusable: it is settled */
	FAULT_FILES, /* its first file cannot be made */
};

struct slot_fault {
	enum slot_fault_kind kind;
	int number; /* START: the daemon's exit code, at its start; FILES: errno */
	char text[MESSAGE_TEXT];
};

struct slot {
	struct slots *slots;	    /* among which it is; borrowed */
	struct message_worker task; /* the task of its workers: capture, ring, files */
	unsigned index;
	enum slot_state state;
	enum slot_goal goal, sent; /* ... as last sent to the worker */
	struct slot_fault fault;   /* the capture sets it to FAULT_NONE when it has handled it */
	struct worker_process worker;
	struct event *respawn;
	struct stored_ring ring;
	struct message_group group; /* the group that it joined, as the kernel reports it */
	struct checkpoint_slot *saved;
	struct tally tally;
	struct slot_output output;
	struct deaths deaths;
	bool gone;	 /* the worker reported that its interface is gone */
	bool wants_room; /* a write was refused, and the capture has not searched for space yet */
	int refused;	 /* errno of that write, which is being retried */
	int no_space;	 /* errno: the worker's last write found no space */
	uint64_t received_before; /* as the process started */
	uint64_t died_ns;	  /* monotonic: when the previous worker died; 0: not */
};

/* Empty, with the ledger that the previous instance left, or a new one (-1), which it owns. Its
 * capture's name and its number are in `task`; `slots` and `saved` are borrowed for its life.
 * Returns 0 or -errno. */
int slot_init(struct slot *slot, struct slots *slots, struct checkpoint_slot *saved,
	      const struct message_worker *task, int ledger_fd);

/* Closes and frees the slot's resources; its files must be finished. */
void slot_free(struct slot *slot);

/* Enters the next state, which is logged at debug level. An invalid transition is refused and
 * logged as an error. */
void slot_enter(struct slot *slot, enum slot_state state);

/* Checks the invariants above, in builds that do so. */
void slot_check(const struct slot *slot);

/* ---- what its capture decides ---- */

/* Resumes a ring of the previous instance: a worker starts as soon as its file is found. -1: there
 * is no ring; the slot is empty, its counters continue. When all slots of the capture have done
 * that: slot_resumed(). */
void slot_resume(struct slot *slot, int ring_fd);
void slot_resumed(struct slot *slot);

/* EMPTY -> STARTING, for all slots of a capture before the first slot_start(), which asks for the
 * files and starts a process that makes a ring. slot_start() returns 0 or -errno. */
void slot_begin(struct slot *slot);
int slot_start(struct slot *slot);

/* Lets the worker write the packets in the ring, and end. */
void slot_drain(struct slot *slot);

/* Kills the process; the packets in the ring are counted as abandoned when it has ended. */
void slot_abandon(struct slot *slot);

/* The worker commits the acquired blocks, and ends; with `kill` at once, with what it has
 * committed. */
void slot_hand_over(struct slot *slot, bool kill);

/* SETTLED -> EMPTY: its ring is closed, the ledger is ready for another one. */
void slot_next(struct slot *slot);

/* SETTLED: closes its ring, so that the next instance does not read abandoned packets. */
void slot_close(struct slot *slot);

/* EMPTY or SETTLED, for good: nothing of it is stored any more. */
void slot_end(struct slot *slot);

/* Called in each turn with a change: starts the next worker, if it may start; sends the current
 * worker its files, and the request to end. */
void slot_step(struct slot *slot);

/* ---- what happens to it ---- */

/* To be called on SIGCHLD: true if this pid was the slot's. */
bool slot_reaped(struct slot *slot, pid_t pid, int status);

/* To be called about twice a second: kills a worker that is silent for too long, reads the kernel's
 * counters of a ring without a worker, checks files. */
void slot_tick(struct slot *slot, uint64_t now_ns);

/* One of its files could not be made; its output gets the other answers of the archive. */
void slot_file_failed(struct slot *slot, struct output_file *file,
		      const struct message_result *result);

/* ---- questions ---- */

/* Whether it writes files. */
bool slot_writes(const struct slot *slot);

/* Whether packets are discarded for lack of space, and the lack. */
bool slot_suspended(const struct slot *slot);
enum output_lack slot_lacks(const struct slot *slot);

/* A line about the slot's worker. */
#define slot_log(slot, level, ...)                                                                 \
	log_about(level, &(struct log_subject){ (slot)->task.capture, (int)(slot)->index, NULL },  \
		  __VA_ARGS__)

#endif
