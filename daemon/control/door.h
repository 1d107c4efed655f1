/* Lets in who comes to a listening socket. */
#ifndef DOOR_H
#define DOOR_H

#include <event2/event.h>

struct door;

/* `come` takes each connection over, which is non-blocking and close-on-exec. `listener` is
 * borrowed until door_free(). Returns 0 or -ENOMEM. */
int door_new(struct door **out, struct event_base *base, int listener,
	     void (*come)(void *context, int fd), void *context);

/* Nobody is let in any more: who comes waits in the listening socket, for whoever has it next. */
void door_close(struct door *door);

void door_free(struct door *door);

#endif
