/* Fuzz target: ring blocks of arbitrary bytes into both layouts. Block and staging buffer are
 * allocated to the byte, so that a sanitizer sees who leaves them; what comes out of a block that
 * no worker had begun is a chunk as the archive's walk takes it.
 *
 * Input: byte 0 chooses layout and options, byte 1 the snapshot length; the rest is a block of one
 * or two pages. */
#include "fuzz.h"

#include "../../daemon/base/linktype.h"
#include "../../daemon/format/header.h"
#include "../../daemon/format/walk.h"
#include "../../daemon/worker/cooked.h"
#include "../../daemon/worker/pcapng.h"
#include "../../lib/internal.h"

#include <stdlib.h>
#include <string.h>

#define PAGE 4096u

#define SLL 8 /* of byte 1 */
enum { INPLACE = 1, COOKED = 2, VLAN_KEEP = 4, TWICE = 8, QUARANTINE = 16, KERNEL_HEAD = 32 };

struct chunk_file {
	const uint8_t *bytes;
	size_t size;
};

static ssize_t chunk_read(void *context, void *buffer, size_t bytes, uint64_t offset)
{
	const struct chunk_file *f = context;
	size_t at = (size_t)(offset - FILE_HEADER_BYTES);

	if (at > f->size)
		abort();
	if (bytes > f->size - at)
		bytes = f->size - at;
	memcpy(buffer, f->bytes + at, bytes);
	return (ssize_t)bytes;
}

/* In a file it is one whole chunk. */
static void chunk_check(const struct pcapng_chunk *chunk)
{
	uint8_t buffer[512];
	struct chunk_file file = { chunk->buffer, chunk->used };
	struct walk_source source = { .read = chunk_read,
				      .context = &file,
				      .size = FILE_HEADER_BYTES + chunk->used,
				      .buffer = buffer,
				      .buffer_bytes = sizeof(buffer) };
	struct walk found;

	if (chunk->used > chunk->capacity || walk_chunks(&source, &found) || found.count != 1 ||
	    found.packets != chunk->packets || found.end != FILE_HEADER_BYTES + chunk->used)
		abort();
	if (chunk->packets &&
	    (found.first_ns != chunk->first_ns || found.last_ns != chunk->last_ns))
		abort();
}

/* As ringloop.c sizes it. */
static void compact(struct afcap_block *block, uint32_t block_bytes, unsigned times,
		    const struct pcapng_context *context)
{
	uint32_t capacity = pcapng_chunk_bytes_max(block_bytes + block_bytes / 2), before = 0;
	uint8_t *staging = malloc(capacity);
	struct afcap_block again = *block;
	struct pcapng_chunk chunk;
	uint64_t packets = 0;

	pcapng_chunk_begin(&chunk, staging, capacity);
	while (times-- && (before == 0 || chunk.used < block_bytes / 2)) {
		before = chunk.used;
		*block = again;
		packets += block->packets;
		pcapng_chunk_add(&chunk, block, context);
	}
	if (chunk.packets + chunk.unreadable != packets ||
	    pcapng_chunk_end(&chunk, context) != (chunk.packets ? chunk.used : 0))
		abort();
	if (chunk.packets)
		chunk_check(&chunk);
	free(staging);
}

static void quarantine(const struct afcap_block *block, uint32_t block_bytes,
		       const struct pcapng_context *context)
{
	uint32_t capacity = pcapng_chunk_bytes_max(block_bytes + block_bytes / 2);
	uint8_t *staging = malloc(capacity);
	struct pcapng_chunk chunk;

	pcapng_chunk_begin(&chunk, staging, capacity);
	pcapng_quarantine(&chunk, block, block_bytes, context);
	if (chunk.unreadable != block->packets || chunk.packets)
		abort();
	chunk_check(&chunk);
	free(staging);
}

