/* What stands in front of a packet in a file (LINKTYPE_*, www.tcpdump.org/linktypes.html), and the
 * one interface that is none: all of them. */
#ifndef LINKTYPE_H
#define LINKTYPE_H

#define LINKTYPE_ETHERNET   1
#define LINKTYPE_RAW	    101
#define LINKTYPE_LINUX_SLL2 276 /* cooked: a header for packets of all kinds of interfaces */

#define INTERFACE_ANY	  "any"
#define COOKED_HEAD_BYTES 20u
/* The longest packet that readers take from a file: libpcap and Wireshark refuse a longer one. */
#define PACKET_BYTES_MAX 262144u

#endif
