/* evhttp: GET and HEAD of /metrics, /-/healthy, /-/ready. */
#include "http.h"
#include "httplimit.h"
#include "listener.h"
#include "metrics.h"
#include "unixsocket.h"

#include "../base/log.h"
#include "../supervisor/view.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define FILE_HEADER_BYTES 8192
#define UNIX_PREFIX	  "unix:"

struct http {
	struct evhttp *server;
	struct httplimit *limit;
	const struct supervisor *supervisor;
	const char *unix_path; /* to be removed at the end; NULL: none */
	bool handed;	       /* the service manager holds the socket, too */
};

/* Takes ownership of the body. It is dropped for HEAD: evhttp would send it, and the client would
 * take it for the beginning of the next answer. */
static void answer_send(struct evhttp_request *request, int code, const char *reason,
			struct evbuffer *body)
{
	char length[32];

	if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD) {
		snprintf(length, sizeof(length), "%zu", evbuffer_get_length(body));
		evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Length",
				  length);
		evbuffer_drain(body, evbuffer_get_length(body));
	}
	evhttp_send_reply(request, code, reason, body);
	evbuffer_free(body);
}

static void text_send(struct evhttp_request *request, int code, const char *reason,
		      const char *text)
{
	struct evbuffer *body = evbuffer_new();

	if (!body) {
		evhttp_send_error(request, HTTP_INTERNAL, NULL);
		return;
	}
	evbuffer_add_printf(body, "%s\n", text);
	evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
			  "text/plain; charset=utf-8");
	answer_send(request, code, reason, body);
}

/* Answering at all is the test: the event loop runs. */
static void healthy_cb(struct evhttp_request *request, void *arg)
{
	(void)arg;
	text_send(request, HTTP_OK, "OK", "healthy");
}

/* Every capture records, or may wait for its interface. */
static void ready_cb(struct evhttp_request *request, void *arg)
{
	const struct http *http = arg;
	char text[256];

	for (unsigned i = 0; i < view_captures(http->supervisor); i++) {
		struct capture_view c;

		view_capture(http->supervisor, i, &c);
		if (c.ready)
			continue;
		snprintf(text, sizeof(text), "%s: %s%s%s", c.name, c.state, c.reason ? ": " : "",
			 c.reason ? c.reason : "");
		text_send(request, HTTP_SERVUNAVAIL, "Service Unavailable", text);
		return;
	}
	text_send(request, HTTP_OK, "OK", "ready");
}

static void metrics_cb(struct evhttp_request *request, void *arg)
{
	const struct http *http = arg;
	struct evbuffer *body = evbuffer_new();
	char *text = NULL;
	size_t length = 0;
	FILE *out = body ? open_memstream(&text, &length) : NULL;

	if (!out) {
		evhttp_send_error(request, HTTP_INTERNAL, NULL);
		if (body)
			evbuffer_free(body);
	} else {
		metrics_print(http->supervisor, out);
		fclose(out);
		evbuffer_add(body, text, length);
		evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
				  "text/plain; version=0.0.4; charset=utf-8");
		answer_send(request, HTTP_OK, "OK", body);
	}
	free(text);
}

static bool is_loopback(const struct sockaddr_storage *address)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;

	return address->ss_family == AF_INET ? ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET
					     : IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static unsigned address_port(const struct sockaddr_storage *address)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;

	return ntohs(address->ss_family == AF_INET ? v4->sin_port : v6->sin6_port);
}

