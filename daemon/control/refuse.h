/* Clients that get no place: each is told why, and its socket is closed when it has heard it. */
#ifndef REFUSE_H
#define REFUSE_H

#include <event2/event.h>
#include <stddef.h>

struct refuse;

/* Returns 0 or -ENOMEM. */
int refuse_new(struct refuse **out, struct event_base *base);

/* Closes those who still listen. */
void refuse_free(struct refuse *refuse);

/* Sends `text` without waiting and takes the socket over. It stays open until the client closes,
 * for a second at most, so that what the client is just sending does not take the words away from
 * it; with more than 32 such clients the oldest goes at once. */
void refuse_tell(struct refuse *refuse, int fd, const void *text, size_t bytes);

/* The same once something of its request is here: an answer to no request is a broken protocol to
 * a client. It has 5 s for that. `text` is borrowed. */
void refuse_asking(struct refuse *refuse, int fd, const void *text, size_t bytes);

#endif
