/* Ring blocks into pcapng. Pure: no I/O, no clock, no allocation.
 *
 * A chunk is what one write appends to a file. Two layouts:
 *
 *   compact   copied from one or more ring blocks, which stay as they are, without gaps
 *   in place  made of one ring block where it lies; options fill the gaps between the packets, and
 *             from the last one to a multiple of 4096
 *
 * The first packet after a loss has the option epb_dropcount: the packets that the kernel dropped
 * since the one before, as far as is known by then. In place only where there is room for it.
 *
 * How chunks, pads and the packets' blocks are laid out: ../format/chunk.h. */
#ifndef PCAPNG_H
#define PCAPNG_H

#include "../format/chunk.h"
#include "../../lib/afcap.h"

#define PCAPNG_INPLACE_ALIGN 4096u /* chunks made in place are multiples of this */

/* What a chunk under construction holds. */
struct pcapng_chunk {
	uint8_t *buffer; /* borrowed; aligned as the write needs it */
	uint32_t capacity;
	uint32_t used;
	uint32_t packets, blocks;
	uint64_t received_bytes; /* capture lengths, as in the ring */
	uint32_t truncated;
	uint64_t unreadable; /* packets of blocks whose slots do not lie within the block */
	bool by_timeout;     /* in place: as the kernel handed the block over */
	uint64_t sequence;   /* of the first block */
	uint64_t first_ns, last_ns;
	uint64_t drops_noted; /* in its packets' options */
};

struct pcapng_context {
	uint32_t worker;
	uint32_t snaplen;
	bool vlan_keep;	 /* put stripped tags back */
	uint32_t cooked; /* the packets are of all interfaces: LINKTYPE_LINUX_SLL2, _SLL; or 0 */
	uint64_t drops, freezes;
	uint64_t drops_noted; /* of `drops`, in what was written before */
	uint64_t now_ns;      /* realtime; for pcapng_quarantine() */
};

/* ---- compact ---- */

/* The largest chunk that blocks of `bytes` in sum can make, whatever is in them: an EPB is never
 * larger than its slot in the ring. Beside the packet a slot has 68 bytes at least; an EPB has 32,
 * a cooked header and a tag are 24, padding is 3. The first one's 16 bytes of options have the room
 * of the block's header. */
uint32_t pcapng_chunk_bytes_max(uint32_t bytes);

/* Begins an empty chunk; `buffer` is aligned to 4. */
void pcapng_chunk_begin(struct pcapng_chunk *chunk, uint8_t *buffer, uint32_t capacity);

/* Appends all packets of a block, which stays as it is. Its packets are counted, the unreadable
 * ones too. The caller sees to the room: pcapng_chunk_bytes_max(). */
void pcapng_chunk_add(struct pcapng_chunk *chunk, struct afcap_block *block,
		      const struct pcapng_context *context);

/* Writes the header. Returns the chunk's length, 0 when it has no packets. */
uint32_t pcapng_chunk_end(struct pcapng_chunk *chunk, const struct pcapng_context *context);

/* Makes an empty chunk hold a ring block of `block_bytes` as it is, its packets counted as
 * unreadable. The chunk has its header then. */
void pcapng_quarantine(struct pcapng_chunk *chunk, const struct afcap_block *block,
		       uint32_t block_bytes, const struct pcapng_context *context);

/* How long a pad from file offset `end` on is, so that it ends at a multiple of `align`, a power of
 * two; 0: it does already. */
uint32_t pcapng_pad_bytes(uint64_t end, uint32_t align);
void pcapng_pad(uint8_t *at, uint32_t bytes);

/* ---- in place ---- */

/* Whether this block was made into a chunk, or half so, by a worker that died: it must be finished
 * by pcapng_inplace(). */
bool pcapng_inplace_begun(const struct afcap_block *block);

/* Makes a block of a ring with blocks of `block_bytes` into a chunk where it lies: chunk->buffer is
 * the block, chunk->used a multiple of PCAPNG_INPLACE_ALIGN. A kill at any instruction leaves a
 * block of which this makes the same chunk again. True: it is one, or all its packets are counted
 * as unreadable since nobody can say any more what was in it. False: the block is as it was, and
 * has packets that cannot be made in place, or none. */
bool pcapng_inplace(struct pcapng_chunk *chunk, const struct afcap_block *block,
		    uint32_t block_bytes, const struct pcapng_context *context);

#endif
