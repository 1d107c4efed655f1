/* Slots for connections. evhttp asks for the bufferevent of each connection it accepts, which is
 * made here: callbacks on its buffers show when a request begins and when its answer has been
 * taken. A reference to it is held here, to see when evhttp has released it: its callbacks are
 * cleared then. While all slots are taken evhttp does not accept; the event `accept_check` does,
 * and refuses. */
#include "httplimit.h"
#include "refuse.h"

#include "../base/clock.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define ACCEPTS 16 /* a wake-up */
#define INPUT_BYTES                                                                                \
	(16 << 10) /* of a connection, buffered unread; more than evhttp's limit of a header */
#define TICK_MS	     250  /* while there are connections */
#define IDLE_TICK_MS 1000 /* while there are none */
#define SOON_MS	     1
#define PAUSE_MS     100 /* after a failure for lack of descriptors or memory */
#define SECOND_NS    UINT64_C(1000000000)

#define ANSWER(status, text)                                                                       \
	"HTTP/1.1 " status "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close"      \
	"\r\nRetry-After: 1\r\n\r\n" text "\n"

static const char busy[] =
	ANSWER("503 Service Unavailable", "too many clients: all slots are in use, try again");
static const char late[] = ANSWER("408 Request Timeout", "the request took too long");
static const char large[] = ANSWER("413 Content Too Large", "the request is too long");

struct slot {
	struct httplimit *limit;
	struct bufferevent *stream; /* NULL: free */
	uint64_t began;		    /* the request in progress; 0: none */
	uint64_t since;		    /* when the last answer was taken */
	bool spoke;		    /* a part of the request has arrived */
	bool stuck;		    /* the buffer is full, and evhttp has not read from it */
};

struct httplimit {
	struct event_base *base;
	struct evconnlistener *listener; /* evhttp's */
	struct event *accept_check, *tick;
	struct refuse *refuse;
	unsigned count;
	bool closed; /* for good */
	struct slot slots[HTTPLIMIT_CLIENTS];
};

static void tick_in(struct httplimit *l, unsigned ms)
{
	event_add(l->tick, &(struct timeval){ ms / 1000, (suseconds_t)(ms % 1000) * 1000 });
}

static void input_cb(struct evbuffer *in, const struct evbuffer_cb_info *info, void *arg)
{
	struct slot *p = arg;

	if (info->n_deleted)
		p->stuck = false;
	if (info->n_added == 0)
		return;
	p->spoke = true;
	if (!p->began)
		p->began = clock_mono_ns();
	if (evbuffer_get_length(in) >= INPUT_BYTES)
		tick_in(p->limit, 0);
}

static void output_cb(struct evbuffer *out, const struct evbuffer_cb_info *info, void *arg)
{
	struct slot *p = arg;

	if (info->n_deleted == 0 || evbuffer_get_length(out))
		return;
	p->since = clock_mono_ns();
	p->spoke = evbuffer_get_length(bufferevent_get_input(p->stream)) > 0;
	p->began = p->spoke ? p->since : 0; /* the next request may have arrived */
}

/* Whether evhttp has released the connection. What it has sent is still delivered: only the socket
 * is closed. */
static bool slot_gone(const struct slot *p)
{
	bufferevent_event_cb event;

	bufferevent_getcb(p->stream, NULL, NULL, &event, NULL);
	return !event;
}

/* Whether evhttp waits for more input than the buffer holds, while libevent calls back repeatedly
 * at the high watermark. It is so if a full buffer was seen twice and nothing was read between. */
static bool slot_stuck(struct slot *p)
{
	bufferevent_data_cb read;
	bool stuck = p->stuck;

	bufferevent_getcb(p->stream, &read, NULL, NULL, NULL);
	p->stuck = read && evbuffer_get_length(bufferevent_get_input(p->stream)) >= INPUT_BYTES;
	if (p->stuck)
		tick_in(p->limit, SOON_MS);
	return stuck && p->stuck;
}

/* Frees the slot if evhttp has released the connection. */
static void slot_free(struct slot *p)
{
	if (!slot_gone(p))
		return;
	/* If evhttp failed before it waited for a request, it has closed the socket itself, and the
	 * number may be another descriptor's now. After a hang-up the bufferevent no longer
	 * reads. */
	if (!p->spoke && !p->since && bufferevent_get_enabled(p->stream) & EV_READ)
		bufferevent_setfd(p->stream, -1);
	bufferevent_decref(p->stream);
	p->stream = NULL;
	p->limit->count--;
}

/* Makes evhttp release the connection. A client that has sent a part of a request is sent the
 * reason. */
static void slot_close(struct slot *p, const char *text)
{
	bool unanswered = p->spoke && evbuffer_get_length(bufferevent_get_output(p->stream)) == 0;
	int fd = unanswered ? fcntl(bufferevent_getfd(p->stream), F_DUPFD_CLOEXEC, 0) : -1;

	if (fd >= 0)
		refuse_send(p->limit->refuse, fd, text, strlen(text));
	bufferevent_trigger_event(p->stream, BEV_EVENT_READING | BEV_EVENT_ERROR, 0);
	slot_free(p);
}

/* Checks all slots: frees those that evhttp has released, closes those whose time is over. */
static void slots_sweep(struct httplimit *l, uint64_t now)
{
	for (struct slot *p = l->slots; p < l->slots + HTTPLIMIT_CLIENTS; p++) {
		uint64_t seconds = p->began ? HTTPLIMIT_REQUEST_SECONDS : HTTPLIMIT_IDLE_SECONDS;

		if (!p->stream)
			continue;
		if (slot_gone(p))
			slot_free(p);
		else if (now - (p->began ? p->began : p->since) >= seconds * SECOND_NS)
			slot_close(p, late);
		else if (slot_stuck(p))
			slot_close(p, large);
	}
}

