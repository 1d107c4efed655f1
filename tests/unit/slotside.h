/* The slots of a capture without processes: the archive process is archiveside.h's, the workers are
 * the test. A ring is a socket that has no ring, whose statistics are handring_counters. */
#ifndef SLOTSIDE_H
#define SLOTSIDE_H

#include "../../daemon/supervisor/gap.h"
#include "../../daemon/supervisor/storage.h"

#define SLOTSIDE_MAX	2
#define SLOTSIDE_BLOCKS 8

struct slotside {
	struct event_base *base;
	struct notify *notify; /* there is no service manager */
	struct fdstore *store;
	struct files *files;
	struct slots slots;
	struct slot list[SLOTSIDE_MAX];
	struct checkpoint_slot saved[SLOTSIDE_MAX];
	struct storage storage;
	struct gap gap;
	struct message heard; /* what a worker was sent last, by slotside_hear() */
	int passed;	      /* ... with this descriptor; -1: none */
};

extern struct slotside slotside;

/* So many EMPTY slots of the capture "a", which the archive knows; what is logged is
 * place_logged(). `writes`: into files. */
void slotside_begin(unsigned count, bool writes);
void slotside_end(void);

/* One turn of the event loop: what workers have sent is taken, each slot takes its step. The
 * invariants of slot.h hold then. */
void slotside_turn(void);

/* The slot begins, its worker makes its ring, gets the files, which the archive makes, and reads.
 */
void slotside_run(struct slot *slot);

/* ---- the worker ---- */

/* The type of the next message that it was sent; 0: there is none. */
uint32_t slotside_hear(const struct slot *slot);
void slotside_hears(const struct slot *slot, uint32_t type);

/* It sends a message without content; JOINED, with the ring's socket; that it cannot start. */
void slotside_say(const struct slot *slot, uint32_t type);
void slotside_join(const struct slot *slot);
void slotside_fail(const struct slot *slot, uint32_t exit_code, const char *text);

/* So many packets come into its ring; it writes so many of them into its file, and commits that. */
void slotside_arrive(uint64_t packets);
void slotside_write(const struct slot *slot, uint64_t packets);

/* What it would report now; it is sent. */
struct message_report slotside_report(const struct slot *slot);
void slotside_send(const struct slot *slot, const struct message_report *report);

/* Its ledger says what cannot be: it was compromised. */
void slotside_spoil(const struct slot *slot);

/* It is dead, with this status of wait(2), and the slot takes that. Its ledger stays as it is. */
void slotside_die(struct slot *slot, int status);

/* The next one comes to a VACANT slot, after whatever pause. */
void slotside_next(struct slot *slot);

/* ---- the ring ---- */

/* Whether a filter is on its socket that lets nothing through. */
bool slotside_dropping(const struct slot *slot);

/* Whether the store has its ring, its ledger. */
bool slotside_stored(const struct slot *slot, enum fdstore_kind kind);

#endif
