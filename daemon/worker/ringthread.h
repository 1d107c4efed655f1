/* The main thread's side of the ring thread: makes it, hands it files, asks it for things and hears
 * its news. All calls are the main thread's; what crosses is in crossing.h. */
#ifndef RINGTHREAD_H
#define RINGTHREAD_H

#include "../base/message.h"
#include "../../lib/afcap.h"

struct ringthread;

/* What the ring thread wants the main thread to know; see ringthread_news(). */
struct ringthread_news {
	int link;     /* AFCAP_DOWN, AFCAP_GONE, or 0: nothing new */
	int error;    /* errno of the last write that failed, 0: none since the last call */
	int fatal;    /* errno that ended the thread, 0: it runs */
	int refused;  /* errno: a write found no room just now, and is tried again */
	int no_space; /* errno: the last write found no room, and none was seen since */
};

/* Allocates what the thread needs; nothing runs yet. `ring`, `ledger`, `what` are borrowed for
 * good: a process has one ring thread, which ends with it. `notify` is an eventfd that the thread
 * writes to when there is news or the file has changed; -1: none. Returns 0, -ENOMEM. */
int ringthread_new(struct ringthread **out, struct afcap *ring, struct ledger *ledger,
		   const struct message_worker *what, int notify);

/* Hands over a file; the fd is owned by the thread then. The one of the ledger's current serial, or
 * the next one, but only after the one before was taken into use. Returns 0, or -EINVAL when that
 * is not so, or for an `align` that is none; the fd is the caller's then. */
int ringthread_file(struct ringthread *thread, const struct message_file *file, int fd);

/* From now on packets are discarded (discarded_no_space), or written again. */
void ringthread_suspend(struct ringthread *thread, bool suspended);

/* Takes the next file into use, if the current one has packets. */
void ringthread_rotate(struct ringthread *thread);

/* True when the current file is there, or none is needed. Before ringthread_go(). */
bool ringthread_ready(const struct ringthread *thread);

/* Makes the thread, which waits for ringthread_go(). Returns 0 or -errno. */
int ringthread_start(struct ringthread *thread);
void ringthread_go(struct ringthread *thread);

/* Whether it reads the ring: between ringthread_go() and ringthread_stop(). NULL: no. */
bool ringthread_running(const struct ringthread *thread);

/* From now on every block is written as soon as it comes. */
void ringthread_drain(struct ringthread *thread);

/* Lets the thread write what it holds, and waits for its end. */
void ringthread_stop(struct ringthread *thread);

/* Whether the thread waits for the kernel's statistics to be taken into the ledger; they were,
 * after it was asked. */
bool ringthread_statistics_wanted(const struct ringthread *thread);
void ringthread_statistics_taken(struct ringthread *thread);

void ringthread_news(struct ringthread *thread, struct ringthread_news *news);

#endif
