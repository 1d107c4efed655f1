/* What both layouts share: words, options, where the chunk header has its fields. */
#ifndef ENCODE_H
#define ENCODE_H

#include "pcapng.h"

#include <string.h>

/* Offsets in a chunk header: pcapng.h */
enum {
	HEAD_BLOCK_LENGTH = 4,
	HEAD_MAGIC = 8,
	HEAD_PACKETS = 12,
	HEAD_CHUNK_LENGTH = 16,
	HEAD_WORKER = 20,
	HEAD_BLOCKS = 22,
	HEAD_SEQUENCE = 24,
	HEAD_FIRST_NS = 32,
	HEAD_CAPTURED = 40,
	HEAD_TRUNCATED = 44,
	HEAD_DROPS = 48,
	HEAD_FREEZES = 56,
	HEAD_LAST_NS = 64,
	HEAD_FLAGS = 72, /* HEAD_BY_TIMEOUT */
};

#define HEAD_BY_TIMEOUT	 1u
#define EPB_TYPE	 6u
#define OPTION_DROPCOUNT 4u
#define DROPCOUNT_BYTES	 12u
#define VLAN_TAG_BYTES	 4u
#define VLAN_TAG_AT	 12u /* behind the two Ethernet addresses */

static inline void put16(uint8_t *p, uint16_t v)
{
	memcpy(p, &v, sizeof(v));
}

static inline void put32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
}

static inline void put64(uint8_t *p, uint64_t v)
{
	memcpy(p, &v, sizeof(v));
}

static inline uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t round_up(uint32_t v, uint32_t to)
{
	return (v + to - 1) & ~(to - 1);
}

static inline void dropcount_put(uint8_t *p, uint64_t drops)
{
	put32(p, OPTION_DROPCOUNT | 8u << 16); /* code, length */
	put64(p + 4, drops);
}

/* What is not told yet of the kernel's drops; a chunk under construction may have some of it. */
static inline uint64_t drops_to_note(const struct pcapng_context *context,
				     const struct pcapng_chunk *chunk)
{
	uint64_t noted = context->drops_noted + chunk->drops_noted;

	return context->drops > noted ? context->drops - noted : 0;
}

/* Whether a tag that the kernel took out is to be put back. */
static inline bool tag_missing(uint32_t status, uint32_t capture_length,
			       const struct pcapng_context *context)
{
	return context->vlan_keep && status & TP_STATUS_VLAN_VALID &&
	       (context->cooked || capture_length >= VLAN_TAG_AT);
}

#endif
