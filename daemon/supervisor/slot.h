/* A slot: one worker's place in a capture. The process in it may die and be replaced; the ring, the
 * ledger and the files stay.
 *
 *   IDLE -> STARTING -> RUNNING <-> WAITING      a ring's life; each of them may end in
 *    ^                                           IDLE (the next ring is another matter)
 *    +---- settled: its capture begins again     or ENDED (for good)
 *
 * Invariants, at the end of each turn of the event loop (slot_check()):
 * (1) pid > 0 iff the slot is STARTING or RUNNING.
 * (2) IDLE: no ring, no files, no quarantine.
 * (3) WAITING: a ring and no pid; only the supervisor reads the ring's statistics.
 * (4) The spare file is offered only if the current one is.
 * (5) The next process starts only after waitpid(2) of the one before, and after its ledger was
 *     judged. */
#ifndef SLOT_H
#define SLOT_H

#include "tally.h"
#include "files.h"
#include "process.h"

struct capture;

enum slot_state {
	SLOT_IDLE,     /* no ring: the capture waits for its interface */
	SLOT_STARTING, /* the worker makes its ring */
	SLOT_RUNNING,
	SLOT_WAITING, /* the worker died; the next comes after the backoff, or with its file */
	SLOT_ENDED,   /* drained, or given up; settled */
};

#ifndef SLOT_DEATHS   /* another one: tests, whose workers die at random */
#define SLOT_DEATHS 5 /* in a row without progress, within ten seconds: a crash loop */
#endif

/* How far a starting worker is. */
enum slot_progress {
	PROGRESS_NONE,
	PROGRESS_SOCKET,
	PROGRESS_RING,
	PROGRESS_JOINED,
	PROGRESS_READY
};

struct slot {
	struct capture *capture;
	bool *due; /* what changed here is for its capture to look at, in this turn */
	unsigned index;
	enum slot_state state;
	enum slot_progress progress;
	struct process process;
	struct event *respawn;
	int ledger_fd;
	struct ledger *ledger;
	int ring_fd;		    /* a duplicate, never mapped; -1 until the worker joined */
	struct message_group group; /* that it joined, as the kernel has it */
	struct output_file *current, *spare;
	bool gone;	    /* its interface is, as the worker says */
	bool draining;	    /* told to, or will be told as soon as it can be */
	int refused;	    /* errno: a write was, which is tried again */
	bool wants_room;    /* ... and its capture has not looked for any yet */
	int no_space;	    /* errno: its last write found none, as the worker says */
	int no_room;	    /* errno: a file could not be made for want of it */
	bool no_inode;	    /* ... of inodes */
	bool suspended;	    /* as the worker was told */
	bool has_failed;    /* and said why */
	bool given_up;	    /* its workers only die */
	bool awaits_file;   /* its worker comes when the file that it goes on in is found */
	int open_error;	    /* errno of making a file, told last */
	uint64_t retry_ns;  /* monotonic: files that failed are not tried before */
	uint64_t rotating;  /* files below this serial are waited for; 0: none */
	unsigned finishing; /* files that the archive process has to finish */
	uint64_t lost_ns;   /* monotonic: a file was lost last; 0: none */

	struct tally tally;
	struct ledger_file record; /* its file, as it was reported last */
	struct checkpoint_slot *saved;
	uint64_t generation;		 /* of its ring */
	unsigned failures;		 /* deaths without progress between them */
	uint64_t deaths_ns[SLOT_DEATHS]; /* monotonic: when those were */
	uint64_t suspect;		 /* sequence of the block that the last worker died of */
	uint64_t quarantine;		 /* ... that two died of: not looked into any more */
	uint64_t received_before;	 /* as the process started */
	uint64_t died_ns;		 /* monotonic: the worker before; 0: none since */
};

/* For whom its files are. */
struct archive_target slot_target(struct slot *slot);

/* The next state, which is logged at debug level. One that cannot follow on the present one is not
 * entered, which is logged as an error. */
void slot_enter(struct slot *slot, enum slot_state state);

/* The invariants above, in builds that check them. */
void slot_check(const struct slot *slot);

/* Idle, with the ledger that a daemon before left, or a new one (-1). Returns 0 or -errno. */
int slot_init(struct slot *slot, struct capture *capture, unsigned index, int ledger_fd);

/* Where its ring and ledger are kept while there is no daemon. */
struct fdstore_key;
void slot_keep_ledger(const struct slot *slot);
void slot_keep_ring(const struct slot *slot);

/* Goes on with a ring that a daemon before left: a worker comes as soon as its file is there.
 * Without one (-1) it is idle, its counters go on. */
void slot_resume(struct slot *slot, int ring_fd);

/* Whether what it receives goes into files. */
bool slot_writes(const struct slot *slot);

/* Starts a process: the first, or the next one on the same ring. Returns 0 or -errno. */
int slot_spawn(struct slot *slot);

/* Sends a message without a descriptor. */
void slot_say(struct slot *slot, uint32_t type);
void slot_send(struct slot *slot, struct message *message, int fd);

/* To be called on SIGCHLD: true if this pid was the slot's. */
bool slot_reaped(struct slot *slot, pid_t pid, int status);

/* Its ring is closed: the ledger is ready for another one. */
void slot_next_ring(struct slot *slot);

/* Twice a second or so: a worker that is silent for too long is killed, the kernel's counters of a
 * ring without one are read. */
void slot_tick(struct slot *slot, uint64_t now_ns);

/* Starts the worker that was waited for. */
void slot_go_on(struct slot *slot);

/* Nobody reads this ring any more: what is in it is abandoned, its files are closed. */
void slot_settle(struct slot *slot);

/* After it is settled, for good: nothing of it is kept. */
void slot_end(struct slot *slot);

/* Lets the slot finish: its worker writes what the ring holds and ends. */
void slot_drain(struct slot *slot);

/* Ends the process at once; what it did not write is counted as abandoned when the slot is settled.
 */
void slot_kill(struct slot *slot);

/* Closes and frees what the slot holds; its files must be finished. */
void slot_free(struct slot *slot);

/* A line about the slot's worker, or about a file of it. */
#define slot_log(slot, level, ...) slot_log_file(slot, NULL, level, __VA_ARGS__)
#define slot_log_file(slot, file, level, ...)                                                      \
	log_about(                                                                                 \
		level,                                                                             \
		&(struct log_subject){ (slot)->capture->config->name, (int)(slot)->index, file },  \
		__VA_ARGS__)

#endif
