/* The chunks of an output file, walked as far as they are whole. Pure: reads by a callback, trusts
 * no byte.
 *
 * A file is its head (HEAD_BYTES), then chunks, between them pads, and, once finished, the
 * statistics block. A chunk is a header block and as many packet blocks as it says; the header has
 * (offsets in bytes, host byte order)
 *
 *    0  u32  block type 0x8AFCA901
 *    4  u32  block length: 80, or where it stands in place of a ring block's head 96, 100 or 104
 *    8  u32  magic 32473
 *   12  u32  packets
 *   16  u32  chunk length, from this header to the end of the last packet's block
 *   32  u64  time of the first packet, ns
 *   48  u64  packets dropped by the kernel so far in the slot's life
 *   64  u64  time of the last packet, ns
 *
 * and its block length again in the last 4 bytes. A pad is a block of type 0x8AFCA902. A
 * chunk without packets holds blocks of type 0x8AFCA903 instead. */
#ifndef CHUNKS_H
#define CHUNKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CHUNKS_BUFFER_MIN 128

struct chunks_source {
	/* As pread(), but -errno. */
	ssize_t (*read)(void *context, void *buffer, size_t bytes, uint64_t offset);
	void *context;
	uint64_t size;	 /* of the file */
	uint8_t *buffer; /* borrowed; a chunk need not fit */
	size_t buffer_bytes;
};

struct chunks {
	uint64_t end; /* behind the last whole chunk and its pads; HEAD_BYTES: there is none */
	uint64_t count, packets;
	uint64_t first_ns, last_ns;	  /* times of the first and the last packet */
	uint64_t first_drops, last_drops; /* the first and the last chunk's */
	bool finished;			  /* the statistics end the file, nothing is to be cut */
	bool cut_short; /* what follows is a chunk of which the file has not all, or next to nothing
			 */
};

/* Walks from behind the head to the first thing that is not whole. Returns 0, or the callback's
 * error, or -EIO where the file is shorter than its size. */
int chunks_walk(const struct chunks_source *source, struct chunks *chunks);

#endif
