/* The ring thread: waits for blocks, encodes, writes, commits, releases, alone and in that order.
 *
 *   ring --acquire--> chunk, in place or in a buffer --pwrite--> file, commit to the ledger,
 * release
 *
 * On this way there is no lock, no allocation, no log and no message. Everything else (channel,
 * timers, kernel statistics) is the main thread's, which talks to the ring thread by the calls
 * below. */
#ifndef RINGLOOP_H
#define RINGLOOP_H

#include "../base/message.h"
#include "../../lib/afcap.h"

struct ringloop;

/* What the ring thread wants the main thread to know; see ringloop_news(). */
struct ringloop_news {
	int link;     /* AFCAP_DOWN, AFCAP_GONE, or 0: nothing new */
	int error;    /* errno of the last write that failed, 0: none since the last call */
	int fatal;    /* errno that ended the thread, 0: it runs */
	int refused;  /* errno: a write found none just now, and is tried again */
	int no_space; /* errno: the last write found none, and none was seen since */
};

/* Allocates what the thread needs; nothing runs yet. `ring`, `ledger`, `what` are borrowed until
 * ringloop_free(). `notify` is an eventfd that the thread writes to when there is news or the file
 * has changed. Returns 0, -ENOMEM. */
int ringloop_new(struct ringloop **out, struct afcap *ring, struct ledger *ledger,
		 const struct message_worker *what, int notify);

/* Hands over a file; the fd is owned by the ring loop then. The one of the ledger's current serial,
 * or the next one, but only after the one before was taken into use. Returns 0, or -EINVAL when the
 * place is taken; the fd is the caller's then. */
int ringloop_file(struct ringloop *loop, const struct message_file *file, int fd);

/* From now on packets are discarded (discarded_no_space), or written again. */
void ringloop_suspend(struct ringloop *loop, bool suspended);

/* Goes on in the next file, if the current one has packets. */
void ringloop_rotate(struct ringloop *loop);

/* True when the current file is there, or none is needed. */
bool ringloop_ready(const struct ringloop *loop);

/* Makes the thread, which waits for ringloop_go(). Returns 0 or -errno. */
int ringloop_start(struct ringloop *loop);
void ringloop_go(struct ringloop *loop);

/* From now on every block is written as soon as it comes. */
void ringloop_drain(struct ringloop *loop);

/* Whether the thread reads the ring: between ringloop_go() and ringloop_stop(). NULL: no. */
bool ringloop_running(const struct ringloop *loop);

/* Lets the thread write what it holds, and waits for its end. */
void ringloop_stop(struct ringloop *loop);

/* Whether the thread waits for the kernel's statistics to be taken into the ledger; they were,
 * after it was asked. */
bool ringloop_statistics_wanted(const struct ringloop *loop);
void ringloop_statistics_taken(struct ringloop *loop);

void ringloop_news(struct ringloop *loop, struct ringloop_news *news);

#endif
