/* accept4(2), on an event loop. */
#include "acceptor.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#define ACCEPTS		16  /* a wake-up */
#define ACCEPT_PAUSE_MS 100 /* after a failure for lack of descriptors or memory */

struct acceptor {
	struct event *open, *pause;
	void (*come)(void *context, int fd);
	void *context;
};

/* Without descriptors or memory a pending connection would wake the process repeatedly to no
 * effect. */
static void acceptor_pause(struct acceptor *a)
{
	event_del(a->open);
	event_add(a->pause, &(struct timeval){ 0, ACCEPT_PAUSE_MS * 1000 });
}

static void pause_cb(evutil_socket_t fd, short what, void *arg)
{
	struct acceptor *a = arg;

	(void)fd;
	(void)what;
	if (event_add(a->open, NULL))
		acceptor_pause(a);
}

static void open_cb(evutil_socket_t listener, short what, void *arg)
{
	struct acceptor *a = arg;

	(void)what;
	for (unsigned i = 0; i < ACCEPTS; i++) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			a->come(a->context, fd);
		} else {
			if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
				acceptor_pause(a);
			return;
		}
	}
}

int acceptor_new(struct acceptor **out, struct event_base *base, int listener,
		 void (*come)(void *context, int fd), void *context)
{
	struct acceptor *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	*a = (struct acceptor){ .come = come, .context = context };
	a->open = event_new(base, listener, EV_READ | EV_PERSIST, open_cb, a);
	a->pause = event_new(base, -1, 0, pause_cb, a);
	if (!a->open || !a->pause || event_add(a->open, NULL)) {
		acceptor_free(a);
		return -ENOMEM;
	}
	*out = a;
	return 0;
}

void acceptor_stop(struct acceptor *acceptor)
{
	event_del(acceptor->open);
	event_del(acceptor->pause);
}

void acceptor_free(struct acceptor *acceptor)
{
	if (!acceptor)
		return;
	if (acceptor->open)
		event_free(acceptor->open);
	if (acceptor->pause)
		event_free(acceptor->pause);
	free(acceptor);
}
