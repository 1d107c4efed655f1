/* Whether the service manager keeps as many descriptors as there will be. */
#ifndef STORELIMIT_H
#define STORELIMIT_H

#include "capture.h"

/* Once, when what can begin has begun. What is too small is logged: at once where the manager tells
 * its limit ($FDSTORE, systemd 254), else when it has been tried. Waits for nothing. */
void storelimit_check(struct event_base *base, const struct capture *captures, unsigned count);

/* Drops what is being tried. */
void storelimit_end(void);

#endif
