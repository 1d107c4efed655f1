/* Since when nothing of a capture is recorded, and why: gaps that this instance knows, and those
 * that it finds in the files of a dead instance. Pure: clocks are passed in, log lines are returned
 * as text. Realtime, in ns.
 *
 * Invariants:
 * (G1) One gap at a time: events during a gap do not change its beginning, nor its reason. It is
 *      closed once, with its whole length.
 * (G2) If the state of the previous instance is known, that gap is logged; the gap found in the
 *      files is not logged in addition.
 * (G3) The gap found in the files is logged once this instance records; and again, as a whole,
 *      when it has changed. */
#ifndef GAP_H
#define GAP_H

#include "../base/message.h"

#include <stdbool.h>

#define GAP_TEXT 768 /* of the longest text: a reason, two times */

struct gap {
	uint64_t since_ns;	/* 0: no gap is open */
	char why[REASON_BYTES]; /* ... and why */
	bool refused;		/* the previous instance cannot be resumed */

	uint64_t until_ns[WORKERS_MAX]; /* of each worker's repaired files; as in message_result */
	bool news;			/* packets, since that was last logged */
};

/* Opens it, `why` at most REASON_BYTES - 1 bytes. False: one is already open, which is unchanged
 * (G1). */
bool gap_open(struct gap *gap, uint64_t now_ns, const char *why);

/* Restores a gap from a checkpoint, replacing the current one. since_ns 0: none. */
void gap_restore(struct gap *gap, uint64_t since_ns, const char *why);

/* The gap, if since_ns is set, began when the previous instance was last alive, and `why` is the
 * reason that it cannot be resumed (G2). */
void gap_refuse(struct gap *gap, const char *why);

/* The capture records again: closes the gap and describes it in `text`. False: none was open. */
bool gap_close(struct gap *gap, uint64_t now_ns, char text[GAP_TEXT]);

/* The realtime clock was set by so much: forward is positive. */
void gap_clock(struct gap *gap, int64_t step_ns);

/* ---- what repaired files say ----
 *
 * Each worker writes on its own: the packets in its ring after the last one in its files are lost,
 * while another worker's files may continue. */

/* Adds the files that the archive has repaired: one by one, also when another process releases them
 * later. */
void gap_repaired(struct gap *gap, const struct message_result *result);

/* Describes in `text` from when to when packets are missing, `since_ns` being when this instance
 * began to record; 0: it has not. False: there is nothing new to log, or not yet (G2, G3). */
bool gap_repaired_text(struct gap *gap, uint64_t since_ns, char text[GAP_TEXT]);

#endif
