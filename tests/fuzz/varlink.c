/* Fuzz target: a client's bytes into the varlink server, over a socket. Its answers are JSON
 * objects, each ended by NUL, not more than it asked for but where they stream; and what it makes
 * the server keep is bounded, whether it reads or not.
 *
 * Input: byte 0 says in which pieces, byte 1 how else it is sent; the rest is sent. */
#include "client.h"
#include "fuzz.h"

#include "../../daemon/control/varlink_service.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define BIG_BYTES    (256 << 10)
#define MEMORY_MOST  ((size_t)8 << 20) /* 4 MiB of answers, one more, a request, buffers */
#define REPEATED     48
#define TIMERS_ALIVE 40 /* pieces with which clocks run */

#define LATE_TIMERS 6 /* until an answer is late */

enum { DEAF = 1, TIMERS = 2, HALF = 4, REPEAT = 8, CROWD = 16 };

static bool run_echo(void *owner, struct varlink_call *call, json_t *parameters)
{
	(void)owner;
	varlink_reply(call, json_incref(parameters));
	return true;
}

static bool run_fail(void *owner, struct varlink_call *call, json_t *parameters)
{
	(void)owner;
	varlink_error(call, "t.Failed",
		      json_object_get(parameters, "bare") ? NULL : json_incref(parameters));
	return true;
}

static json_t *next(void *owner, json_t *parameters)
{
	static char big[BIG_BYTES];

	(void)owner;
	if (!json_object_get(parameters, "big"))
		return json_incref(parameters);
	memset(big, 'x', sizeof(big) - 1);
	return json_pack("{s:s}", "big", big);
}

static bool run_stream(void *owner, struct varlink_call *call, json_t *parameters)
{
	if (varlink_more(call))
		varlink_stream(call, 1.0, next, parameters);
	else
		varlink_reply(call, next(owner, parameters));
	return true;
}

/* Every third time it is asked */
static json_t *ready(void *owner, json_t *parameters)
{
	unsigned *asked = owner;

	return json_object_get(parameters, "never") || ++*asked % 3 ? NULL : json_object();
}

static bool run_later(void *owner, struct varlink_call *call, json_t *parameters)
{
	(void)owner;
	(void)call;
	(void)parameters;
	return false;
}

static const char *never_busy(void *owner, json_t *parameters)
{
	(void)owner;
	(void)parameters;
	return NULL;
}

static enum varlink_access access_all(void *context, int socket)
{
	(void)context;
	return socket < 0 ? VARLINK_NOTHING : VARLINK_CHANGE;
}

static void call(void *context, struct varlink_call *call, const char *method, json_t *parameters)
{
	varlink_method_run(context, call, method, parameters);
}

static const struct varlink_wait later = {
	.busy = never_busy, .ready = ready, .seconds = 0.1, .late = { "t.Late", "it took too long" }
};
static const struct varlink_parameter parameters[] = {
	{ "big", VARLINK_FLOAT, true, 0, 0 },
	{ "bare", VARLINK_FLOAT, true, 0, 0 },
	{ "never", VARLINK_FLOAT, true, 0, 0 },
	{ "text", VARLINK_STRING, true, 0, 0 },
	VARLINK_PARAMETERS_END,
};
static const struct varlink_parameter needed[] = { { "text", VARLINK_STRING, false, 0, 0 },
						   VARLINK_PARAMETERS_END };
static const struct varlink_method methods[] = {
	{ "Echo", VARLINK_READ, false, parameters, run_echo, NULL },
	{ "Fail", VARLINK_READ, false, parameters, run_fail, NULL },
	{ "Stream", VARLINK_READ, true, parameters, run_stream, NULL },
	{ "Later", VARLINK_CHANGE, false, parameters, run_later, &later },
	{ "Needs", VARLINK_READ, false, needed, run_echo, NULL },
	{ NULL, VARLINK_READ, false, NULL, NULL, NULL },
};
static const struct varlink_service service = { .access = access_all,
						.call = call,
						.denied = { "t.Denied", "no" },
						.busy = { "t.Busy", "too many" } };

static struct event_base *base;
static struct sockaddr_un address = { .sun_family = AF_UNIX };
static socklen_t address_length;

