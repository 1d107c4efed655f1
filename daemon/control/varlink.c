/* Clients, requests, answers. */
#include "varlink.h"

#include "../base/log.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#define OUTPUT_BYTES_MAX (4 << 20) /* what a client may leave unread */
#define LATER_SECONDS	 0.02
#define SERVICE		 "org.varlink.service"

struct varlink_call {
	struct varlink *varlink;
	struct bufferevent *stream;
	struct event *deadline;
	TAILQ_ENTRY(varlink_call) link;
	bool more, oneway;
	bool closing; /* gone once its output is */
	/* of a stream of answers */
	struct event *timer;
	json_t *(*next)(void *owner, json_t *parameters);
	json_t *parameters;
	const char *late; /* of an answer that comes later: the error if it does not */
	double left;	  /* seconds until then */
};

struct varlink {
	struct event_base *base;
	struct evconnlistener *listener;
	const struct varlink_service *service;
	void *owner;
	TAILQ_HEAD(, varlink_call) clients;
	unsigned count;
};

static void client_free(struct varlink_call *c)
{
	TAILQ_REMOVE(&c->varlink->clients, c, link);
	c->varlink->count--;
	if (c->timer)
		event_free(c->timer);
	if (c->deadline)
		event_free(c->deadline);
	if (c->stream)
		bufferevent_free(c->stream);
	json_decref(c->parameters);
	free(c);
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
	evbuffer_add(out, text, strlen(text) + 1);
	free(text);
	/* evbuffer_add() does not tell whether the socket could be waited for */
	if (bufferevent_enable(c->stream, EV_WRITE) || evbuffer_get_length(out) > OUTPUT_BYTES_MAX)
		c->closing = true;
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

static void stream_cb(evutil_socket_t fd, short what, void *arg)
{
	struct varlink_call *c = arg;

	(void)fd;
	(void)what;
	answer_send(c, json_pack("{s:o,s:b}", "parameters",
				 c->next(c->varlink->owner, c->parameters), "continues", 1));
	if (c->closing)
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
	answer_send(call, json_pack("{s:o,s:b}", "parameters",
				    next(call->varlink->owner, parameters), "continues", 1));
	if (!call->timer || event_add(call->timer, &interval))
		call->closing = true;
}

static void read_cb(struct bufferevent *stream, void *arg);

static void later_cb(evutil_socket_t fd, short what, void *arg)
{
	struct varlink_call *c = arg;
	json_t *answer = c->next(c->varlink->owner, c->parameters);

	(void)fd;
	(void)what;
	c->left -= LATER_SECONDS;
	if (!answer && c->left > 0)
		return;
	if (answer)
		varlink_reply(c, answer);
	else
		varlink_error(c, c->late, NULL);
	event_free(c->timer);
	c->timer = NULL;
	json_decref(c->parameters);
	c->parameters = NULL;
	read_cb(c->stream, c); /* what it asked meanwhile */
}

void varlink_later(struct varlink_call *call, double seconds, const char *late,
		   json_t *(*ready)(void *owner, json_t *parameters), json_t *parameters)
{
	const struct timeval interval = { 0, (suseconds_t)(LATER_SECONDS * 1e6) };

	call->next = ready;
	call->late = late;
	call->left = seconds;
	call->parameters = json_incref(parameters);
	call->timer = event_new(call->varlink->base, -1, EV_PERSIST, later_cb, call);
	if (!call->timer || event_add(call->timer, &interval))
		call->closing = true;
}

int varlink_socket(const struct varlink_call *call)
{
	return bufferevent_getfd(call->stream);
}

static void service_info(struct varlink_call *c)
{
	const struct varlink_service *s = c->varlink->service;
	json_t *names = json_pack("[s]", SERVICE);

	for (const struct varlink_interface *i = s->interfaces; i->name; i++)
		json_array_append_new(names, json_string(i->name));
	varlink_reply(c,
		      json_pack("{s:s,s:s,s:s,s:s,s:o}", "vendor", s->vendor, "product", s->product,
				"version", s->version, "url", s->url, "interfaces", names));
}

static void service_description(struct varlink_call *c, json_t *parameters)
{
	static const char own[] =
		"# The Varlink Service Interface, which every service has\n"
		"interface " SERVICE "\n\n"
		"method GetInfo() -> (vendor: string, product: string, version: string, url: "
		"string, interfaces: []string)\n"
		"method GetInterfaceDescription(interface: string) -> (description: string)\n"
		"error InterfaceNotFound (interface: string)\n"
		"error MethodNotFound (method: string)\n"
		"error MethodNotImplemented (method: string)\n"
		"error InvalidParameter (parameter: string)\n";
	const char *name = json_string_value(json_object_get(parameters, "interface")),
		   *text = NULL;

	if (!name) {
		varlink_error(c, SERVICE ".InvalidParameter",
			      json_pack("{s:s}", "parameter", "interface"));
		return;
	}
	if (strcmp(name, SERVICE) == 0)
		text = own;
	for (const struct varlink_interface *i = c->varlink->service->interfaces; i->name; i++)
		if (strcmp(name, i->name) == 0)
			text = i->description;
	if (text)
		varlink_reply(c, json_pack("{s:s}", "description", text));
	else
		varlink_error(c, SERVICE ".InterfaceNotFound",
			      json_pack("{s:s}", "interface", name));
}

/* "interface.Method": which part of it is unknown? */
static void method_unknown(struct varlink_call *c, const char *method)
{
	const char *dot = strrchr(method, '.');
	size_t length = dot ? (size_t)(dot - method) : strlen(method);
	bool interface_known = length == strlen(SERVICE) && strncmp(method, SERVICE, length) == 0;

	for (const struct varlink_interface *i = c->varlink->service->interfaces; i->name; i++)
		interface_known |=
			strlen(i->name) == length && strncmp(i->name, method, length) == 0;
	if (interface_known)
		varlink_error(c, SERVICE ".MethodNotFound", json_pack("{s:s}", "method", method));
	else
		varlink_error(c, SERVICE ".InterfaceNotFound",
			      json_pack("{s:s%}", "interface", method, length));
}

static void method_run(struct varlink_call *c, const char *method, json_t *parameters)
{
	if (strcmp(method, SERVICE ".GetInfo") == 0) {
		service_info(c);
		return;
	}
	if (strcmp(method, SERVICE ".GetInterfaceDescription") == 0) {
		service_description(c, parameters);
		return;
	}
	for (const struct varlink_method *m = c->varlink->service->methods; m->name; m++)
		if (strcmp(m->name, method) == 0) {
			m->run(c->varlink->owner, c, parameters);
			return;
		}
	method_unknown(c, method);
}

/* One request. False: it is none, and the client is not worth more words. */
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
		method_run(c, method, none ? none : parameters);
		json_decref(none);
	}
	json_decref(request);
	return ok;
}

