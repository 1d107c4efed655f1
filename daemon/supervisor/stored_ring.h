/* A ring and its ledger, shared by the successive workers of a slot and, through the service
 * manager's store, with those of the next instance.
 *
 * Invariants: the ring is in the store iff fd >= 0, the ledger from stored_ring_init() to
 * stored_ring_end(). The supervisor never maps a ring. */
#ifndef STORED_RING_H
#define STORED_RING_H

#include "fdstore.h"

#include "../base/ledger.h"

struct stored_ring {
	struct fdstore *store; /* borrowed */
	const char *capture;   /* its name, borrowed */
	unsigned worker;
	int fd; /* a duplicate of the worker's socket; -1: there is no ring */
	int ledger_fd;
	struct ledger *ledger;
	uint64_t generation; /* of the ring */
};

/* Without a ring; with the ledger that the previous instance left, or a new one (-1), which it
 * owns. Returns 0 or -errno; stored_ring_free() is due either way. */
int stored_ring_init(struct stored_ring *ring, struct fdstore *store, const char *capture,
		     unsigned worker, int ledger_fd);
void stored_ring_free(struct stored_ring *ring);

/* Takes ownership of a ring's descriptor. */
void stored_ring_put(struct stored_ring *ring, int fd);

/* Closes the ring, if there is one; the ledger becomes that of the next ring. */
void stored_ring_next(struct stored_ring *ring);

/* Drops ring and ledger from the store, for good. */
void stored_ring_end(struct stored_ring *ring);

#endif
