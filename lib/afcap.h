/* libafcap: AF_PACKET rings (TPACKET_V3) and fanout groups.
 *
 * A handle is one packet socket with its mapped ring. The kernel fills the ring's blocks with
 * packets and hands over whole blocks; a reader acquires them in order, walks their packets where
 * they lie, and releases each block to the kernel again.
 *
 * The library never logs, prints, exits, or installs signal handlers. What can fail returns 0 or a
 * negative errno value and, where a `struct afcap_error` is given, a sentence that names the field,
 * the value and the rule. One thread at a time may use a handle, afcap_stop(), afcap_wake() and
 * afcap_stats() excepted. A handle must not be used on both sides of a fork(). */
#ifndef AFCAP_H
#define AFCAP_H

#include <linux/filter.h>
#include <linux/if_packet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AFCAP_VERSION "0.1.0"

/* The version of the library that is linked, as AFCAP_VERSION was when it was built. Static. */
const char *afcap_version(void);

/* What went wrong, in words. `code` is the positive errno value. */
struct afcap_error {
	int code;
	char text[240];
};

/* What a wait ended with; errors are negative errno values. */
enum afcap_result {
	AFCAP_READY = 0,   /* a block can be acquired */
	AFCAP_TIMEOUT = 1, /* the time passed without a block */
	AFCAP_STOPPED = 2, /* afcap_stop() was called; so do all later waits end */
	AFCAP_WOKEN = 3,   /* afcap_wake() was called since the last wait */
	AFCAP_DOWN = 4, /* the interface went down; it is captured again by itself once it is up */
	AFCAP_GONE = 5, /* the interface was deleted or moved away; a new handle is needed */
};

/* ---- ring geometry ---- */

#define AFCAP_BLOCKS_MAX 65536u /* the kernel's index is 16 bits wide and wraps silently above */
#define AFCAP_BLOCK_TIMEOUT_MAX                                                                    \
	65535u /* 16 bits before Linux 6.18; larger values were cut silently */

/* The size and shape of a receive ring. */
struct afcap_geometry {
	uint32_t block_bytes;	   /* a multiple of the page size */
	uint32_t blocks;	   /* 1 to AFCAP_BLOCKS_MAX */
	uint32_t block_timeout_ms; /* 1 to AFCAP_BLOCK_TIMEOUT_MAX: a block with a packet in it is
				    * handed over after this time even if it is not full */
	uint32_t reserve_bytes;	   /* room in front of each packet (PACKET_RESERVE), 0 to 4096 */
};

/* Makes a geometry of `ring_bytes` (rounded down to whole blocks) out of blocks of `block_bytes`.
 * Returns 0, or -EINVAL where no ring of that size can be (see afcap_geometry_check()). */
int afcap_geometry_solve(struct afcap_geometry *geometry, uint64_t ring_bytes, uint32_t block_bytes,
			 uint32_t block_timeout_ms, struct afcap_error *error);

/* Checks a geometry against all rules of the kernel (packet_set_ring() in net/packet/af_packet.c),
 * its silent traps included. Returns 0, or -EINVAL with the rule that is broken in `error` (may be
 * NULL). */
int afcap_geometry_check(const struct afcap_geometry *geometry, struct afcap_error *error);

/* The memory that the kernel takes for the ring, in bytes: each block is rounded up to a power of
 * two. */
uint64_t afcap_geometry_memory(const struct afcap_geometry *geometry);

/* ---- fanout ---- */

/* How the kernel spreads packets over the sockets of a group (PACKET_FANOUT_*). */
enum afcap_fanout_mode {
	AFCAP_FANOUT_HASH = 0,	   /* by flow, both directions to the same socket */
	AFCAP_FANOUT_LB = 1,	   /* round robin */
	AFCAP_FANOUT_CPU = 2,	   /* by the CPU that received the packet */
	AFCAP_FANOUT_ROLLOVER = 3, /* fills one socket, then the next */
	AFCAP_FANOUT_RND = 4,	   /* at random */
	AFCAP_FANOUT_QM = 5,	   /* by the network card's queue */
};

enum afcap_fanout_flag {
	AFCAP_FANOUT_FLAG_ROLLOVER = 0x1000,	    /* a full socket's packets go to another one */
	AFCAP_FANOUT_FLAG_UNIQUEID = 0x2000,	    /* the kernel picks an id that nobody uses */
	AFCAP_FANOUT_FLAG_IGNORE_OUTGOING = 0x4000, /* since Linux 6.2 */
	AFCAP_FANOUT_FLAG_DEFRAG = 0x8000,	    /* IPv4 fragments are put together first */
};

