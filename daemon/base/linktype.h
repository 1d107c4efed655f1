/* Link types, which say what header a packet in a file has (LINKTYPE_*,
 * www.tcpdump.org/linktypes.html), and the interface name that stands for all interfaces. */
#ifndef LINKTYPE_H
#define LINKTYPE_H

#define LINKTYPE_ETHERNET   1
#define LINKTYPE_RAW	    101
#define LINKTYPE_LINUX_SLL  113 /* cooked: one header for packets of all kinds of interfaces */
#define LINKTYPE_LINUX_SLL2 276 /* its second version */

#define INTERFACE_ANY	    "any"
#define COOKED_HEADER_BYTES 20u /* at most */
#define COOKED_HEADER(type) ((type) == LINKTYPE_LINUX_SLL ? 16u : 20u)
#define IS_COOKED(type)	    ((type) == LINKTYPE_LINUX_SLL || (type) == LINKTYPE_LINUX_SLL2)
/* The longest packet that readers accept from a file: libpcap (MAXIMUM_SNAPLEN of pcap-int.h) and
 * Wireshark (WTAP_MAX_PACKET_SIZE_STANDARD of wiretap/wtap.h) refuse a longer one. */
#define PACKET_BYTES_MAX 262144u

#endif
