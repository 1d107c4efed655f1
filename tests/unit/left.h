/* What the previous instance left of a capture, "a", in the service manager's store, filled by
 * hand; its rings are the kernel's. Needs root. */
#ifndef LEFT_H
#define LEFT_H

#include "../../daemon/base/config.h"
#include "../../daemon/base/ledger.h"
#include "../../daemon/supervisor/checkpoint.h"
#include "../../daemon/supervisor/fdstore.h"

#define LEFT_WORKERS 2
#define NS(seconds)  ((seconds)*UINT64_C(1000000000))
#define LEFT_AT	     NS(1790000000) /* realtime: when its instance was last there */

extern struct left {
	struct config config; /* the same as then */
	struct config_capture *capture;
	struct fdstore *store;
	/* What is changed in these is found by the next instance */
	struct checkpoint *record;
	struct ledger *ledgers[LEFT_WORKERS];
	int record_fd;		 /* the store's own */
	int rings[LEFT_WORKERS]; /* duplicates of the store's */
} left;

/* A capture of the loopback, in a network namespace of its own, which recorded when its instance
 * ended, in generation 1 of its rings. What is logged: place_logged(). */
void left_setup(void);
void left_teardown(void);

/* Puts more into the store, under a name with the worker's number in it. */
void left_put(const char *format, unsigned worker, int fd);

#endif
