/* The ring loop: waits for blocks, encodes, writes, commits, releases, alone and in that order.
 *
 *   ring --acquire--> chunk, in place or in a buffer --pwrite--> file --> commit --> release
 *
 * This path has no lock, no allocation, no log line and no message. Everything else (channel,
 * timers, kernel statistics) belongs to the main thread, which the ring loop reaches only through
 * the crossing. */
#ifndef RINGLOOP_H
#define RINGLOOP_H

#include "writer.h"

/* Owned by the ring thread once it runs. */
struct ringloop {
	struct afcap *ring; /* borrowed, as the next three are */
	struct ledger *ledger;
	const struct message_worker *what;
	struct crossing *crossing;
	bool statistics_requested; /* requested from the main thread, not used yet */
	unsigned pauses;	   /* consecutive sleeps while waiting for them */

	struct writer writer;
	struct ledger_totals totals; /* as committed last */
	uint32_t flush_bytes;	     /* a chunk of at least this size is written at once */
	uint32_t batch_bytes;	     /* as much converted in place is written at once */
	uint32_t batch_used;	     /* bytes converted in place, not yet written */
	struct pcapng_chunk *chunks; /* of the held blocks, if they were converted in place */
	bool held_inplace;
	uint64_t held_drops_noted; /* in these chunks */
	struct afcap_block *held;  /* blocks in the chunk, or chunks, not yet committed */
	uint32_t held_count, held_max;
	uint64_t held_since;
	struct { /* counts of held blocks with output = none */
		uint32_t packets, truncated;
		uint64_t bytes;
	} counted;
};

/* Allocates the staging buffer and the list of held blocks. Returns 0 or -ENOMEM. */
int ringloop_init(struct ringloop *loop, struct afcap *ring, struct ledger *ledger,
		  const struct message_worker *what, struct crossing *crossing);

/* Runs until `stopping` or afcap_stop(), and writes the held blocks before it returns; or until
 * waiting for the ring fails, which is stored in `fatal`. */
void ringloop_run(struct ringloop *loop);

#endif
