/* libafcap: AF_PACKET rings (TPACKET_V1, V2, V3), fanout groups, sending.
 *
 * A handle is one packet socket with its mapped rings. afcap_read() and its variants give one
 * packet at a time, whatever the ring's version. With TPACKET_V3 the kernel fills blocks with
 * packets and hands over whole blocks; a reader may also acquire them in order, walk their packets
 * in place, and release each block to the kernel.
 *
 * The library never logs, prints, exits, or installs signal handlers. What can fail returns 0 or a
 * negative errno value and, where a `struct afcap_error` is given (it may be NULL), a sentence that
 * names the field, the value and the rule. A descriptor of -1 is none. A struct of options begins
 * with its size, which its afcap_*_init() sets: a field that a program of an older version does not
 * have gets its default; a field that the library does not know, set by a program of a newer
 * version, is -E2BIG.
 *
 * One thread at a time may read from a handle, and one may send; afcap_stop(), afcap_wake(),
 * afcap_stats() and what takes a socket may be called from any thread at any time before
 * afcap_close(). A handle must not be used on both sides of a fork().
 *
 * The source of a rule is in brackets: a function of the kernel's net/packet/af_packet.c, as of
 * Linux 6.18, where no file is named; <if_packet.h> is <linux/if_packet.h>. */
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

const char *afcap_version(void); /* of the library that is linked; static */

/* A description of what failed. */
struct afcap_error {
	int code; /* the positive errno value */
	char text[240];
};

/* Results of a wait or a read; errors are negative errno values. */
enum afcap_result {
	AFCAP_READY = 0,   /* a packet or a block is available */
	AFCAP_TIMEOUT = 1, /* the time passed without a block */
	AFCAP_STOPPED = 2, /* afcap_stop() was called; all later waits end so, too */
	AFCAP_WOKEN = 3,   /* afcap_wake() was called since the last wait */
	AFCAP_DOWN = 4,	   /* the interface went down; captured again by itself once it is up */
	AFCAP_GONE =
		5, /* it was deleted or moved away; a new handle is needed [packet_notifier()] */
};
/* The text for one of these or a negative errno value, as packet sockets use it. Static. */
const char *afcap_strerror(int result);

/* How ring and socket are laid out: TPACKET_V1 to V3 [<if_packet.h>: enum tpacket_versions]. */
enum afcap_tpacket {
	AFCAP_TPACKET_HIGHEST = 0, /* the highest that the kernel has */
	AFCAP_TPACKET_V1 = 1,	   /* microseconds; no VLAN tag [struct tpacket_hdr] */
	AFCAP_TPACKET_V2 = 2,	   /* one packet a frame of fixed size */
	AFCAP_TPACKET_V3 = 3,	   /* blocks full of packets */
};

enum afcap_socket_type {
	AFCAP_DGRAM = 2, /* packets without their link-layer header (SOCK_DGRAM) */
	AFCAP_RAW = 3,	 /* whole packets (SOCK_RAW) */
};

/* ---- ring geometry ----
 * Three numbers of V3 have 16 bits in the kernel and are cut silently: the index of a block, its
 * private bytes (rounded up to 8), its timeout before 6.18 [net/packet/internal.h: kactive_blk_num,
 * blk_sizeof_priv, retire_blk_tov]. */

#define AFCAP_BLOCKS_MAX	65536u	/* V3 */
#define AFCAP_BLOCKS_MAX_V2	524288u /* V1, V2: their list is one allocation [alloc_pg_vec()] */
#define AFCAP_BLOCK_TIMEOUT_MAX 65535u	/* ms */
#define AFCAP_PRIV_MAX		65528u	/* bytes */
#define AFCAP_VNET_HEADER_BYTES 10u	/* before a received packet, also with 12 [tpacket_rcv()] */
#define AFCAP_RESERVE_MAX	4096u /* bytes; beyond 64 KiB packets are dropped [tpacket_rcv()] */

