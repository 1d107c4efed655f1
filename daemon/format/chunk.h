/* The blocks of an output file: their types and field offsets, for the writer and all readers.
 * Pure.
 *
 * A file is its header (header.h), then chunks, and, once finished, the statistics block. A chunk
 * is what one write appends: a chunk header and as many Enhanced Packet Blocks as the header says.
 * The chunk header is a pcapng block of a type for local use, which readers skip
 * (draft-ietf-opsawg-pcapng 3.1, 10.1); offsets in bytes, host byte order as the section's:
 *
 *    0  u32  block type 0x8AFCA901
 *    4  u32  block length: 80; in the in-place layout 96, 100 or 104
 *    8  u32  magic 32473
 *   12  u32  packets in the chunk
 *   16  u32  chunk length, from this header to the end of the last packet's block
 *   20  u16  worker
 *   22  u16  ring blocks in the chunk
 *   24  u64  sequence of the first ring block
 *   32  u64  time of the first packet, ns
 *   40  u32  captured bytes of its packets, as they were in the ring
 *   44  u32  packets longer than the snapshot length
 *   48  u64  packets dropped by the kernel so far in the slot's life, as last read
 *   56  u64  queue freezes so far
 *   64  u64  time of the last packet, ns
 *   72  u32  1: the kernel closed the block by its timeout (in place only); then zeros
 *   76  u32  block length, in the last 4 bytes
 *
 * After a chunk the file may be padded to the alignment of O_DIRECT by a block of zeros of another
 * local type, 0x8AFCA902: the next chunk overwrites it or begins after it. The header's page is
 * padded by one, too.
 *
 * A chunk without packets holds blocks of a third local type, 0x8AFCA903, of at most 60000 bytes
 * (version 0.1.0: one of any length): they hold, in order, the bytes of a quarantined ring block,
 * as the kernel and the workers that died in it left it. */
#ifndef CHUNK_H
#define CHUNK_H

/* draft-ietf-opsawg-pcapng 4.1, 4.2, 4.3, 4.6 */
#define BLOCK_SECTION	 0x0A0D0D0Au
#define BLOCK_INTERFACE	 1u
#define BLOCK_STATISTICS 5u
#define BLOCK_PACKET	 6u

/* Every block (3.1): its type, its length, its body, its length again. */
#define BLOCK_AT_LENGTH	 4u
#define BLOCK_BYTES_MIN	 12u /* a block without a body */
#define BLOCK_TAIL_BYTES 4u

#define CHUNK_TYPE	0x8AFCA901u
#define CHUNK_PAD_TYPE	0x8AFCA902u
#define CHUNK_RING_TYPE 0x8AFCA903u
#define CHUNK_MAGIC	32473u

#define CHUNK_HEADER_BYTES	 80u
#define CHUNK_HEADER_INPLACE_MIN 96u /* in place; a multiple of 4 */
#define CHUNK_HEADER_INPLACE_MAX 104u
#define CHUNK_PAD_MIN                                                                              \
	16u /* fq refuses an empty block of 12 bytes; the pad in a header may be one */

enum chunk_at {
	CHUNK_AT_MAGIC = 8,
	CHUNK_AT_PACKETS = 12,
	CHUNK_AT_LENGTH = 16,
	CHUNK_AT_WORKER = 20,
	CHUNK_AT_BLOCKS = 22,
	CHUNK_AT_SEQUENCE = 24,
	CHUNK_AT_FIRST_NS = 32,
	CHUNK_AT_CAPTURED = 40,
	CHUNK_AT_TRUNCATED = 44,
	CHUNK_AT_DROPS = 48,
	CHUNK_AT_FREEZES = 56,
	CHUNK_AT_LAST_NS = 64,
	CHUNK_AT_FLAGS = 72, /* CHUNK_BY_TIMEOUT */
};

#define CHUNK_BY_TIMEOUT 1u

/* An Enhanced Packet Block (4.3): timestamp in two 32-bit words, high word first; the packet's
 * bytes, padded to a multiple of 4; options; block length. */
enum epb_at {
	EPB_AT_INTERFACE = 8,
	EPB_AT_TIME_HIGH = 12,
	EPB_AT_TIME_LOW = 16,
	EPB_AT_CAPTURED = 20,
	EPB_AT_LENGTH = 24,
};

#define EPB_HEADER_BYTES 28u /* before the packet's bytes */
#define EPB_BYTES	 32u /* without them: header and trailing length */

#endif
