/* The clients of a varlink service, their requests and answers. */
#include "varlink.h"
#include "acceptor.h"

#include "../base/clock.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#define LATER_SECONDS 0.02

TAILQ_HEAD(clients, varlink_call);

struct varlink_call {
	struct varlink *varlink;
	const struct varlink_refusal *refused; /* answers its first request, which is its last */
	struct bufferevent *stream;
	struct event *request, *answer; /* deadlines: to finish a request, to take an answer */
	struct event *again;		/* serves its next request, after the other clients */
	TAILQ_ENTRY(varlink_call) link;
	enum varlink_access access;
	uint64_t since; /* of its last request, or of its connection */
	bool more, oneway;
	bool closing; /* freed once its output is sent */
	bool broken;  /* its output cannot be sent */
	bool ended;   /* it sends no further requests */
	void *owner;  /* what `next` gets */
	/* of a stream of answers */
	struct event *timer;
	json_t *(*next)(void *owner, json_t *parameters);
	json_t *parameters;
	const struct varlink_refusal *late; /* answers if a later answer is not ready in time */
	double left;			    /* seconds until then */
};

struct varlink {
	struct event_base *base;
	int listener;
	struct acceptor *acceptor;
	const struct varlink_service *service;
	void *context;
	struct clients clients, refused; /* the latter without a slot */
	unsigned count, ordinary, refused_count;
};

static struct clients *client_list(struct varlink_call *c)
{
	return c->refused ? &c->varlink->refused : &c->varlink->clients;
}

static void client_count(struct varlink_call *c, int by)
{
	struct varlink *v = c->varlink;

	*(c->refused ? &v->refused_count : &v->count) += (unsigned)by;
	if (!c->refused && c->access == VARLINK_READ)
		v->ordinary += (unsigned)by;
}

static void client_free(struct varlink_call *c)
{
	struct event *const events[] = { c->timer, c->request, c->answer, c->again };

	TAILQ_REMOVE(client_list(c), c, link);
	client_count(c, -1);
	for (unsigned i = 0; i < sizeof(events) / sizeof(*events); i++)
		if (events[i])
			event_free(events[i]);
	if (c->stream)
		bufferevent_free(c->stream);
	json_decref(c->parameters);
	free(c);
}

static size_t output_length(const struct varlink_call *c)
{
	return evbuffer_get_length(bufferevent_get_output(c->stream));
}

/* Where the first request in the input ends; -1: none is complete. */
static ssize_t request_end(const struct varlink_call *c)
{
	struct evbuffer_ptr end = evbuffer_search(bufferevent_get_input(c->stream), "", 1, NULL);

	return end.pos < VARLINK_REQUEST_BYTES ? end.pos : -1;
}

enum varlink_access varlink_access(const struct varlink_call *call)
{
	return call->access;
}

void varlink_call_take(struct varlink_call *call, void *owner, bool more)
{
	call->owner = owner;
	call->more &= more;
}

bool varlink_more(const struct varlink_call *call)
{
	return call->more;
}

/* Takes the reference to `answer`. */
static void answer_send(struct varlink_call *c, json_t *answer)
{
	struct evbuffer *out = bufferevent_get_output(c->stream);
	char *text = c->oneway ? NULL : json_dumps(answer, JSON_COMPACT);

	json_decref(answer);
	if (!text)
		return;
	/* evbuffer_add() does not report whether the write event could be added */
	if (evbuffer_add(out, text, strlen(text) + 1) || bufferevent_enable(c->stream, EV_WRITE) ||
	    event_add(c->answer, &(struct timeval){ VARLINK_ANSWER_SECONDS, 0 }))
		c->broken = true;
	free(text);
}

void varlink_reply(struct varlink_call *call, json_t *parameters)
{
	answer_send(call, json_pack("{s:o}", "parameters", parameters));
}

void varlink_error(struct varlink_call *call, const char *name, json_t *parameters)
{
	answer_send(call, json_pack("{s:s,s:o}", "error", name, "parameters",
				    parameters ? parameters : json_object()));
}

void varlink_invalid(struct varlink_call *call, const char *parameter)
{
	varlink_error(call, "org.varlink.service.InvalidParameter",
		      json_pack("{s:s}", "parameter", parameter));
}

void varlink_refuse(struct varlink_call *call, const struct varlink_refusal *refusal)
{
	varlink_error(call, refusal->error, json_pack("{s:s}", "reason", refusal->reason));
}

static void stream_next(struct varlink_call *c)
{
	answer_send(c, json_pack("{s:o,s:b}", "parameters", c->next(c->owner, c->parameters),
				 "continues", 1));
}

static void stream_cb(evutil_socket_t fd, short what, void *arg)
{
	struct varlink_call *c = arg;

	(void)fd;
	(void)what;
	if (output_length(c) == 0)
		stream_next(c);
	if (c->broken)
		client_free(c);
}

