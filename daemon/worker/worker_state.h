/* What the files of a worker's main thread share. */
#ifndef WORKER_STATE_H
#define WORKER_STATE_H

#include "ringloop.h"
#include "uplink.h"

#include <event2/event.h>

struct worker {
	struct uplink uplink;
	struct event *channel_event, *report_timer, *notify_event, *drain_timer;
	int notify;
	struct message_worker what;
	int socket; /* made, not yet a ring */
	struct ledger *ledger;
	struct afcap *ring;
	struct ringloop *loop;
	bool joined, running;
	bool gone;	/* the interface is */
	int no_space;	/* errno, where files are written */
	int refused;	/* likewise, just now */
	int error_told; /* errno of failed writes, logged last */
	uint64_t error_told_ns;
	bool draining;
	uint64_t stuck_in,
		stuck_since;	  /* the block that the ring thread is busy with, as last seen */
	uint64_t orphan_deadline; /* 0: the supervisor is there */
	uint64_t orphan_target;	  /* packets that the ring had been given when it went */
	uint64_t quiet_since; /* draining: since when all that came in is accounted for; 0: it is
				 not */
	uint64_t quiet_packets;
	char who[CAPTURE_NAME_BYTES + 8];
};

/* attach.c: what fails is sent by uplink_fail(). */
/* First of all: nothing else takes the number of a ring that is not there yet. False: errno. */
bool worker_ring_reserve(void);
/* Socket, ring and ring loop; it drops whatever comes until it is armed. */
void worker_ring_make(struct worker *worker);
/* The group that `message` names; says JOINED, with a duplicate. */
bool worker_ring_join(struct worker *worker, struct message *message);
/* The ring of a worker that died, and the ring loop. */
bool worker_ring_adopt(struct worker *worker);

/* drain.c: nothing comes in any more; what is there is written, then the worker ends. */
void worker_drain(struct worker *worker);
/* The supervisor is gone. What the ring holds is written; more may come in until this process ends.
 */
void worker_orphaned(struct worker *worker);
/* The timer while draining. */
void worker_drain_cb(evutil_socket_t fd, short what, void *arg);

#endif
