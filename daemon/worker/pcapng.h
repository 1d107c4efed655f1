/* Ring blocks into pcapng. Pure: no I/O, no clock, no allocation.
 *
 * A chunk is what one write appends to a file: a chunk header and Enhanced Packet Blocks. Two
 * layouts:
 *
 *   compact   copied from one or more ring blocks, which stay as they are, without gaps
 *   in place  made of one ring block where it lies; options fill the gaps between the packets, and
 *             from the last one to a multiple of 4096
 *
 * The first packet after a loss has the option epb_dropcount: the packets that the kernel dropped
 * since the one before, as far as is known by then. In place only where there is room for it.
 *
 * The chunk header is a pcapng block of a type for local use, which readers skip
 * (draft-ietf-opsawg-pcapng 3.1, 10.1); offsets in bytes, host byte order as the section's:
 *
 *    0  u32  block type 0x8AFCA901
 *    4  u32  block length: 80; in place 96, 100 or 104
 *    8  u32  magic 32473
 *   12  u32  packets in the chunk
 *   16  u32  chunk length, from this header to the end of the last packet's block
 *   20  u16  worker; u16 ring blocks in the chunk
 *   24  u64  sequence of the first ring block
 *   32  u64  time of the first packet, ns
 *   40  u32  captured bytes of its packets, as they were in the ring
 *   44  u32  packets longer than the snapshot length
 *   48  u64  packets dropped by the kernel so far in the slot's life, as last read
 *   56  u64  queue freezes so far
 *   64  u64  time of the last packet, ns
 *   72  u32  1: the block was handed over by its timeout (in place); then zero
 *   76  u32  block length, in the last 4 bytes
 *
 * Behind a chunk the file may be padded to what O_DIRECT needs by a block of zeros of another local
 * type, 0x8AFCA902, of at least 12 bytes: the next chunk overwrites it, or begins behind it.
 *
 * A chunk without packets holds blocks of a third local type, 0x8AFCA903, of at most 60000 bytes:
 * in them, in order, the bytes of a ring block of which workers died, as the kernel and they left
 * it. */
#ifndef PCAPNG_H
#define PCAPNG_H

#include "../../lib/afcap.h"

#define PCAPNG_CHUNK_TYPE    0x8AFCA901u
#define PCAPNG_PAD_TYPE	     0x8AFCA902u
#define PCAPNG_RING_TYPE     0x8AFCA903u
#define PCAPNG_CHUNK_MAGIC   32473u
#define PCAPNG_CHUNK_HEAD    80u
#define PCAPNG_PAD_LEAST     16u   /* fq refuses a block of 12, with nothing inside */
#define PCAPNG_INPLACE_ALIGN 4096u /* chunks made in place are multiples of this */
#define PCAPNG_EPB_HEAD	     28u   /* in front of the packet's bytes */
#define PCAPNG_EPB_BYTES     32u   /* beside them: and the length behind */

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
