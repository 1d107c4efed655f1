/* The control socket: org.afcap.control over varlink. */
#ifndef CONTROL_H
#define CONTROL_H

#include "../base/config.h"

#include <event2/event.h>

struct control;
struct supervisor;

/* `listener` is a socket that was handed over, and becomes the control's also where this fails, or
 * -ENOENT: then makes one: its directory if that is missing, over a stale one. Everybody may
 * connect; who that is decides what is answered. Nothing is served before control_serve(). Returns
 * 0, or the exit code, the reason logged. */
int control_new(struct control **out, struct event_base *base, const struct config *config,
		int listener);

/* From now on clients are answered. Returns 0 or -errno. */
int control_serve(struct control *control, struct supervisor *supervisor);

/* This instance is about to hand over: who connects from now on waits for the next one, where the
 * service manager has the socket. */
void control_leave(struct control *control);

/* The event loop is run for the last time: no answer is to come later. */
void control_finish(struct control *control);

/* Closes the socket, and removes it where it was made here. */
void control_free(struct control *control);

#endif
