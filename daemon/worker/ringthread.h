/* The main thread's side of the ring thread: creates it, hands it files, sends it requests and
 * collects its news. Only the main thread calls these functions; shared state is in crossing.h. */
#ifndef RINGTHREAD_H
#define RINGTHREAD_H

#include "../base/message.h"
#include "../../lib/afcap.h"

struct ringthread;

/* News of the ring thread for the main thread; see ringthread_news(). */
struct ringthread_news {
	int link;     /* AFCAP_DOWN, AFCAP_GONE, or 0: nothing new */
	int error;    /* errno of the last write that failed, 0: none since the last call */
	int fatal;    /* errno that ended the thread, 0: it runs */
	int refused;  /* errno: a write found no space and is being retried */
	int no_space; /* errno: the last write found no space, and none was found since */
	bool burst;   /* a burst has begun, since the last call */
	uint64_t waiting_bytes; /* in the page cache, not on the disk yet (burst) */
};

/* Allocates what the thread needs; nothing runs yet. `ring`, `ledger`, `what` are borrowed until
 * the process ends: it has one ring thread, which ends with it. `notify` is an eventfd that the
 * thread writes to when it has news or the current file has changed; -1: none. Returns 0,
 * -ENOMEM. */
int ringthread_new(struct ringthread **out, struct afcap *ring, struct ledger *ledger,
		   const struct message_worker *what, int notify);

/* Hands over a file: the one with the ledger's current serial, or the next one, but only after the
 * previous one was taken into use. The thread owns the fd then. Returns 0, or -EINVAL for a file
 * out of turn or an invalid `align`; the caller keeps the fd then. */
int ringthread_file(struct ringthread *thread, const struct message_file *file, int fd);

/* From now on packets are discarded (discarded_no_space), or written again. */
void ringthread_suspend(struct ringthread *thread, bool suspended);

/* Requests that the spare file be taken into use, if the current file has packets. */
void ringthread_rotate(struct ringthread *thread);

/* Whether the current file is there or none is needed. Only before ringthread_go(). */
bool ringthread_ready(const struct ringthread *thread);

/* Creates the thread, which waits for ringthread_go(). Returns 0 or -errno. */
int ringthread_start(struct ringthread *thread);
void ringthread_go(struct ringthread *thread);

/* Whether the thread reads the ring: between ringthread_go() and ringthread_stop(). False for
 * NULL. */
bool ringthread_running(const struct ringthread *thread);

/* From now on every block is written as soon as it arrives. */
void ringthread_drain(struct ringthread *thread);

/* Lets the thread write the blocks that it holds, and joins it. */
void ringthread_stop(struct ringthread *thread);

/* Whether the thread waits for the kernel's statistics; and the notification that they are in the
 * ledger, after that was requested. */
bool ringthread_statistics_wanted(const struct ringthread *thread);
void ringthread_statistics_taken(struct ringthread *thread);

void ringthread_news(struct ringthread *thread, struct ringthread_news *news);

#endif