/* The layout of a ring [packet_set_ring()]. */
struct afcap_geometry {
	enum afcap_tpacket version;
	uint32_t block_bytes; /* a multiple of the page size */
	uint32_t blocks;      /* 1 to AFCAP_BLOCKS_MAX, with V1 and V2 to AFCAP_BLOCKS_MAX_V2 */
	uint32_t frame_bytes; /* V1, V2: of one packet with its header, a multiple of 16; V3: any */
	uint32_t block_timeout_ms; /* V3: 1 to AFCAP_BLOCK_TIMEOUT_MAX, until a block is handed over
				    * that is not full */
	uint32_t reserve_bytes;	   /* space before each packet, 0 to AFCAP_RESERVE_MAX */
	uint32_t priv_bytes; /* V3: the reader's own area in each block, 0 to AFCAP_PRIV_MAX */
};

/* Fills in a geometry whose ring takes at most `memory_bytes` of memory and holds packets of
 * `snaplen` bytes whole. Fields of *geometry that are not 0 are kept, the others are chosen;
 * `blocks` is always computed. Returns 0, or -EINVAL where no such ring can be; *geometry is
 * untouched then. */
int afcap_geometry_solve(struct afcap_geometry *geometry, uint64_t memory_bytes, uint32_t snaplen,
			 struct afcap_error *error);

/* Checks a geometry against all rules of the kernel [packet_set_ring()], including those whose
 * violation it does not report; AFCAP_TPACKET_HIGHEST as V3. Returns 0, or -EINVAL with the field,
 * its value and the broken rule in `error`. */
int afcap_geometry_check(const struct afcap_geometry *geometry, struct afcap_error *error);

/* Frames in a block; 0 when frame_bytes is. The bytes that the kernel allocates for the ring: each
 * block is rounded up to a power of two [packet_set_ring(): get_order()]. */
uint32_t afcap_geometry_frames(const struct afcap_geometry *geometry);
uint64_t afcap_geometry_memory(const struct afcap_geometry *geometry);

/* ---- fanout ---- */

/* How packets are spread over the sockets of a group [PACKET_FANOUT_*; fanout_demux_hash() ...]. */
enum afcap_fanout_mode {
	AFCAP_FANOUT_HASH = 0,	   /* by flow, both directions to the same socket */
	AFCAP_FANOUT_LB = 1,	   /* round robin */
	AFCAP_FANOUT_CPU = 2,	   /* by the CPU that received the packet */
	AFCAP_FANOUT_ROLLOVER = 3, /* fills one socket, then the next */
	AFCAP_FANOUT_RND = 4,	   /* at random */
	AFCAP_FANOUT_QM = 5,	   /* by the network card's queue */
	AFCAP_FANOUT_CBPF = 6,	   /* by what a classic BPF program returns, modulo the members */
	AFCAP_FANOUT_EBPF = 7,	   /* the same with an eBPF program */
};

/* [packet_rcv_fanout(), fanout_add()] */
enum afcap_fanout_flag {
	AFCAP_FANOUT_FLAG_ROLLOVER = 0x1000,	    /* a full socket's packets go to another one */
	AFCAP_FANOUT_FLAG_UNIQUEID = 0x2000,	    /* the kernel chooses an unused id */
	AFCAP_FANOUT_FLAG_IGNORE_OUTGOING = 0x4000, /* since Linux 6.2; before, without effect */
	AFCAP_FANOUT_FLAG_DEFRAG = 0x8000,	    /* IPv4 fragments are reassembled first */
};

struct afcap_fanout {
	size_t size; /* sizeof(struct afcap_fanout), set by afcap_fanout_init() */
	uint16_t id;
	uint16_t flags; /* afcap_fanout_flag */
	enum afcap_fanout_mode mode;
	uint32_t max_members; /* 1 to 65536; 0: 256, and the only choice before Linux 5.12 */
	int program_fd;	      /* EBPF, from bpf(2), borrowed during the call; -1: none */
	bool has_program;     /* CBPF, EBPF: none is given, the group has it already */
	const struct sock_fprog *program; /* CBPF, borrowed during the call; NULL: none */
};

/* Group 0 of mode hash, no flags, no program; `size` is sizeof(*fanout). */
void afcap_fanout_init(struct afcap_fanout *fanout, size_t size);

