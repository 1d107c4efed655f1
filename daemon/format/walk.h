/* The chunks of an output file (chunk.h), walked as far as they are whole. Pure: reads by a
 * callback, trusts no byte. */
#ifndef WALK_H
#define WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define WALK_BUFFER_MIN 128

struct walk_source {
	/* As pread(), but -errno. */
	ssize_t (*read)(void *context, void *buffer, size_t bytes, uint64_t offset);
	void *context;
	uint64_t size;	 /* of the file */
	uint8_t *buffer; /* borrowed; a chunk need not fit */
	size_t buffer_bytes;
};

struct walk {
	uint64_t end; /* behind the last whole chunk and its pads; FILE_HEADER_BYTES: there is none
		       */
	uint64_t count, packets;
	uint64_t first_ns, last_ns;	  /* times of the first and the last packet */
	uint64_t first_drops, last_drops; /* the first and the last chunk's */
	bool finished;			  /* the statistics end the file, nothing is to be cut */
	bool cut_short; /* what follows is a chunk of which the file has not all, or next to nothing
			 */
};

/* Walks from behind the header to the first thing that is not whole. Returns 0 with *walk filled
 * in, or the callback's error, or -EIO where the file is shorter than its size. */
int walk_chunks(const struct walk_source *source, struct walk *walk);

#endif
