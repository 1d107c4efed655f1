/* sockaddr_ll into LINKTYPE_LINUX_SLL2 and LINKTYPE_LINUX_SLL. */
#include "cooked.h"

#include "../base/bytes.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <string.h>

/* Whether a packet is of `protocol` from its first byte on, although its third and fourth bytes
 * look as if it began with another tag. (An ARP packet never looks like that.) */
static bool is_plain(const struct afcap_packet *packet, uint16_t protocol)
{
	const uint8_t *data = packet->data;

	if (protocol == ETH_P_IP)
		return data[0] >> 4 == 4 && get16_net(data + 2) == packet->length;
	if (protocol == ETH_P_IPV6)
		return data[0] >> 4 == 6 && packet->capture_length >= 6 &&
		       get16_net(data + 4) + 40u <= packet->length;
	return protocol != ETH_P_ARP;
}

/* Newer kernels report the innermost protocol of a packet with several tags. Only the first tag of
 * an incoming packet is stripped, though: the packet begins with the next tag's TCI, and that tag's
 * TPID is not reported. */
static bool begins_with_tag(const struct afcap_packet *packet, uint16_t protocol)
{
	const uint8_t *type = packet->data + 2, *end = packet->data + packet->capture_length;

	if (!(packet->status & TP_STATUS_VLAN_VALID) ||
	    packet->link->sll_pkttype == PACKET_OUTGOING)
		return false;
	while (end - type >= 6 &&
	       (get16_net(type) == ETH_P_8021Q || get16_net(type) == ETH_P_8021AD))
		type += 4;
	return end - type >= 2 && get16_net(type) == protocol && !is_plain(packet, protocol);
}

/* The protocol that the packet begins with. */
static uint16_t protocol_of(const struct afcap_packet *packet)
{
	uint16_t protocol = ntohs(packet->link->sll_protocol);

	return begins_with_tag(packet, protocol) ? ETH_P_8021Q : protocol;
}

/* The field after a tag's TCI. 802.2 and 802.3 frames have their length there; the kernel reports
 * them with protocol numbers of its own. */
static uint16_t protocol_within(uint16_t protocol, uint32_t length)
{
	if (protocol != ETH_P_802_2 && protocol != ETH_P_802_3)
		return protocol;
	return (uint16_t)(length < ETH_DATA_LEN ? length : ETH_DATA_LEN);
}

static void address_put(uint8_t *p, const struct sockaddr_ll *link)
{
	size_t bytes = link->sll_halen;

	if (bytes > sizeof(link->sll_addr))
		bytes = sizeof(link->sll_addr);
	memcpy(p, link->sll_addr, bytes);
}

static void sll_put(uint8_t *header, const struct sockaddr_ll *link, uint16_t protocol)
{
	put16_net(header, link->sll_pkttype);
	put16_net(header + 2, link->sll_hatype);
	put16_net(header + 4, link->sll_halen);
	address_put(header + 6, link);
	put16_net(header + 14, protocol);
}

static void sll2_put(uint8_t *header, const struct sockaddr_ll *link, uint16_t protocol)
{
	put16_net(header, protocol);
	put32_net(header + 4, (uint32_t)link->sll_ifindex);
	put16_net(header + 8, link->sll_hatype);
	header[10] = link->sll_pkttype;
	header[11] = link->sll_halen;
	address_put(header + 12, link);
}

uint32_t cooked_header(uint8_t *header, const struct afcap_packet *packet, uint32_t link_type,
		       bool tagged)
{
	uint16_t within = protocol_of(packet), protocol = tagged ? packet->vlan_tpid : within;
	uint32_t bytes = COOKED_HEADER(link_type);

	memset(header, 0, bytes);
	if (link_type == LINKTYPE_LINUX_SLL)
		sll_put(header, packet->link, protocol);
	else
		sll2_put(header, packet->link, protocol);
	if (!tagged)
		return bytes;
	put16_net(header + bytes, packet->vlan_tci);
	put16_net(header + bytes + 2, protocol_within(within, packet->length));
	return bytes + COOKED_TAG_BYTES;
}
