/* Converts ring blocks to pcapng. Pure: no I/O, no clock, no allocation.
 *
 * A chunk is what one write appends to a file. Two layouts:
 *
 *   compact   copied without gaps from one or more ring blocks, which are not changed
 *   in place  converted within one ring block; options fill the gaps between the packets, and the
 *             space after the last one up to a multiple of 4096
 *
 * The first packet after a loss has the option epb_dropcount: the packets that the kernel dropped
 * since the previous one, as far as known by then. In place only if there is space for it.
 *
 * How chunks, pads and the packets' blocks are laid out: ../format/chunk.h. */
#ifndef PCAPNG_H
#define PCAPNG_H

#include "../format/chunk.h"
#include "../../lib/afcap.h"

#define PCAPNG_INPLACE_ALIGN 4096u /* chunks made in place are multiples of this */

/* A chunk under construction. */
struct pcapng_chunk {
	uint8_t *buffer; /* borrowed; aligned as the write needs it */
	uint32_t capacity;
	uint32_t used;
	uint32_t packets, blocks;
	uint64_t received_bytes; /* capture lengths, as in the ring */
	uint32_t truncated;
	uint64_t unreadable; /* packets of blocks whose slots do not lie within the block */
	bool by_timeout;     /* in place: the kernel closed the block by its timeout */
	uint64_t sequence;   /* of the first block */
	uint64_t first_ns, last_ns;
	uint64_t drops_noted; /* in its packets' options */
};

struct pcapng_context {
	uint32_t worker;
	uint32_t snaplen;
	bool vlan_keep;	 /* restore stripped tags */
	uint32_t cooked; /* packets of all interfaces: LINKTYPE_LINUX_SLL2, _SLL; else 0 */
	uint64_t drops, freezes;
	uint64_t drops_noted; /* of `drops`, those noted in earlier chunks */
	uint64_t now_ns;      /* realtime; for pcapng_quarantine() */
};

/* ---- compact ---- */

/* The maximum size of a chunk made from blocks of `bytes` in total, whatever they contain: an EPB
 * is never larger than its slot in the ring. A slot has at least 68 bytes besides the packet; an
 * EPB has 32, a cooked header and a tag are 24, padding is at most 3. The 16 bytes of options of
 * the first EPB fit in the space of the block's header. */
uint32_t pcapng_chunk_bytes_max(uint32_t bytes);

/* Begins an empty chunk; `buffer` is aligned to 4. */
void pcapng_chunk_begin(struct pcapng_chunk *chunk, uint8_t *buffer, uint32_t capacity);

/* Appends all packets of a block, which is not changed. All its packets are counted, including
 * unreadable ones. The caller ensures that there is space: pcapng_chunk_bytes_max(). */
void pcapng_chunk_add(struct pcapng_chunk *chunk, struct afcap_block *block,
		      const struct pcapng_context *context);

/* Writes the chunk header. Returns the chunk's length, 0 if it has no packets. */
uint32_t pcapng_chunk_end(struct pcapng_chunk *chunk, const struct pcapng_context *context);

/* Fills an empty chunk with the raw bytes of a ring block of `block_bytes`, whose packets are
 * counted as unreadable, and writes the chunk header. */
void pcapng_quarantine(struct pcapng_chunk *chunk, const struct afcap_block *block,
		       uint32_t block_bytes, const struct pcapng_context *context);

/* The length of a pad at file offset `end` that ends at a multiple of `align`, a power of two; 0:
 * `end` is one already. */
uint32_t pcapng_pad_bytes(uint64_t end, uint32_t align);
void pcapng_pad(uint8_t *at, uint32_t bytes);

/* ---- in place ---- */

/* Whether a worker that died converted this block to a chunk, completely or partly:
 * pcapng_inplace() must finish it. */
bool pcapng_inplace_begun(const struct afcap_block *block);

/* Converts a block of `block_bytes` to a chunk within the ring: chunk->buffer is the block,
 * chunk->used a multiple of PCAPNG_INPLACE_ALIGN. After a kill at any instruction, another call
 * makes the same chunk. True: the block is a chunk, or all its packets are counted as unreadable,
 * as its contents cannot be recovered. False: the block can be read as before, and has no packets
 * or some that cannot be converted in place. */
bool pcapng_inplace(struct pcapng_chunk *chunk, const struct afcap_block *block,
		    uint32_t block_bytes, const struct pcapng_context *context);

#endif
