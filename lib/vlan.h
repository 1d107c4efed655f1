/* Restores a VLAN tag in the ring. Inline, as afcap_read() does it once per packet. */
#ifndef AFCAP_VLAN_H
#define AFCAP_VLAN_H

#include "internal.h"

#include <arpa/inet.h>
#include <string.h>

#define VLAN_ADDRESSES_BYTES 12u
#define VLAN_TAG_BYTES	     4u

/* Where the fields of a slot's header are, which differ between V2 and V3 */
struct vlan_layout {
	size_t header, status, length, capture_length, mac, net;
};

#define VLAN_LAYOUT(type)                                                                          \
	(struct vlan_layout)                                                                       \
	{                                                                                          \
		sizeof(type), offsetof(type, tp_status), offsetof(type, tp_len),                   \
			offsetof(type, tp_snaplen), offsetof(type, tp_mac), offsetof(type, tp_net) \
	}

static inline uint32_t *vlan_field(const struct afcap_packet *p, size_t at)
{
	return (uint32_t *)(void *)((uint8_t *)p->slot + at);
}

/* The header's fields are updated, so that a second walk finds the packet as it is now. Written
 * without arrays, as it runs once per packet: measured by `make bench-lib`. */
static inline __attribute__((always_inline)) bool vlan_restore(struct afcap_packet *p,
							       const struct vlan_layout l)
{
	const uint32_t flags = TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID;
	uint32_t vnet = p->vnet_header ? AFCAP_VNET_HEADER_BYTES : 0, addresses_end;
	uint32_t tag = htonl((uint32_t)p->vlan_tpid << 16 | p->vlan_tci);
	uint16_t *mac = (uint16_t *)(void *)vlan_field(p, l.mac);
	uint16_t net = *(uint16_t *)(void *)vlan_field(p, l.net);
	uint8_t *data = (uint8_t *)p->slot + *mac;
	uint64_t addresses;

	if (!(p->status & TP_STATUS_VLAN_VALID))
		return false;
	/* A copy has no space before it; AFCAP_DGRAM has no link-layer header. */
	if (p->capture_length < VLAN_ADDRESSES_BYTES || p->data != data ||
	    net < *mac + VLAN_ADDRESSES_BYTES + 2 ||
	    *mac < l.header + sizeof(struct sockaddr_ll) + vnet + VLAN_TAG_BYTES)
		return false;
	if (vnet) {
		memmove(data - vnet - VLAN_TAG_BYTES, p->vnet_header, vnet);
		p->vnet_header = data - vnet - VLAN_TAG_BYTES;
	}
	memcpy(&addresses, data, 8);
	memcpy(&addresses_end, data + 8, 4);
	memcpy(data - VLAN_TAG_BYTES, &addresses, 8);
	memcpy(data - VLAN_TAG_BYTES + 8, &addresses_end, 4);
	memcpy(data - VLAN_TAG_BYTES + VLAN_ADDRESSES_BYTES, &tag, VLAN_TAG_BYTES);
	*mac = (uint16_t)(*mac - VLAN_TAG_BYTES);
	*vlan_field(p, l.capture_length) = p->capture_length += VLAN_TAG_BYTES;
	*vlan_field(p, l.length) = p->length += VLAN_TAG_BYTES;
	*vlan_field(p, l.status) &= ~flags;
	p->status &= ~flags;
	p->data = data - VLAN_TAG_BYTES;
	p->vlan_restored = true;
	return true;
}

#endif
