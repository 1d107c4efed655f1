/* The ring of each worker: its numbers, those that are auto decided. Pure: the same configuration
 * has the same ring at each start, which the next instance therefore resumes. Knows no memory and
 * no device.
 *
 * The rule: the kernel hands over a block that is full, or that has had a packet for block_timeout
 * (prb_retire_rx_blk_timer_expired() of net/packet/af_packet.c), so a ring is spent in blocks. It
 * lasts blocks x block_timeout where packets are few, and as long as its bytes do where they are
 * many. */
#ifndef CONFIG_RING_H
#define CONFIG_RING_H

#include "config.h"

#include <stdint.h>

struct config_ring {
	uint64_t ring_bytes, block_bytes; /* as configured, or decided */
	uint64_t blocks;	   /* that fit, each in a power of two of memory; 0: not even one */
	uint64_t block_timeout_ns; /* whole milliseconds, unless configured otherwise */
};

/* The ring that the group's configuration means. Auto is:
 * block_size: a 128th of the ring, but 128K to 1M, which hold packets of 64 KiB (GRO), and a ring
 *   has at least 8 blocks; a power of two, at least a page.
 * block_timeout: three quarters of the blocks last CONFIG_RING_NS, but 64ms to 1s. The last quarter
 *   does not count: the kernel may drop single packets there (__packet_rcv_has_room()). A rate at
 *   which blocks are full by then fills three quarters of the ring in that time, too: they last so
 *   long at every rate that fits. */
struct config_ring config_ring(const struct group_config *group);

/* ring_size = auto is decided by the memory at the start; until then the minimum counts, and for
 * the size of a block that may come of it this. */
#define CONFIG_RING_AUTO_MIN (UINT64_C(64) << 20)
#define CONFIG_RING_AUTO_MAX (UINT64_C(1) << 30)
uint64_t config_block_max(const struct group_config *group);

/* The largest power of two that is not above the value; 0 of 0. */
uint64_t config_power(uint64_t value);

/* 30 s for a disk that stands still, or a worker that is replaced, and two for the packets that the
 * ring thread holds back (write_delay). */
#define CONFIG_RING_NS UINT64_C(32000000000)

#endif
