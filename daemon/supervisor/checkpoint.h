/* What the next daemon must know of a capture beside its rings and ledgers, in a memfd that
 * systemd's descriptor store keeps. Its only writer is the supervisor: a SIGKILL may leave any
 * record half made, so each is marked valid last. */
#ifndef CHECKPOINT_H
#define CHECKPOINT_H

#include "../base/config.h"

#define CHECKPOINT_FILES                                                                           \
	8 /* of a slot: in use, ahead, and ended but not yet finished by the archive               \
	   */

struct checkpoint_file {
	uint64_t serial_after; /* its serial + 1; 0: no record */
	uint64_t device, inode;
	uint64_t counted; /* in files_opened */
	uint64_t ended;	  /* `record` is its last */
	uint64_t lost;	  /* the next two are the slot's, with this one's */
	uint64_t lost_packets_after, lost_files_after;
	struct ledger_file record;
};

/* Counters that are no worker's. */
struct checkpoint_slot {
	uint64_t restarts, files_opened, files_completed, files_removed, files_repaired;
	uint64_t sync_errors;	/* of files, while they were written or at their end */
	uint64_t had;		/* the capture had it, and may have it no more: then it is ... */
	struct counters ended;	/* all, of a slot that the capture has no more */
	struct counters before; /* ... when it got the slot again, with a new ledger */
	uint64_t files_lost, packets_lost; /* to other programs, after they were written */
	uint64_t written_shown; /* what readers were shown of `written`: it does not fall */
	struct checkpoint_file files[CHECKPOINT_FILES];
};

/* What must be the same for a ring to be gone on with. */
struct checkpoint_shape {
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
	uint64_t alive_ns; /* realtime: the daemon was there */
	struct checkpoint_shape shape;
	struct message_group group;
	uint32_t unused;
	uint64_t armed;		    /* its rings take packets, all of them */
	uint64_t since_ns;	    /* realtime when it was armed first; 0: never */
	uint64_t gap_ns;	    /* realtime since when nothing is recorded; 0: no gap */
	char gap_why[REASON_BYTES]; /* ... and why */
	char filter[FILTER_BYTES];  /* that its rings had last */
	struct checkpoint_slot slots[CONFIG_WORKERS_MAX];
};

/* A new one, close-on-exec, of fixed size. Returns the descriptor or -errno. */
int checkpoint_create(void);

/* Maps it. NULL with errno set; EPROTO: not of this version, then *alive_ns says when its daemon
 * was last there, 0 where even that is not known. */
struct checkpoint *checkpoint_map(int fd, uint64_t *alive_ns);
void checkpoint_unmap(struct checkpoint *checkpoint);

/* The rings that it is about, whatever its version. False: it is no record. */
bool checkpoint_ring(int fd, uint32_t *blocks, uint32_t *block_bytes);

/* The record of a file, NULL where there is none. */
struct checkpoint_file *checkpoint_find(struct checkpoint_slot *slot, uint64_t serial);

/* Makes one: where there is no room that of the oldest ended file is given up, which is repaired
 * then as any other that a daemon left. */
void checkpoint_put(struct checkpoint_slot *slot, uint64_t serial, uint64_t device, uint64_t inode);
void checkpoint_end(struct checkpoint_file *file, const struct ledger_file *record);
void checkpoint_drop(struct checkpoint_file *file);

/* Whether its numbers can be: no sum of them overflows, what was interrupted leads to more. */
bool checkpoint_valid(const struct checkpoint *checkpoint);

/* Its ledger begins anew: nothing is known of its files, which are repaired as any others that a
 * daemon left, and of what was written. Counters that are no worker's go on. */
void checkpoint_reset(struct checkpoint_slot *slot);

/* The file is lost, with so many packets in it: counted once, wherever this is interrupted. Drops
 * its record, which may be NULL. checkpoint_recover() ends what was interrupted. */
void checkpoint_lose(struct checkpoint_slot *slot, struct checkpoint_file *file, uint64_t packets);
void checkpoint_recover(struct checkpoint_slot *slot);

#endif
