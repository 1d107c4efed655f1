/* The compact layout. */
#include "cooked.h"
#include "encode.h"

#include <arpa/inet.h>
#include <string.h>

#define OPTION_END_BYTES 4u
#define OPTIONS_MAX	 (DROPCOUNT_BYTES + OPTION_END_BYTES)
#define READ_AHEAD	 4096u	/* bytes: at least a page, where the processor's prefetchers end */
#define WRITE_AHEAD	 256u	/* bytes */
#define RING_PIECE_BYTES 59988u /* readers refuse large blocks: hcxpcapngtool at 1 MiB */

uint32_t pcapng_chunk_bytes_max(uint32_t bytes)
{
	return CHUNK_HEADER_BYTES + bytes;
}

void pcapng_chunk_begin(struct pcapng_chunk *chunk, uint8_t *buffer, uint32_t capacity)
{
	*chunk = (struct pcapng_chunk){ .buffer = buffer,
					.capacity = capacity,
					.used = CHUNK_HEADER_BYTES };
}

/* Copies the packet with the tag that the kernel stripped restored after the addresses. */
static void tagged_copy(uint8_t *to, uint32_t capture_length, const struct afcap_packet *packet)
{
	uint16_t tag[2] = { htons(packet->vlan_tpid), htons(packet->vlan_tci) };

	memcpy(to, packet->data, VLAN_TAG_AT);
	memcpy(to + VLAN_TAG_AT, tag, VLAN_TAG_BYTES);
	memcpy(to + VLAN_TAG_AT + VLAN_TAG_BYTES, packet->data + VLAN_TAG_AT,
	       capture_length - VLAN_TAG_AT - VLAN_TAG_BYTES);
}

/* Copies the cooked header and the packet, capture_length bytes in total. */
static void cooked_copy(uint8_t *to, uint32_t capture_length, const struct afcap_packet *packet,
			uint32_t cooked, bool tagged)
{
	uint8_t header[COOKED_BYTES_MAX];
	uint32_t n = cooked_header(header, packet, cooked, tagged);

	if (n > capture_length)
		n = capture_length;
	memcpy(to, header, n);
	memcpy(to + n, packet->data, capture_length - n);
}

/* Copies the packet as it appears in the file. */
static void packet_copy(uint8_t *to, uint32_t capture_length, const struct afcap_packet *packet,
			uint32_t cooked, bool tagged)
{
	if (!cooked && !tagged)
		memcpy(to, packet->data, capture_length);
	else if (cooked)
		cooked_copy(to, capture_length, packet, cooked, tagged);
	else
		tagged_copy(to, capture_length, packet);
}

static void epb_add(struct pcapng_chunk *chunk, const struct afcap_packet *packet,
		    const struct pcapng_context *context)
{
	uint8_t *epb = chunk->buffer + chunk->used;
	uint64_t ns = packet->seconds * UINT64_C(1000000000) + packet->nanoseconds;
	uint32_t capture_length = packet->capture_length, length = packet->length, padded, total;
	bool tagged = tag_missing(packet->status, capture_length, context);

	if (tagged) {
		length += VLAN_TAG_BYTES;
		capture_length += VLAN_TAG_BYTES;
		if (capture_length > context->snaplen &&
		    (context->cooked || context->snaplen >= VLAN_TAG_AT + VLAN_TAG_BYTES))
			capture_length = context->snaplen;
	}
	if (context->cooked) {
		length += COOKED_HEADER(context->cooked);
		capture_length += COOKED_HEADER(context->cooked);
	}
	padded = round_up(capture_length, 4);
	total = padded + EPB_BYTES;
	put32(epb, BLOCK_PACKET);
	put32(epb + BLOCK_AT_LENGTH, total);
	put32(epb + EPB_AT_INTERFACE, 0); /* the file's only interface */
	put32(epb + EPB_AT_TIME_HIGH, (uint32_t)(ns >> 32));
	put32(epb + EPB_AT_TIME_LOW, (uint32_t)ns);
	put32(epb + EPB_AT_CAPTURED, capture_length);
	put32(epb + EPB_AT_LENGTH, length);
	if (padded)
		put32(epb + EPB_HEADER_BYTES + padded - 4, 0);
	packet_copy(epb + EPB_HEADER_BYTES, capture_length, packet, context->cooked, tagged);
	put32(epb + total - 4, total);
	chunk->used += total;
	if (chunk->packets++ == 0)
		chunk->first_ns = ns;
	chunk->last_ns = ns;
	chunk->received_bytes += packet->capture_length;
	chunk->truncated += length > capture_length;
}

/* Adds the number of packets lost before the packet at `at` to its options and moves the packets
 * after it. Done only after a loss, so that the loop over the packets need not handle it. */
static void epb_dropcount(struct pcapng_chunk *chunk, uint32_t at, uint64_t drops)
{
	uint8_t *epb = chunk->buffer + at;
	uint32_t total = get32(epb + BLOCK_AT_LENGTH), longer = total + OPTIONS_MAX;

	memmove(epb + longer, epb + total, chunk->used - at - total);
	dropcount_put(epb + total - 4, drops);
	put32(epb + longer - 8, 0); /* end of options */
	put32(epb + longer - 4, longer);
	put32(epb + BLOCK_AT_LENGTH, longer);
	chunk->used += OPTIONS_MAX;
	chunk->drops_noted += drops;
}