/* Joins the group `fanout`, or makes it. On return `fanout` shows what the kernel did: with
 * UNIQUEID `id` is the group's and that flag is cleared, ready for the next member; IGNORE_OUTGOING
 * is cleared where the kernel does not know it (filter on the packet type then). Sockets should
 * join in the order in which they were created: they rejoin in that order after the link was down
 * [packet_notifier()]. If attaching the program fails the socket is in the group nevertheless:
 * close it. Returns 0, -EINVAL (rule or mismatch, described in `error`), -EALREADY, -ENOSPC (group
 * full), [fanout_add()], -E2BIG. */
struct afcap;
int afcap_fanout_join(struct afcap *handle, struct afcap_fanout *fanout, struct afcap_error *error);

/* The group that the socket is in: id, mode, flags, to a struct that was initialised. Returns 0, or
 * -ENOENT: in none (an adopted socket in group 0 of mode hash without flags looks the same
 * [packet_getsockopt()]). */
int afcap_fanout_get(const struct afcap *handle, struct afcap_fanout *fanout);

/* Replaces the program of the group that the socket is in, for all members at once: the
 * instructions of mode CBPF, or the eBPF program `program_fd` of mode EBPF; the other NULL or -1.
 * Its return value modulo the number of members is the member [fanout_demux_bpf()]. Offsets count
 * from the network layer for incoming packets, from the link layer for outgoing ones [comment
 * "On receive"]: use SKF_NET_OFF, SKF_LL_OFF. Returns 0, -EINVAL (not in a group of that
 * mode, or no such program), -EPERM (filter locked) [fanout_set_data()]. */
int afcap_fanout_program(int socket, const struct sock_fprog *program, int program_fd);

/* "hash", "lb", ... and back: an enum afcap_fanout_mode. NULL, -EINVAL if there is no such mode.
 * Static. */
const char *afcap_fanout_mode_name(enum afcap_fanout_mode mode);
int afcap_fanout_mode_parse(const char *name);

/* ---- open and close ---- */

/* The source of a packet's time. Hardware: the card if it stamped the packet, else the kernel
 * [tpacket_get_timestamp()]. */
enum afcap_timestamp {
	AFCAP_TIMESTAMP_SOFTWARE = 0, /* the kernel, on receipt of the packet */
	AFCAP_TIMESTAMP_HARDWARE = 1, /* the network card */
};

/* [packet_setsockopt(), packet_do_bind()] */
struct afcap_options {
	size_t size;	       /* sizeof(struct afcap_options), set by afcap_options_init() */
	const char *interface; /* any of its names; "", "any" or NULL: all, or that of ifindex */
	int ifindex;	       /* 0: by name */
	int socket;	       /* from afcap_socket(), the handle's if it opens; -1: make one */
	enum afcap_socket_type socket_type;
	uint16_t protocol; /* ETH_P_* in host order; ETH_P_ALL: every packet */
	bool send_only;	   /* nothing is received, there is no receive ring */
	struct afcap_geometry ring;
	struct afcap_geometry tx_ring; /* blocks 0: none; version is as `ring` has it */
	uint32_t vnet_header_bytes;    /* 10: a struct virtio_net_hdr before each packet; 12: before
					* those sent one of type mrg_rxbuf (Linux 6.4); raw only */
	enum afcap_timestamp timestamp; /* hardware: where the card can */
	bool rxhash;			/* V3: fill in the flow hash */
	bool vlan_restore; /* afcap_read() and its variants put a stripped VLAN tag back */
	bool promiscuous, all_multicast;
	bool ignore_outgoing;		   /* in a group: as its flag, Linux 6.2 */
	bool qdisc_bypass;		   /* what is sent goes straight to the driver */
	bool paused;			   /* let nothing in until afcap_filter_set() or _clear() */
	const struct sock_fprog *filter;   /* borrowed during the call; NULL: every packet */
	int filter_fd;			   /* an eBPF filter, borrowed during the call; -1: none */
	const struct afcap_fanout *fanout; /* borrowed during the call; NULL: no group */
};

/* Defaults: highest version, raw, all packets of all interfaces; blocks of 512 KiB, 128 of them,
 * frames of 4096, 64 ms; no sending ring; no descriptor. `size` is sizeof(*options). */
void afcap_options_init(struct afcap_options *options, size_t size);

/* Checks everything that can be checked without the kernel; afcap_open() does the same first.
 * Returns 0, -EINVAL with field, value and rule in `error`, or -E2BIG. */
