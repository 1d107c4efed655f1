/* What the supervisor learns of a worker once a second, and at once when the ring thread has news:
 * counters, files, link, room. And that a ring thread which is stuck in one block ends the worker.
 */
#ifndef REPORT_H
#define REPORT_H

#include "attach.h"

struct event;

struct report {
	struct attach *attach; /* borrowed */
	struct event *timer;
	bool gone;	      /* the interface is */
	int no_space;	      /* errno, where files are written; 0: there is room */
	int refused;	      /* likewise, of a write that is tried again */
	int error_logged;     /* errno of failed writes, logged last */
	uint64_t error_ns;    /* monotonic: when that was */
	uint64_t stuck_in;    /* sequence of the block that is being encoded, as last seen */
	uint64_t stuck_since; /* monotonic: since when it is that one */
};

/* Makes the timer in the uplink's event loop. False without memory. */
bool report_init(struct report *report, struct attach *attach);

/* From now on the worker is heard of once a second, also while it waits for its file. */
void report_begin(struct report *report);

/* Takes the kernel's statistics and sends where the ledger stands. */
void report_send(struct report *report);

/* What the ring thread has to say: the link went, writes failed, it cannot continue; or a file came
 * into use. */
void report_news(struct report *report);

#endif
