/* One packet: its metadata from the kernel, and restoring its VLAN tag. */
#include "vlan.h"

#include <arpa/inet.h>
#include <string.h>

#define VID_MASK  0x0fffu
#define DEI_BIT	  0x1000u
#define PCP_SHIFT 13

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

AFCAP_PUBLIC bool afcap_vlan_restore(struct afcap_packet *p)
{
	if ((const uint8_t *)p->link == (const uint8_t *)p->slot + sizeof(struct tpacket3_hdr))
		return vlan_restore(p, VLAN_LAYOUT(struct tpacket3_hdr));
	return vlan_restore(p, VLAN_LAYOUT(struct tpacket2_hdr));
}