/* As many lines as a small packet has with its header, here and there. Larger ones find what the
 * processor prefetches by itself, up to the end of a page. */
PREFETCHES void ahead_prefetch(const uint8_t *from, const uint8_t *to)
{
	__builtin_prefetch(from + READ_AHEAD);
	__builtin_prefetch(from + READ_AHEAD + CACHE_LINE);
	__builtin_prefetch(from + READ_AHEAD + 2 * CACHE_LINE);
	__builtin_prefetch(to + WRITE_AHEAD, 1);
	__builtin_prefetch(to + WRITE_AHEAD + CACHE_LINE, 1);
}

/* Not inlined: with the caller's counters in registers as well, the compiler would spill three
 * values that each packet needs. */
__attribute__((noinline)) static void packets_add(struct pcapng_chunk *chunk,
						  struct afcap_block *block,
						  const struct pcapng_context *context)
{
	struct afcap_packet packet = { 0 };

	while (afcap_packet_next(block, &packet)) {
		/* If a block's lengths are wrong, its slots may overlap, and their sum is not
		 * bounded by the block's size. */
		if (packet.capture_length > chunk->capacity - chunk->used ||
		    chunk->capacity - chunk->used - packet.capture_length <
			    EPB_BYTES + COOKED_BYTES_MAX + 4 + OPTIONS_MAX)
			break;
		ahead_prefetch(packet.data, chunk->buffer + chunk->used);
		epb_add(chunk, &packet, context);
	}
}

void pcapng_chunk_add(struct pcapng_chunk *chunk, struct afcap_block *block,
		      const struct pcapng_context *context)
{
	uint64_t drops = drops_to_note(context, chunk);
	uint32_t before = chunk->packets, first = chunk->used;

	if (chunk->blocks++ == 0)
		chunk->sequence = block->sequence;
	packets_add(chunk, block, context);
	chunk->unreadable += block->packets - (chunk->packets - before);
	if (drops && chunk->packets > before)
		epb_dropcount(chunk, first, drops);
}

static void chunk_header(const struct pcapng_chunk *chunk, const struct pcapng_context *context)
{
	uint8_t *header = chunk->buffer;

	memset(header, 0, CHUNK_HEADER_BYTES);
	put32(header + BLOCK_AT_LENGTH, CHUNK_HEADER_BYTES);
	put32(header + CHUNK_AT_MAGIC, CHUNK_MAGIC);
	put32(header + CHUNK_AT_PACKETS, chunk->packets);
	put32(header + CHUNK_AT_LENGTH, chunk->used);
	put16(header + CHUNK_AT_WORKER, (uint16_t)context->worker);
	put16(header + CHUNK_AT_BLOCKS, (uint16_t)chunk->blocks);
	put64(header + CHUNK_AT_SEQUENCE, chunk->sequence);
	put64(header + CHUNK_AT_FIRST_NS, chunk->first_ns);
	put32(header + CHUNK_AT_CAPTURED, (uint32_t)chunk->received_bytes);
	put32(header + CHUNK_AT_TRUNCATED, chunk->truncated);
	put64(header + CHUNK_AT_DROPS, context->drops);
	put64(header + CHUNK_AT_FREEZES, context->freezes);
	put64(header + CHUNK_AT_LAST_NS, chunk->last_ns);
	put32(header + CHUNK_HEADER_BYTES - 4, CHUNK_HEADER_BYTES);
	put32(header, CHUNK_TYPE);
}

uint32_t pcapng_chunk_end(struct pcapng_chunk *chunk, const struct pcapng_context *context)
{
	if (chunk->packets == 0)
		return 0;
	chunk_header(chunk, context);
	return chunk->used;
}

static void ring_piece_add(struct pcapng_chunk *chunk, const uint8_t *bytes, uint32_t count)
{
	uint8_t *at = chunk->buffer + chunk->used;
	uint32_t total = count + BLOCK_BYTES_MIN;

	put32(at, CHUNK_RING_TYPE);
	put32(at + BLOCK_AT_LENGTH, total);
	memcpy(at + 8, bytes, count);
	put32(at + total - 4, total);
	chunk->used += total;
}

void pcapng_quarantine(struct pcapng_chunk *chunk, const struct afcap_block *block,
		       uint32_t block_bytes, const struct pcapng_context *context)
{
	const uint8_t *bytes = (const uint8_t *)block->desc;

	chunk->blocks = 1;
	chunk->sequence = block->sequence;
	chunk->unreadable = block->packets;
	chunk->first_ns = chunk->last_ns = context->now_ns;
	for (uint32_t at = 0; at < block_bytes; at += RING_PIECE_BYTES) {
		uint32_t left = block_bytes - at;

		ring_piece_add(chunk, bytes + at,
			       left < RING_PIECE_BYTES ? left : RING_PIECE_BYTES);
	}
	chunk_header(chunk, context);
}

uint32_t pcapng_pad_bytes(uint64_t end, uint32_t align)
{
	uint32_t gap = (uint32_t)(-end & (align - 1));

	while (gap && gap < CHUNK_PAD_MIN)
		gap += align;
	return gap;
}

void pcapng_pad(uint8_t *at, uint32_t bytes)
{
	if (!bytes)
		return;
	memset(at, 0, bytes);
	put32(at, CHUNK_PAD_TYPE);
	put32(at + BLOCK_AT_LENGTH, bytes);
	put32(at + bytes - 4, bytes);
}
