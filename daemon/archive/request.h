/* The supervisor's requests: which message is one, when, and how it is served. */
#ifndef REQUEST_H
#define REQUEST_H

#include "common.h"

/* What the archive process owns. Zeros at its start. */
struct archive {
	struct directory directories[CAPTURES_MAX]; /* without a capture's name: unused */
	bool confined;				    /* to them */
	struct common common;
};

/* Whether a message of this type is a request. */
bool request_known(uint32_t type);

/* Serves a request (request_known()): fills in its answer, which is zeros before; an error is in
 * result->error. `fd` came with the request, -1 for none, and stays the caller's. Returns a
 * descriptor to be sent with the answer, owned by the caller, or -1. */
int request_serve(struct archive *archive, const struct message *request, int fd,
		  struct message_result *result);

/* Whether no more requests for the request's file will come, according to its answer. */
bool request_ends_file(const struct message *request, const struct message_result *result);

#endif
