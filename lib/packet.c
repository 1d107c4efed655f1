/* One packet: what the kernel says of it, and its VLAN tag back in place. */
#include "internal.h"

#include <arpa/inet.h>
#include <string.h>

#define ADDRESSES_BYTES 12u
#define TAG_BYTES	4u
#define VID_MASK	0x0fffu
#define DEI_BIT		0x1000u
#define PCP_SHIFT	13

static enum afcap_checksum checksum_of(uint32_t status)
{
	if (status & TP_STATUS_CSUMNOTREADY)
		return AFCAP_CHECKSUM_NOT_READY;
	return status & TP_STATUS_CSUM_VALID ? AFCAP_CHECKSUM_VALID : AFCAP_CHECKSUM_UNKNOWN;
}

AFCAP_PUBLIC void afcap_packet_meta(const struct afcap_packet *p, struct afcap_packet_meta *meta)
{
	const struct sockaddr_ll *link = p->link;

	*meta = (struct afcap_packet_meta){
		.type = (enum afcap_packet_type)link->sll_pkttype,
		.hatype = link->sll_hatype,
		.protocol = ntohs(link->sll_protocol),
		.ifindex = link->sll_ifindex,
		.address_bytes = link->sll_halen,
		.vlan = p->vlan_restored || p->status & TP_STATUS_VLAN_VALID,
		.rxhash = p->rxhash,
		.checksum = checksum_of(p->status),
		.timestamp = p->status & TP_STATUS_TS_RAW_HARDWARE ? AFCAP_TIMESTAMP_HARDWARE
								   : AFCAP_TIMESTAMP_SOFTWARE,
		.gso_tcp = p->status & TP_STATUS_GSO_TCP,
		.losing = p->status & TP_STATUS_LOSING,
		.truncated = p->capture_length < p->length,
	};
	if (meta->address_bytes > sizeof(meta->address))
		meta->address_bytes = sizeof(meta->address);
	memcpy(meta->address, link->sll_addr, meta->address_bytes);
	if (!meta->vlan)
		return;
	meta->vlan_vid = p->vlan_tci & VID_MASK;
	meta->vlan_dei = p->vlan_tci & DEI_BIT;
	meta->vlan_pcp = (uint8_t)(p->vlan_tci >> PCP_SHIFT);
	meta->vlan_tpid = p->vlan_tpid;
}

/* The header's fields follow, so that a second walk finds the packet as it stands now. */
static void slot_follow(const struct afcap_packet *p)
{
	const uint32_t flags = TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID;
	struct tpacket2_hdr *v2 = p->slot;
	struct tpacket3_hdr *v3 = p->slot;

	if ((const uint8_t *)p->link == (uint8_t *)p->slot + sizeof(*v3)) {
		v3->tp_mac = (uint16_t)(v3->tp_mac - TAG_BYTES);
		v3->tp_snaplen += TAG_BYTES;
		v3->tp_len += TAG_BYTES;
		v3->tp_status &= ~flags;
	} else {
		v2->tp_mac = (uint16_t)(v2->tp_mac - TAG_BYTES);
		v2->tp_snaplen += TAG_BYTES;
		v2->tp_len += TAG_BYTES;
		v2->tp_status &= ~flags;
	}
}

/* Bytes of link-layer header in the data: 0 with AFCAP_DGRAM */
static uint32_t mac_bytes(const struct afcap_packet *p)
{
	const struct tpacket2_hdr *v2 = p->slot;
	const struct tpacket3_hdr *v3 = p->slot;
	bool is_v3 = (const uint8_t *)p->link == (const uint8_t *)p->slot + sizeof(*v3);
	uint32_t mac = is_v3 ? v3->tp_mac : v2->tp_mac, net = is_v3 ? v3->tp_net : v2->tp_net;

	return net > mac ? net - mac : 0;
}

AFCAP_PUBLIC bool afcap_vlan_restore(struct afcap_packet *p)
{
	uint8_t *data = (uint8_t *)(uintptr_t)p->data;
	uint32_t vnet = p->vnet_header ? (uint32_t)(data - (const uint8_t *)p->vnet_header) : 0;
	uint8_t tag[TAG_BYTES] = { (uint8_t)(p->vlan_tpid >> 8), (uint8_t)p->vlan_tpid,
				   (uint8_t)(p->vlan_tci >> 8), (uint8_t)p->vlan_tci };

	if (!(p->status & TP_STATUS_VLAN_VALID) || p->capture_length < ADDRESSES_BYTES ||
	    mac_bytes(p) < ADDRESSES_BYTES + 2 ||
	    data - vnet - TAG_BYTES < (const uint8_t *)(p->link + 1))
		return false;
	if (vnet) {
		memmove(data - vnet - TAG_BYTES, p->vnet_header, vnet);
		p->vnet_header = data - vnet - TAG_BYTES;
	}
	memmove(data - TAG_BYTES, data, ADDRESSES_BYTES);
	memcpy(data - TAG_BYTES + ADDRESSES_BYTES, tag, TAG_BYTES);
	p->data = data - TAG_BYTES;
	p->capture_length += TAG_BYTES;
	p->length += TAG_BYTES;
	p->status &= ~(uint32_t)(TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID);
	p->vlan_restored = true;
	slot_follow(p);
	return true;
}
