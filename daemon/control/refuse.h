/* Clients that get no slot: the reason is sent to each, and its socket is closed once it has
 * received it. */
#ifndef REFUSE_H
#define REFUSE_H

#include <event2/event.h>
#include <stddef.h>

struct refuse;

/* Returns 0 or -ENOMEM. */
int refuse_new(struct refuse **out, struct event_base *base);

/* Closes the sockets still open. */
void refuse_free(struct refuse *refuse);

/* Sends `text` without waiting and takes ownership of the socket. It stays open until the client
 * closes, for a second at most, so that the client's own data, unread, do not reset the connection
 * before it has read the text; with more than 32 such clients the oldest is closed at once. */
void refuse_send(struct refuse *refuse, int fd, const void *text, size_t bytes);

/* The same once a part of its request has arrived: to a client, an answer without a request
 * violates the protocol. It has 5 s for that. `text` is borrowed. */
void refuse_request(struct refuse *refuse, int fd, const void *text, size_t bytes);

#endif
