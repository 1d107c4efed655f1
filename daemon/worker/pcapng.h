/* A ring block into pcapng, the compact layout. Pure: no I/O, no clock, no allocation.
 *
 * A chunk is what one write appends to a file: a chunk header and the Enhanced Packet Blocks of one
 * or more ring blocks, without gaps; the last one is stretched by an option to the alignment that
 * O_DIRECT needs.
 *
 * The chunk header is a pcapng block of a type for local use, which readers skip
 * (draft-ietf-opsawg-pcapng 3.1, 10.1); offsets in bytes, host byte order as the section's:
 *
 *    0  u32  block type 0x8AFCA901
 *    4  u32  block length (80)
 *    8  u32  magic 32473
 *   12  u32  packets in the chunk
 *   16  u32  chunk length, this header included: the next chunk begins there
 *   20  u16  worker; u16 ring blocks in the chunk
 *   24  u64  sequence of the first ring block
 *   32  u64  time of the first packet, ns
 *   40  u64  time of the last packet, ns
 *   48  u64  packets dropped by the kernel so far in this worker's life, as last read
 *   56  u64  queue freezes so far
 *   64  12 bytes of zero
 *   76  u32  block length (80) */
#ifndef PCAPNG_H
#define PCAPNG_H

#include "../../lib/afcap.h"

#define PCAPNG_CHUNK_TYPE  0x8AFCA901u
#define PCAPNG_CHUNK_MAGIC 32473u
#define PCAPNG_CHUNK_HEAD  80u
#define PCAPNG_EPB_HEAD	   28u /* in front of the packet's bytes */
#define PCAPNG_EPB_BYTES   32u /* beside them: and the length behind */

/* What a chunk under construction holds. */
struct pcapng_chunk {
	uint8_t *buffer; /* borrowed; aligned as the write needs it */
	uint32_t capacity;
	uint32_t used;
	uint32_t last; /* offset of the last EPB */
	uint32_t packets, blocks;
	uint64_t received_bytes; /* capture lengths, as in the ring */
	uint32_t truncated;
	uint32_t unreadable; /* packets of blocks whose slots do not lie within the block */
	uint64_t sequence;   /* of the first block */
	uint64_t first_ns, last_ns;
};

struct pcapng_context {
	uint32_t worker;
	uint32_t align; /* a power of two, at least 4 */
	uint32_t snaplen;
	bool vlan_keep; /* put stripped tags back */
	uint64_t drops, freezes;
};

/* The largest chunk that blocks of `bytes` in sum can make, whatever is in them: an EPB is never
 * larger than its slot in the ring. */
uint32_t pcapng_chunk_bytes_max(uint32_t bytes, uint32_t align);

/* Begins an empty chunk. */
void pcapng_chunk_begin(struct pcapng_chunk *chunk, uint8_t *buffer, uint32_t capacity);

/* Appends all packets of a block, which stays as it is. Its packets are counted, the unreadable
 * ones too. The caller sees to the room: pcapng_chunk_bytes_max(). */
void pcapng_chunk_add(struct pcapng_chunk *chunk, struct afcap_block *block,
		      const struct pcapng_context *context);

/* Writes the header, stretches the last EPB to the alignment. Returns the chunk's length, 0 when it
 * has no packets. */
uint32_t pcapng_chunk_end(struct pcapng_chunk *chunk, const struct pcapng_context *context);

#endif
