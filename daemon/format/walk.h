/* Walks the chunks of an output file (chunk.h) as far as they are complete. Pure: reads through a
 * callback and trusts no byte of the file. */
#ifndef WALK_H
#define WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define WALK_BUFFER_MIN 128

struct walk_source {
	/* As pread(), but returns -errno. */
	ssize_t (*read)(void *context, void *buffer, size_t bytes, uint64_t offset);
	void *context;
	uint64_t size;	 /* of the file */
	uint8_t *buffer; /* borrowed; a chunk need not fit */
	size_t buffer_bytes;
};

struct walk {
	uint64_t end; /* after the last complete chunk and its pads; FILE_HEADER_BYTES: none */
	uint64_t count, packets;
	uint64_t first_ns, last_ns;	  /* times of the first and the last packet */
	uint64_t first_drops, last_drops; /* in the first and the last chunk's header */
	bool finished;			  /* ends in its statistics block; nothing to cut */
	bool cut_short; /* followed by a truncated chunk, or by less than a chunk header */
};

/* Walks from the end of the header to the first block that is incomplete or is neither chunk nor
 * pad. Returns 0 with *walk filled in, the callback's error, or -EIO if the file is shorter than
 * `size`. */
int walk_chunks(const struct walk_source *source, struct walk *walk);

#endif
