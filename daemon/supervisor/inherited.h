/* What the previous instance left of a capture, in the service manager's store: taken out, checked,
 * returned as data. Nothing is started, bound or changed in the kernel.
 *
 * Either there are rings to continue with, or what was there is closed, and what that cost logged.
 */
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
	bool found; /* there was something, whatever became of it */
	/* The record; NULL and -1: a new one is to be made. Taken over by the caller. */
	struct checkpoint *saved;
	int saved_fd;
	/* One for each worker of the record, owned; NULL: there is nothing to continue with */
	unsigned workers;
	struct inherited_ring *rings;
	/* The configuration that made the rings, where that is another than now; NULL. The caller's
	 */
	struct config_capture *earlier;
	uint64_t given_up_ns; /* realtime: a ring of it was, whose ledger was unusable; 0: none */
	struct gap gap;	      /* that is known to have begun before this instance */
};

/* Takes what there is of the capture that is configured so. True: there are rings. */
bool inherited_take(struct inherited *inherited, struct fdstore *store,
		    const struct config_capture *config);

/* The ledger of a worker; the caller's. */
int inherited_ledger(struct inherited *inherited, unsigned worker);

/* The rings are the caller's, as ring_fd says. */
void inherited_taken(struct inherited *inherited);

/* There can be no slots for them after all: closes the rings, which is logged. */
void inherited_forget(struct inherited *inherited, struct fdstore *store, const char *capture);

/* Whether all rings are there, and took packets when the previous instance was last there: then
 * nothing but a changed configuration or device keeps the capture from continuing. */
bool inherited_whole(const struct inherited *inherited);

/* Where it is not whole: since when nothing is recorded, and why. Borrowed. */
const char *inherited_gap(const struct inherited *inherited, uint64_t *since_ns);

/* The device that the rings are bound to, if the capture may continue with it: it is called as
 * configured, or nothing is, since it was renamed. NULL, or what became of it; static. */
const char *inherited_device(const struct inherited *inherited, const struct config_capture *config,
			     struct links *links, struct link *link);

#endif
