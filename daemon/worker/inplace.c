/* The in-place layout, resumable after a kill at any instruction.
 *
 *   slot k      header (48 bytes) | address (20) | gap  | data ...... | slot k+1
 *                                      [ EPB header (28) ][ data ][ options, length ][ EPB k+1
 *
 * EPB header k overwrites only slot k's address, which is not needed. A VLAN tag is restored by
 * moving the Ethernet addresses down by 4 bytes. The bytes after data k become options of EPB k:
 * these overwrite slot header k+1, and are written only when EPB k+1 holds everything that was in
 * it. The progress is in one 64-bit field, `state`, which overlays the time at which the kernel
 * opened the block:
 *
 *   EPB k, state, [tag k and state, four times], tail of EPB k-1
 *
 * so that after a kill the step in `state` is repeated with the same result. The stage of the whole
 * conversion overlays offset_to_priv (raw: 48); the block type, written last, marks it as complete.
 * The kernel rewrites everything stored here when it opens the block again. */
#include "encode.h"

#include "../base/crash.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <stdatomic.h>
#include <stddef.h>

#define SLOT_FIRST    48u /* also the kernel's offset_to_priv */
#define SLOT_ALIGN    8u
#define STAGE_RAW     48u
#define STAGE_PACKETS 1u
#define OPTION_FILLER 0x8AFCu /* of the codes for local use */
#define OPTION_END    4u      /* bytes */
#define FILLER_MAX    1000u   /* hcxpcapngtool refuses longer options */
#define TAG_STEPS     4u
#define AHEAD	      8u  /* slots, a power of two: 4 are too few, 16 are no better (measured) */
#define DATA_USUAL    84u /* where an Ethernet packet begins in its slot, with PACKET_RESERVE of 2 */

/* Overlays the block descriptor and the first slot's header. */
struct header {
	uint32_t type;
	uint32_t stage; /* STAGE_*; finally the header's length: only the header is missing */
	uint32_t status;
	uint32_t packets;
	uint32_t length;
	uint32_t block_length;
	uint64_t sequence;
	uint64_t state;
	uint32_t captured, truncated;
};

_Static_assert(offsetof(struct header, state) == CHUNK_AT_FIRST_NS &&
		       offsetof(struct header, truncated) == CHUNK_AT_TRUNCATED,
	       "the chunk header's fields");

/* `state`, unpacked: offsets of EPB k-1 (0: none) and k (version 0.1.0 has more in the two lowest
 * bits); the next step of restoring the tag of packet k, 0: none is left. */
struct state {
	uint32_t previous, current, tag_step;
};

/* A kill stops this thread itself: only the compiler must keep the order of the stores. */
#define STORE(field, value)                                                                        \
	do {                                                                                       \
		atomic_signal_fence(memory_order_seq_cst);                                         \
		__atomic_store_n(&(field), value, __ATOMIC_RELAXED);                               \
		atomic_signal_fence(memory_order_seq_cst);                                         \
	} while (0)

static void state_store(struct header *header, const struct state *s)
{
	if (crash_protocol_off() && s->previous)
		return;
	STORE(header->state,
	      (uint64_t)s->previous << 34 | (uint64_t)s->current << 4 | (uint64_t)s->tag_step);
}

static struct state state_load(const struct header *header)
{
	uint64_t v = header->state;

	return (struct state){ (uint32_t)(v >> 34), (uint32_t)(v >> 4 & 0x3fffffff),
			       (uint32_t)(v & 15) };
}

static uint32_t offset_of(uint32_t epb)
{
	return epb & ~3u;
}

/* Where an EPB's data end, padded; where the slot after them begins. */
static uint32_t data_end(const uint8_t *block, uint32_t epb)
{
	return offset_of(epb) + EPB_HEADER_BYTES +
	       round_up(get32(block + offset_of(epb) + EPB_AT_CAPTURED), 4);
}

static uint32_t slot_after(const uint8_t *block, uint32_t epb)
{
	return round_up(offset_of(epb) + EPB_HEADER_BYTES +
				get32(block + offset_of(epb) + EPB_AT_CAPTURED),
			SLOT_ALIGN);
}

/* Between Ethernet packets 52 or 56 bytes: stored here, as a call would cost more than they do. */
static inline void zeros_put(uint8_t *p, uint32_t n)
{
	if (n < 32 || n > 64) {
		memset(p, 0, n);
		return;
	}
	memset(p, 0, 32);
	memset(p + n - 32, 0, 32);
}

/* Writes `n` bytes of options, a multiple of 4: the number of packets lost before this one, if
 * there were any and there is space; fillers; the end of options, followed by four zeros if 8 bytes
 * are left. */
