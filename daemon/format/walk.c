/* Walks chunks through a window of the file. */
#include "walk.h"
#include "chunk.h"
#include "header.h"

#include "../base/bytes.h"

#include <errno.h>

#define STATISTICS_HEADER 20u /* of the block, before its options */

/* The part of the file that is in the buffer. */
struct window {
	const struct walk_source *source;
	uint64_t start;
	size_t used;
	int error;
};

/* Returns up to WALK_BUFFER_MIN bytes at `offset`, which the caller has checked to lie within the
 * file. Borrowed until the next call. NULL: read error, in w->error. */
static const uint8_t *window_at(struct window *w, uint64_t offset, size_t bytes)
{
	const struct walk_source *s = w->source;

	if (offset >= w->start && offset - w->start <= w->used &&
	    bytes <= w->used - (size_t)(offset - w->start))
		return s->buffer + (offset - w->start);
	w->start = offset;
	w->used = 0;
	while (w->used < s->buffer_bytes) {
		ssize_t n = s->read(s->context, s->buffer + w->used, s->buffer_bytes - w->used,
				    offset + w->used);

		if (n < 0)
			w->error = (int)n;
		if (n <= 0)
			break;
		w->used += (size_t)n;
	}
	if (w->used >= bytes)
		w->error = 0; /* an error further on counts once that part is read */
	else if (!w->error)
		w->error = -EIO;
	return w->error ? NULL : s->buffer;
}

/* Returns the length of the block at `at` if it has this type, is at least `min` bytes long, ends
 * at or before `end`, and its two length fields agree; else 0. */
static uint32_t block_whole(struct window *w, uint64_t at, uint64_t end, uint32_t type,
			    uint32_t min)
{
	const uint8_t *p = end - at < min ? NULL : window_at(w, at, 8);
	uint32_t total;

	if (!p || get32(p) != type)
		return 0;
	total = get32(p + BLOCK_AT_LENGTH);
	if (total % 4 || total < min || total > end - at)
		return 0;
	p = window_at(w, at + total - BLOCK_TAIL_BYTES, BLOCK_TAIL_BYTES);
	return p && get32(p) == total ? total : 0;
}

/* Returns the length of the Enhanced Packet Block at `at`, or 0. */
static uint32_t epb_whole(struct window *w, uint64_t at, uint64_t end)
{
	const uint8_t *p = end - at < EPB_BYTES ? NULL : window_at(w, at, EPB_HEADER_BYTES);

	/* Checked before the trailing length, so that the window only moves forward. The file has
	 * one interface, number 0: readers reject a file that names another. */
	if (!p || get32(p + EPB_AT_INTERFACE) != 0 || get32(p + BLOCK_AT_LENGTH) < EPB_BYTES ||
	    get32(p + EPB_AT_CAPTURED) > get32(p + BLOCK_AT_LENGTH) - EPB_BYTES)
		return 0;
	return block_whole(w, at, end, BLOCK_PACKET, EPB_BYTES);
}

/* Returns the end of the pieces of a quarantined ring block; version 0.1.0 wrote a single piece. */
static uint64_t ring_pieces_end(struct window *w, uint64_t at, uint64_t end)
{
	uint32_t total;

	while (at < end && (total = block_whole(w, at, end, CHUNK_RING_TYPE, BLOCK_BYTES_MIN)))
		at += total;
	return at;
}

static bool header_length_valid(uint32_t bytes)
{
	return bytes == CHUNK_HEADER_BYTES || (bytes >= CHUNK_HEADER_INPLACE_MIN &&
					       bytes <= CHUNK_HEADER_INPLACE_MAX && bytes % 4 == 0);
}

/* Adds the chunk at `at`. False if there is no complete chunk. */
static bool chunk_add(struct window *w, uint64_t at, struct walk *walk)
{
	uint64_t size = w->source->size, end, packet, first_ns, last_ns, drops;
	uint32_t header = block_whole(w, at, size, CHUNK_TYPE, CHUNK_HEADER_BYTES), packets,
		 found = 0;
	const uint8_t *p =
		header_length_valid(header) ? window_at(w, at, CHUNK_HEADER_BYTES) : NULL;

	if (!p || get32(p + CHUNK_AT_MAGIC) != CHUNK_MAGIC || get32(p + CHUNK_AT_LENGTH) < header ||
	    get32(p + CHUNK_AT_LENGTH) > size - at)
		return false;
	packets = get32(p + CHUNK_AT_PACKETS);
	end = at + get32(p + CHUNK_AT_LENGTH);
	first_ns = get64(p + CHUNK_AT_FIRST_NS);
	drops = get64(p + CHUNK_AT_DROPS);
	last_ns = get64(p + CHUNK_AT_LAST_NS);
	packet = at + header;
	if (packets == 0)
		packet = ring_pieces_end(w, packet, end);
	for (; packet < end; found++) {
		uint32_t total = epb_whole(w, packet, end);

		if (!total)
			return false;
		packet += total;
	}
	if (found != packets)
		return false;
	if (walk->count++ == 0) {
		walk->first_ns = first_ns;
		walk->first_drops = drops;
	}
	walk->packets += packets;
	walk->last_ns = last_ns;
	walk->last_drops = drops;
	walk->end = end;
	return true;
}

/* Whether the file ends in a statistics block as header_statistics() makes it. */
static bool statistics_end(struct window *w, uint64_t at)
{
	uint64_t size = w->source->size;
	uint32_t total = block_whole(w, at, size, BLOCK_STATISTICS, STATISTICS_HEADER + 8), option;
	const uint8_t *p;

	if (!total || total != size - at || total > HEADER_STATISTICS_MAX)
		return false;
	p = window_at(w, at, total);
	if (!p || get32(p + 8) != 0)
		return false;
	for (option = STATISTICS_HEADER; option <= total - 8;) {
		uint32_t word = get32(p + option), length = word >> 16;

		if (word == 0)
			return option == total - 8;
		option += 4 + (length + 3) / 4 * 4;
	}
	return false;
}

static bool cut_short(struct window *w, uint64_t at)
{
	uint64_t left = w->source->size > at ? w->source->size - at : 0;
	const uint8_t *p = left < CHUNK_HEADER_BYTES ? NULL : window_at(w, at, CHUNK_HEADER_BYTES);

	return left < CHUNK_HEADER_BYTES ||
	       (p && get32(p) == CHUNK_TYPE && get32(p + CHUNK_AT_MAGIC) == CHUNK_MAGIC &&
		get32(p + CHUNK_AT_LENGTH) > left);
}

int walk_chunks(const struct walk_source *source, struct walk *walk)
{
	struct window w = { .source = source };
	struct walk found = { .end = FILE_HEADER_BYTES };
	uint64_t at = FILE_HEADER_BYTES;

	while (at < source->size && !w.error) {
		uint32_t pad;

		if (chunk_add(&w, at, &found)) {
			at = found.end;
			continue;
		}
		pad = w.error ? 0
			      : block_whole(&w, at, source->size, CHUNK_PAD_TYPE, BLOCK_BYTES_MIN);
		if (!pad) {
			found.finished = !w.error && statistics_end(&w, at);
			break;
		}
		at += pad;
		if (found.count) /* a reader may have skipped it */
			found.end = at;
	}
	if (!w.error)
		found.cut_short = cut_short(&w, at);
	if (!w.error)
		*walk = found;
	return w.error;
}
