/* What a worker reads: its ring, made and joined to a fanout group or taken from a worker that
 * died, and the ring thread on it, which does not run yet. What fails is sent by uplink_fail(). */
#ifndef ATTACH_H
#define ATTACH_H

#include "ringthread.h"
#include "uplink.h"

struct attach {
	struct uplink *uplink;		   /* borrowed, as the next three are */
	const struct message_worker *what; /* what to do; filled by the first message */
	struct ledger *ledger;
	int notify;		   /* eventfd, by which the ring thread calls */
	int socket;		   /* made, not yet a ring; -1: none */
	struct afcap *ring;	   /* NULL: none yet */
	struct ringthread *thread; /* NULL: none yet */
	bool joined;		   /* the ring is in its group: only its file is missing */
};

/* First of all: nothing else gets the number of a ring that is not there yet. False: errno. */
bool attach_reserve(void);

/* Socket, ring and ring thread; the ring drops whatever comes until it is armed. Says SOCKET_MADE,
 * RING_MADE. */
void attach_make(struct attach *attach);

/* Joins the group that `message` names; says JOINED, with a duplicate of the socket. False:
 * failed. */
bool attach_join(struct attach *attach, struct message *message);

/* The ring of a worker that died, at RING_FD, resumed where the ledger says, and a ring thread.
 * False: failed. */
bool attach_adopt(struct attach *attach);

#endif