/* At a name that the kernel gives, in no file system */
static void server_start(void)
{
	static struct varlink_interface interfaces[3];
	static struct varlink_about about = { "v", "p", "1", "u", interfaces };
	static struct varlink *server;
	static unsigned asked;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	interfaces[0] = varlink_service_interface(&about);
	interfaces[1] = (struct varlink_interface){
		"t", "interface t\n", methods, &asked, { "t.Denied", "not this" }
	};
	signal(SIGPIPE, SIG_IGN); /* as the daemon does */
	base = event_base_new();
	address_length = sizeof(address);
	if (fd < 0 || !base || bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)) ||
	    getsockname(fd, (struct sockaddr *)&address, &address_length) || listen(fd, 64) ||
	    varlink_new(&server, base, fd, &service, interfaces))
		abort();
}

static int connected(void)
{
	return client_connect((struct sockaddr *)&address, address_length);
}

/* Returns whether it is one of a stream. */
static bool answer_check(const char *text, size_t length)
{
	json_t *answer = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
	json_t *error = json_object_get(answer, "error");
	bool streams = json_is_true(json_object_get(answer, "continues"));

	if (!json_is_object(answer) || !json_is_object(json_object_get(answer, "parameters")) ||
	    (error && (!json_is_string(error) || streams)))
		abort();
	json_decref(answer);
	return streams;
}

static void answers_check(const struct client_text *text, size_t requests)
{
	const char *at = text->bytes, *end, *nul;

	if (!at)
		return;
	end = at + text->length;
	for (; at < end && (nul = memchr(at, '\0', (size_t)(end - at))); at = nul + 1)
		if (!answer_check(at, (size_t)(nul - at)) && requests-- == 0)
			abort();
}

static size_t requests_in(const uint8_t *data, size_t bytes)
{
	size_t n = 0;

	for (size_t i = 0; i < bytes; i++)
		n += data[i] == '\0';
	return n;
}

/* All places but one are taken by others, or all. */
static unsigned crowd_come(int fds[VARLINK_CLIENTS], unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		fds[i] = connected();
	client_turn(base);
	return count;
}

/* Whether there is a slot for it or not, nothing is said before it asks. */
static void silence_check(int fd)
{
	char text[128];

	client_turn(base);
	if (recv(fd, text, sizeof(text), MSG_DONTWAIT) >= 0)
		abort();
}

/* Who has no slot is answered once, if at all. */
static void refusal_check(const struct client_text *text)
{
	static const char busy[] =
		"{\"error\":\"t.Busy\",\"parameters\":{\"reason\":\"too many\"}}";

	if (text->length &&
	    (text->length != sizeof(busy) || memcmp(text->bytes, busy, sizeof(busy))))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct client_text text = { NULL, 0 };
	int fd, crowd[VARLINK_CLIENTS];
	struct client_way way;
	unsigned others = 0;
	size_t before;

	if (bytes < 2)
		return 0;
	if (!base)
		server_start();
	way = (struct client_way){ .piece = (size_t)1 << data[0] % 16,
				   .times = data[1] & REPEAT ? REPEATED : 1,
				   .timers = data[1] & TIMERS,
				   .deaf = data[1] & DEAF,
				   .half = data[1] & HALF };
	if (way.timers && way.piece < bytes / TIMERS_ALIVE)
		way.piece = bytes / TIMERS_ALIVE;
	before = client_memory();
	if (data[1] & CROWD)
		others = crowd_come(crowd, VARLINK_CLIENTS - data[0] / 128);
	fd = connected();
	if (others)
		silence_check(fd);
	client_talk(base, fd, &way, data + 2, bytes - 2, &text);
	if (client_memory() > before + text.length + MEMORY_MOST)
		abort();
	if (others == VARLINK_CLIENTS)
		refusal_check(&text);
	else
		answers_check(&text, way.times * requests_in(data + 2, bytes - 2));
	free(text.bytes);
	close(fd);
	while (others)
		close(crowd[--others]);
	client_turn(base);
	for (unsigned i = 0; i < LATE_TIMERS; i++) /* then every place is free again */
		client_timers(base);
	return 0;
}
