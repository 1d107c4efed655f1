/* The ledger: what a worker has done with its ring, in a memfd that outlives it.
 *
 * Two records, each with one writer at a time. A record has two slots; slot [version & 1] is valid,
 * a commit fills the other one and then moves the version. A commit that a SIGKILL interrupts
 * therefore never counts, and a completed one is never lost.
 *
 *   totals  the ring thread's: files, cursor, counters, all moved by one commit a write
 *   kernel  packets, drops, freezes: PACKET_STATISTICS resets on read (packet_getsockopt() of
 *           net/packet/af_packet.c), so the kernel writes straight into the pending slot here;
 *           folding it into the totals is a commit of its own
 *
 * The writers are the slot's worker and, once waitpid() returned its death, the supervisor. All
 * other processes take the worker's bytes as hints only. */
#ifndef LEDGER_H
#define LEDGER_H

#include "counters.h"

#include <stdbool.h>

#ifndef LEDGER_VERSION /* tests of an upgrade define another one */
#define LEDGER_VERSION 3
#endif
#define LEDGER_BYTES	  4096
#define LEDGER_FILE_BEGIN 4096 /* the archive writes the header before a worker gets a file */

/* The running totals at one moment, for the counts of a single file. */
struct ledger_mark {
	uint64_t packets, drops, written;
};

/* A file: where it ends (of the current one: where the next chunk goes) and its contents. */
struct ledger_file {
	uint64_t serial;   /* 0, 1, ... in the slot's life */
	uint64_t since_ns; /* realtime of its first use; 0: not used yet */
	uint64_t first_ns; /* time of its first packet, as the packet has it; 0: it has none */
	uint64_t until_ns; /* realtime of its last commit */
	uint64_t end;	   /* file offset */
	uint64_t error;	   /* errno of a write that spoiled it; 0: none */
	struct ledger_mark begin, finish;
};

struct ledger_totals {
	uint64_t generation; /* of the ring that the next two fields belong to: a new ring begins at
				1 again */
	uint64_t next_sequence; /* of the block to be taken next; blocks below it only need their
				   release */
	uint64_t next_block;	/* and its index in the ring */
	struct ledger_file current, previous;
	uint64_t received, received_bytes, truncated, blocks_full, blocks_timeout;
	uint64_t written, written_bytes, write_errors;
	uint64_t discarded_no_space, discarded_io_error, discarded_abandoned;
	uint64_t drops_noted; /* of the kernel's drops, as options of packets in the files */
};

struct ledger_kernel {
	uint64_t packets, drops, freezes;
};

struct afcap_kernel_stats; /* libafcap's: three numbers of 32 bits, in the same order */

struct ledger {
	uint64_t magic;
	uint32_t layout; /* LEDGER_VERSION */
	uint32_t bytes;	 /* sizeof(struct ledger) */
	uint64_t totals_version, kernel_version;
	struct ledger_totals totals[2];
	struct ledger_kernel kernel[2];
	uint32_t pending[2][4]; /* packets, drops, freezes, unused */
	uint64_t polls, poll_timeouts;
	uint64_t in_progress; /* sequence of the block that is being encoded; 0: none */
};

/* A new ledger in a memfd of fixed size, close-on-exec, for a ring not yet read. Returns the
 * descriptor or -errno. */
int ledger_create(void);

/* Maps it, with all its pages present. NULL with errno set: EPROTO: it is of another version, of
 * another size, not sealed, or no ledger; of fstat(2) and mmap(2). */
struct ledger *ledger_map(int fd);
void ledger_unmap(struct ledger *ledger);

/* Locks it in memory: a page fault under a pending SIGKILL would lose what the kernel is about to
 * write. Returns 0, or -EPERM, -ENOMEM where RLIMIT_MEMLOCK forbids it. */
int ledger_lock(struct ledger *ledger);

/* A consistent copy of the record, also while its writer is running. */
struct ledger_totals ledger_totals(const struct ledger *ledger);
struct ledger_kernel ledger_kernel(const struct ledger *ledger);

/* Likewise, for the supervisor, which waits for no worker: false when the writer has changed it
 * during each of a few tries. */
bool ledger_look(const struct ledger *ledger, struct ledger_totals *totals);

/* The commit. One writer. */
void ledger_commit(struct ledger *ledger, const struct ledger_totals *totals);

/* Begins the slot's next ring: its blocks are numbered from 1 again, in a file of its own; all
 * counters continue. There must be no worker. */
void ledger_next_ring(struct ledger *ledger);

/* The current file is no longer available: the next chunk goes to another one. There must be no
 * worker. */
void ledger_next_file(struct ledger *ledger);

/* The bounds that a dead worker's ledger must respect. `taken`: ledger_take() has been called since
 * its death, so that the kernel's counters are those of all that was received. */
struct ledger_bounds {
	uint64_t generation, blocks;	 /* of its ring */
	uint64_t serial_min, serial_max; /* of the worker's files */
	bool taken;
	bool writes;			 /* what is received is written or discarded */
	const struct counters *reported; /* last report; no counter may fall */
};

/* Checks a dead worker's ledger: NULL, or the reason why no worker can have written it. */
const char *ledger_problem(const struct ledger *ledger, const struct ledger_bounds *bounds);

/* Replaces the contents of an unusable ledger by the counters as they were reported last, and the
 * file as it was then. */
void ledger_restore(struct ledger *ledger, const struct counters *reported,
		    const struct ledger_file *current, uint64_t generation);

/* Adds kernel counters that were read elsewhere: at most what one read can return. */
void ledger_add(struct ledger *ledger, const struct ledger_kernel *taken);

/* Reads the kernel's counters by `take` (afcap_stats_take()) into the ledger and folds them. What
 * an interrupted call left pending is folded first, without a new read. One caller at a time.
 * Returns 0 or take's error. */
int ledger_take(struct ledger *ledger, int (*take)(int socket, struct afcap_kernel_stats *stats),
		int socket);

/* All counters that a ledger holds; the others are 0. `totals` is to be read before the last
 * ledger_take(): a packet received since was seen by the kernel before its statistics were read, so
 * that a report never shows more packets received than seen. */
void ledger_counters(const struct ledger *ledger, const struct ledger_totals *totals,
		     struct counters *counters);

#endif