/* Made again by a successor it is the same, to the byte. */
static void again_the_same(const struct pcapng_chunk *chunk, const struct afcap_block *block,
			   uint32_t block_bytes, const struct pcapng_context *context)
{
	uint8_t *before = malloc(block_bytes);
	struct pcapng_chunk again;

	memcpy(before, block->desc, block_bytes);
	if (!pcapng_inplace_begun(block) || !pcapng_inplace(&again, block, block_bytes, context) ||
	    memcmp(before, block->desc, block_bytes) != 0 || again.used != chunk->used ||
	    again.packets != chunk->packets || again.received_bytes != chunk->received_bytes ||
	    again.truncated != chunk->truncated || again.first_ns != chunk->first_ns ||
	    again.last_ns != chunk->last_ns || again.drops_noted != chunk->drops_noted)
		abort();
	free(before);
}

static void inplace(const struct afcap_block *block, uint32_t block_bytes,
		    const struct pcapng_context *context)
{
	bool begun = pcapng_inplace_begun(block);
	uint8_t *before = malloc(block_bytes);
	struct pcapng_chunk chunk;

	memcpy(before, block->desc, block_bytes);
	if (!pcapng_inplace(&chunk, block, block_bytes, context)) {
		if (begun || memcmp(before, block->desc, block_bytes) != 0)
			abort(); /* it is to be copied, and has all that it had */
	} else if (chunk.unreadable) {
		if (!begun || chunk.used || chunk.packets || chunk.unreadable != block->packets)
			abort();
	} else if (chunk.used) {
		if (chunk.used > block_bytes || chunk.used % PCAPNG_INPLACE_ALIGN ||
		    chunk.buffer != (const uint8_t *)block->desc)
			abort();
		if (!begun && chunk.packets != block->packets)
			abort();
		if (!begun)
			chunk_check(&chunk);
		again_the_same(&chunk, block, block_bytes, context);
	}
	free(before);
}

/* What the kernel puts there in each block that it hands over. */
static void head_put(struct tpacket_block_desc *desc, uint32_t bytes)
{
	desc->version = 2;
	desc->offset_to_priv = sizeof(*desc);
	desc->hdr.bh1.block_status |= TP_STATUS_USER;
	desc->hdr.bh1.offset_to_first_pkt = sizeof(*desc);
	if (desc->hdr.bh1.blk_len > bytes || desc->hdr.bh1.blk_len < sizeof(*desc))
		desc->hdr.bh1.blk_len = bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const uint32_t snaplens[] = { 1, 14, 16, 60, 96, 1500, 9000, 262144 };
	uint32_t block_bytes = bytes > 2 + PAGE ? 2 * PAGE : PAGE;
	struct pcapng_context context = { .worker = 3, .drops = 17, .freezes = 2, .now_ns = 5 };
	struct afcap ring = { .fd = -1 };
	struct afcap_block block;
	uint8_t *map;

	if (bytes < 2 || bytes > 2 + 2 * PAGE)
		return 0;
	map = aligned_alloc(PAGE, block_bytes);
	memset(map, 0, block_bytes);
	memcpy(map, data + 2, bytes - 2);
	if (data[0] & KERNEL_HEAD)
		head_put((struct tpacket_block_desc *)(void *)map, block_bytes);
	context.snaplen = snaplens[data[1] % 8];
	context.vlan_keep = data[0] & VLAN_KEEP;
	if (data[0] & COOKED && !(data[0] & INPLACE))
		context.cooked = data[1] & SLL ? LINKTYPE_LINUX_SLL : LINKTYPE_LINUX_SLL2;
	ring.rx.map = map;
	ring.rx.geometry = (struct afcap_geometry){ .version = AFCAP_TPACKET_V3,
						    .block_bytes = block_bytes,
						    .blocks = 1 };
	if (afcap_block_acquire(&ring, &block) == 0) {
		if (data[0] & INPLACE)
			inplace(&block, block_bytes, &context);
		else if (data[0] & QUARANTINE)
			quarantine(&block, block_bytes, &context);
		else
			compact(&block, block_bytes, data[0] & TWICE ? 2 : 1, &context);
	}
	free(map);
	return 0;
}
