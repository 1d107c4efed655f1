/* The end of a worker, on request or because the supervisor died. */
#ifndef DRAIN_H
#define DRAIN_H

#include "attach.h"

struct event;

struct drain {
	struct attach *attach; /* borrowed */
	struct event *timer;   /* checks whether the ring is drained */
	bool wanted;
	uint64_t orphan_deadline; /* monotonic; 0: the supervisor is alive */
	uint64_t orphan_target;	  /* packets put into the ring before it died */
	uint64_t quiet_since; /* monotonic: since when all packets are accounted for; 0: not yet */
	uint64_t quiet_packets; /* the kernel's packet count then */
};

/* Creates the timer in the uplink's event loop. False: out of memory. */
bool drain_init(struct drain *drain, struct attach *attach);

/* No more packets arrive: the worker writes what the ring holds, then ends. If the ring thread
 * still waits for its file, the request is noted, and drain_resume() carries it out. */
void drain_begin(struct drain *drain);

/* The ring thread runs now: carries out a request noted by drain_begin(). */
void drain_resume(struct drain *drain);

/* The supervisor died: the worker writes what the ring holds, then ends. More packets may arrive
 * until then. */
void drain_orphaned(struct drain *drain);

#endif