int afcap_options_check(const struct afcap_options *options, struct afcap_error *error);

/* A packet socket bound to nothing (protocol 0: no packet reaches it), close-on-exec. The one call
 * of the library that needs CAP_NET_RAW [packet_create()]. Returns the descriptor or -errno. */
int afcap_socket(enum afcap_socket_type type);

/* Opens a ring on an interface in the order in which no packet is lost, duplicated or foreign:
 * reserve, a filter that drops all, version, rings, bind, fanout, mapping, one discarded statistics
 * read, then the filter (between bind and fanout the socket gets its own copy of every packet
 * [packet_do_bind(), fanout_add()]). On success *out is the handle; the caller closes it. On
 * failure *out is untouched, a socket given in the options remains the caller's, with the options
 * set on it, and `error` says why: -ENODEV, -ENETDOWN (interface down), -EPERM, -EINVAL, -E2BIG,
 * -ENOMEM, -EBUSY, -EOPNOTSUPP (old kernel). */
int afcap_open(struct afcap **out, const struct afcap_options *options, struct afcap_error *error);

/* Maps the ring of a socket that another process opened with this geometry, in its current state;
 * there must be no sending ring. The handle owns `socket` on success; on failure the caller keeps
 * it. Only the total size of the blocks can be checked [packet_mmap()]. Reading begins at the first
 * block or frame: see afcap_resume(). Returns 0, -EINVAL (not that ring's geometry), -ENOMEM. */
int afcap_adopt(struct afcap **out, int socket, const struct afcap_geometry *geometry,
		struct afcap_error *error);

/* Unmaps and closes. NULL is safe. No other thread may be in a call: stop it, join it, close. */
void afcap_close(struct afcap *handle);

/* The socket, borrowed until afcap_close(): for SCM_RIGHTS, and for calls that take a socket. */
int afcap_fd(const struct afcap *handle);

/* The receive ring as the kernel made it, the version never HIGHEST. Borrowed until close. */
const struct afcap_geometry *afcap_ring(const struct afcap *handle);

/* Whether the card is set to stamp every packet: 0, or why it is not, as -errno: -EOPNOTSUPP
 * (driver), -EPERM (CAP_NET_ADMIN is needed), -EINVAL (not asked for, or all interfaces)
 * [<linux/net_tstamp.h>: struct hwtstamp_config]. Each packet's own source is in its metadata. */
int afcap_hardware_timestamps(const struct afcap *handle);

/* ARPHRD_* of the interface of this name, an alternative one too, or -ENODEV [rtnetlink(7)]. */
int afcap_link_type(const char *interface);

/* ---- waiting ---- */

/* Waits until a packet or block can be taken, at most timeout_ns nanoseconds (negative: for ever),
 * counted against one deadline however many signals come. Returns an enum afcap_result or -errno.
 * Packets in the ring are delivered before DOWN or GONE is returned (each once), except those in a
 * block that is not full if its timeout is over 650 ms. Level-triggered in effect, although the
 * kernel's poll() on a ring is not usable that way while blocks are held [packet_poll()]. */
int afcap_wait(struct afcap *handle, int64_t timeout_ns);

/* A descriptor for poll(), epoll or an event loop, borrowed until afcap_close(): readable after any
 * event. Then read, or call afcap_wait(handle, 0), until that gives AFCAP_TIMEOUT. Level-triggered,
 * quiet while blocks are held, readable after afcap_stop() and afcap_wake(), when the link goes and
 * when its interface does. (A program that polls afcap_fd() itself must do so edge-triggered and
 * look at the ring first: POLLIN there refers to one block [packet_poll()].) */
int afcap_poll_fd(const struct afcap *handle);

/* afcap_stop() ends the current wait or read and all later ones with AFCAP_STOPPED, whatever the
 * ring holds; afcap_wake() only the current or the next, with AFCAP_WOKEN. Safe in signal handlers,
 * from any thread. */
void afcap_stop(struct afcap *handle);
void afcap_wake(struct afcap *handle);

/* ---- packets ---- */

