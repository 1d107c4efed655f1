/* A worker's ring, created and joined to a fanout group or adopted from a worker that died, and its
 * ring thread, which is not started here. Failures are reported by uplink_fail(). */
#ifndef ATTACH_H
#define ATTACH_H

#include "ringthread.h"
#include "uplink.h"

struct attach {
	struct uplink *uplink;		   /* borrowed, as are the next three */
	const struct message_worker *what; /* configuration; filled in by the first message */
	struct ledger *ledger;
	int notify;		   /* eventfd that the ring thread writes to */
	int socket;		   /* made, not yet a ring; -1: none */
	struct afcap *ring;	   /* NULL: none yet */
	struct ringthread *thread; /* NULL: none yet */
	bool joined;		   /* the ring is in its group; only the file is missing */
};

/* Reserves RING_FD before anything else can get that number; called first. False with errno. */
bool attach_reserve(void);

/* Makes socket, ring and ring thread; the ring drops all packets until it is armed. Sends
 * SOCKET_MADE and RING_MADE. */
void attach_make(struct attach *attach);

/* Joins the fanout group in `message`; sends JOINED with a duplicate of the socket. False:
 * failed. */
bool attach_join(struct attach *attach, struct message *message);

/* Adopts the ring of a worker that died, at RING_FD, resumes it at the ledger's position, and makes
 * a ring thread. False: failed. */
bool attach_adopt(struct attach *attach);

#endif