static void options_fill(uint8_t *p, uint32_t n, uint64_t drops)
{
	zeros_put(p, n);
	if (drops && n >= DROPCOUNT_BYTES + OPTION_END) {
		dropcount_put(p, drops);
		p += DROPCOUNT_BYTES;
		n -= DROPCOUNT_BYTES;
	}
	while (n > 2 * OPTION_END) {
		uint32_t piece = n - OPTION_END < FILLER_MAX ? n - OPTION_END : FILLER_MAX;

		put16(p, OPTION_FILLER);
		put16(p + 2, (uint16_t)(piece - 4));
		p += piece;
		n -= piece;
	}
}

/* Writes everything of an EPB after its data, up to `end`, and its two length fields. */
static inline void tail_put(uint8_t *block, uint32_t epb, uint32_t end, uint64_t drops)
{
	uint32_t data = data_end(block, epb), total = end - offset_of(epb);

	options_fill(block + data, end - 4 - data, drops);
	put32(block + offset_of(epb) + BLOCK_AT_LENGTH, total);
	put32(block + end - 4, total);
}

/* Writes the EPB header of the packet in a slot. Returns its offset, 0 if the slot cannot be
 * converted in place; then the block is not changed. */
static uint32_t epb_put(uint8_t *block, uint32_t block_bytes, uint32_t slot,
			const struct pcapng_context *context, bool *tagged)
{
	const struct tpacket3_hdr *h = (const struct tpacket3_hdr *)(const void *)(block + slot);
	uint64_t ns = h->tp_sec * UINT64_C(1000000000) + h->tp_nsec;
	uint32_t add, epb;

	*tagged = tag_missing(h->tp_status, h->tp_snaplen, context);
	add = *tagged ? VLAN_TAG_BYTES : 0;
	if (h->tp_mac % 4 || h->tp_mac < SLOT_FIRST + EPB_HEADER_BYTES + add ||
	    h->tp_mac > block_bytes - slot - SLOT_ALIGN ||
	    h->tp_snaplen > block_bytes - slot - SLOT_ALIGN - h->tp_mac)
		return 0;
	epb = slot + h->tp_mac - add - EPB_HEADER_BYTES;
	put32(block + epb, BLOCK_PACKET);
	put32(block + epb + EPB_AT_INTERFACE, 0); /* the file's only interface */
	put32(block + epb + EPB_AT_TIME_HIGH, (uint32_t)(ns >> 32));
	put32(block + epb + EPB_AT_TIME_LOW, (uint32_t)ns);
	put32(block + epb + EPB_AT_CAPTURED, h->tp_snaplen + add);
	put32(block + epb + EPB_AT_LENGTH, h->tp_len + add);
	return epb;
}

/* Restores the tag of the packet in a slot: moves the addresses down by 4 bytes, one 32-bit word a
 * step; the source of a step is intact until the next one begins. */
static void tag_put(uint8_t *block, uint32_t slot, struct header *header, struct state *s)
{
	const struct tpacket3_hdr *h = (const struct tpacket3_hdr *)(void *)(block + slot);
	uint16_t tpid = h->tp_status & TP_STATUS_VLAN_TPID_VALID ? h->hv1.tp_vlan_tpid
								 : 0x8100; /* ETH_P_8021Q */
	uint8_t *to = block + offset_of(s->current) + EPB_HEADER_BYTES;

	while (s->tag_step) {
		uint8_t *word = to + (s->tag_step - 1) * 4u;

		if (s->tag_step < TAG_STEPS)
			put32(word, get32(word + 4));
		else
			put32(word, htonl((uint32_t)tpid << 16 | (h->hv1.tp_vlan_tci & 0xffffu)));
		s->tag_step = s->tag_step < TAG_STEPS ? s->tag_step + 1 : 0;
		state_store(header, s);
	}
}

/* What is read and written of a slot: from the end of the packet before it to its data. */
PREFETCHES void slot_prefetch(const uint8_t *slot)
{
	__builtin_prefetch(slot - SLOT_ALIGN, 1);
	__builtin_prefetch(slot - SLOT_ALIGN + CACHE_LINE, 1);
	__builtin_prefetch(slot + DATA_USUAL - 1, 1);
}

/* A slot is known only once the one before it was read: one wait after the other. So slots ahead
 * are guessed: `step` bytes apart, as the last two; `before` is the step before it. */
PREFETCHES void slots_prefetch(const uint8_t *slot, uint32_t step, uint32_t before)
{
	slot_prefetch(slot);
	for (uint32_t i = step == before ? AHEAD : 1; i <= AHEAD; i *= 2)
		slot_prefetch(slot + (size_t)i * step);
}

/* Walks the untouched block as stage_packets() will. False: not all of its packets can be converted
 * in place. The counts are stored in the block. */
