/* Blocks of TPACKET_V3: acquire, release, resume. */
#include "internal.h"

#include <errno.h>

static struct tpacket_block_desc *block_at(const struct afcap *h, uint32_t index)
{
	return (struct tpacket_block_desc *)(void *)(h->rx.map +
						     (size_t)index * h->rx.geometry.block_bytes);
}

/* Pairs with the kernel's barrier before it stores the status in prb_close_block(): all else in the
 * block is read after this. */
static uint32_t block_status(const struct tpacket_block_desc *desc)
{
	return __atomic_load_n(&desc->hdr.bh1.block_status, __ATOMIC_ACQUIRE);
}

/* Exactly 0, and last: the kernel writes into the block as soon as it sees it. */
static void block_free(struct tpacket_block_desc *desc)
{
	__atomic_store_n(&desc->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
}

static bool is_v3(const struct afcap *h)
{
	return h->rx.geometry.blocks && h->rx.geometry.version == AFCAP_TPACKET_V3;
}

AFCAP_PUBLIC bool afcap_block_waiting(const struct afcap *h, uint32_t ahead)
{
	uint32_t n = h->rx.geometry.blocks;

	return is_v3(h) && ahead < n && h->held < n - ahead &&
	       block_status(block_at(h, (uint32_t)(((uint64_t)h->rx.next + ahead) % n))) &
		       TP_STATUS_USER;
}

/* A reader that holds the whole ring would otherwise take its own blocks again. */
bool block_ready(const struct afcap *h)
{
	return h->held < h->rx.geometry.blocks &&
	       block_status(block_at(h, h->rx.next)) & TP_STATUS_USER;
}

AFCAP_PUBLIC int afcap_block_acquire(struct afcap *h, struct afcap_block *block)
{
	const struct tpacket_block_desc *desc;
	uint32_t bytes, maximum = h->rx.geometry.block_bytes;

	if (!is_v3(h))
		return -EOPNOTSUPP;
	if (!block_ready(h))
		return -EAGAIN;
	desc = block_at(h, h->rx.next);
	bytes = desc->hdr.bh1.blk_len;
	*block = (struct afcap_block){
		.desc = desc,
		.sequence = desc->hdr.bh1.seq_num,
		.index = h->rx.next,
		.packets = desc->hdr.bh1.num_pkts,
		.bytes = bytes < maximum ? bytes : maximum,
		.status = desc->hdr.bh1.block_status,
		.vnet_header_bytes = h->vnet_header_bytes,
	};
	count_add(block->status & TP_STATUS_BLK_TMO ? &h->counts.blocks_timeout
						    : &h->counts.blocks_full,
		  1);
	h->held++;
	h->rx.next = h->rx.next + 1 == h->rx.geometry.blocks ? 0 : h->rx.next + 1;
	return 0;
}

AFCAP_PUBLIC void afcap_block_release(struct afcap *h, const struct afcap_block *block)
{
	count_add(&h->counts.received, block->walked_packets);
	count_add(&h->counts.received_bytes, block->walked_bytes);
	count_add(&h->counts.truncated, block->walked_truncated);
	block_free(block_at(h, block->index));
	if (h->held)
		h->held--;
}

AFCAP_PUBLIC void *afcap_block_priv(const struct afcap_block *block)
{
	return (uint8_t *)(uintptr_t)block->desc + block->desc->offset_to_priv;
}

AFCAP_PUBLIC int afcap_resume(struct afcap *h, uint32_t index, uint64_t sequence)
{
	uint32_t n = h->rx.geometry.blocks, done = 0;
	const struct tpacket_block_desc *next;

	if (!is_v3(h))
		return frame_resume(h, index);
	if (index >= n)
		return -ESTALE;
	next = block_at(h, index);
	while (done < n) {
		const struct tpacket_block_desc *desc = block_at(h, (index + n - 1 - done) % n);
		uint64_t seen = desc->hdr.bh1.seq_num;

		if (!(block_status(desc) & TP_STATUS_USER) || seen >= sequence)
			break;
		if (seen + 1 + done != sequence) /* sequences never gap: another ring's numbers */
			return -ESTALE;
		done++;
	}
	/* If every block was processed, the one at `index` is the oldest of them; else it is the
	 * next one. */
	if (done < n && block_status(next) & TP_STATUS_USER && next->hdr.bh1.seq_num != sequence)
		return -ESTALE;
	for (uint32_t i = done; i > 0; i--)
		block_free(block_at(h, (index + n - i) % n));
	h->rx.next = index;
	return (int)done;
}
