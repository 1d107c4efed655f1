/* What is around a worker's main thread: the supervisor's end of its channel and an event loop. */
#ifndef WORKERSIDE_H
#define WORKERSIDE_H

#include "../../daemon/worker/uplink.h"

#include <stdbool.h>

struct workerside {
	int channel; /* the supervisor's end; -1: the test has closed it */
	struct uplink uplink;
	struct message heard; /* what came last, by workerside_hear() */
	int passed;	      /* and the descriptor with it; -1: none */
};

extern struct workerside side;

/* A channel whose worker's end is CHANNEL_FD, and a loop. The exit code is none that a worker has
 * until one is set. */
void workerside_begin(void);
void workerside_end(void);

/* The type of the next message that the worker has sent; 0: there is none. */
uint32_t workerside_hear(void);

/* The supervisor's end is closed. */
void workerside_hang_up(void);

/* Runs the loop for so long at most; `call`, if not NULL, first within it. Returns whether it was
 * left, as uplink_end() does. */
bool workerside_loop(unsigned ms, void (*call)(void));

#define WORKERSIDE_RUNNING 99 /* no exit code yet */

#endif
