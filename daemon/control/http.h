/* The HTTP server for metrics. */
#ifndef HTTP_H
#define HTTP_H

#include "../base/config.h"

#include <event2/event.h>

struct http;
struct supervisor;

/* `listener` is a socket that was handed over, and becomes the server's also where this fails, or
 * -ENOENT: then listens at config->daemon.metrics: ADDRESS:PORT or unix:PATH. *out is NULL when
 * that is "off". Returns 0, or the exit code, the reason logged. */
int http_new(struct http **out, struct event_base *base, const struct config *config, int listener);

/* From now on /metrics is answered. */
void http_serve(struct http *http, const struct supervisor *supervisor);

/* This instance is about to hand over: who connects from now on waits for the next one, where the
 * service manager has the socket. */
void http_leave(struct http *http);

void http_free(struct http *http);

#endif
