/* Varlink (varlink.org): NUL-terminated JSON objects over a stream socket. This file frames, limits
 * and answers; methods and access rights are its owner's. A client that is slow or misbehaves
 * affects only itself:
 *
 * One request of a client is served per wake-up, and the next one when the client has taken the
 * answer: at most one answer and 64 KiB of requests are buffered for it. */
#ifndef VARLINK_H
#define VARLINK_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>

#define VARLINK_REQUEST_BYTES	(64 << 10)
#define VARLINK_CLIENTS		32
#define VARLINK_RESERVED	8   /* of them for VARLINK_CHANGE alone */
#define VARLINK_REFUSED		128 /* clients without a slot, until their first request */
#define VARLINK_REQUEST_SECONDS 5   /* to finish a request once begun; without a slot: to send it */
#define VARLINK_ANSWER_SECONDS	10  /* to take an answer */
#define VARLINK_IDLE_SECONDS	10  /* without a request: the slot may go to another client */

struct varlink;
struct varlink_call; /* one call of one client; gone after its last answer or with its client */

/* Access levels of a client; each includes the ones before it. */
enum varlink_access { VARLINK_NOTHING, VARLINK_READ, VARLINK_CHANGE };

/* An error whose one parameter is `reason`, a text. */
struct varlink_refusal {
	const char *error, *reason;
};

struct varlink_service {
	/* The access of the client at `socket`, determined once: VARLINK_NOTHING gets no slot. */
	enum varlink_access (*access)(void *context, int socket);
	/* Answers a call by varlink_reply(), varlink_error(), varlink_later() or varlink_stream().
	 * `parameters` is an object, borrowed. */
	void (*call)(void *context, struct varlink_call *call, const char *method,
		     json_t *parameters);
	struct varlink_refusal denied,
		busy; /* answers to the first request of a client without a slot */
};

/* Serves a listening socket, which it owns then. `service` is borrowed, and called with `context`.
 * Returns 0 or -errno. */
int varlink_new(struct varlink **out, struct event_base *base, int listener,
		const struct varlink_service *service, void *context);
void varlink_free(struct varlink *varlink);

/* Accepts no more: clients that connect wait in the listening socket for the next process that
 * holds it. */
void varlink_accept_stop(struct varlink *varlink);

/* Refuses now all calls whose answer was to come later. */
void varlink_later_end(struct varlink *varlink, const struct varlink_refusal *refusal);

/* The access of the call's client. */
enum varlink_access varlink_access(const struct varlink_call *call);

/* Before the call is answered: `owner` is what `ready` and `next` below are called with; `more`
 * says whether the method may answer with a stream, else the caller's `more` is void. */
void varlink_call_take(struct varlink_call *call, void *owner, bool more);

/* Whether the client asked for more than one answer, and the method may give them. */
bool varlink_more(const struct varlink_call *call);

/* The answer. Takes the reference to `parameters`. */
void varlink_reply(struct varlink_call *call, json_t *parameters);

/* An error as answer: its full name, and parameters (reference taken, may be NULL). */
void varlink_error(struct varlink_call *call, const char *name, json_t *parameters);
/* org.varlink.service.InvalidParameter, with the parameter's name. */
void varlink_invalid(struct varlink_call *call, const char *parameter);
void varlink_refuse(struct varlink_call *call, const struct varlink_refusal *refusal);

/* Answers later: `ready` is called every few milliseconds and makes the parameters, or is NULL.
 * After `late_seconds` the answer is `late`, which is borrowed. */
void varlink_later(struct varlink_call *call, double late_seconds,
		   const struct varlink_refusal *late,
		   json_t *(*ready)(void *owner, json_t *parameters), json_t *parameters);

/* Answers now and every `seconds` until the client goes: `next` makes the parameters from
 * `parameters`, of which a reference is kept. While the client has not taken an answer the next
 * ones are left out. Only where varlink_more(). */
void varlink_stream(struct varlink_call *call, double seconds,
		    json_t *(*next)(void *owner, json_t *parameters), json_t *parameters);

#endif
