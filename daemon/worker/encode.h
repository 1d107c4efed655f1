/* Helpers of both layouts. */
#ifndef ENCODE_H
#define ENCODE_H

#include "pcapng.h"

#include "../base/bytes.h"

#define OPTION_DROPCOUNT 4u
#define DROPCOUNT_BYTES	 12u
#define VLAN_TAG_BYTES	 4u
#define VLAN_TAG_AT	 12u /* after the two Ethernet addresses */

/* Blocks were written by another CPU, mostly: most of the time of an encoder that does not look
 * ahead is waiting for their cache lines. A function that only prefetches is inlined always: gcc
 * takes it for one without effects, and drops calls of it. */
#define CACHE_LINE 64u /* of most processors */
#define PREFETCHES static inline __attribute__((always_inline))

static inline uint32_t round_up(uint32_t v, uint32_t to)
{
	return (v + to - 1) & ~(to - 1);
}

static inline void dropcount_put(uint8_t *p, uint64_t drops)
{
	put32(p, OPTION_DROPCOUNT | 8u << 16); /* code, length */
	put64(p + 4, drops);
}

/* The kernel's drops that no packet's options have noted yet; the chunk under construction may have
 * noted some. */
static inline uint64_t drops_to_note(const struct pcapng_context *context,
				     const struct pcapng_chunk *chunk)
{
	uint64_t noted = context->drops_noted + chunk->drops_noted;

	return context->drops > noted ? context->drops - noted : 0;
}

/* Whether a tag that the kernel stripped must be restored. */
static inline bool tag_missing(uint32_t status, uint32_t capture_length,
			       const struct pcapng_context *context)
{
	return context->vlan_keep && status & TP_STATUS_VLAN_VALID &&
	       (context->cooked || capture_length >= VLAN_TAG_AT);
}

#endif
