/* Since when nothing of a capture is recorded, and why: of a gap that this instance knows, and of
 * one that it finds in files that an instance without a successor left. Pure: clocks are passed in,
 * what is to be logged is text. Realtime, in ns.
 *
 * Invariants:
 * (G1) One gap at a time: what happens while nothing is recorded anyway does not change since when,
 *      nor why. It is closed once, with its whole length.
 * (G2) Where it is known what the previous instance left, that gap is logged; what the files say
 *      is not logged beside it.
 * (G3) What the files say is logged when this instance records, once; and again, as a whole, when
 *      there is more. */
#ifndef GAP_H
#define GAP_H

#include "../base/message.h"

#include <stdbool.h>

#define GAP_TEXT 768 /* of the longest text: a reason, two times */

struct gap {
	uint64_t since_ns;	/* 0: no gap is open */
	char why[REASON_BYTES]; /* ... and why */
	bool refused; /* it is of what the previous instance left, which cannot be continued */

	uint64_t until_ns[WORKERS_MAX]; /* of each worker's repaired files; as in message_result */
	bool news;			/* packets, since that was last logged */
};

/* Opens it, `why` at most REASON_BYTES - 1 bytes. False: one is open already, which stays (G1). */
bool gap_open(struct gap *gap, uint64_t now_ns, const char *why);

/* As it was written down once: replaces what there is. since_ns 0: none. */
void gap_restore(struct gap *gap, uint64_t since_ns, const char *why);

/* The gap, if since_ns is set, began when the previous instance was last there, and `why` is what
 * keeps this one from continuing (G2). */
void gap_refuse(struct gap *gap, const char *why);

/* It records again: closes the gap and says in `text` from when to when it was. False: none was
 * open. */
bool gap_close(struct gap *gap, uint64_t now_ns, char text[GAP_TEXT]);

/* The realtime clock was set by so much: forward is positive. */
void gap_clock(struct gap *gap, int64_t step_ns);

/* ---- what repaired files say ----
 *
 * Each worker writes on its own: behind the last packet in its files whatever its ring held is
 * lost, while another worker's files may continue. */

/* Adds what the archive has repaired: file by file, and again when what another process held is
 * free. */
void gap_repaired(struct gap *gap, const struct message_result *result);

/* Says in `text` from when to when packets are missing, `since_ns` being when this instance began
 * to record; 0: it has not. False: there is nothing (new) to be logged, or not yet (G2, G3). */
bool gap_repaired_text(struct gap *gap, uint64_t since_ns, char text[GAP_TEXT]);

#endif
