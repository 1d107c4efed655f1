/* A ring loop on a ring in memory, with two files on a disk, for what is written and how. */
#ifndef LOOPSIDE_H
#define LOOPSIDE_H

#include "handring.h"

#include "../../daemon/worker/ringloop.h"

struct loopside {
	struct handring ring;
	struct crossing crossing;
	struct message_worker
		what; /* large packets of Ethernet in place; may be changed before begin */
	struct ledger *ledger;
	struct ringloop loop;
	int fds[2];	/* of files 0 and 1 */
	uint32_t align; /* of O_DIRECT there, at least a page */
};
extern struct loopside loopside;

void loopside_open(void);
void loopside_close(void);

/* A worker with file 0, whose thread of bursts runs if there are bursts. An earlier one has died.
 */
void loopside_begin(void);

/* File 1, ahead. */
void loopside_next_give(void);

/* The kernel's part: so many blocks of so many packets. */
void loopside_put(unsigned blocks, unsigned packets, uint32_t captured);

/* Takes all blocks that are there, until afcap_stop(); what waits is on the disk then, or not
 * begun. */
void loopside_run(void);

#endif
