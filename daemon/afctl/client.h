/* The client's side of varlink: one connection, one call at a time. */
#ifndef CLIENT_H
#define CLIENT_H

#include <jansson.h>
#include <stdbool.h>

/* Exit codes of afctl. */
enum {
	AFCTL_OK = 0,
	AFCTL_FAILED = 1,
	AFCTL_USAGE = 2,
	AFCTL_NO_DAEMON = 3,
	AFCTL_DENIED = 4,
	AFCTL_DEGRADED = 5
};

#define CLIENT_INTERFACE "org.afcap.control"

struct client;

/* Connects. Returns 0, or the exit code, the reason printed to stderr. */
int client_open(struct client **out, const char *path);
void client_close(struct client *client);

/* Calls a method; `parameters` (reference taken) may be NULL. Returns 0 or the exit code, the
 * reason printed. */
int client_call(struct client *client, const char *method, json_t *parameters, bool more);

/* The next answer's parameters, owned by the caller. *continues says whether another follows.
 * Returns 0 or the exit code, the reason printed: an error answer too. */
int client_answer(struct client *client, json_t **parameters, bool *continues);

/* One call with one answer, on a connection of its own: client_open() to client_close(). */
int client_ask(const char *path, const char *method, json_t *parameters, json_t **answer);

/* The parameters of a method that is for one capture, or for all (NULL). Owned by the caller; NULL:
 * it is not valid as a capture's name, which is printed. */
json_t *client_capture(const char *capture);

#endif
