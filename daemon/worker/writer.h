/* Writes the ring thread's output file: appends chunks, takes the spare file into use, handles
 * errors. Calls wait only for the disk, and for at most a second for space on it.
 *
 *   file   [header 4096][chunk][chunk][pad]...[chunk][pad]
 *                                                          ^end, as in the ledger
 *
 * The file is append-only: a reader that follows it never sees a byte change. O_DIRECT writes whole
 * units, so a chunk that ends within one is followed by a pad, and the next chunk begins after
 * that. In a burst (burst.h) the same bytes go into the page cache at the same offsets. If the
 * pad would be a large part of the chunk (low rates), the chunk is written without O_DIRECT and
 * then synced, so that it is on the disk as the others are. */
#ifndef WRITER_H
#define WRITER_H

#include "burst.h"
#include "crossing.h"
#include "outfile.h"
#include "period.h"
#include "pcapng.h"

#include "../base/message.h"

/* Owned by the ring thread once it runs; shared state is in `crossing`. */
struct writer {
	const struct message_worker *what; /* borrowed, as the next two are */
	struct ledger *ledger;
	struct crossing *crossing;
	struct outfile current;
	struct burst burst;
	uint64_t patient_ns;	   /* monotonic: no write waits for space before */
	uint8_t *staging;	   /* the chunk of the compact layout and its pad */
	uint8_t *lead;		   /* a pad before a chunk */
	uint32_t chunk_bytes;	   /* its maximum size */
	uint64_t again_ns;	   /* monotonic: the next file is not tried before */
	struct period period;	   /* of the current file */
	unsigned failures;	   /* consecutive files whose first write failed */
	struct pcapng_chunk chunk; /* compact, under construction */
};

/* Allocates the staging buffer for chunks made from blocks of `bytes` in total. Returns 0 or
 * -ENOMEM. */
int writer_init(struct writer *writer, const struct message_worker *what, struct ledger *ledger,
		struct crossing *crossing, uint32_t bytes);

/* Sets the current file, whose descriptor the writer owns from now on; no file is open before. */
void writer_begin(struct writer *writer, const struct crossing_file *file);

/* Appends the chunk under construction and begins the next one. Counts in `totals`, which the
 * caller commits. */
void writer_compact(struct writer *writer, struct ledger_totals *totals);

/* Appends chunks made in place, in this order, by as few writes as the files' limits allow. */
void writer_inplace(struct writer *writer, struct ledger_totals *totals,
		    const struct pcapng_chunk *chunks, uint32_t count);

/* Appends the raw bytes of a quarantined block; its packets count as abandoned. No chunk may be
 * under construction. */
void writer_quarantine(struct writer *writer, struct ledger_totals *totals,
		       const struct afcap_block *block);

/* Nanoseconds until the current file must be replaced by the spare file; 0: now, by duration,
 * request or error; INT64_MAX: no time to wait for. */
int64_t writer_due(struct writer *writer, const struct ledger_totals *totals);

/* Whether, by writer_due(), the period is over and late packets are waited for: the chunk under
 * construction must be written before a block is added to it. */
bool writer_late(const struct writer *writer, const struct ledger_totals *totals, int64_t due_ns);

/* Called in each iteration of the ring loop: takes a first file that arrives late, and drops a
 * rotation request if nothing was written yet. */
void writer_look(struct writer *writer, const struct ledger_totals *totals);

/* Takes the spare file into use; no chunk may be under construction. True: `totals` has changed and
 * must be committed. */
bool writer_rotate(struct writer *writer, struct ledger_totals *totals);

/* Notes what failed to be written back. True: `totals` has changed and must be committed. */
bool writer_behind(struct writer *writer, struct ledger_totals *totals);

/* Checks whether there is space again after a write found none. */
void writer_probe(struct writer *writer, const struct ledger_totals *totals);

#endif
