/* accept4(). */
#include "door.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#define ACCEPTS		16  /* a wake-up */
#define ACCEPT_PAUSE_MS 100 /* when there is no descriptor, no memory */

struct door {
	struct event *open, *pause;
	void (*come)(void *context, int fd);
	void *context;
};

/* Not for ever without: who waits at the door would have us wake up again and again for nothing. */
static void door_pause(struct door *d)
{
	event_del(d->open);
	event_add(d->pause, &(struct timeval){ 0, ACCEPT_PAUSE_MS * 1000 });
}

static void pause_cb(evutil_socket_t fd, short what, void *arg)
{
	struct door *d = arg;

	(void)fd;
	(void)what;
	if (event_add(d->open, NULL))
		door_pause(d);
}

static void open_cb(evutil_socket_t listener, short what, void *arg)
{
	struct door *d = arg;

	(void)what;
	for (unsigned i = 0; i < ACCEPTS; i++) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			d->come(d->context, fd);
		} else {
			if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
				door_pause(d);
			return;
		}
	}
}

int door_new(struct door **out, struct event_base *base, int listener,
	     void (*come)(void *context, int fd), void *context)
{
	struct door *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	*d = (struct door){ .come = come, .context = context };
	d->open = event_new(base, listener, EV_READ | EV_PERSIST, open_cb, d);
	d->pause = event_new(base, -1, 0, pause_cb, d);
	if (!d->open || !d->pause || event_add(d->open, NULL)) {
		door_free(d);
		return -ENOMEM;
	}
	*out = d;
	return 0;
}

void door_close(struct door *door)
{
	event_del(door->open);
	event_del(door->pause);
}

void door_free(struct door *door)
{
	if (!door)
		return;
	if (door->open)
		event_free(door->open);
	if (door->pause)
		event_free(door->pause);
	free(door);
}
