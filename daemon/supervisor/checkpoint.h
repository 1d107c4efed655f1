/* A capture's record for the next instance: the state that it needs beside rings and ledgers, in a
 * memfd that the service manager stores (memfd_create(2); FDSTORE=1 of sd_notify(3)). Knows only
 * the layout: neither captures nor slots, nor how the memfd is stored.
 *
 * Invariants:
 * (C1) One writer: the supervisor. Its readers are the supervisor itself and the next instance,
 *      which begins when this process is gone.
 * (C2) A SIGKILL may come between any two stores: what marks a record valid is stored after it
 *      (serial_after, ended, lost), and what unmarks it before it is overwritten.
 * (C3) A loss is counted once, wherever it was interrupted: the new sums are written down before
 *      `lost` says that they are meant, and checkpoint_recover() copies them again.
 * (C4) magic, version, bytes, alive_ns, and behind them workers, block_bytes and blocks stay where
 *      they are in every version: only they are read from another version's.
 * (C5) Its size is sealed (F_SEAL_SHRINK, F_SEAL_GROW of fcntl(2)), and nothing else is mapped: a
 *      mapping of it raises no SIGBUS, whatever process else holds the descriptor.
 * (C6) What is in it was written by another process, perhaps by another program: no number is used
 *      before checkpoint_valid(), no text without its end. */
#ifndef CHECKPOINT_H
#define CHECKPOINT_H

#include "../base/message.h"

/* Of a slot: the current file, the spare file, and those that have ended but are not finished by
 * the archive. */
#define CHECKPOINT_FILES 8

struct checkpoint_file {
	uint64_t serial_after; /* its serial + 1; 0: no record */
	uint64_t device, inode;
	uint64_t counted; /* in files_opened */
	uint64_t ended;	  /* `record` is its last */
	uint64_t lost;	  /* the next two are the slot's sums, including this file's */
	uint64_t lost_packets_after, lost_files_after;
	struct ledger_file record;
};

/* The supervisor's own counters. */
struct checkpoint_slot {
	uint64_t restarts, files_opened, files_completed, files_removed, files_repaired;
	uint64_t sync_errors; /* of files, while they were written or at their end */
	uint64_t had; /* the capture had this slot, and may not have it any more: then ... */
	struct counters
		ended; /* all its counters, if the capture does not have the slot any more */
	struct counters before; /* ... or when it got the slot again, with a new ledger */
	uint64_t files_lost, packets_lost; /* to other programs, after they were written */
	uint64_t written_shown;		   /* `written` as readers saw it last: it must not fall */
	struct checkpoint_file files[CHECKPOINT_FILES];
};

/* The compatibility fingerprint: what must be equal for a ring to be resumed. Compared as bytes, so
 * padding is zero. */
struct checkpoint_fingerprint {
	uint32_t workers;
	uint32_t block_bytes, blocks; /* ... these two */
	uint32_t block_timeout_ms, snaplen;
	uint32_t link_type, output, vlan_keep, promiscuous;
	uint32_t fanout_mode, fanout_flags;
	int32_t fanout_id;
	char interface[INTERFACE_BYTES];
	char directory[PATH_BYTES];
};

struct checkpoint {
	uint64_t magic; /* these four stay where they are in every version, and with them ... */
	uint32_t version;
	uint32_t bytes;
	uint64_t alive_ns; /* realtime: the daemon was alive */
	struct checkpoint_fingerprint fingerprint;
	struct message_group group;
	uint32_t unused;
	uint64_t armed;		    /* all its rings accept packets */
	uint64_t since_ns;	    /* realtime when it was armed first; 0: never */
	uint64_t gap_ns;	    /* realtime since when nothing is recorded; 0: no gap */
	char gap_why[REASON_BYTES]; /* ... and why */
	char filter[FILTER_BYTES];  /* of its rings, as set last */
	struct checkpoint_slot slots[WORKERS_MAX];
};

/* Creates an empty one of fixed size, close-on-exec. Returns the descriptor, which the caller owns;
 * -errno of memfd_create(2), write(2) or fcntl(2) (-EFBIG: RLIMIT_FSIZE is below its size). */
int checkpoint_create(void);

/* Maps one. *alive_ns, also on failure: when its instance was last alive (realtime, ns), 0 if
 * unknown. The caller unmaps it; the descriptor stays the caller's. Returns NULL with errno set:
 * EPROTO: it is of another version, of another size, not sealed, or no checkpoint; of fstat(2) and
 * mmap(2). NULL may be unmapped. */
struct checkpoint *checkpoint_map(int fd, uint64_t *alive_ns);
void checkpoint_unmap(struct checkpoint *checkpoint);

/* The rings that it describes, whatever its version (C4): blocks, and bytes of each, as another
 * process wrote them. False: it is no checkpoint. */
bool checkpoint_ring(int fd, uint32_t *blocks, uint32_t *block_bytes);

/* The record of the file with this serial; NULL: none. Borrowed until it is dropped. */
struct checkpoint_file *checkpoint_find(struct checkpoint_slot *slot, uint64_t serial);

/* Adds or replaces the record of a file. If all records are in use, the oldest ended file's is
 * given up, which the next start repairs like any unfinished file; if none has ended, this file
 * gets no record. */
void checkpoint_put(struct checkpoint_slot *slot, uint64_t serial, uint64_t device, uint64_t inode);

/* The file is no longer written to: `record` is its last one, of which the first given counts.
 * NULL: no effect. */
void checkpoint_end(struct checkpoint_file *file, const struct ledger_file *record);

/* Drops the record of a file. NULL: no effect. */
void checkpoint_drop(struct checkpoint_file *file);

/* Whether its numbers are possible: none is above COUNTER_MAX, so that no sum of them overflows,
 * and finishing interrupted losses lets no counter fall. */
bool checkpoint_valid(const struct checkpoint *checkpoint);

/* The slot gets a new ledger: forgets its files, which are repaired like any unfinished ones, and
 * the losses of written packets. The supervisor's own counters (restarts, files, sync_errors)
 * stay. */
void checkpoint_reset(struct checkpoint_slot *slot);

/* The file (NULL: one without a record) is lost, and `packets` with it: counts both, drops the
 * record. */
void checkpoint_lose(struct checkpoint_slot *slot, struct checkpoint_file *file, uint64_t packets);

/* Finishes the losses that a SIGKILL interrupted (C3): once, before the slot is used again. */
void checkpoint_recover(struct checkpoint_slot *slot);

/* Since when nothing is recorded (realtime; 0: packets are recorded), and why: the next instance
 * may close this gap. */
void checkpoint_gap(struct checkpoint *checkpoint, uint64_t since_ns, const char *why);

#endif
