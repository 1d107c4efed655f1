/* For tests of the crash protocol: a worker that kills itself between two of its steps, only in
 * builds with -DCRASH_STEPS; and a build without the protocol, to measure its cost. */
#ifndef CRASH_H
#define CRASH_H

#include <stdbool.h>
#include <stdint.h>

enum crash_step {
	CRASH_ACQUIRED,	 /* a block was taken */
	CRASH_ENCODED,	 /* and made into a chunk */
	CRASH_WRITTEN,	 /* a chunk is in the file */
	CRASH_NEXT_FILE, /* the next file is current, not committed */
	CRASH_FILLED,	 /* the other record of the ledger is filled, the version not moved */
	CRASH_COMMITTED,
	CRASH_RELEASED,	 /* one of the blocks that were committed */
	CRASH_TAKEN,	 /* the kernel has written its counters into the ledger */
	CRASH_ADDED,	 /* and they are added up, the version not moved */
	CRASH_ADOPTED,	 /* a ring was mapped again, and not resumed */
	CRASH_CACHED,	 /* in a burst: a chunk is in the page cache */
	CRASH_CAUGHT_UP, /* the burst is over: the next chunk goes around the cache */
	CRASH_STEPS_COUNT
};

#ifdef COVERAGE /* gcov writes its data only where a process exits by itself */
void __gcov_dump(void);
#define crash_dump() __gcov_dump()
#else
#define crash_dump() ((void)0)
#endif

#ifdef CRASH_STEPS
/* In a worker: at each step it kills itself one time in $AFCAP_CRASH_ONE_IN, after appending the
 * step, as a letter from 'A', to the file $AFCAP_CRASH_LOG. The block of sequence
 * $AFCAP_CRASH_BLOCK cannot be encoded. */
void crash_begin(void);
void crash_step(enum crash_step step);
void crash_block(uint64_t sequence);
#else
#define crash_begin()	      ((void)0)
#define crash_step(step)      ((void)0)
#define crash_block(sequence) ((void)0)
#endif

/* The cost of the crash protocol: `make bench` --exactness measures it against a build with
 * -DWITHOUT_CRASH_PROTOCOL, which commits one time in CRASH_COMMITS and marks no progress within a
 * block. In every other build these are constants, and what they guard is not compiled. */
#ifdef WITHOUT_CRASH_PROTOCOL
#define CRASH_COMMITS 256

static inline bool crash_protocol_off(void)
{
	return true;
}

/* Whether this commit is one of those left out; called by the ring thread alone. */
static inline bool crash_commit_skipped(void)
{
	static uint64_t commits;

	return ++commits % CRASH_COMMITS;
}
#else
static inline bool crash_protocol_off(void)
{
	return false;
}

static inline bool crash_commit_skipped(void)
{
	return false;
}
#endif

#endif
