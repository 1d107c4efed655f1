/* Blocking calls over a UNIX socket. */
#include "client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_BYTES_MAX (16u << 20)

struct client {
	int fd;
	char *buffer;
	size_t used, size;
};

int client_open(struct client **out, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct client *c = calloc(1, sizeof(*c));
	int saved;

	if (!c || strlen(path) >= sizeof(address.sun_path)) {
		fprintf(stderr, "afctl: %s: %s\n", path,
			c ? "path too long for a socket" : "no memory");
		free(c);
		return AFCTL_USAGE;
	}
	strcpy(address.sun_path, path);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd >= 0 && connect(c->fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
		*out = c;
		return 0;
	}
	saved = errno;
	client_close(c);
	if (saved == EACCES || saved == EPERM) {
		fprintf(stderr,
			"afctl: %s: permission denied: this user has no access to the socket\n",
			path);
		return AFCTL_DENIED;
	}
	fprintf(stderr, "afctl: no daemon at %s: %s\n", path, strerror(saved));
	return AFCTL_NO_DAEMON;
}

void client_close(struct client *client)
{
	if (!client)
		return;
	if (client->fd >= 0)
		close(client->fd);
	free(client->buffer);
	free(client);
}

static int client_lost(const char *why)
{
	fprintf(stderr, "afctl: the daemon is gone: %s\n", why);
	return AFCTL_NO_DAEMON;
}

int client_call(struct client *client, const char *method, json_t *parameters, bool more)
{
	json_t *request = json_pack("{s:s,s:o,s:b}", "method", method, "parameters",
				    parameters ? parameters : json_object(), "more", more);
	char *text = json_dumps(request, JSON_COMPACT);
	size_t length = text ? strlen(text) + 1 : 0, sent = 0;
	ssize_t n = text ? 0 : -1;

	json_decref(request);
	while (sent < length && n >= 0) {
		n = send(client->fd, text + sent, length - sent, MSG_NOSIGNAL);
		if (n > 0)
			sent += (size_t)n;
		else if (errno == EINTR)
			n = 0;
	}
	free(text);
	if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
		return 0; /* the daemon has closed the connection, perhaps after an answer with the
			     reason: read it */
	return n >= 0 ? 0 : client_lost(strerror(errno));
}

/* Reads until a NUL is in the buffer; *end points to it. */
static int message_read(struct client *c, char **end)
{
	for (;;) {
		ssize_t n;

		*end = c->used ? memchr(c->buffer, '\0', c->used) : NULL;
		if (*end)
			return 0;
		if (c->used == c->size) {
			size_t size = c->size ? c->size * 2 : 16384;
			char *larger = size > ANSWER_BYTES_MAX ? NULL : realloc(c->buffer, size);

			if (!larger)
				return client_lost("its answer is too long");
			c->buffer = larger;
			c->size = size;
		}
		n = read(c->fd, c->buffer + c->used, c->size - c->used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return client_lost(n < 0 ? strerror(errno) : "it closed the connection");
		c->used += (size_t)n;
	}
}

static int answer_error(const char *error, json_t *parameters)
{
	const char *capture = json_string_value(json_object_get(parameters, "capture")),
		   *reason = json_string_value(json_object_get(parameters, "reason"));

	if (strcmp(error, "org.afcap.control.PermissionDenied") == 0) {
		fprintf(stderr, "afctl: permission denied: %s\n", reason ? reason : "?");
		return AFCTL_DENIED;
	}
	if (strcmp(error, "org.afcap.control.NoSuchCapture") == 0)
		fprintf(stderr, "afctl: no such capture: %s\n", capture ? capture : "?");
	else if (strcmp(error, "org.afcap.control.Busy") == 0)
		fprintf(stderr, "afctl: the daemon is busy: %s; try again\n",
			reason ? reason : "?");
	else
		fprintf(stderr, "afctl: the daemon says %s\n", error);
	return AFCTL_FAILED;
}

int client_answer(struct client *client, json_t **parameters, bool *continues)
{
	json_t *answer, *error;
	char *end;
	int rc = message_read(client, &end);
	size_t length;

	if (rc)
		return rc;
	length = (size_t)(end - client->buffer);
	answer = json_loadb(client->buffer, length, 0, NULL);
	client->used -= length + 1;
	memmove(client->buffer, end + 1, client->used);
	if (!json_is_object(answer)) {
		json_decref(answer);
		return client_lost("its answer is not a JSON object");
	}
	error = json_object_get(answer, "error");
	if (json_is_string(error)) {
		rc = answer_error(json_string_value(error), json_object_get(answer, "parameters"));
	} else {
		*continues = json_is_true(json_object_get(answer, "continues"));
		*parameters = json_incref(json_object_get(answer, "parameters"));
		if (!json_is_object(*parameters))
			rc = client_lost("its answer has no parameters");
	}
	json_decref(answer);
	return rc;
}

int client_ask(const char *path, const char *method, json_t *parameters, json_t **answer)
{
	struct client *client;
	bool continues;
	int rc = client_open(&client, path);

	if (rc) {
		json_decref(parameters);
		return rc;
	}
	rc = client_call(client, method, parameters, false);
	if (rc == 0)
		rc = client_answer(client, answer, &continues);
	client_close(client);
	return rc;
}

json_t *client_capture(const char *capture)
{
	json_t *parameters = json_object();

	if (capture && json_object_set_new(parameters, "capture", json_string(capture))) {
		json_decref(parameters);
		fprintf(stderr, "afctl: a capture's name is ASCII: %s (afctl --help)\n", capture);
		return NULL;
	}
	return parameters;
}
