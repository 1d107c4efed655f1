/* What one daemon leaves to the next through systemd's descriptor store: of each capture what is
 * saved, of each slot its ledger and its ring. */
#ifndef FDSTORE_H
#define FDSTORE_H

#include <stdbool.h>
#include <stdint.h>

enum fdstore_kind { FDSTORE_CAPTURE, FDSTORE_LEDGER, FDSTORE_RING };

/* Names one: "capture.NAME", "ledger.NAME.W", "ring.NAME.W.G", G being the ring's generation. */
struct fdstore_key {
	enum fdstore_kind kind;
	const char *capture;
	unsigned worker;
	uint64_t generation;
};

/* Has it kept, no longer kept. */
void fdstore_put(const struct fdstore_key *key, int fd);
void fdstore_drop(const struct fdstore_key *key);

/* Reads what a daemon before left; before any other descriptor is opened by that name again. */
void fdstore_receive(void);

/* One that was left; owned from here on. */
void fdstore_inherit(const char *name, int fd);

/* Takes one out of what was left; the caller owns it. -1: it was not left. */
int fdstore_take(const struct fdstore_key *key);

/* The name of the capture whose record is the i-th of all that was left, "" where that is something
 * else; NULL: there are no more. *fd stays here; -1: it is taken. */
const char *fdstore_capture(unsigned i, int *fd);

/* Takes any ring of a capture's worker, FDSTORE_ANY of all; the caller owns it. -1: none is left.
 */
#define FDSTORE_ANY (-1)
int fdstore_take_ring(const char *capture, int worker);

/* Whether something of this name is of this capture. */
bool fdstore_is_of(const char *name, const char *capture);

/* Closes what was left of this capture, and has it no longer kept; or of one worker of it. */
void fdstore_discard(const char *capture);
void fdstore_discard_worker(const char *capture, unsigned worker);

/* What nobody took is closed, and no longer kept: captures that are not configured any more, rings
 * that were replaced. Returns whether there was any. */
bool fdstore_end(void);

#endif
