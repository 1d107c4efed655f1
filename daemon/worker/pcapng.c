/* The compact layout. */
#include "pcapng.h"

#include <arpa/inet.h>
#include <string.h>

#define EPB_TYPE       6u
#define OPTION_COMMENT 1u
#define OPTION_CUSTOM  19373u /* binary, not to be copied by editors */
#define PEN	       PCAPNG_CHUNK_MAGIC
#define VLAN_TAG_BYTES 4u
#define VLAN_TAG_AT    12u /* behind the two Ethernet addresses */

static void put16(uint8_t *p, uint16_t v)
{
	memcpy(p, &v, sizeof(v));
}

static void put32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
}

static void put64(uint8_t *p, uint64_t v)
{
	memcpy(p, &v, sizeof(v));
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint32_t round_up(uint32_t v, uint32_t to)
{
	return (v + to - 1) & ~(to - 1);
}

uint32_t pcapng_chunk_bytes_max(uint32_t bytes, uint32_t align)
{
	return PCAPNG_CHUNK_HEAD + bytes + align;
}

void pcapng_chunk_begin(struct pcapng_chunk *chunk, uint8_t *buffer, uint32_t capacity)
{
	*chunk = (struct pcapng_chunk){ .buffer = buffer,
					.capacity = capacity,
					.used = PCAPNG_CHUNK_HEAD };
}

/* `n` bytes of options, a multiple of 4, that say nothing: an end of options, an empty comment, or
 * a custom option. */
static void options_fill(uint8_t *p, uint32_t n)
{
	memset(p, 0, n);
	if (n == 8)
		put16(p, OPTION_COMMENT);
	if (n >= 12) {
		put16(p, OPTION_CUSTOM);
		put16(p + 2, (uint16_t)(n - 8));
		put32(p + 4, PEN);
	}
}

/* The packet's bytes, with the tag that the kernel took out back behind the addresses. */
static void tagged_copy(uint8_t *to, uint32_t capture_length, const struct afcap_packet *packet)
{
	uint16_t tag[2] = { htons(packet->vlan_tpid), htons(packet->vlan_tci) };

	memcpy(to, packet->data, VLAN_TAG_AT);
	memcpy(to + VLAN_TAG_AT, tag, VLAN_TAG_BYTES);
	memcpy(to + VLAN_TAG_AT + VLAN_TAG_BYTES, packet->data + VLAN_TAG_AT,
	       capture_length - VLAN_TAG_AT - VLAN_TAG_BYTES);
}

static void epb_add(struct pcapng_chunk *chunk, const struct afcap_packet *packet,
		    const struct pcapng_context *context)
{
	uint8_t *epb = chunk->buffer + chunk->used;
	uint64_t ns = packet->seconds * UINT64_C(1000000000) + packet->nanoseconds;
	uint32_t capture_length = packet->capture_length, length = packet->length, padded, total;
	bool tagged = context->vlan_keep && packet->status & TP_STATUS_VLAN_VALID &&
		      capture_length >= VLAN_TAG_AT;

	if (tagged) {
		length += VLAN_TAG_BYTES;
		capture_length += VLAN_TAG_BYTES;
		if (capture_length > context->snaplen &&
		    context->snaplen >= VLAN_TAG_AT + VLAN_TAG_BYTES)
			capture_length = context->snaplen;
	}
	padded = round_up(capture_length, 4);
	total = padded + PCAPNG_EPB_BYTES;
	put32(epb, EPB_TYPE);
	put32(epb + 4, total);
	put32(epb + 8, 0); /* the file's one interface */
	put32(epb + 12, (uint32_t)(ns >> 32));
	put32(epb + 16, (uint32_t)ns);
	put32(epb + 20, capture_length);
	put32(epb + 24, length);
	if (padded)
		put32(epb + PCAPNG_EPB_HEAD + padded - 4, 0);
	if (tagged)
		tagged_copy(epb + PCAPNG_EPB_HEAD, capture_length, packet);
	else
		memcpy(epb + PCAPNG_EPB_HEAD, packet->data, capture_length);
	put32(epb + total - 4, total);
	chunk->last = chunk->used;
	chunk->used += total;
	if (chunk->packets++ == 0)
		chunk->first_ns = ns;
	chunk->last_ns = ns;
	chunk->received_bytes += packet->capture_length;
	chunk->truncated += length > capture_length;
}

void pcapng_chunk_add(struct pcapng_chunk *chunk, struct afcap_block *block,
		      const struct pcapng_context *context)
{
	struct afcap_packet packet = { 0 };
	uint32_t before = chunk->packets;

	if (chunk->blocks++ == 0)
		chunk->sequence = block->sequence;
	while (afcap_packet_next(block, &packet)) {
		/* The slots of a block that lies about its lengths may overlap: the sum is not
		 * bounded by its size then. */
		if (packet.capture_length > chunk->capacity - chunk->used ||
		    chunk->capacity - chunk->used - packet.capture_length <
			    PCAPNG_EPB_BYTES + 8 + context->align)
			break;
		epb_add(chunk, &packet, context);
	}
	chunk->unreadable += block->packets - (chunk->packets - before);
}

uint32_t pcapng_chunk_end(struct pcapng_chunk *chunk, const struct pcapng_context *context)
{
	uint8_t *head = chunk->buffer, *epb = chunk->buffer + chunk->last;
	uint32_t end = round_up(chunk->used, context->align), total, padded;

	if (chunk->packets == 0)
		return 0;
	if (end != chunk->used) {
		total = end - chunk->last;
		padded = round_up(get32(epb + 20), 4);
		options_fill(epb + PCAPNG_EPB_HEAD + padded, total - PCAPNG_EPB_BYTES - padded);
		put32(epb + 4, total);
		put32(epb + total - 4, total);
		chunk->used = end;
	}
	memset(head, 0, PCAPNG_CHUNK_HEAD);
	put32(head, PCAPNG_CHUNK_TYPE);
	put32(head + 4, PCAPNG_CHUNK_HEAD);
	put32(head + 8, PCAPNG_CHUNK_MAGIC);
	put32(head + 12, chunk->packets);
	put32(head + 16, end);
	put16(head + 20, (uint16_t)context->worker);
	put16(head + 22, (uint16_t)chunk->blocks);
	put64(head + 24, chunk->sequence);
	put64(head + 32, chunk->first_ns);
	put64(head + 40, chunk->last_ns);
	put64(head + 48, context->drops);
	put64(head + 56, context->freezes);
	put32(head + PCAPNG_CHUNK_HEAD - 4, PCAPNG_CHUNK_HEAD);
	return end;
}
