/* Stores and drops descriptors. */
#include "stored_ring.h"

#include <errno.h>
#include <unistd.h>

static struct fdstore_key key_of(const struct stored_ring *r, enum fdstore_kind kind)
{
	return (struct fdstore_key){ kind, r->capture, r->worker,
				     kind == FDSTORE_RING ? r->generation : 0 };
}

static void store_put(const struct stored_ring *r, enum fdstore_kind kind, int fd)
{
	const struct fdstore_key key = key_of(r, kind);

	fdstore_put(r->store, &key, fd);
}

static void store_drop(const struct stored_ring *r, enum fdstore_kind kind)
{
	const struct fdstore_key key = key_of(r, kind);

	fdstore_drop(r->store, &key);
}

int stored_ring_init(struct stored_ring *r, struct fdstore *store, const char *capture,
		     unsigned worker, int ledger_fd)
{
	*r = (struct stored_ring){ .store = store,
				   .capture = capture,
				   .worker = worker,
				   .fd = -1,
				   .ledger_fd = ledger_fd < 0 ? ledger_create() : ledger_fd };
	if (r->ledger_fd < 0)
		return r->ledger_fd;
	r->ledger = ledger_map(r->ledger_fd);
	if (!r->ledger)
		return -errno;
	r->generation = ledger_totals(r->ledger).generation;
	if (ledger_fd < 0)
		store_put(r, FDSTORE_LEDGER, r->ledger_fd);
	return 0;
}

void stored_ring_put(struct stored_ring *r, int fd)
{
	r->fd = fd;
	store_put(r, FDSTORE_RING, fd);
}

static void ring_close(struct stored_ring *r)
{
	if (r->fd < 0)
		return;
	store_drop(r, FDSTORE_RING);
	close(r->fd);
	r->fd = -1;
}

void stored_ring_next(struct stored_ring *r)
{
	ring_close(r);
	ledger_next_ring(r->ledger);
	r->generation++;
}

void stored_ring_end(struct stored_ring *r)
{
	ring_close(r);
	store_drop(r, FDSTORE_LEDGER);
}

void stored_ring_free(struct stored_ring *r)
{
	ledger_unmap(r->ledger);
	if (r->ledger_fd >= 0)
		close(r->ledger_fd);
	if (r->fd >= 0)
		close(r->fd);
	r->ledger = NULL;
	r->ledger_fd = r->fd = -1;
}
