/* The end of a worker: by order, or because the supervisor is gone. */
#ifndef DRAIN_H
#define DRAIN_H

#include "attach.h"

struct event;

struct drain {
	struct attach *attach; /* borrowed */
	struct event *timer;   /* looks whether the ring is drained */
	bool wanted;
	uint64_t orphan_deadline; /* monotonic; 0: the supervisor is there */
	uint64_t orphan_target;	  /* packets that the ring had been given when it went */
	uint64_t quiet_since;	  /* monotonic: since when all that came in is accounted for; 0: it
				     is not */
	uint64_t quiet_packets;	  /* that the kernel had counted then */
};

/* Makes the timer in the uplink's event loop. False without memory. */
bool drain_init(struct drain *drain, struct attach *attach);

/* Nothing comes in any more: what is there is written, then the worker ends. Where the ring thread
 * only waits for its file, that is noted and drain_resume() continues. */
void drain_begin(struct drain *drain);

/* The ring thread runs now. */
void drain_resume(struct drain *drain);

/* The supervisor is gone. What the ring holds is written; more may come in until this process ends.
 */
void drain_orphaned(struct drain *drain);

#endif
