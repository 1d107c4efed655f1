/* Accepts the connections of a listening socket. */
#ifndef ACCEPTOR_H
#define ACCEPTOR_H

#include <event2/event.h>

struct acceptor;

/* `come` gets each connection, which is non-blocking and close-on-exec. `listener` is
 * borrowed until acceptor_free(). Returns 0 or -ENOMEM. */
int acceptor_new(struct acceptor **out, struct event_base *base, int listener,
		 void (*come)(void *context, int fd), void *context);

/* Accepts no more: clients that connect wait in the listening socket for the next process that
 * holds it. */
void acceptor_stop(struct acceptor *acceptor);

void acceptor_free(struct acceptor *acceptor);

#endif
