/* The header of cooked packets: packets captured on all interfaces come without a link-layer
 * header, and a header made of the kernel's metadata replaces it. Pure.
 *
 * Offsets in bytes, network byte order; LINKTYPE_LINUX_SLL2
 * (www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html):
 *
 *    0  u16  protocol: ETH_P_*
 *    2  u16  zero
 *    4  u32  interface index
 *    8  u16  ARPHRD_* of the interface
 *   10  u8   packet type: 0 to this machine ... 4 from it
 *   11  u8   length of the sender's link-layer address
 *   12       its first 8 bytes, padded with zeros
 *   20       the packet from its network layer on
 *
 * LINKTYPE_LINUX_SLL, the first version (www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL.html):
 *
 *    0  u16  packet type
 *    2  u16  ARPHRD_*
 *    4  u16  length of the address
 *    6       its first 8 bytes, padded with zeros
 *   14  u16  protocol
 *   16       the packet
 *
 * With a VLAN tag, `protocol` is its TPID, and 4 bytes precede the packet: TCI and the inner
 * protocol. */
#ifndef COOKED_H
#define COOKED_H

#include "../base/linktype.h"
#include "../../lib/afcap.h"

#define COOKED_TAG_BYTES 4u
#define COOKED_BYTES_MAX (COOKED_HEADER_BYTES + COOKED_TAG_BYTES)

/* Writes the header of this link type and, if `tagged`, the tag that the kernel stripped to
 * `header` (COOKED_BYTES_MAX). Returns their length. */
uint32_t cooked_header(uint8_t *header, const struct afcap_packet *packet, uint32_t link_type,
		       bool tagged);

#endif
