/* Inherited state: what the previous instance stored of a capture with the service manager, taken
 * out, checked, returned as data. Nothing is started, bound or changed in the kernel.
 *
 * Either there are rings to resume, or everything is closed, and the loss is logged. */
#ifndef INHERITED_H
#define INHERITED_H

#include "fdstore.h"
#include "gap.h"
#include "link.h"
#include "plan.h"

#include "../base/ledger.h"

struct inherited_ring {
	int ledger_fd, ring_fd; /* ring_fd -1: it was closed already, not stored, or is given up */
	struct ledger *ledger;
	const char *problem; /* of the ledger; NULL: it is usable */
};

struct inherited {
	bool found; /* there was any inherited state */
	/* The record; NULL and -1: the caller makes a new one. Owned by the caller. */
	struct checkpoint *saved;
	int saved_fd;
	/* One for each worker of the record, owned; NULL: there is nothing to resume */
	unsigned workers;
	struct inherited_ring *rings;
	/* The configuration that made the rings, if it differs from the current one; else NULL.
	 * Owned by the caller */
	struct config_capture *earlier;
	uint64_t given_up_ns; /* realtime: when a ring whose ledger was unusable was given up; 0:
				 none */
	struct gap gap;	      /* a gap that began before this instance */
};

/* Takes the inherited state of the capture with this configuration. True: there are rings. */
bool inherited_take(struct inherited *inherited, struct fdstore *store,
		    const struct config_capture *config);

/* The ledger of a worker, which the caller owns then. */
int inherited_ledger(struct inherited *inherited, unsigned worker);

/* The caller owns the rings from now on. */
void inherited_taken(struct inherited *inherited);

/* The slots could not be made: closes the rings, which is logged. */
void inherited_forget(struct inherited *inherited, struct fdstore *store, const char *capture);

/* Whether all rings exist, and accepted packets when the previous instance was last alive: then
 * only a changed configuration or device prevents resuming. */
bool inherited_whole(const struct inherited *inherited);

/* If it is incomplete: since when nothing is recorded, and why. Borrowed. */
const char *inherited_gap(const struct inherited *inherited, uint64_t *since_ns);

/* The device that the rings are bound to, if the capture may be resumed with it: it has the
 * configured name, or no device has, as it was renamed. NULL, or what happened to it; static. */
const char *inherited_device(const struct inherited *inherited, const struct config_capture *config,
			     struct links *links, struct link *link);

#endif
