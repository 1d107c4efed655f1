/* The stall budget: how long a ring takes packets that no process reads, while a disk stands still
 * or a worker is replaced. Pure.
 *
 * The rule: a ring is spent in blocks, and a block is handed over when it is full or after
 * block_timeout (linux/if_packet.h, net/packet/af_packet.c). So
 *
 *   time = minimum of (blocks x block_timeout, bytes / rate)
 *
 * of three quarters of the ring, since the kernel may drop single packets in the last one, less the
 * packets that the ring thread holds back already (write_delay). Where both are about equal it may
 * be half: since Linux 6.18 the time runs on while a block fills, and hands over the beginning of
 * the next one. */
#ifndef STALL_H
#define STALL_H

#include "plan.h"

#include "../base/counters.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Seconds, for one worker that receives so many packets and bytes of them in a second (0, 0: at low
 * rates, the maximum). */
double stall_seconds(const struct afcap_geometry *ring, uint64_t write_delay_ns, double packets,
		     double bytes);

/* The bytes in a second for that, of a worker that receives `packets` and `bytes` in a second; or
 * no bytes at present, as it stands still: by the packets that the kernel counts, with the mean
 * length of those `received` before. */
double stall_bytes(double packets, double bytes, const struct counters *received);

/* The rings of a capture in words: their blocks, and how long they last. */
void stall_describe(const struct config_capture *capture, const struct plan *plan, char *text,
		    size_t size);

/* Whether a ring lasts shorter at low rates than a stop may take (drain_timeout) or than a worker
 * may be silent before the next one reads (worker_timeout and a second): fills in `text` with what,
 * where, which rule and what helps. */
bool stall_is_short(const struct config *config, const struct config_capture *capture,
		    const struct plan *plan, char *text, size_t size);

#endif