/* Returns the listening socket, or -errno. */
static int tcp_listen(const char *text, struct event_base *base)
{
	struct sockaddr_storage address;
	int length = sizeof(address), fd;
	struct evconnlistener *l;

	/* Port 0 is refused: the kernel would choose one */
	if (evutil_parse_sockaddr_port(text, (struct sockaddr *)&address, &length) ||
	    !address_port(&address))
		return -EINVAL;
	l = evconnlistener_new_bind(base, NULL, NULL,
				    LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_DISABLED,
				    64, (struct sockaddr *)&address, length);
	if (!l)
		return errno ? -errno : -EIO;
	if (!is_loopback(&address))
		log_warning("metrics = %s: every client that reaches this address reads the "
			    "metrics, without password or encryption: use a loopback address, with "
			    "a reverse proxy in front (afcapd(8), METRICS FOR OTHER MACHINES)",
			    text);
	fd = evconnlistener_get_fd(l); /* not closed, without CLOSE_ON_FREE */
	evconnlistener_free(l);
	return fd;
}

static int listen_fail(const char *text, int rc)
{
	if (rc == -EINVAL)
		log_error("metrics = %s: must be ADDRESS:PORT, unix:PATH or off", text);
	else if (rc == -EADDRINUSE)
		log_error("metrics = %s: in use by another program (choose another port, or off)",
			  text);
	else
		log_error("metrics = %s: %s", text, unixsocket_error(rc));
	return rc == -EINVAL ? EX_CONFIG : rc == -EACCES || rc == -EPERM ? EX_NOPERM : EXIT_FAILURE;
}

/* Takes ownership of the socket, also on failure. libevent does not report that a listener could
 * not be added, so it is enabled once more, which is harmless. */
static int socket_accept(struct http *http, struct event_base *base, int fd)
{
	struct evhttp_bound_socket *bound = evhttp_accept_socket_with_handle(http->server, fd);

	if (!bound) {
		close(fd);
		return -ENOMEM;
	}
	if (httplimit_new(&http->limit, base, http->server, bound))
		return -ENOMEM;
	return evconnlistener_enable(evhttp_bound_socket_get_listener(bound));
}

int http_new(struct http **out, struct event_base *base, const struct config *config, int listener)
{
	const char *text = config->daemon.metrics, *path = NULL;
	struct http *http;
	int fd;

	*out = NULL;
	if (strcmp(text, "off") == 0) {
		listener_decline(listener, "metrics = off");
		return 0;
	}
	if (listener != -ENOENT) {
		int rc = listener_adopt(listener, "metrics", text, true);

		if (rc)
			return rc;
		fd = listener;
	} else {
		if (strncmp(text, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0)
			path = text + strlen(UNIX_PREFIX);
		fd = path ? unixsocket_listen(path, 0666) : tcp_listen(text, base);
		if (fd < 0)
			return listen_fail(text, fd);
		log_info("metrics: listening at %s", text);
	}
	http = calloc(1, sizeof(*http));
	if (http)
		http->server = evhttp_new(base);
	if (!http || !http->server || socket_accept(http, base, fd)) {
		log_error("metrics = %s: no memory", text);
		if (!http || !http->server)
			close(fd);
		if (path)
			unlink(path);
		http_free(http);
		return EXIT_FAILURE;
	}
	http->unix_path = path;
	http->handed = listener != -ENOENT;
	evhttp_set_allowed_methods(http->server, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
	evhttp_set_max_headers_size(http->server, FILE_HEADER_BYTES);
	evhttp_set_max_body_size(http->server, 0);
	evhttp_set_timeout(http->server, HTTPLIMIT_IDLE_SECONDS);
	*out = http;
	return 0;
}

void http_serve(struct http *http, const struct supervisor *supervisor)
{
	if (!http)
		return;
	http->supervisor = supervisor;
	evhttp_set_cb(http->server, "/metrics", metrics_cb, http);
	evhttp_set_cb(http->server, "/-/healthy", healthy_cb, http);
	evhttp_set_cb(http->server, "/-/ready", ready_cb, http);
}

void http_leave(struct http *http)
{
	if (http && http->handed)
		httplimit_accept_stop(http->limit);
}

void http_free(struct http *http)
{
	if (!http)
		return;
	if (http->unix_path)
		unlink(http->unix_path); /* before it is closed: later the path may belong to a
					    successor */
	if (http->server)
		evhttp_free(http->server);
	httplimit_free(http->limit);
	free(http);
}
