/* A slot: one worker's place in a capture. The process in it may die and be replaced; the ring, the
 * ledger and the files stay. */
#ifndef SLOT_H
#define SLOT_H

#include "files.h"

struct capture;

enum slot_state {
	SLOT_STARTING, /* the worker makes its ring */
	SLOT_RUNNING,
	SLOT_WAITING, /* the worker died; the next comes after the backoff */
	SLOT_ENDED,   /* drained, or given up; settled */
};

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
	unsigned index;
	enum slot_state state;
	enum slot_progress progress;
	pid_t pid; /* -1: none */
	int channel;
	struct event *channel_event, *respawn;
	int ledger_fd;
	struct ledger *ledger;
	int ring_fd; /* a duplicate, never mapped; -1 until the worker joined */
	struct output_file *current, *spare;
	bool gone;	   /* its interface is, as the worker says */
	bool draining;	   /* told to, or will be told as soon as it can be */
	bool no_space;	   /* its last write found none, as the worker says */
	bool no_room;	   /* a file could not be made for want of it */
	bool suspended;	   /* as the worker was told */
	int open_error;	   /* errno of making a file, told last */
	uint64_t retry_ns; /* monotonic: files that failed are not tried before */
	uint64_t rotating; /* the serial that its file has when that is done; 0: no need */

	struct counters reported; /* by the worker, absolute */
	uint64_t restarts, files_opened, files_completed, files_removed, files_repaired;
	uint64_t sync_errors;	  /* of files, while they were written or at their end */
	unsigned failures;	  /* deaths without progress between them */
	uint64_t received_before; /* as the process started */
	uint64_t started_ns;	  /* monotonic */
	uint64_t started_real_ns;
	struct {
		uint64_t at_ns; /* monotonic */
		struct counters counters;
		double packets, bytes; /* a second */
	} rate;
};

/* Makes ledger and first files; no process yet. Returns 0 or -errno. */
int slot_init(struct slot *slot, struct capture *capture, unsigned index);

/* Starts a process: the first, or the next one on the same ring. Returns 0 or -errno. */
int slot_spawn(struct slot *slot);

/* Sends a message without a descriptor. */
void slot_say(struct slot *slot, uint32_t type);
void slot_send(struct slot *slot, struct message *message, int fd);

/* To be called on SIGCHLD: true if this pid was the slot's. */
bool slot_reaped(struct slot *slot, pid_t pid, int status);

/* Lets the slot finish: its worker writes what the ring holds and ends. */
void slot_drain(struct slot *slot);

/* Ends the process at once; what it did not write is counted as abandoned when the slot is settled.
 */
void slot_kill(struct slot *slot);

/* All its counters, the supervisor's own among them. */
void slot_counters(const struct slot *slot, struct counters *counters);

/* Closes and frees what the slot holds; its files must be finished. */
void slot_free(struct slot *slot);

#endif
