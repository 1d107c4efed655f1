/* Output files for tests, built chunk by chunk, and a reader of them that shares nothing with the
 * archive's. */
#ifndef RECORDING_H
#define RECORDING_H

#include "../../daemon/base/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORDING_CHUNKS 60
#define RECORDING_MAX	 (1u << 20)

struct recording_chunk {
	size_t begin, end;
	unsigned packets;
	uint64_t first_ns, last_ns, drops;
};

struct recording {
	uint8_t bytes[RECORDING_MAX];
	size_t size;
	unsigned count;
	struct recording_chunk chunks[RECORDING_CHUNKS];
};

/* The header of a worker's files, as the archive makes it of what it knows of the capture. */
void recording_header(uint8_t *page, const struct message_capture *capture, uint32_t worker,
		      const char *os, const char *application);

/* A head and random chunks of both layouts, with pads between; `finished`: and statistics. The same
 * seed makes the same file. */
void recording_build(struct recording *recording, unsigned chunks, unsigned seed, bool finished);

/* Appends one chunk of `packets` packets of up to `most` bytes behind a header of `head` bytes. */
void recording_chunk(struct recording *recording, uint32_t head, unsigned packets, unsigned most);

/* Where the first `size` bytes of it are whole up to: behind a chunk and the pads that follow it.
 */
size_t recording_end(const struct recording *recording, size_t size);

/* What a reader finds. */
struct recording_found {
	unsigned packets, chunks;
	size_t statistics; /* offset of the statistics, which end the file */
	uint64_t start_ns, end_ns, received, if_dropped, os_dropped, delivered;
};

/* Reads a finished file. False where it is not valid pcapng from end to end: a section, one
 * interface, then blocks whose lengths fit, packets of that interface, statistics last. */
bool recording_read(const uint8_t *bytes, size_t size, struct recording_found *found);

#endif
