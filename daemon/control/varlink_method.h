/* The methods of varlink interfaces as tables. A row holds the access that a method needs, its
 * parameters, and whether it may stream; every call is checked against it here. The function of a
 * method belongs to its owner. */
#ifndef VARLINK_METHOD_H
#define VARLINK_METHOD_H

#include "varlink.h"

enum varlink_type { VARLINK_STRING, VARLINK_FLOAT };

struct varlink_parameter {
	const char *name;
	enum varlink_type type;
	bool nullable;		 /* may be left out, or null */
	double minimum, maximum; /* of a VARLINK_FLOAT; both 0: any */
};
#define VARLINK_PARAMETERS_END                                                                     \
	{                                                                                          \
		NULL, VARLINK_STRING, false, 0, 0                                                  \
	}

/* Of a method whose answer comes when something is finished. */
struct varlink_wait {
	/* Why it can be done only in part now; NULL: it can be done. Called before the method is
	 * run, which is run in any case; the answer is then late.error with this reason.
	 * Borrowed. */
	const char *(*busy)(void *owner, json_t *parameters);
	json_t *(*ready)(void *owner, json_t *parameters); /* as varlink_later() has it */
	double seconds;					   /* until the answer is `late` */
	struct varlink_refusal late;
};

struct varlink_method {
	const char *name;
	enum varlink_access access; /* what the client needs */
	bool more; /* may answer with a stream; for others a request's `more` is void */
	const struct varlink_parameter *parameters; /* ended by the above */
	/* `parameters` is an object, borrowed, checked by the row. Answers and returns true; or
	 * leaves the answer to `wait`. */
	bool (*run)(void *owner, struct varlink_call *call, json_t *parameters);
	const struct varlink_wait *wait; /* NULL: `run` answers */
};

struct varlink_interface {
	const char *name, *description;	      /* the description in varlink's own language */
	const struct varlink_method *methods; /* ended by a NULL name */
	void *owner;			      /* of the methods */
	struct varlink_refusal denied;	      /* answers a client that lacks a method's access */
};

enum varlink_verdict { VARLINK_ALLOWED, VARLINK_INVALID, VARLINK_DENIED };

/* Checks a call by a client with `access` against the row. Pure. VARLINK_INVALID: *wrong is the
 * name of the parameter, borrowed from `parameters` or the row: the first one given that the method
 * does not have or that has another type, else the first one missing, else the first one out of its
 * range. Parameters are checked before the access, so that a client may learn what is wrong with
 * its call. */
enum varlink_verdict varlink_method_check(const struct varlink_method *method,
					  enum varlink_access access, json_t *parameters,
					  const char **wrong);

/* Runs the method "INTERFACE.METHOD" of one of the `interfaces` (ended by a NULL name) if its row
 * allows; else answers InvalidParameter, the interface's `denied`, MethodNotFound or
 * InterfaceNotFound (the errors of org.varlink.service). */
void varlink_method_run(const struct varlink_interface *interfaces, struct varlink_call *call,
			const char *name, json_t *parameters);

#endif