struct afcap_fanout {
	uint16_t id;
	uint16_t flags; /* afcap_fanout_flag */
	enum afcap_fanout_mode mode;
};

/* Joins the group `fanout`, or makes it. On return `fanout` says what the kernel did: with UNIQUEID
 * `id` is the group's and that flag is cleared, ready for the next member; IGNORE_OUTGOING is
 * cleared where the kernel does not know it (filter on the packet type then). Sockets should join
 * in the order in which they were created: the kernel joins them again in that order after the link
 * was down. Returns 0, -EINVAL (rule or mismatch with the group, told in `error`), -EALREADY,
 * -ENOSPC (group full). */
struct afcap;
int afcap_fanout_join(struct afcap *handle, struct afcap_fanout *fanout, struct afcap_error *error);

/* "hash", "lb", ... and back; NULL and -EINVAL for what is none. Static. */
const char *afcap_fanout_mode_name(enum afcap_fanout_mode mode);
int afcap_fanout_mode_parse(const char *name);

/* ---- open and close ---- */

struct afcap_options {
	size_t size;	       /* sizeof(struct afcap_options), set by afcap_options_init() */
	const char *interface; /* its name; must exist */
	int socket;	       /* made by afcap_socket(), owned by the handle then; -1: make one */
	struct afcap_geometry ring;
	bool promiscuous;
	bool paused;			   /* let nothing in until afcap_filter_set() or _clear() */
	const struct sock_fprog *filter;   /* borrowed during the call; NULL: every packet */
	const struct afcap_fanout *fanout; /* borrowed during the call; NULL: no group */
};

/* Defaults: blocks of 512 KiB, 128 of them, 64 ms, socket -1, all packets of no interface yet. */
void afcap_options_init(struct afcap_options *options);

/* A packet socket bound to nothing (protocol 0: no packet reaches it), close-on-exec.
 * The one call of the library that needs CAP_NET_RAW. Returns the descriptor or -errno (-EPERM). */
int afcap_socket(void);

/* Opens a ring on an interface in the order in which nothing is lost, doubled or foreign: version,
 * reserve, a filter that drops all, ring, mapping, bind, fanout, one discarded statistics read,
 * then the filter. On success *out is the handle; the caller closes it. On failure *out is
 * untouched and `error` (may be NULL) says why: -ENODEV, -ENETDOWN (the interface is down), -EPERM,
 * -EINVAL, -ENOMEM, -EBUSY. A socket given in the options is closed on failure, too. */
int afcap_open(struct afcap **out, const struct afcap_options *options, struct afcap_error *error);

/* Maps the ring of a socket that another process opened with this geometry, as it stands. The
 * handle owns `socket` on success; on failure the caller keeps it. See afcap_resume(). Returns 0,
 * -EINVAL (geometry is not that of the ring), -ENOMEM. */
int afcap_adopt(struct afcap **out, int socket, const struct afcap_geometry *geometry,
		struct afcap_error *error);

/* Unmaps the ring and closes the socket. NULL is safe. */
void afcap_close(struct afcap *handle);

/* The socket, borrowed until afcap_close(): for SCM_RIGHTS, and for the calls below that take a
 * socket. */
int afcap_fd(const struct afcap *handle);

/* The link type of the interface: ARPHRD_* of <net/if_arp.h>, or -errno (-ENODEV, -ENETDOWN). */
int afcap_link_type(const char *interface);

/* ---- reading by blocks ---- */

/* Waits until the next block can be acquired, at most timeout_ns (negative: for ever; rounded up to
 * whole milliseconds). Returns an enum afcap_result or -errno. Level-triggered in effect, although
 * the kernel's poll() on a ring is not usable that way while blocks are held. */
int afcap_wait(struct afcap *handle, int64_t timeout_ns);

/* Ends the current wait and all later ones with AFCAP_STOPPED. Safe in signal handlers, from any
 * thread. */
void afcap_stop(struct afcap *handle);

/* Ends the current or the next wait with AFCAP_WOKEN. Safe in signal handlers, from any thread. */
void afcap_wake(struct afcap *handle);

/* A block that user space owns; valid until it is released. */
struct afcap_block {
	const struct tpacket_block_desc *desc; /* borrowed from the ring */
	uint64_t sequence; /* 1, 2, ... in the order in which the kernel opened them */
	uint32_t index;	   /* place in the ring */
	uint32_t packets;
	uint32_t bytes;	 /* used, from the descriptor on; at most the block's size */
	uint32_t status; /* TP_STATUS_*: BLK_TMO (by timeout), LOSING (packets were dropped) */
};

