/* A ring and its ledger: what the workers of a slot share one after the other, and, in the service
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

/* There is a ring, whose descriptor it owns from now on. */
void stored_ring_put(struct stored_ring *ring, int fd);

/* The ring is closed, if there is one; the ledger becomes that of the next one. */
void stored_ring_next(struct stored_ring *ring);

/* For good: nothing of it is in the store any more. */
void stored_ring_end(struct stored_ring *ring);

#endif