static bool raw_check(struct header *header, const struct afcap_block *block, uint32_t block_bytes,
		      const struct pcapng_context *context)
{
	struct afcap_block walk = *block;
	struct afcap_packet p = { 0 };
	const uint8_t *base = (const uint8_t *)header;
	uint32_t slot = SLOT_FIRST, last = SLOT_FIRST, step = 0, packets = 0, captured = 0,
		 truncated = 0;

	while (afcap_packet_next(&walk, &p)) {
		uint32_t at = (uint32_t)((const uint8_t *)p.slot - base);
		uint32_t mac = (uint32_t)(p.data - (const uint8_t *)p.slot);
		uint32_t add =
			tag_missing(p.status, p.capture_length, context) ? VLAN_TAG_BYTES : 0;

		slots_prefetch(base + at, at - last, step);
		step = at - last;
		last = at;
		if (at != slot || mac % 4 || mac < SLOT_FIRST + EPB_HEADER_BYTES + add ||
		    (packets == 0 &&
		     mac - add > CHUNK_HEADER_INPLACE_MAX + EPB_HEADER_BYTES - SLOT_FIRST) ||
		    (add && p.capture_length + add > context->snaplen))
			return false;
		slot = round_up(at + mac + p.capture_length, SLOT_ALIGN);
		if (slot > block_bytes - SLOT_ALIGN)
			return false;
		packets++;
		captured += p.capture_length;
		truncated += p.capture_length < p.length;
	}
	if (!packets || packets != block->packets || slot < header->block_length)
		return false;
	header->captured = captured;
	header->truncated = truncated;
	return true;
}

/* Converts the first packet: until the stage is stored, all that a repetition needs is as the
 * kernel left it. */
static bool stage_raw(struct header *header, const struct afcap_block *block, uint32_t block_bytes,
		      const struct pcapng_context *context)
{
	uint8_t *base = (uint8_t *)header;
	struct tpacket3_hdr *slot = (struct tpacket3_hdr *)(void *)(base + SLOT_FIRST);
	struct state s = { 0 };
	bool tagged;

	if (!raw_check(header, block, block_bytes, context))
		return false;
	s.current = epb_put(base, block_bytes, SLOT_FIRST, context, &tagged);
	if (!s.current)
		return false;
	s.tag_step = tagged;
	slot->tp_padding[1] = (uint8_t)offset_of(s.current); /* the chunk header's length */
	state_store(header, &s);
	STORE(header->stage, STAGE_PACKETS);
	return true;
}

/* A compromised worker may have written anything. */
static bool state_valid(const uint8_t *base, uint32_t block_bytes, const struct state *s)
{
	uint32_t current = offset_of(s->current), previous = offset_of(s->previous), slot, captured;

	if (current < CHUNK_HEADER_INPLACE_MIN || current > block_bytes - EPB_BYTES ||
	    previous > current)
		return false;
	if (s->previous && get32(base + previous + EPB_AT_CAPTURED) > current - previous)
		return false; /* checked before it is used in a sum */
	captured = get32(base + current + EPB_AT_CAPTURED);
	slot = s->previous ? slot_after(base, s->previous) : SLOT_FIRST;
	return captured <= block_bytes - current - EPB_BYTES && slot + SLOT_FIRST <= current &&
	       s->tag_step <= TAG_STEPS &&
	       (!s->tag_step || captured >= VLAN_TAG_AT + VLAN_TAG_BYTES);
}

/* Converts all packets, from the one in `state` on. False: the contents of the block contradict its
 * state. */
static bool stage_packets(struct header *header, uint32_t block_bytes,
			  const struct pcapng_context *context, uint64_t drops)
{
	uint8_t *base = (uint8_t *)header;
	const struct tpacket3_hdr *first =
		(const struct tpacket3_hdr *)(const void *)(base + SLOT_FIRST);
	uint32_t end, used = header->block_length, stage = first->tp_padding[1];
	struct state s = state_load(header);
	bool tagged;

	for (;;) {
		uint32_t slot, next;

		if (!state_valid(base, block_bytes, &s))
			return false;
		slot = s.previous ? slot_after(base, s.previous) : SLOT_FIRST;
		tag_put(base, slot, header, &s);
		if (s.previous)
			tail_put(base, s.previous, offset_of(s.current),
				 offset_of(s.previous) == stage ? drops : 0);
		next = slot_after(base, s.current);
		if (next >= used || next > block_bytes - SLOT_FIRST)
			break;
		s.previous = s.current;
		s.current = epb_put(base, block_bytes, next, context, &tagged);
		if (!s.current)
			return false;
		s.tag_step = tagged;
		state_store(header, &s);
	}
	if (stage < CHUNK_HEADER_INPLACE_MIN || stage > CHUNK_HEADER_INPLACE_MAX || stage % 4)
		return false;
	end = round_up(data_end(base, s.current) + 4, PCAPNG_INPLACE_ALIGN);
	if (end > block_bytes)
		return false;
	tail_put(base, s.current, end, offset_of(s.current) == stage ? drops : 0);
	header->length = end;
	put64(base + CHUNK_AT_LAST_NS,
	      (uint64_t)get32(base + offset_of(s.current) + EPB_AT_TIME_HIGH) << 32 |
		      get32(base + offset_of(s.current) + EPB_AT_TIME_LOW));
	STORE(header->stage, stage);
	return true;
}

