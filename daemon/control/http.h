/* The HTTP server for metrics. */
#ifndef HTTP_H
#define HTTP_H

#include "../base/config.h"

#include <event2/event.h>

struct http;
struct supervisor;

/* `listener` is a socket passed by the service manager, owned by the server also on failure; or
 * -ENOENT: then listens at config->daemon.metrics: ADDRESS:PORT or unix:PATH. *out is NULL when
 * that is "off". Returns 0, or the exit code, the reason logged. */
int http_new(struct http **out, struct event_base *base, const struct config *config, int listener);

/* Answers requests for /metrics from now on. */
void http_serve(struct http *http, const struct supervisor *supervisor);

/* This instance is about to hand over: clients that connect from now on wait for the next one, if
 * the service manager holds the socket. */
void http_leave(struct http *http);

void http_free(struct http *http);

#endif