/* One packet, in place in the ring, or a copy. */
struct afcap_packet {
	const uint8_t *data;
	uint32_t capture_length;       /* bytes in `data` */
	uint32_t length;	       /* bytes of the whole packet */
	uint32_t seconds, nanoseconds; /* since 1970, until 2106 [__packet_set_timestamp()] */
	uint32_t status;   /* TP_STATUS_*; VLAN_VALID: vlan_tci holds a tag that is not in `data` */
	uint16_t vlan_tci; /* PCP, DEI, VID; V2 and V3 [prb_fill_vlan_info(), tpacket_rcv()] */
	uint16_t vlan_tpid;		/* 0x8100 if the kernel does not report it */
	bool vlan_restored;		/* by afcap_vlan_restore(): the tag is in `data` */
	const void *vnet_header;	/* struct virtio_net_hdr; NULL: none */
	const struct sockaddr_ll *link; /* type, interface, addresses: afcap_packet_meta() */
	void *slot;			/* the kernel's header: struct tpacket_hdr, 2_hdr, 3_hdr */
	uint32_t next, seen; /* of the walk: zero before the first call; V1, V2: the next frame */
	uint32_t rxhash;     /* the flow's hash, if requested; V3 [prb_fill_rxhash()] */
};

/* [<if_packet.h>: "Packet types"] */
enum afcap_packet_type {
	AFCAP_PACKET_HOST = 0,
	AFCAP_PACKET_BROADCAST = 1,
	AFCAP_PACKET_MULTICAST = 2,
	AFCAP_PACKET_OTHERHOST = 3,
	AFCAP_PACKET_OUTGOING = 4,
	AFCAP_PACKET_LOOPBACK = 5,
};

/* [tpacket_rcv(): TP_STATUS_CSUM_VALID, TP_STATUS_CSUMNOTREADY] */
enum afcap_checksum {
	AFCAP_CHECKSUM_UNKNOWN = 0,
	AFCAP_CHECKSUM_VALID = 1,     /* verified by the card or the kernel */
	AFCAP_CHECKSUM_NOT_READY = 2, /* not computed yet: the packet was made on this machine */
};

struct afcap_packet_meta {
	enum afcap_packet_type type;
	uint16_t hatype;   /* ARPHRD_* of the interface */
	uint16_t protocol; /* ETH_P_* in host order, as the kernel saw it */
	int ifindex;
	uint8_t address[8]; /* the sender's, address_bytes of it */
	uint8_t address_bytes;
	bool vlan; /* there was a tag, and the four fields below are valid */
	bool vlan_dei;
	uint8_t vlan_pcp;
	uint16_t vlan_vid, vlan_tpid;
	uint32_t rxhash; /* 0: not known */
	enum afcap_checksum checksum;
	enum afcap_timestamp timestamp;
	bool gso_tcp;	      /* several TCP segments in one (Linux 6.4) [TP_STATUS_GSO_TCP] */
	bool losing;	      /* packets dropped since the last statistics [prb_close_block()] */
	bool truncated;	      /* capture_length < length */
	uint8_t reserved[16]; /* 0; for later versions */
};

/* The metadata that the kernel has of a packet; to be called while its block or frame is held. */
void afcap_packet_meta(const struct afcap_packet *packet, struct afcap_packet_meta *meta);

/* Puts back a VLAN tag that the kernel removed, in the ring (IEEE 802.1Q: after the addresses):
 * these move down by 4 bytes into free space (reserve_bytes of 4 guarantees it [tpacket_rcv():
 * tp_reserve]), both lengths grow by 4. Returns false where there is no tag, no Ethernet header in
 * the data (AFCAP_DGRAM), or no space. */
bool afcap_vlan_restore(struct afcap_packet *packet);

/* "V3", "raw", "outgoing", "valid", "hardware", ...; NULL for an unknown value. Static. */
const char *afcap_tpacket_name(enum afcap_tpacket version);
const char *afcap_socket_type_name(enum afcap_socket_type type);
const char *afcap_packet_type_name(enum afcap_packet_type type);
const char *afcap_checksum_name(enum afcap_checksum checksum);
const char *afcap_timestamp_name(enum afcap_timestamp timestamp);

/* The next packet, waiting for it as afcap_wait() does: AFCAP_READY and *packet, which belongs to
 * the handle, its data in the ring, both valid until the next read or wait; or another result or
 * -errno. */
