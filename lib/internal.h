/* Shared by the library's files: the handle, and the reporting of errors. */
#ifndef AFCAP_INTERNAL_H
#define AFCAP_INTERNAL_H

#include "afcap.h"

#include <pthread.h>
#include <stdatomic.h>

#define AFCAP_PUBLIC __attribute__((visibility("default")))

/* Debian 12's <linux/if_packet.h> is older than these. */
#ifndef PACKET_VNET_HDR_SZ
#define PACKET_VNET_HDR_SZ 24
#endif
#ifndef TP_STATUS_GSO_TCP
#define TP_STATUS_GSO_TCP (1 << 8)
#endif

/* Bytes of a kernel header in a slot: TPACKET_ALIGN(), which is not -Wconversion clean */
#define HEADER_BYTES(type) (((uint32_t)sizeof(type) + 15u) / 16u * 16u)

/* Signals that end a wait or a read: all later ones, too, or one. */
enum {
	SIGNAL_STOP = 1,
	SIGNAL_WAKE = 2,
};

/* The state of the interface. */
enum link_state {
	LINK_FINE,    /* or not known to be down */
	LINK_LEAVING, /* an error was reported; packets still in the ring are delivered first */
	LINK_DOWN,    /* reported; it may be gone by now */
};

/* Written by the reader or the sender alone, read by afcap_stats() from anywhere. */
struct reader_stats {
	atomic_uint_fast64_t received, received_bytes, truncated, polls, poll_timeouts;
	atomic_uint_fast64_t blocks_full, blocks_timeout, sent, sent_bytes;
};

/* One ring in the mapping. */
struct ring {
	struct afcap_geometry geometry;
	uint8_t *map;
	uint32_t next; /* index of the block (V3) or frame (V1, V2, sending) to be acquired next */
};

struct afcap {
	int fd;
	int epoll;		  /* the socket, `event`, `timer`; edge-triggered */
	int event;		  /* eventfd: stop and wake */
	int timer;		  /* timerfd: checks a link that left */
	atomic_uint signals;	  /* SIGNAL_* */
	atomic_bool sender_error; /* a sender took the error that reports the link */
	enum link_state link;
	int64_t link_left_ns, link_due_ns; /* LINK_LEAVING: since when, when it is reported */
	struct ring rx, tx;
	uint8_t *map; /* both rings */
	size_t map_bytes;
	uint32_t held; /* blocks, or the frame, acquired and not yet released */
	uint32_t vnet_header_bytes;
	bool vlan_restore;
	bool joined;  /* in a fanout group by this handle */
	int hardware; /* afcap_hardware_timestamps() */
	/* afcap_read() */
	bool reading; /* `block`, or the frame `frame`, is being read */
	uint32_t frame;
	struct afcap_block block;
	struct afcap_packet packet, copy;
	/* afcap_tx_*() */
	uint32_t tx_header, tx_max; /* bounds of a packet: the interface's */
	bool tx_tagged;		    /* an 802.1Q tag may be 4 bytes more */
	uint32_t tx_queued;	    /* slots before tx.next that the kernel has not taken yet */
	struct reader_stats counts;
	pthread_mutex_t stats_lock; /* of the kernel's counters, added up */
	uint64_t packets, drops, freezes;
};

/* Fills `error` unless it is NULL, and returns -code. */
__attribute__((format(printf, 3, 4))) int error_set(struct afcap_error *error, int code,
						    const char *format, ...);

/* Single writer: a plain addition, stored so that no other thread reads half of it. */
static inline void count_add(atomic_uint_fast64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

int64_t now_ns(void); /* CLOCK_MONOTONIC */

/* geometry.c: afcap_geometry_check() for pages of `page` bytes, of a receiving or a sending ring */
int geometry_check(const struct afcap_geometry *geometry, uint32_t page, bool sending,
		   struct afcap_error *error);
/* The maximum of bytes that the kernel puts before a packet; its frame size for a geometry. */
uint32_t geometry_header(const struct afcap_geometry *geometry);
uint32_t geometry_frame(const struct afcap_geometry *geometry);

#define INTERFACE_NAME_BYTES 128 /* with its NUL: the kernel's ALTIFNAMSIZ */

/* interface.c: the index of the interface that has this name, or this alternative one; -errno */
int interface_index(const char *name);

/* sized.c: structs that begin with their size, as the kernel's copy_struct_from_user() has it
 * (include/linux/uaccess.h), except that fields which a smaller caller does not have are not
 * zeroed: they keep their value in `to`, the default. sized_read() returns 0; -EINVAL: never
 * initialised; -E2BIG: a field is set that is not known here. */
void sized_init(void *to, size_t size, const void *from, size_t bytes);
int sized_read(void *to, size_t bytes, const void *from, const char *what,
	       struct afcap_error *error);
/* The other way: copies the fields that the caller's struct has; its size is unchanged */
void sized_write(void *to, const void *from, size_t bytes);

/* options.c: reads a caller's options into this version's size; checks them */
int options_read(struct afcap_options *to, const struct afcap_options *from,
		 struct afcap_error *error);
int options_check(const struct afcap_options *options, struct afcap_error *error);

/* setup.c: a socket's options in the kernel, each returns 0 or -errno, with `error` filled in */
int socket_number(int fd, int option, int value, const char *what, struct afcap_error *error);
int socket_rings(int fd, struct afcap_options *options, struct afcap_error *error);
int socket_bind(int fd, const struct afcap_options *options, struct afcap_error *error);
int socket_hardware(int fd, const struct afcap_options *options);

/* fanout.c: afcap_fanout_join() without the handle; reads a caller's struct into this version's
 * size, and checks it */
int fanout_join(int fd, struct afcap_fanout *fanout, struct afcap_error *error);
int fanout_read(struct afcap_fanout *to, const struct afcap_fanout *from,
		struct afcap_error *error);

/* wait.c: makes epoll, event, timer */
int wait_init(struct afcap *handle, struct afcap_error *error);
void wait_free(struct afcap *handle);
/* Checks the link of an adopted socket, which may have left before; notes the error of a link that
 * left. */
void wait_link_begin(struct afcap *handle);
void wait_link_error(struct afcap *handle);
void handle_signal(struct afcap *handle); /* wakes the waiting thread, to look again */
/* The time of now_ns() at which a timeout ends: 0: at once, negative: never. Waits until then for
 * what the kernel has filled: nothing may be being read. */
int64_t deadline_of(int64_t timeout_ns);
int wait_until(struct afcap *handle, int64_t deadline_ns);

/* The result of a wait or a read that signals end; AFCAP_READY: there are none */
int signals_take(struct afcap *handle);

/* block.c, frame.c: whether the next one is available */
bool block_ready(const struct afcap *handle);
bool frame_ready(const struct afcap *handle);
/* frame.c: slot `index` of a ring of frames; taking the next one; the packet in it; releasing it */
void *frame_at(const struct ring *ring, uint32_t index);
uint32_t frame_status(const struct ring *ring, uint32_t index);
uint32_t frame_acquire(struct ring *ring);
bool frame_packet(const struct ring *ring, uint32_t index, uint32_t vnet_header_bytes,
		  struct afcap_packet *packet);
void frame_release(const struct ring *ring, uint32_t index);
/* afcap_resume() with V1 and V2 */
int frame_resume(struct afcap *handle, uint32_t index);

/* tx.c: the interface's bounds */
void tx_init(struct afcap *handle, const struct afcap_options *options);

#endif