/* Writes the chunk header; can be repeated after a kill. */
static void stage_header(struct header *header, const struct pcapng_context *context)
{
	uint8_t *base = (uint8_t *)header;
	uint32_t bytes = header->stage;

	put16(base + CHUNK_AT_WORKER, (uint16_t)context->worker);
	put16(base + CHUNK_AT_BLOCKS, 1);
	put64(base + CHUNK_AT_FIRST_NS, (uint64_t)get32(base + bytes + EPB_AT_TIME_HIGH) << 32 |
						get32(base + bytes + EPB_AT_TIME_LOW));
	put64(base + CHUNK_AT_DROPS, context->drops);
	put64(base + CHUNK_AT_FREEZES, context->freezes);
	if (header->status != CHUNK_MAGIC)
		put32(base + CHUNK_AT_FLAGS,
		      header->status & TP_STATUS_BLK_TMO ? CHUNK_BY_TIMEOUT : 0);
	memset(base + CHUNK_AT_FLAGS + 4, 0, bytes - CHUNK_AT_FLAGS - 8);
	put32(base + bytes - 4, bytes);
	STORE(header->status, CHUNK_MAGIC);
	STORE(header->type, CHUNK_TYPE);
}

bool pcapng_inplace_begun(const struct afcap_block *block)
{
	const struct header *header = (const struct header *)(const void *)block->desc;

	return header->type == CHUNK_TYPE || header->stage != STAGE_RAW;
}

static bool header_valid(const struct header *header, uint32_t block_bytes)
{
	return header->stage >= CHUNK_HEADER_INPLACE_MIN &&
	       header->stage <= CHUNK_HEADER_INPLACE_MAX && header->stage % 4 == 0 &&
	       header->length && header->length <= block_bytes &&
	       header->length % PCAPNG_INPLACE_ALIGN == 0 && header->packets;
}

/* The drops noted in the first packet's options, by this worker or one that died. */
static uint64_t drops_noted(const struct header *header)
{
	const uint8_t *base = (const uint8_t *)header;
	uint32_t first = header->stage, captured = get32(base + first + EPB_AT_CAPTURED);

	if (captured > header->length ||
	    data_end(base, first) + DROPCOUNT_BYTES + OPTION_END + 4 > header->length ||
	    get32(base + data_end(base, first)) != (OPTION_DROPCOUNT | 8u << 16))
		return 0;
	return get64(base + data_end(base, first) + 4);
}

bool pcapng_inplace(struct pcapng_chunk *chunk, const struct afcap_block *block,
		    uint32_t block_bytes, const struct pcapng_context *context)
{
	struct header *header = (struct header *)(uintptr_t)block->desc;
	bool whole = true;

	*chunk = (struct pcapng_chunk){ 0 };
	if (header->type != CHUNK_TYPE && header->stage == STAGE_RAW &&
	    !stage_raw(header, block, block_bytes, context))
		return false;
	if (header->type != CHUNK_TYPE && header->stage == STAGE_PACKETS)
		whole = stage_packets(header, block_bytes, context, drops_to_note(context, chunk));
	whole = whole && header_valid(header, block_bytes);
	if (whole && header->type != CHUNK_TYPE)
		stage_header(header, context);
	*chunk = (struct pcapng_chunk){ .buffer = (uint8_t *)header,
					.blocks = 1,
					.sequence = block->sequence,
					.unreadable = whole ? 0 : block->packets };
	if (!whole)
		return true;
	chunk->used = chunk->capacity = header->length;
	chunk->packets = header->packets;
	chunk->received_bytes = header->captured;
	chunk->truncated = header->truncated;
	chunk->by_timeout = get32((const uint8_t *)header + CHUNK_AT_FLAGS) & CHUNK_BY_TIMEOUT;
	chunk->first_ns = get64((const uint8_t *)header + CHUNK_AT_FIRST_NS);
	chunk->last_ns = get64((const uint8_t *)header + CHUNK_AT_LAST_NS);
	chunk->drops_noted = drops_noted(header);
	return true;
}
