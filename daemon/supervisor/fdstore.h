/* Names and descriptors that the service manager stores for the next instance: of each capture its
 * checkpoint, of each slot its ledger and its ring. Knows names and numbers: not what a capture, a
 * slot or a ring is.
 *
 * Invariants, by the numbers of the supervisor:
 * (6) A ring is in the descriptor store iff ring_fd >= 0 of its slot: put when the worker passes
 *      it, dropped before the slot closes it; fdstore_has() is what an assertion asks. What was
 *      inherited is in the store until it is dropped, whether it was taken or not.
 * (8) What is dropped from the store was counted first: before a ring's name is dropped the
 *      kernel's statistics are in its ledger, or its packets are logged as lost; the ring is gone
 *      with its last descriptor. The callers' duty; fdstore_end() logs the rings that no capture
 *      took. And its own:
 * (F1) A name is dropped once for all descriptors of that name; what was to be stored under it and
 *      was not sent yet is not sent any more.
 * (F2) What is inherited has one owner: this store until it is taken, then the taker.
 *
 * The rules: sd_pid_notify_with_fds(3) and FDSTORE=1, FDSTOREREMOVE=1, FDNAME=, FDPOLL=0 of
 * sd_notify(3), which says that a name has at most 255 characters, none of them ':';
 * sd_listen_fds_with_names(3); FileDescriptorStoreMax= of systemd.service(5), and $FDSTORE of
 * systemd.exec(5). */
#ifndef FDSTORE_H
#define FDSTORE_H

#include <event2/event.h>

#include <stdbool.h>
#include <stdint.h>

struct fdstore;
struct notify;

enum fdstore_kind { FDSTORE_CAPTURE, FDSTORE_LEDGER, FDSTORE_RING };

/* Names one: "capture.NAME", "ledger.NAME.W", "ring.NAME.W.G", G is the ring's generation. */
struct fdstore_key {
	enum fdstore_kind kind;
	const char *capture;
	unsigned worker;
	uint64_t generation;
};

/* Makes a store that inherits all descriptors that the manager passed to this process: only the
 * first store gets them. `notify` is borrowed until fdstore_free(). Returns 0 or -ENOMEM. */
int fdstore_new(struct fdstore **store, struct notify *notify);

/* Closes the inherited descriptors that were not taken; the manager retains all that it has stored.
 * NULL: no effect. */
void fdstore_free(struct fdstore *store);

/* Stores a duplicate of `fd` under this name, and drops and logs what was inherited under it and
 * not taken; drops all descriptors of this name. Neither waits for the manager. */
void fdstore_put(struct fdstore *store, const struct fdstore_key *key, int fd);
void fdstore_drop(struct fdstore *store, const struct fdstore_key *key);

/* Whether a descriptor of this name is stored, as far as this process knows (6). */
bool fdstore_has(const struct fdstore *store, const struct fdstore_key *key);

/* Whether the manager has handled all messages: dropped descriptors are closed there. Also true if
 * it has not answered for some seconds, or there is none. */
bool fdstore_settled(struct fdstore *store);

/* ---- what the previous instance left ---- */

/* Inherits one descriptor, which the store owns from now on. */
void fdstore_inherit(struct fdstore *store, const char *name, int fd);

/* Takes an inherited descriptor, which the caller owns then. Returns -1 if there is none. */
int fdstore_take(struct fdstore *store, const struct fdstore_key *key);

/* Takes any inherited ring of a capture's worker (FDSTORE_ANY: of any), which the caller owns then.
 * Returns -1 if none is left. */
#define FDSTORE_ANY (-1)
int fdstore_take_ring(struct fdstore *store, const char *capture, int worker);

/* The name of the capture whose checkpoint is the i-th of all that was inherited, "" if that one is
 * no checkpoint; NULL: there are no more. Borrowed until something is inherited or the store ends.
 * *fd stays the store's; -1: it is taken. */
const char *fdstore_capture(const struct fdstore *store, unsigned i, int *fd);

/* Whether a name is of this capture. Names of captures may contain dots and digits. */
bool fdstore_is_of(const char *name, const char *capture);

/* Closes and drops the inherited descriptors of this capture, or of one of its workers. */
void fdstore_discard(struct fdstore *store, const char *capture);
void fdstore_discard_worker(struct fdstore *store, const char *capture, unsigned worker);

/* Closes, drops and logs the descriptors that no capture has taken: those of removed captures,
 * replaced rings. Nothing is inherited afterwards. Returns whether there were any. */
bool fdstore_end(struct fdstore *store);

/* ---- whether it is large enough ---- */

/* Checks once, when all captures that can begin have begun, whether the manager stores `needed`
 * descriptors, `missing` of which are yet to be sent. A limit that is too small is logged: at once
 * if the manager reports it (since systemd 254), else after a trial. Does not wait. */
void fdstore_check(struct fdstore *store, struct event_base *base, unsigned needed,
		   unsigned missing);

/* Ends the trial; to be called before the event loop is freed. */
void fdstore_check_end(struct fdstore *store);

#endif
