/* The ring thread's way to its file: chunks are appended, the next file is taken into use, errors
 * are met. Not one call waits for anybody but the disk.
 *
 *   file   [header 4096][chunk][chunk][pad]...[chunk][pad]
 *                                                          ^end: what the ledger says
 *
 * The file only grows: whoever follows it never sees a byte change. O_DIRECT writes whole units, so
 * a chunk that ends within one is followed by a pad, and the next chunk begins behind that. Where
 * the pad would be a good part of the chunk (low rates) the chunk is written without O_DIRECT, and
 * waited for: it is as much on the disk as the others then. */
#ifndef WRITER_H
#define WRITER_H

#include "crossing.h"
#include "pcapng.h"

#include "../base/message.h"

/* Of O_DIRECT's units, in bytes: powers of two; the least is none at all */
#define WRITER_ALIGN_MIN 4u
#define WRITER_ALIGN_MAX 4096u

enum writer_mode { WRITER_UNKNOWN, WRITER_PLAIN, WRITER_DIRECT };

struct writer_file {
	uint64_t serial;
	int fd;		       /* -1: none */
	uint32_t align;	       /* of O_DIRECT; 4 where there is none */
	enum writer_mode mode; /* of the descriptor, as it was set last */
};

/* The ring thread's own once it runs; what others may touch is in `crossing`. */
struct writer {
	const struct message_worker *what; /* borrowed, as the next two are */
	struct ledger *ledger;
	struct crossing *crossing;
	struct writer_file current;
	uint64_t patient_ns;	   /* monotonic: no write waits for room before */
	uint8_t *staging;	   /* the chunk of the compact layout and its pad */
	uint8_t *lead;		   /* a pad in front of a chunk */
	uint32_t chunk_bytes;	   /* the most that it may hold */
	uint64_t again_ns;	   /* monotonic: the next file is not tried before */
	uint64_t due_ns;	   /* boottime: the file's time is over ... */
	uint64_t due_after;	   /* ... whose serial + 1 this is; 0: none yet */
	unsigned failures;	   /* files in a row of which not even the first write went well */
	struct pcapng_chunk chunk; /* the compact one under construction */
};

/* Allocates the staging buffer for chunks of blocks of `bytes` in sum. Returns 0 or -ENOMEM. */
int writer_init(struct writer *writer, const struct message_worker *what, struct ledger *ledger,
		struct crossing *crossing, uint32_t bytes);

/* The current file, whose descriptor is the writer's from now on: there was none. */
void writer_begin(struct writer *writer, const struct crossing_file *file);

/* Appends the chunk under construction, and begins the next one; or a chunk made in place. Counts
 * in `totals`, which the caller commits. */
void writer_compact(struct writer *writer, struct ledger_totals *totals);
/* Appends the bytes of a block that nobody looks into; its packets count as abandoned. There is no
 * chunk under construction. */
void writer_quarantine(struct writer *writer, struct ledger_totals *totals,
		       const struct afcap_block *block);

void writer_inplace(struct writer *writer, struct ledger_totals *totals,
		    const struct pcapng_chunk *chunk);

/* Nanoseconds until the file's time is over; 0: now, or asked for, and the next one is there;
 * INT64_MAX: not to be waited for. */
int64_t writer_due(struct writer *writer, const struct ledger_totals *totals);

/* Now and then: takes a first file that comes late; a rotation asked for has nothing to do where
 * nothing was written yet. */
void writer_look(struct writer *writer, const struct ledger_totals *totals);

/* Takes the next file into use; nothing is under construction. True: `totals` has changed and must
 * be committed. */
bool writer_rotate(struct writer *writer, struct ledger_totals *totals);

/* Looks whether there is room again, where there was none. */
void writer_probe(struct writer *writer, const struct ledger_totals *totals);

#endif