static struct bufferevent *slot_take(struct event_base *base, void *arg)
{
	struct httplimit *l = arg;
	struct bufferevent *stream = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
	struct slot *p = l->slots;

	while (p < l->slots + HTTPLIMIT_CLIENTS && p->stream)
		p++;
	if (!stream || p == l->slots + HTTPLIMIT_CLIENTS)
		return stream;
	*p = (struct slot){ .limit = l, .stream = stream, .began = clock_mono_ns() };
	l->count++;
	bufferevent_incref(stream);
	evbuffer_add_cb(bufferevent_get_input(stream), input_cb, p);
	evbuffer_add_cb(bufferevent_get_output(stream), output_cb, p);
	/* evhttp continues to read while it answers, to notice that a client has closed */
	bufferevent_setwatermark(stream, EV_READ, 0, INPUT_BYTES);
	if (l->count == HTTPLIMIT_CLIENTS) {
		evconnlistener_disable(l->listener);
		event_add(l->accept_check, NULL);
	}
	tick_in(l, 0); /* should evhttp fail with it, its slot is freed at once */
	return stream;
}

/* Lets evhttp accept again. */
static void accept_check_stop(struct httplimit *l)
{
	if (l->closed)
		return;
	if (event_pending(l->accept_check, EV_READ, NULL))
		event_del(l->accept_check);
	evconnlistener_enable(l->listener);
}

/* The eviction candidate: the connection whose request takes the longest, if that is long, else the
 * one that has been idle the longest. NULL: all are busy. */
static struct slot *slot_eviction_candidate(struct httplimit *l, uint64_t now)
{
	struct slot *idle = NULL, *slow = NULL;

	for (struct slot *p = l->slots; p < l->slots + HTTPLIMIT_CLIENTS; p++) {
		if (!p->began)
			idle = idle && idle->since <= p->since ? idle : p;
		else if (now - p->began >= HTTPLIMIT_SLOW_SECONDS * SECOND_NS)
			slow = slow && slow->began <= p->began ? slow : p;
	}
	return slow ? slow : idle;
}

/* Whether a slot is free, or could be freed: evhttp accepts again then. */
static bool slot_find(struct httplimit *l)
{
	uint64_t now = clock_mono_ns();
	struct slot *candidate;

	slots_sweep(l, now);
	candidate = l->count < HTTPLIMIT_CLIENTS ? NULL : slot_eviction_candidate(l, now);
	if (candidate)
		slot_close(candidate, late);
	if (l->count == HTTPLIMIT_CLIENTS)
		return false;
	accept_check_stop(l);
	return true;
}

static void accept_check_cb(evutil_socket_t listener, short what, void *arg)
{
	struct httplimit *l = arg;

	(void)what;
	for (unsigned i = 0; i < ACCEPTS && !slot_find(l); i++) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0) {
			if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
				event_del(l->accept_check);
				tick_in(l, PAUSE_MS);
			}
			return;
		}
		refuse_request(l->refuse, fd, busy, strlen(busy));
	}
}

static void tick_cb(evutil_socket_t fd, short what, void *arg)
{
	struct httplimit *l = arg;

	(void)fd;
	(void)what;
	tick_in(l, l->count ? TICK_MS : IDLE_TICK_MS);
	slots_sweep(l, clock_mono_ns()); /* which may set the next tick sooner */
	if (l->count < HTTPLIMIT_CLIENTS)
		accept_check_stop(l);
	else if (!l->closed && !event_pending(l->accept_check, EV_READ, NULL))
		event_add(l->accept_check, NULL);
}

void httplimit_accept_stop(struct httplimit *l)
{
	l->closed = true;
	event_del(l->accept_check);
	evconnlistener_disable(l->listener);
}

/* The listener would wake the process repeatedly: the next tick enables it again. */
static void accept_failed_cb(struct evconnlistener *listener, void *arg)
{
	(void)arg; /* evhttp's */
	evconnlistener_disable(listener);
}

int httplimit_new(struct httplimit **out, struct event_base *base, struct evhttp *server,
		  struct evhttp_bound_socket *bound)
{
	struct httplimit *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->base = base;
	l->listener = evhttp_bound_socket_get_listener(bound);
	l->accept_check = event_new(base, evconnlistener_get_fd(l->listener), EV_READ | EV_PERSIST,
				    accept_check_cb, l);
	l->tick = event_new(base, -1, 0, tick_cb, l);
	if (l->tick)
		tick_in(l, IDLE_TICK_MS);
	if (!l->accept_check || !l->tick || refuse_new(&l->refuse, base)) {
		httplimit_free(l);
		return -ENOMEM;
	}
	evconnlistener_set_error_cb(l->listener, accept_failed_cb);
	evhttp_set_bevcb(server, slot_take, l);
	*out = l;
	return 0;
}

void httplimit_free(struct httplimit *limit)
{
	if (!limit)
		return;
	for (struct slot *p = limit->slots; p < limit->slots + HTTPLIMIT_CLIENTS; p++)
		if (p->stream)
			bufferevent_decref(p->stream);
	refuse_free(limit->refuse);
	if (limit->accept_check)
		event_free(limit->accept_check);
	if (limit->tick)
		event_free(limit->tick);
	free(limit);
}
