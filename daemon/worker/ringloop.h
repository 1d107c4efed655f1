/* The ring loop: waits for blocks, encodes, writes, commits, releases, alone and in that order.
 *
 *   ring --acquire--> chunk, in place or in a buffer --pwrite--> file, commit to the ledger,
 * release
 *
 * On this way there is no lock, no allocation, no log and no message. Everything else (channel,
 * timers, kernel statistics) is the main thread's, which the ring loop knows by the crossing alone.
 */
#ifndef RINGLOOP_H
#define RINGLOOP_H

#include "writer.h"

/* The ring thread's own, once it runs. */
struct ringloop {
	struct afcap *ring; /* borrowed, as the next three are */
	struct ledger *ledger;
	const struct message_worker *what;
	struct crossing *crossing;
	bool statistics_asked; /* of the main thread, and not used yet */
	unsigned rested;       /* for that, in a row */

	struct writer writer;
	struct ledger_totals totals; /* as committed last */
	uint32_t flush_bytes;	     /* a chunk of this size is written at once */
	struct afcap_block *held;    /* blocks in the chunk, not yet committed */
	uint32_t held_count, held_max;
	uint64_t held_since;
	struct { /* what output = none counts while a block is held */
		uint32_t packets, truncated;
		uint64_t bytes;
	} counted;
};

/* Allocates the staging buffer and the list of held blocks. Returns 0 or -ENOMEM. */
int ringloop_init(struct ringloop *loop, struct afcap *ring, struct ledger *ledger,
		  const struct message_worker *what, struct crossing *crossing);

/* Until `stopping` or afcap_stop(), or until the ring cannot be waited for, which `fatal` says
 * then; else what is held is written before it returns. */
void ringloop_run(struct ringloop *loop);

#endif