static void read_cb(struct bufferevent *stream, void *arg)
{
	struct varlink_call *c = arg;
	struct evbuffer *in = bufferevent_get_input(stream);

	while (!c->timer && !c->closing) { /* nothing is taken while answers stream */
		struct evbuffer_ptr end = evbuffer_search(in, "", 1, NULL);
		const char *text;

		if (end.pos < 0 || end.pos >= VARLINK_REQUEST_BYTES)
			break;
		text = (const char *)evbuffer_pullup(in, end.pos + 1);
		if (!request_serve(c, text, (size_t)end.pos))
			c->closing = true;
		event_del(c->deadline); /* it is for one request */
		evbuffer_drain(in, (size_t)end.pos + 1);
	}
	if (c->closing || (evbuffer_get_length(in) >= VARLINK_REQUEST_BYTES && !c->timer)) {
		client_free(c);
		return;
	}
	if (evbuffer_get_length(in) && !c->timer && !event_pending(c->deadline, EV_TIMEOUT, NULL))
		event_add(c->deadline, &(struct timeval){ VARLINK_REQUEST_SECONDS, 0 });
	else if (!evbuffer_get_length(in))
		event_del(c->deadline);
}

static void event_cb(struct bufferevent *stream, short what, void *arg)
{
	(void)stream;
	(void)what;
	client_free(arg);
}

static void deadline_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	client_free(arg);
}

/* One too many: told so, without a place of its own. */
static void client_refuse(const struct varlink *v, int fd)
{
	char text[256];
	int n = snprintf(text, sizeof(text), "{\"error\":\"%s\",\"parameters\":{}}",
			 v->service->busy);
	ssize_t sent = write(fd, text, (size_t)n + 1);

	(void)sent; /* it would have been a courtesy */
	close(fd);
}

static void accept_cb(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
		      int length, void *arg)
{
	struct varlink *v = arg;
	struct varlink_call *c;

	(void)listener;
	(void)address;
	(void)length;
	if (v->count >= VARLINK_CLIENTS) {
		client_refuse(v, fd);
		return;
	}
	c = calloc(1, sizeof(*c));
	if (!c) {
		close(fd);
		return;
	}
	c->varlink = v;
	TAILQ_INSERT_TAIL(&v->clients, c, link);
	v->count++;
	c->stream = bufferevent_socket_new(v->base, fd, BEV_OPT_CLOSE_ON_FREE);
	c->deadline = event_new(v->base, -1, 0, deadline_cb, c);
	if (!c->stream || !c->deadline) {
		if (!c->stream)
			close(fd);
		client_free(c);
		return;
	}
	bufferevent_setcb(c->stream, read_cb, NULL, event_cb, c);
	bufferevent_setwatermark(c->stream, EV_READ, 0, VARLINK_REQUEST_BYTES);
	if (bufferevent_enable(c->stream, EV_READ | EV_WRITE))
		client_free(c); /* it would never be heard */
}

int varlink_new(struct varlink **out, struct event_base *base, int listener,
		const struct varlink_service *service, void *owner)
{
	struct varlink *v = calloc(1, sizeof(*v));

	if (!v)
		return -ENOMEM;
	*v = (struct varlink){ .base = base, .service = service, .owner = owner };
	TAILQ_INIT(&v->clients);
	/* Enabled by hand: else nobody would hear that it failed. It listens already. */
	v->listener = evconnlistener_new(base, accept_cb, v,
					 LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_DISABLED, 0, listener);
	if (!v->listener || evconnlistener_enable(v->listener)) {
		if (v->listener)
			evconnlistener_free(v->listener);
		free(v);
		return -ENOMEM;
	}
	*out = v;
	return 0;
}

void varlink_free(struct varlink *varlink)
{
	struct varlink_call *c;

	if (!varlink)
		return;
	while ((c = TAILQ_FIRST(&varlink->clients)))
		client_free(c);
	close(evconnlistener_get_fd(varlink->listener));
	evconnlistener_free(varlink->listener);
	free(varlink);
}
