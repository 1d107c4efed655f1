/* A worker: one ring, one fanout member, one output file at a time. */
#ifndef WORKER_H
#define WORKER_H

/* Runs until the supervisor ends it or dies. Expects CHANNEL_FD and LEDGER_FD, and RING_FD if it is
 * to adopt a ring. Returns the exit code of the process. */
int worker_main(void);

#endif
