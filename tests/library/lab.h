/* A laboratory for libafcap: a network namespace of the test's own with a veth pair va-vb and lo
 * up, no IPv6, nothing else that talks. Needs root. The namespace goes when the test's process
 * does.
 *
 *     handle (options)            sender
 *         |                          |
 *        va  <------- veth ------>  vb
 */
#ifndef LAB_H
#define LAB_H

#include "../../lib/afcap.h"

#include <check.h>
#include <stdlib.h>

#define SECOND	    INT64_C(1000000000)
#define MILLISECOND INT64_C(1000000)
#define FRAME_BYTES 100u
#define PATIENCE    (20 * SECOND) /* for a packet that must come, on a slow machine, too */
#define TEST_TYPE   0x88b5	  /* IEEE: local experiments */

extern struct afcap_options options; /* va; 16 blocks of 64 KiB, 5 ms, frames of 4096 */
extern struct afcap_error error;
extern struct afcap *handle;
extern int sender; /* a packet socket on vb */

void lab_setup(void);

/* A case of suite `s`: each of its tests runs after `setup`, within `seconds`. */
TCase *lab_case(Suite *s, const char *name, void (*setup)(void), int seconds);

/* Runs a command line, which must succeed. */
void lab_run(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Takes va up, and waits until vb sends again: the kernel sees to that a moment later. */
void lab_link_up(void);

/* Before lab_open(): the sender of 16 packets and more may be so slow that the timer closes blocks
 * while it sends, which only then are read: 100 ms a block, so that it has 1.6 s. */
void lab_slow_sender(void);

/* Opens `handle` with `options`, which must succeed. */
void lab_open(void);

/* `count` frames of FRAME_BYTES with this Ethernet type, numbered in byte 20 */
void lab_send(unsigned count, uint16_t type);
void lab_send_bytes(const void *frame, size_t bytes);

/* Reads by blocks until `count` packets of lab_send() came or none comes in PATIENCE; how many. */
unsigned lab_receive(unsigned count);

/* The same by afcap_read() */
unsigned lab_read(unsigned count);

/* The next packet, which must come. */
const struct afcap_packet *lab_next(void);

struct afcap_stats lab_stats(void);

/* A fanout group as afcap_fanout_init() makes it, but for its mode and flags */
struct afcap_fanout lab_group(enum afcap_fanout_mode mode, unsigned flags);

/* An eBPF program for sockets that returns byte `at` of the network layer, or `constant` where that
 * is not negative. Its descriptor. */
int lab_ebpf(int at, int constant);

/* CLOCK_MONOTONIC in nanoseconds; CPU time of this process in nanoseconds */
int64_t lab_now(void);
int64_t lab_cpu(void);

/* ... without the time that this thread waited for a CPU: what is promised in time is measured by
 * that, on a busy machine, too */
int64_t lab_awake(void);

/* Whether `condition` becomes true; thirty seconds are more than any machine needs */
#define LAB_SOON(condition)                                                                        \
	do {                                                                                       \
		int64_t lab_end = lab_now() + 30 * SECOND;                                         \
		while (!(condition))                                                               \
			ck_assert_msg(lab_now() < lab_end, "never came true: %s", #condition);     \
	} while (0)

#endif