int afcap_read(struct afcap *handle, const struct afcap_packet **packet, int64_t timeout_ns);

/* The same, copied to `buffer`: capture_length is the minimum of the captured length and
 * `bytes`. */
int afcap_read_into(struct afcap *handle, void *buffer, size_t bytes,
		    const struct afcap_packet **packet, int64_t timeout_ns);

/* The same, copied to new memory: *copy, for the caller to free(3). -ENOMEM: the packet is lost. */
int afcap_read_copy(struct afcap *handle, uint8_t **copy, const struct afcap_packet **packet,
		    int64_t timeout_ns);

/* ---- blocks (V3) ---- */

/* A block that user space owns; valid until it is released. Its layout and that of struct
 * afcap_packet are compiled into programs, and change with the soname alone. */
struct afcap_block {
	const struct tpacket_block_desc *desc; /* borrowed from the ring */
	uint64_t sequence; /* 1, 2, ... in the order in which the kernel opened them, without gaps
			      [prb_open_block()] */
	uint32_t index;	   /* within the ring */
	uint32_t packets;
	uint32_t bytes;	 /* used, from the descriptor on; at most the block's size */
	uint32_t status; /* TP_STATUS_*: BLK_TMO (by timeout), LOSING [prb_close_block()] */
	uint32_t vnet_header_bytes;
	uint32_t walked_truncated; /* what afcap_packet_next() gave: counted when it is released */
	uint64_t walked_packets, walked_bytes;
};

/* Acquires the next block. Several may be held; each is released once, in the order of acquisition,
 * which is that in which the kernel fills them again [prb_dispatch_next_block()]. Returns 0,
 * -EAGAIN when the kernel still owns it, -EOPNOTSUPP with V1 and V2. */
int afcap_block_acquire(struct afcap *handle, struct afcap_block *block);

/* Gives a block back to the kernel, which overwrites it. */
void afcap_block_release(struct afcap *handle, const struct afcap_block *block);

/* Whether more than `ahead` blocks wait to be acquired. False with V1 and V2. */
bool afcap_block_waiting(const struct afcap *handle, uint32_t ahead);

/* The reader's own area in a block: priv_bytes long, untouched by the kernel [prb_open_block()]. */
void *afcap_block_priv(const struct afcap_block *block);

/* After afcap_adopt(): all blocks before `index` whose sequence is below `sequence` were processed
 * by an earlier reader, which stored both numbers of the block it would have taken next. They are
 * released, and reading continues at `index`. A new ring starts at (0, 1). Returns the number of
 * blocks released, -ESTALE where the block at `index` has another sequence: another ring, or wrong
 * numbers. With V1 and V2 `index` is packet->next of the last packet read, `sequence` any. */
int afcap_resume(struct afcap *handle, uint32_t index, uint64_t sequence);

/* ---- filters ----
 * These take the socket, so that a process that holds a duplicate of it can use them [net/core/
 * filter.c: sk_attach_filter(), sk_attach_bpf(), sk_detach_filter(); net/core/sock.c]. */

/* Replaces the filter by a classic BPF program (borrowed), without a gap. Its return value is the
 * snapshot length in bytes; 0: the packet is neither captured nor counted [tpacket_rcv():
 * run_filter()]. Returns 0, -EINVAL, -ENOMEM, -EPERM (filter locked). */
int afcap_filter_set(int socket, const struct sock_fprog *program);

/* Drops all packets: those that arrive are in no counter. Returns as afcap_filter_set(). */
int afcap_filter_drop_all(int socket);

/* Attaches an eBPF program (BPF_PROG_TYPE_SOCKET_FILTER, from bpf(2), borrowed) in the same way. */
int afcap_filter_set_ebpf(int socket, int program_fd);

/* Removes the filter: every packet is captured, whole. Returns 0 or -errno (-EPERM: locked). */
int afcap_filter_clear(int socket);

/* From now on no process can change this socket's filter. Returns 0 or -errno. */
int afcap_filter_lock(int socket);

/* ---- statistics ---- */

