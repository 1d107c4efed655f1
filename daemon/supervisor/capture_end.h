/* A capture leaves its interface, stops, fails, or is handed over. */
#ifndef CAPTURE_END_H
#define CAPTURE_END_H

#include <stdbool.h>

struct capture;

/* Its timers. Returns 0 or -ENOMEM. */
int capture_events(struct capture *capture);

/* Its rings are written out (not waited for with `abandon`), then it begins again. `why` opens a
 * gap; NULL: nothing was recorded. */
void capture_leave(struct capture *capture, bool abandon, const char *why);

/* It cannot continue: as if stopped, but shown as failed. The other captures continue. */
void capture_fail(struct capture *capture, const char *why);

/* The workers commit what they have taken and end; the rings stay as they are. True when they have
 * ended. */
void capture_hand_over(struct capture *capture, bool at_once);
bool capture_handed_over(const struct capture *capture);

/* Nothing comes in any more; the workers finish. With `abandon` what they have not written is given
 * up. */
void capture_stop(struct capture *capture, bool abandon);

/* In each step: a capture whose rings are written out is stopped, failed, or begins again. */
void capture_finish(struct capture *capture);

#endif
