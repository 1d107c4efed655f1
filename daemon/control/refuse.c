/* Sends a final text to a client and waits until the client has received it. Knows no protocol. */
#include "refuse.h"

#include "../base/clock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define SLOTS	   32
#define LINGER_NS  1000000000u /* after the text was sent */
#define REQUEST_NS 5000000000u /* until a part of the request has arrived */
#define READ_BYTES 4096
#define LISTEN_BYTES                                                                               \
	(128 << 10) /* more than any request: a client that sends more does not read               \
		     */

struct refused {
	struct event *event; /* NULL: the entry is free */
	int fd;
	const void *text; /* sent once it asks; NULL: it was sent */
	size_t text_bytes;
	size_t bytes; /* read and discarded */
	uint64_t since;
};

struct refuse {
	struct event_base *base;
	struct refused slots[SLOTS];
	unsigned next; /* the oldest one */
};

static void refused_end(struct refused *r)
{
	if (!r->event)
		return;
	event_free(r->event);
	r->event = NULL;
	close(r->fd);
}

static bool refused_send(struct refused *r, const void *text, size_t bytes)
{
	r->text = NULL;
	r->since = clock_mono_ns();
	/* A client whose socket has no space even for this does not read */
	return send(r->fd, text, bytes, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)bytes &&
	       shutdown(r->fd, SHUT_WR) == 0;
}

/* Waits until the client has sent the remainder of its request, closes, or a timeout passes. */
static void received_cb(evutil_socket_t fd, short what, void *arg)
{
	char unread[READ_BYTES];
	struct refused *r = arg;
	ssize_t n = what & EV_READ ? recv(fd, unread, sizeof(unread), MSG_DONTWAIT) : 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		r->bytes += (size_t)n;
	if (n > 0 && r->text &&
	    (!refused_send(r, r->text, r->text_bytes) ||
	     event_add(r->event, &(struct timeval){ LINGER_NS / 1000000000u, 0 })))
		n = 0;
	if (n <= 0 || r->bytes > LISTEN_BYTES || clock_mono_ns() - r->since > LINGER_NS)
		refused_end(r);
}

static void refused_begin(struct refuse *refuse, const struct refused *how, uint64_t ns)
{
	struct refused *r = &refuse->slots[refuse->next++ % SLOTS];

	refused_end(r);
	*r = *how;
	r->event = event_new(refuse->base, r->fd, EV_READ | EV_PERSIST, received_cb, r);
	if (!r->event)
		close(r->fd);
	else if (event_add(r->event, &(struct timeval){ (time_t)(ns / 1000000000u), 0 }))
		refused_end(r);
}

void refuse_send(struct refuse *refuse, int fd, const void *text, size_t bytes)
{
	struct refused r = { .fd = fd };

	if (refused_send(&r, text, bytes))
		refused_begin(refuse, &r, LINGER_NS);
	else
		close(fd);
}

void refuse_request(struct refuse *refuse, int fd, const void *text, size_t bytes)
{
	const struct refused r = {
		.fd = fd, .text = text, .text_bytes = bytes, .since = clock_mono_ns()
	};

	refused_begin(refuse, &r, REQUEST_NS);
}

int refuse_new(struct refuse **out, struct event_base *base)
{
	struct refuse *refuse = calloc(1, sizeof(*refuse));

	if (!refuse)
		return -ENOMEM;
	refuse->base = base;
	*out = refuse;
	return 0;
}

void refuse_free(struct refuse *refuse)
{
	if (!refuse)
		return;
	for (unsigned i = 0; i < SLOTS; i++)
		refused_end(&refuse->slots[i]);
	free(refuse);
}
