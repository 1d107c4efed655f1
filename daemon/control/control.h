/* The control socket: org.afcap.control over varlink. */
#ifndef CONTROL_H
#define CONTROL_H

#include "../base/config.h"

#include <event2/event.h>

struct control;
struct supervisor;

/* Makes the socket: its directory if that is missing, over a stale one. Everybody may
 * connect; who that is decides what is answered.
 * Nothing is served before control_serve(). Returns 0, or the exit code, the reason logged. */
int control_new(struct control **out, struct event_base *base, const struct config *config);

/* From now on clients are answered. Returns 0 or -errno. */
int control_serve(struct control *control, struct supervisor *supervisor);

/* Closes and removes the socket. */
void control_free(struct control *control);

#endif
