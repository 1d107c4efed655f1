/* What evhttp does not limit: how many connections there are, and how long a request may take. */
#ifndef HTTPLIMIT_H
#define HTTPLIMIT_H

#include <event2/event.h>
#include <event2/http.h>

#define HTTPLIMIT_CLIENTS	  32
#define HTTPLIMIT_REQUEST_SECONDS 5  /* from a request's first byte until its answer is taken */
#define HTTPLIMIT_IDLE_SECONDS	  60 /* between two requests */
#define HTTPLIMIT_SLOW_SECONDS	  1  /* after that, a request may be evicted for a new connection */

struct httplimit;

/* Limits the connections that come to `server` by its one socket. One too many evicts a slow or
 * idle one, or is answered 503 if there is none. Sets the server's callback for bufferevents.
 * Returns 0 or -ENOMEM. */
int httplimit_new(struct httplimit **out, struct event_base *base, struct evhttp *server,
		  struct evhttp_bound_socket *bound);

/* Accepts no more: clients that connect wait in the listening socket for the next process that
 * holds it. */
void httplimit_accept_stop(struct httplimit *limit);

/* To be called after evhttp_free(). */
void httplimit_free(struct httplimit *limit);

#endif
