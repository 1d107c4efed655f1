/* A capture leaves its interface, stops, fails, or is handed over. */
#ifndef CAPTURE_END_H
#define CAPTURE_END_H

#include <stdbool.h>

struct capture;

/* Makes its timers. Returns 0 or -ENOMEM. */
int capture_events(struct capture *capture);

/* Drains its rings (with `abandon`: gives them up), then it begins again. `why` opens a gap; NULL:
 * nothing was recorded. */
void capture_leave(struct capture *capture, bool abandon, const char *why);

/* It cannot continue: as if stopped, but shown as failed. The other captures continue. */
void capture_fail(struct capture *capture, const char *why);

/* The workers commit what they have taken and end; the rings stay as they are.
 * capture_handed_over(): they have ended. */
void capture_hand_over(struct capture *capture, bool at_once);
bool capture_handed_over(const struct capture *capture);

/* Lets no more packets in and drains the rings. With `abandon` packets that are not written yet are
 * given up. */
void capture_stop(struct capture *capture, bool abandon);

/* In each step: a capture whose rings are written out is stopped, failed, or begins again. */
void capture_finish(struct capture *capture);

#endif
