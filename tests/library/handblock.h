/* Ring blocks made by hand, as the kernel fills them. */
#ifndef HANDBLOCK_H
#define HANDBLOCK_H

#include "../../lib/afcap.h"

#include <stdlib.h>
#include <string.h>

struct handblock {
	struct tpacket_block_desc *desc;
	uint32_t bytes, used, last; /* size; filled so far; offset of the last slot, 0: none */
};

static inline struct handblock handblock_new(uint32_t bytes, uint64_t sequence)
{
	struct handblock b = { calloc(1, bytes), bytes, sizeof(struct tpacket_block_desc), 0 };

	b.desc->version = 2;
	b.desc->offset_to_priv = sizeof(struct tpacket_block_desc);
	b.desc->hdr.bh1.offset_to_first_pkt = sizeof(struct tpacket_block_desc);
	b.desc->hdr.bh1.seq_num = sequence;
	b.desc->hdr.bh1.block_status = TP_STATUS_USER;
	b.desc->hdr.bh1.blk_len = b.used;
	return b;
}

/* A packet of `captured` bytes at mac offset `mac`; byte i is seed + i. Returns its header, to be
 * changed. */
static inline struct tpacket3_hdr *handblock_add(struct handblock *b, uint32_t captured,
						 uint32_t mac, uint8_t seed)
{
	struct tpacket3_hdr *h = (void *)((char *)b->desc + b->used);

	if (b->last)
		((struct tpacket3_hdr *)(void *)((char *)b->desc + b->last))->tp_next_offset =
			b->used - b->last;
	h->tp_status = TP_STATUS_USER;
	h->tp_mac = (uint16_t)mac;
	h->tp_net = (uint16_t)(mac + 14);
	h->tp_snaplen = h->tp_len = captured;
	h->tp_sec = 1700000000;
	h->tp_nsec = 5 + b->desc->hdr.bh1.num_pkts;
	for (uint32_t i = 0; i < captured; i++)
		((uint8_t *)h)[mac + i] = (uint8_t)(seed + i);
	b->last = b->used;
	b->used = (b->used + mac + captured + 7) & ~7u;
	b->desc->hdr.bh1.num_pkts++;
	b->desc->hdr.bh1.blk_len = b->used;
	return h;
}

static inline struct afcap_block handblock_view(const struct handblock *b)
{
	return (struct afcap_block){ .desc = b->desc,
				     .sequence = b->desc->hdr.bh1.seq_num,
				     .packets = b->desc->hdr.bh1.num_pkts,
				     .bytes = b->desc->hdr.bh1.blk_len,
				     .status = b->desc->hdr.bh1.block_status };
}

#endif