/* Takes the next block. Several may be held; each is released once, in the order in which they were
 * acquired. Returns 0, or -EAGAIN when the kernel still owns it. */
int afcap_block_acquire(struct afcap *handle, struct afcap_block *block);

/* Gives a block back to the kernel, which overwrites it. */
void afcap_block_release(struct afcap *handle, const struct afcap_block *block);

/* After afcap_adopt(): all blocks before `index` whose sequence is below `sequence` were dealt with
 * by an earlier reader, which kept both numbers of the block it would have taken next. They are
 * released, and reading goes on at `index`. A new ring starts at (0, 1). Returns the number of
 * blocks released, or -ESTALE when the block at `index` is not the one with that sequence: another
 * ring, or wrong numbers. */
int afcap_resume(struct afcap *handle, uint32_t index, uint64_t sequence);

/* One packet in an acquired block; `data` is borrowed until the block is released. */
struct afcap_packet {
	const uint8_t *data;
	uint32_t capture_length; /* bytes in `data` */
	uint32_t length;	 /* bytes the packet had */
	uint32_t seconds, nanoseconds;
	uint32_t status;   /* TP_STATUS_*; VLAN_VALID: vlan_tci holds a tag that is not in `data` */
	uint16_t vlan_tci; /* PCP, DEI, VID */
	uint16_t vlan_tpid;  /* 0x8100 where the kernel does not tell */
	uint32_t next, seen; /* the walk's own: zero before the first call */
};

/* The next packet of a block, in the order of arrival: start with a zeroed `packet`. False at the
 * end, and at the first slot that does not lie within the block (packet->seen < block->packets
 * then). Inline because it runs once a packet. A slot that the kernel left unfilled (no
 * TP_STATUS_USER) is passed over. */
static inline bool afcap_packet_next(const struct afcap_block *block, struct afcap_packet *packet)
{
	const uint8_t *base = (const uint8_t *)block->desc;
	const struct tpacket3_hdr *header;

	if (packet->seen == 0)
		packet->next = block->desc->hdr.bh1.offset_to_first_pkt;
	do {
		uint64_t end;

		if (packet->seen >= block->packets ||
		    packet->next < sizeof(struct tpacket_block_desc) || packet->next % 8 ||
		    (uint64_t)packet->next + sizeof(*header) > block->bytes)
			return false;
		header = (const struct tpacket3_hdr *)(const void *)(base + packet->next);
		end = (uint64_t)packet->next + header->tp_mac + header->tp_snaplen;
		if (header->tp_mac < sizeof(*header) || end > block->bytes)
			return false;
		packet->data = base + packet->next + header->tp_mac;
		packet->seen++;
		packet->next += header->tp_next_offset ? header->tp_next_offset : block->bytes;
	} while (!(header->tp_status & TP_STATUS_USER));
	packet->capture_length = header->tp_snaplen;
	packet->length = header->tp_len;
	packet->seconds = header->tp_sec;
	packet->nanoseconds = header->tp_nsec;
	packet->status = header->tp_status;
	packet->vlan_tci = (uint16_t)header->hv1.tp_vlan_tci;
	packet->vlan_tpid =
		header->tp_status & TP_STATUS_VLAN_TPID_VALID ? header->hv1.tp_vlan_tpid : 0x8100;
	return true;
}

/* ---- filters ----
 * These take the socket, so that a process that holds a duplicate of it can use them. */

/* Attaches a classic BPF program (borrowed during the call); it replaces the one before at once,
 * without a gap. Its return value is the snapshot length. Returns 0, -EINVAL, -ENOMEM, -EPERM
 * (filter locked). */
int afcap_filter_set(int socket, const struct sock_fprog *program);

/* Lets nothing in: what arrives is not seen, and in no counter. */
int afcap_filter_drop_all(int socket);

/* Takes the filter away: everything comes in, whole. 0 also when there was none. */
int afcap_filter_clear(int socket);

/* ---- statistics ---- */

struct afcap_stats {
	uint64_t packets; /* passed the filter, drops included */
	uint64_t drops;	  /* of these, the kernel had no room for */
	uint64_t freezes; /* times the ring was found full */
};

/* The totals since the handle was made. From any thread at any time, as long as nobody else reads
 * them from the same socket (reading resets the kernel's). Returns 0 or -errno. */
int afcap_stats(struct afcap *handle, struct afcap_stats *stats);

/* Reads and resets the kernel's counters: packets, drops, freezes since the last read, written by
 * the kernel itself straight to `counts`, whatever happens to the caller. They wrap at 2^32.
 * Returns 0 or -errno. */
int afcap_stats_take(int socket, uint32_t counts[3]);

#ifdef __cplusplus
}
#endif
#endif
