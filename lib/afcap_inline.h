/* The part of libafcap that is compiled into programs, as it runs once per packet: a part of
 * <afcap.h>, which includes it; not to be included alone. The library has it as symbols of the same
 * names, too, for languages that can only bind symbols (inline.c). */
#ifndef AFCAP_INLINE_H
#define AFCAP_INLINE_H

#ifndef AFCAP_INLINE
#define AFCAP_INLINE static inline
#endif

/* The next packet of a block, in the order of arrival: start with a zeroed `packet`. False at the
 * end, and at the first slot that does not lie within the block (packet->seen < block->packets
 * then). An unfilled slot (no TP_STATUS_USER) is skipped. The layout of a block:
 * [prb_fill_curr_block(), prb_close_block(), tpacket_rcv()]. */
AFCAP_INLINE bool afcap_packet_next(struct afcap_block *block, struct afcap_packet *packet);

AFCAP_INLINE bool afcap_packet_next(struct afcap_block *block, struct afcap_packet *packet)
{
	uint8_t *base = (uint8_t *)(uintptr_t)block->desc;
	const uint32_t slot_bytes = sizeof(struct tpacket3_hdr) + sizeof(struct sockaddr_ll);
	struct tpacket3_hdr *header;
	uint32_t step;

	if (packet->seen == 0)
		packet->next = block->desc->hdr.bh1.offset_to_first_pkt;
	do {
		if (packet->seen >= block->packets ||
		    packet->next < sizeof(struct tpacket_block_desc) || packet->next % 8 ||
		    (uint64_t)packet->next + slot_bytes > block->bytes)
			return false;
		header = (struct tpacket3_hdr *)(void *)(base + packet->next);
		if (header->tp_mac < slot_bytes + block->vnet_header_bytes ||
		    (uint64_t)packet->next + header->tp_mac + header->tp_snaplen > block->bytes)
			return false;
		packet->seen++;
		step = header->tp_next_offset; /* 0: the last one; only forward, so that the walk
						  ends */
		packet->next = step && step < block->bytes - packet->next ? packet->next + step
									  : block->bytes;
	} while (!(header->tp_status & TP_STATUS_USER));
	packet->slot = header;
	packet->data = (uint8_t *)header + header->tp_mac;
	packet->link = (const struct sockaddr_ll *)(const void *)(header + 1);
	packet->vnet_header =
		block->vnet_header_bytes ? packet->data - AFCAP_VNET_HEADER_BYTES : NULL;
	packet->capture_length = header->tp_snaplen;
	packet->length = header->tp_len;
	packet->seconds = header->tp_sec;
	packet->nanoseconds = header->tp_nsec;
	packet->status = header->tp_status | (block->status & TP_STATUS_LOSING);
	packet->vlan_tci = (uint16_t)header->hv1.tp_vlan_tci;
	packet->vlan_tpid =
		header->tp_status & TP_STATUS_VLAN_TPID_VALID ? header->hv1.tp_vlan_tpid : 0x8100;
	packet->vlan_restored = false;
	packet->rxhash = header->hv1.tp_rxhash;
	block->walked_packets++;
	block->walked_bytes += header->tp_snaplen;
	block->walked_truncated += header->tp_snaplen < header->tp_len;
	return true;
}

#endif
