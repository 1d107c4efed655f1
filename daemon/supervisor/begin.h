/* Captures that are started beside each other. */
#ifndef BEGIN_H
#define BEGIN_H

#include "capture.h"

/* Starts `count` captures, those first that go on with rings: the archive process opens one
 * directory after the other, and a new one may be on a server that does not answer. `left`: there
 * are rings that go on, which are worth more than a capture that cannot be. Returns 0, or the exit
 * code of the first that cannot be, which is logged. */
int begin_all(struct capture *captures, unsigned count, bool left);

/* Whether all have begun, or wait for nothing but their interfaces. Where none goes on the daemon
 * ends, and never was ready: false. */
bool begin_done(const struct capture *captures, unsigned count);

/* Whether the service manager stores all descriptors of them, as far as that can be known: of each
 * capture its checkpoint, of each worker its ledger and its ring. Once; see fdstore_check(). */
void begin_store_check(const struct capture *captures, unsigned count, struct fdstore *store,
		       struct event_base *base);

#endif
