/* The walk over chunks. */
#include "chunks.h"
#include "head.h"

#include <errno.h>
#include <string.h>

#define CHUNK_TYPE	0x8AFCA901u
#define PAD_TYPE	0x8AFCA902u
#define RING_TYPE	0x8AFCA903u
#define EPB_TYPE	6u
#define STATISTICS_TYPE 5u
#define CHUNK_MAGIC	32473u
#define CHUNK_HEAD	80u /* at least */
#define BLOCK_MIN	12u
#define EPB_HEAD	28u
#define EPB_MIN		32u
#define STATISTICS_HEAD 20u

/* The part of the file that is in the buffer. */
struct window {
	const struct chunks_source *source;
	uint64_t start;
	size_t used;
	int error;
};

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Up to CHUNKS_BUFFER_MIN bytes at `offset`; the caller saw that they lie within the file. Borrowed
 * until the next call. NULL: they cannot be read, w->error says why. */
static const uint8_t *window_at(struct window *w, uint64_t offset, size_t bytes)
{
	const struct chunks_source *s = w->source;

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
		w->error = 0; /* what lies behind is asked for when its turn comes */
	else if (!w->error)
		w->error = -EIO;
	return w->error ? NULL : s->buffer;
}

/* The length of the block at `at`, where it is of this type, at least `min` bytes long, ends not
 * behind `end` and says its length at both ends; else 0. */
static uint32_t block_whole(struct window *w, uint64_t at, uint64_t end, uint32_t type,
			    uint32_t min)
{
	const uint8_t *p = end - at < min ? NULL : window_at(w, at, 8);
	uint32_t total;

	if (!p || get32(p) != type)
		return 0;
	total = get32(p + 4);
	if (total % 4 || total < min || total > end - at)
		return 0;
	p = window_at(w, at + total - 4, 4);
	return p && get32(p) == total ? total : 0;
}

/* The length of a packet's block, or 0. */
static uint32_t epb_whole(struct window *w, uint64_t at, uint64_t end)
{
	const uint8_t *p = end - at < EPB_MIN ? NULL : window_at(w, at, EPB_HEAD);

	/* Before the length behind the packet: so the window moves forward only. The file has one
	 * interface, number 0: readers give a file up that names another. */
	if (!p || get32(p + 8) != 0 || get32(p + 4) < EPB_MIN ||
	    get32(p + 20) > get32(p + 4) - EPB_MIN)
		return 0;
	return block_whole(w, at, end, EPB_TYPE, EPB_MIN);
}

/* Behind the pieces of a ring block of which workers died; version 0.1.0 made one of it. */
static uint64_t ring_pieces_end(struct window *w, uint64_t at, uint64_t end)
{
	uint32_t total;

	while (at < end && (total = block_whole(w, at, end, RING_TYPE, BLOCK_MIN)))
		at += total;
	return at;
}

static bool chunk_head_valid(uint32_t bytes)
{
	return bytes == CHUNK_HEAD || bytes == 96 || bytes == 100 || bytes == 104;
}

/* Adds the chunk at `at`. False where there is none, or a part of one. */
static bool chunk_add(struct window *w, uint64_t at, struct chunks *chunks)
{
	uint64_t size = w->source->size, end, packet, first_ns, last_ns, drops;
	uint32_t head = block_whole(w, at, size, CHUNK_TYPE, CHUNK_HEAD), packets, found = 0;
	const uint8_t *p = chunk_head_valid(head) ? window_at(w, at, CHUNK_HEAD) : NULL;

	if (!p || get32(p + 8) != CHUNK_MAGIC || get32(p + 16) < head || get32(p + 16) > size - at)
		return false;
	packets = get32(p + 12);
	end = at + get32(p + 16);
	first_ns = get64(p + 32);
	drops = get64(p + 48);
	last_ns = get64(p + 64);
	packet = at + head;
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
	if (chunks->count++ == 0) {
		chunks->first_ns = first_ns;
		chunks->first_drops = drops;
	}
	chunks->packets += packets;
	chunks->last_ns = last_ns;
	chunks->last_drops = drops;
	chunks->end = end;
	return true;
}

/* Whether a statistics block as it is made here ends the file. */
static bool statistics_end(struct window *w, uint64_t at)
{
	uint64_t size = w->source->size;
	uint32_t total = block_whole(w, at, size, STATISTICS_TYPE, STATISTICS_HEAD + 8), option;
	const uint8_t *p;

	if (!total || total != size - at || total > HEAD_STATISTICS_MAX)
		return false;
	p = window_at(w, at, total);
	if (!p || get32(p + 8) != 0)
		return false;
	for (option = STATISTICS_HEAD; option <= total - 8;) {
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
	const uint8_t *p = left < CHUNK_HEAD ? NULL : window_at(w, at, CHUNK_HEAD);

	return left < CHUNK_HEAD ||
	       (p && get32(p) == CHUNK_TYPE && get32(p + 8) == CHUNK_MAGIC && get32(p + 16) > left);
}

int chunks_walk(const struct chunks_source *source, struct chunks *chunks)
{
	struct window w = { .source = source };
	struct chunks found = { .end = HEAD_BYTES };
	uint64_t at = HEAD_BYTES;

	while (at < source->size && !w.error) {
		uint32_t pad;

		if (chunk_add(&w, at, &found)) {
			at = found.end;
			continue;
		}
		pad = w.error ? 0 : block_whole(&w, at, source->size, PAD_TYPE, BLOCK_MIN);
		if (!pad) {
			found.finished = !w.error && statistics_end(&w, at);
			break;
		}
		at += pad;
		if (found.count) /* a reader may have passed over it */
			found.end = at;
	}
	if (!w.error)
		found.cut_short = cut_short(&w, at);
	if (!w.error)
		*chunks = found;
	return w.error;
}
