/* Reports to the supervisor, once a second and immediately when the ring thread has news: counters,
 * files, link, space. Also the watchdog: a ring thread that is stuck in one block ends the
 * worker. */
#ifndef REPORT_H
#define REPORT_H

#include "attach.h"

struct event;

struct report {
	struct attach *attach; /* borrowed */
	struct event *timer;
	bool gone;	      /* the interface was deleted or moved away */
	int no_space;	      /* errno of the last write; 0: there is space */
	int refused;	      /* likewise, of a write that is being retried */
	int error_logged;     /* errno of failed writes that was logged last */
	uint64_t error_ns;    /* monotonic: when that was */
	bool burst;	      /* logged: the disk is behind */
	uint64_t burst_ns;    /* monotonic: when that was logged last */
	uint64_t stuck_in;    /* sequence of the block that is being encoded, as last seen */
	uint64_t stuck_since; /* monotonic: since when it has been that block */
};

/* Creates the timer in the uplink's event loop. False: out of memory. */
bool report_init(struct report *report, struct attach *attach);

/* Reports are sent once a second from now on, also while the worker waits for its file. */
void report_begin(struct report *report);

/* Takes the kernel's statistics into the ledger and sends the ledger's counters and files. */
void report_send(struct report *report);

/* Handles the ring thread's news: the link is lost, writes failed, the thread cannot continue, or a
 * file was taken into use. */
void report_news(struct report *report);

#endif