void varlink_stream(struct varlink_call *call, double seconds,
		    json_t *(*next)(void *owner, json_t *parameters), json_t *parameters)
{
	struct timeval interval = { (time_t)seconds,
				    (suseconds_t)((seconds - (double)(time_t)seconds) * 1e6) };

	call->next = next;
	call->parameters = json_incref(parameters);
	call->timer = event_new(call->varlink->base, -1, EV_PERSIST, stream_cb, call);
	stream_next(call);
	if (!call->timer || event_add(call->timer, &interval))
		call->broken = true;
}

static void client_serve(struct varlink_call *c);

static void later_cb(evutil_socket_t fd, short what, void *arg)
{
	struct varlink_call *c = arg;
	json_t *answer = c->next(c->owner, c->parameters);

	(void)fd;
	(void)what;
	c->left -= LATER_SECONDS;
	if (!answer && c->left > 0)
		return;
	if (answer)
		varlink_reply(c, answer);
	else
		varlink_refuse(c, c->late);
	event_free(c->timer);
	c->timer = NULL;
	c->late = NULL;
	json_decref(c->parameters);
	c->parameters = NULL;
	client_serve(c); /* requests received meanwhile */
}

void varlink_later(struct varlink_call *call, double late_seconds,
		   const struct varlink_refusal *late,
		   json_t *(*ready)(void *owner, json_t *parameters), json_t *parameters)
{
	const struct timeval interval = { 0, (suseconds_t)(LATER_SECONDS * 1e6) };

	call->next = ready;
	call->late = late;
	call->left = late_seconds;
	call->parameters = json_incref(parameters);
	call->timer = event_new(call->varlink->base, -1, EV_PERSIST, later_cb, call);
	if (!call->timer || event_add(call->timer, &interval))
		call->broken = true;
}

/* Serves one request. False: it is invalid, and the client is closed without an answer. */
static bool request_serve(struct varlink_call *c, const char *text, size_t length)
{
	json_t *request = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
	json_t *parameters = json_object_get(request, "parameters");
	const char *method = json_string_value(json_object_get(request, "method"));
	bool ok = method && (!parameters || json_is_object(parameters) || json_is_null(parameters));

	if (ok) {
		json_t *none = json_is_object(parameters) ? NULL : json_object();

		c->more = json_is_true(json_object_get(request, "more"));
		c->oneway = json_is_true(json_object_get(request, "oneway"));
		if (c->refused)
			varlink_refuse(c, c->refused);
		else
			c->varlink->service->call(c->varlink->context, c, method,
						  none ? none : parameters);
		c->closing |= c->refused != NULL;
		json_decref(none);
	}
	json_decref(request);
	return ok;
}

/* Stops or resumes reading: libevent calls back repeatedly while input stays at its high
 * watermark. */
static void input_hold(struct varlink_call *c, bool hold)
{
	bool held = !(bufferevent_get_enabled(c->stream) & EV_READ);

	if (hold && !held)
		bufferevent_disable(c->stream, EV_READ);
	else if (!hold && held && !c->ended && bufferevent_enable(c->stream, EV_READ))
		event_add(c->request, &(struct timeval){ 0, 0 }); /* nothing more would be read */
}

/* Updates a client after every event: frees it when it is finished, else sets what is waited
 * for. */
static void client_update(struct varlink_call *c)
{
	size_t waiting = evbuffer_get_length(bufferevent_get_input(c->stream));
	bool answering = output_length(c) > 0, whole = request_end(c) >= 0, gone;

	gone = c->broken || (c->closing && !answering);
	if (c->timer)
		gone |= c->ended && !c->late; /* the stream has no reader */
	else if (!answering && !whole)
		gone |= c->ended || waiting >= VARLINK_REQUEST_BYTES;
	if (gone) {
		client_free(c);
		return;
	}
	if ((!waiting && !c->refused) || whole || answering || c->timer)
		event_del(c->request);
	else if (!event_pending(c->request, EV_TIMEOUT, NULL))
		event_add(c->request, &(struct timeval){ VARLINK_REQUEST_SECONDS, 0 });
	if (whole && !answering && !c->timer)
		event_add(c->again, &(struct timeval){ 0, 0 });
	input_hold(c, waiting >= VARLINK_REQUEST_BYTES && (answering || c->timer));
}

/* Serves at most one request; none while an answer has not been taken, or further ones follow. */
static void client_serve(struct varlink_call *c)
{
	struct evbuffer *in = bufferevent_get_input(c->stream);
	bool free_to = !c->timer && !c->closing && !c->broken && output_length(c) == 0;
	ssize_t end = free_to ? request_end(c) : -1;

	if (end >= 0) {
		const char *text = (const char *)evbuffer_pullup(in, end + 1);

		c->since = clock_mono_ns();
		if (!request_serve(c, text, (size_t)end))
			c->closing = true;
		evbuffer_drain(in, (size_t)end + 1);
		event_del(c->request); /* the deadline is for one request */
	}
	client_update(c);
}

static void read_cb(struct bufferevent *stream, void *arg)
{
	(void)stream;
	client_serve(arg);
}

