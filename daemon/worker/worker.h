/* A worker: one ring, one fanout member, one output file at a time. */
#ifndef WORKER_H
#define WORKER_H

/* Runs until the supervisor says drain or is gone. Expects CHANNEL_FD, LEDGER_FD, and for a ring
 * that goes on RING_FD. Returns the exit code of the process. */
int worker_main(void);

#endif
