/* A ring in memory and a file that may refuse writes, for the tests of what lies between them. */
#ifndef HANDRING_H
#define HANDRING_H

#include "../../lib/internal.h"

#include <stdatomic.h>

#define HANDRING_BLOCKS	     8u
#define HANDRING_BLOCK_BYTES 65536u

struct handring {
	struct afcap handle;
	int pair[2]; /* the "socket", and its other end */
	uint32_t put;
	uint64_t sequence; /* of the block put last */
};

/* An empty ring of HANDRING_BLOCKS. */
void handring_open(struct handring *ring);
void handring_close(struct handring *ring);

/* The kernel's part: hands over the next block, full or by its timeout, with so many packets of
 * `captured` bytes; wakes the reader. */
void handring_put(struct handring *ring, unsigned packets, uint32_t captured, bool by_timeout);

/* Blocks that the reader has not given back. */
unsigned handring_used(const struct handring *ring);

/* A new output file, with its header, without a name. */
int handring_file(void);

/* Enhanced Packet Blocks of the file, which ends there; its chunks are in the order of the ring's
 * blocks. */
unsigned handring_packets(int fd, uint64_t end);

/* Writes (pwrite, pwritev) that fail from now on: after `after` more, the next `count` with
 * `error`. The linker puts the functions that do so in the place of libc's. A short one writes
 * half. */
struct handring_failing {
	unsigned after, count;
	int error;
	bool no_space;		       /* fallocate() finds none */
	bool unsynced;		       /* sync_file_range() fails with `error` */
	bool cut;		       /* ftruncate() fails with `error` */
	int disk;		       /* a descriptor: fdatasync() of it fails so, once */
	bool set;		       /* fcntl(F_SETFL) fails with `error` */
	unsigned shorts, interrupts;   /* so many write half, are interrupted */
	unsigned calls;		       /* of pwrite() and pwritev() until now */
	unsigned together;	       /* of these, of pwritev() that wrote */
	unsigned direct, cached;       /* of the calls, those with O_DIRECT and without */
	atomic_bool held_back;	       /* sync_file_range() does not return */
	bool named_late;	       /* pthread_setname_np() takes a while */
	atomic_uint named;	       /* threads that have their name */
	atomic_uint starts, forgotten; /* those that only start, and posix_fadvise() */
	atomic_uint waits;	       /* of its calls, those that wait for the disk */
};
extern struct handring_failing failing;

/* The kernel's counters of a socket, in the place of afcap_stats_take(): reset by reading. */
struct handring_counters {
	int socket; /* a number, of a descriptor or not; -1: none, all sockets have the kernel's */
	int error;  /* reading fails with it */
	unsigned late; /* each of so many readings finds one packet more, dropped */
	struct afcap_kernel_stats counts;
};
extern struct handring_counters handring_counters;

#endif
