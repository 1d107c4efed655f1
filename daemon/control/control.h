/* The control socket: org.afcap.control over varlink. */
#ifndef CONTROL_H
#define CONTROL_H

#include "../base/config.h"

#include <event2/event.h>

struct control;
struct supervisor;

/* `listener` is a socket passed by the service manager, owned by the control also on failure; or
 * -ENOENT: then the socket is made, with its directory if that is missing, in place of a stale one.
 * Every client may connect; its credentials decide what is answered. Nothing is served before
 * control_serve(). Returns 0, or the exit code, the reason logged. */
int control_new(struct control **out, struct event_base *base, const struct config *config,
		int listener);

/* Answers clients from now on. Returns 0 or -errno. */
int control_serve(struct control *control, struct supervisor *supervisor);

/* This instance is about to hand over: clients that connect from now on wait for the next one, if
 * the service manager holds the socket. */
void control_leave(struct control *control);

/* The event loop runs for the last time: pending answers are refused now. */
void control_finish(struct control *control);

/* Closes the socket, and removes it if it was made here. */
void control_free(struct control *control);

#endif
