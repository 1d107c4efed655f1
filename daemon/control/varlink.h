/* Varlink (varlink.org): NUL-terminated JSON objects over a stream socket. This file frames, limits
 * and answers; what a method does, and who may ask, is its owner's. A client that is slow or wrong
 * harms itself alone:
 *
 * One request of a client is served a wake-up, and the next one when the answer has been taken: so
 * one answer and 64 KiB of requests are all that is kept for it. */
#ifndef VARLINK_H
#define VARLINK_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>

#define VARLINK_REQUEST_BYTES	(64 << 10)
#define VARLINK_CLIENTS		32
#define VARLINK_RESERVED	8   /* of them for VARLINK_PREFERRED alone */
#define VARLINK_REFUSED		128 /* clients without a slot, until their first request */
#define VARLINK_REQUEST_SECONDS 5   /* to finish a request once begun; without a slot: to send it */
#define VARLINK_ANSWER_SECONDS	10  /* to take an answer */
#define VARLINK_IDLE_SECONDS	10  /* without a request: the place goes to who needs it */

struct varlink;
struct varlink_call; /* one call of one client; gone after its last answer or with its client */

enum varlink_type { VARLINK_STRING, VARLINK_NUMBER };

struct varlink_parameter {
	const char *name;
	enum varlink_type type;
	bool optional; /* may be left out, or null */
};
#define VARLINK_PARAMETERS_END                                                                     \
	{                                                                                          \
		NULL, VARLINK_STRING, false                                                        \
	}

struct varlink_method {
	const char *name; /* with its interface: "org.afcap.control.Stats" */
	const struct varlink_parameter *parameters; /* ended by the above; others, and those of
						       another type, are InvalidParameter */
	/* `parameters` is an object, borrowed. Answers by varlink_reply(), varlink_error(),
	 * varlink_later() or varlink_stream(). */
	void (*run)(void *owner, struct varlink_call *call, json_t *parameters);
};

struct varlink_interface {
	const char *name, *description; /* the description in varlink's own language */
};

/* An error whose one parameter is `reason`, in words. */
struct varlink_refusal {
	const char *error, *reason;
};

/* Which places a client may have. */
enum varlink_rank { VARLINK_DENIED, VARLINK_ORDINARY, VARLINK_PREFERRED };

struct varlink_service {
	const char *vendor, *product, *version, *url;
	const struct varlink_interface
		*interfaces; /* ended by a NULL name; org.varlink.service is added */
	const struct varlink_method *methods; /* ended by a NULL name; likewise */
	enum varlink_rank (*rank)(void *owner, int socket);
	struct varlink_refusal denied, busy; /* answers the first request of who gets no slot */
};

/* Serves a listening socket, which it owns then. `service` is borrowed. Returns 0 or -errno. */
int varlink_new(struct varlink **out, struct event_base *base, int listener,
		const struct varlink_service *service, void *owner);
void varlink_free(struct varlink *varlink);

/* Accepts no more: clients that connect wait in the listening socket, for the next process that has
 * it. */
void varlink_accept_stop(struct varlink *varlink);

/* What was to be answered later is refused now. */
void varlink_later_end(struct varlink *varlink, const struct varlink_refusal *refusal);

/* Did the caller ask for more than one answer? */
bool varlink_more(const struct varlink_call *call);

/* The answer. Takes the reference to `parameters`. */
void varlink_reply(struct varlink_call *call, json_t *parameters);

/* An error as answer: its full name, and parameters (reference taken, may be NULL). */
void varlink_error(struct varlink_call *call, const char *name, json_t *parameters);
/* org.varlink.service.InvalidParameter, with the parameter's name. */
void varlink_invalid(struct varlink_call *call, const char *parameter);
void varlink_refuse(struct varlink_call *call, const struct varlink_refusal *refusal);

/* Answers later: `ready` is asked every few milliseconds and makes the parameters, or is NULL.
 * After `late_seconds` the answer is `late`, which is borrowed. */
void varlink_later(struct varlink_call *call, double late_seconds,
		   const struct varlink_refusal *late,
		   json_t *(*ready)(void *owner, json_t *parameters), json_t *parameters);

/* The client's socket, for its credentials. */
int varlink_socket(const struct varlink_call *call);

/* Answers now and every `seconds` until the client goes: `next` makes the parameters from
 * `parameters`, of which a reference is kept. An answer that the client has not taken yet stands
 * for the ones after it. Only where varlink_more(). */
void varlink_stream(struct varlink_call *call, double seconds,
		    json_t *(*next)(void *owner, json_t *parameters), json_t *parameters);

#endif