/* All answers have been taken. */
static void written_cb(struct bufferevent *stream, void *arg)
{
	struct varlink_call *c = arg;

	(void)stream;
	event_del(c->answer);
	client_serve(c);
}

static void again_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	client_serve(arg);
}

static void event_cb(struct bufferevent *stream, short what, void *arg)
{
	struct varlink_call *c = arg;

	(void)stream;
	if (what & BEV_EVENT_EOF && what & BEV_EVENT_READING) {
		c->ended = true; /* it may still wait for an answer */
		client_update(c);
	} else {
		client_free(c);
	}
}

static void deadline_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	client_free(arg);
}

static bool client_idle(const struct varlink_call *c, uint64_t now)
{
	return !c->timer && output_length(c) == 0 &&
	       evbuffer_get_length(bufferevent_get_input(c->stream)) == 0 &&
	       now - c->since >= VARLINK_IDLE_SECONDS * UINT64_C(1000000000);
}

/* Whether there is a slot for a client with this access. An idle client is closed to free one. */
static bool slot_find(struct varlink *v, enum varlink_access access)
{
	struct varlink_call *c, *idle = NULL;
	uint64_t now = clock_mono_ns();
	bool ordinary = access == VARLINK_READ;

	if (v->count < VARLINK_CLIENTS &&
	    !(ordinary && v->ordinary >= VARLINK_CLIENTS - VARLINK_RESERVED))
		return true;
	TAILQ_FOREACH (c, &v->clients, link)
		if (client_idle(c, now) && !(ordinary && c->access != access) &&
		    (!idle || c->since < idle->since))
			idle = c;
	if (idle)
		client_free(idle);
	return idle;
}

/* `refused`: why the client has no slot, or NULL. It may send one request, within
 * VARLINK_REQUEST_SECONDS. */
static void client_begin(struct varlink *v, int fd, enum varlink_access access,
			 const struct varlink_refusal *refused)
{
	struct varlink_call *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return;
	}
	c->varlink = v;
	c->refused = refused;
	c->access = access;
	c->since = clock_mono_ns();
	TAILQ_INSERT_TAIL(client_list(c), c, link);
	client_count(c, 1);
	c->stream = bufferevent_socket_new(v->base, fd, BEV_OPT_CLOSE_ON_FREE);
	c->request = event_new(v->base, -1, 0, deadline_cb, c);
	c->answer = event_new(v->base, -1, 0, deadline_cb, c);
	c->again = event_new(v->base, -1, 0, again_cb, c);
	if (!c->stream || !c->request || !c->answer || !c->again) {
		if (!c->stream)
			close(fd);
		client_free(c);
		return;
	}
	bufferevent_setcb(c->stream, read_cb, written_cb, event_cb, c);
	bufferevent_setwatermark(c->stream, EV_READ, 0, VARLINK_REQUEST_BYTES);
	if (bufferevent_enable(c->stream, EV_READ | EV_WRITE))
		client_free(c); /* nothing would be read */
	else
		client_update(c);
}

/* No error before a request: to a client that waits for its answer it would be a protocol
 * violation. The newest of those without a slot are served. */
static void client_come(void *context, int fd)
{
	struct varlink *v = context;
	enum varlink_access access = v->service->access(v->context, fd);
	const struct varlink_refusal *refused = NULL;

	if (access == VARLINK_NOTHING)
		refused = &v->service->denied;
	else if (!slot_find(v, access))
		refused = &v->service->busy;
	if (refused && v->refused_count == VARLINK_REFUSED)
		client_free(TAILQ_FIRST(&v->refused));
	client_begin(v, fd, access, refused);
}

int varlink_new(struct varlink **out, struct event_base *base, int listener,
		const struct varlink_service *service, void *context)
{
	struct varlink *v = calloc(1, sizeof(*v));

	if (!v)
		return -ENOMEM;
	*v = (struct varlink){
		.base = base, .listener = listener, .service = service, .context = context
	};
	TAILQ_INIT(&v->clients);
	TAILQ_INIT(&v->refused);
	if (acceptor_new(&v->acceptor, base, listener, client_come, v)) {
		v->listener = -1; /* still the caller's */
		varlink_free(v);
		return -ENOMEM;
	}
	*out = v;
	return 0;
}

void varlink_accept_stop(struct varlink *v)
{
	acceptor_stop(v->acceptor);
}

void varlink_later_end(struct varlink *v, const struct varlink_refusal *refusal)
{
	struct varlink_call *c;

	TAILQ_FOREACH (c, &v->clients, link)
		if (c->timer && c->late) {
			c->late = refusal;
			c->left = 0;
			event_active(c->timer, EV_TIMEOUT, 1);
		}
}

void varlink_free(struct varlink *varlink)
{
	struct varlink_call *c;

	if (!varlink)
		return;
	while ((c = TAILQ_FIRST(&varlink->clients)) || (c = TAILQ_FIRST(&varlink->refused)))
		client_free(c);
	acceptor_free(varlink->acceptor);
	if (varlink->listener >= 0)
		close(varlink->listener);
	free(varlink);
}