struct afcap_stats {
	uint64_t packets;	       /* passed the filter, drops included */
	uint64_t drops;		       /* of these, the kernel had no space for */
	uint64_t freezes;	       /* times the ring was found full; V3 */
	uint64_t received;	       /* packets read, or walked in a block that was released */
	uint64_t received_bytes;       /* of these, captured */
	uint64_t truncated;	       /* of these, longer than what was captured */
	uint64_t polls, poll_timeouts; /* times a wait slept, and timed out */
	uint64_t blocks_full, blocks_timeout; /* blocks taken, by why the kernel closed them; V3 */
	uint64_t sent, sent_bytes;	      /* frames that the kernel accepted, their bytes */
	uint64_t reserved[6];		      /* 0; for counters of later versions */
};

/* The totals since the handle was made. From any thread at any time, as long as nothing else reads
 * them from this socket: reading resets the kernel's [packet_getsockopt()]. Returns 0 or -errno. */
int afcap_stats(struct afcap *handle, struct afcap_stats *stats);

/* Packets passed to another member as this one was full; those of large flows; and lost ones. */
struct afcap_rollover_stats {
	uint64_t all, huge, failed;
};
/* Of a member of a group with mode or flag rollover [fanout_demux_rollover()]; -EINVAL without. */
int afcap_rollover_stats(int socket, struct afcap_rollover_stats *stats);

/* The kernel's counters since they were read last: its struct tpacket_stats_v3. They wrap. */
struct afcap_kernel_stats {
	uint32_t packets; /* passed the filter, drops included */
	uint32_t drops;	  /* packets, of these: the kernel had no space for them */
	uint32_t freezes; /* times the ring was found full; V3, else untouched */
};
/* Reads and resets them; the kernel itself writes them straight to `stats`, whatever happens to the
 * caller. Returns 0 or -errno. */
int afcap_stats_take(int socket, struct afcap_kernel_stats *stats);

/* ---- sending ---- */

struct afcap_frame {
	const void *data; /* borrowed during the call; the vnet header first, if there is one */
	uint32_t length;
	const struct sockaddr_ll *to; /* AFCAP_DGRAM, all interfaces: where to; NULL: as bound */
};

/* Sends one packet, waiting for space in the socket's buffer. Returns 0, -EMSGSIZE (larger than the
 * interface takes), -EINVAL (shorter than its header), -ENETDOWN, -ENXIO (no interface), -ENOBUFS
 * [packet_snd()], -EOPNOTSUPP (a socket with a sending ring uses that alone [packet_sendmsg()]). */
int afcap_write(struct afcap *handle, const struct afcap_frame *frame);

/* Sends `count` packets, up to INT_MAX, with few system calls. Returns how many were sent, fewer
 * when the next one failed, whose error afcap_write() returns; or -errno if none was. */
int afcap_write_batch(struct afcap *handle, const struct afcap_frame *frames, unsigned count);

/* A slot for a packet of `capacity` bytes in the sending ring [tpacket_parse_header()]. */
struct afcap_tx_slot {
	uint8_t *data;
	uint32_t capacity, index;
};

/* The next free slot. Returns 0; -EAGAIN: the ring is full, flush it; -ENODEV: no sending ring. */
int afcap_tx_acquire(struct afcap *handle, struct afcap_tx_slot *slot);

/* Queues a slot's first `length` bytes. Returns 0; -EMSGSIZE: larger than slot or interface (as it
 * was when opened), -EINVAL: smaller than its link header. The slot remains free then. */
int afcap_tx_commit(struct afcap *handle, const struct afcap_tx_slot *slot, uint32_t length);

/* Sends all that is queued, and waits at most timeout_ns (negative: for ever; 0: not at all) until
 * the driver has returned every slot. `to` is the destination of all of them with AFCAP_DGRAM; else
 * NULL. Returns 0, AFCAP_TIMEOUT, or -errno: -EIO: the kernel skipped queued packets (the interface
 * accepts less by now), the others were sent; -ENETDOWN, -ENXIO: unsent packets remain queued
 * [tpacket_snd()]. */
int afcap_tx_flush(struct afcap *handle, const struct sockaddr_ll *to, int64_t timeout_ns);

#include "afcap_inline.h" /* afcap_packet_next(): walks a block */

#ifdef __cplusplus
}
#endif
#endif
