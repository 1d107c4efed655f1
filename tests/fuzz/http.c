/* Fuzz target: a client's bytes into the metrics server, over a socket. What it answers are HTTP
 * responses with the length that they say; what there is, is there for GET and HEAD alone; and a
 * client makes it keep little. The supervisor it shows is made here.
 *
 * Input: byte 0 says in which pieces, byte 1 how else it is sent and what there is to be shown; the
 * rest is sent. */
#include "client.h"
#include "fuzz.h"

#include "../../daemon/base/config_reader.h"
#include "../../daemon/control/http.h"
#include "../../daemon/supervisor/view.h"

#include <ctype.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define MEMORY_MOST ((size_t)1 << 20)
#define REPEATED    48
#define PIECES_MOST 40 /* with which clocks run */

enum { DEAF = 1, TIMERS = 2, HALF = 4, REPEAT = 8, NOT_READY = 16, REASON = 32, TWO = 64 };

static struct event_base *base;
static struct config config;
static struct http *server;
static char directory[] = "/tmp/afcap-fuzz-XXXXXX";
static unsigned shown; /* NOT_READY ... */

/* ---- daemon/supervisor/view.h ---- */

const char *const view_capture_states[] = { "running", "failed", NULL };

unsigned view_captures(const struct supervisor *supervisor)
{
	(void)supervisor;
	return shown & TWO ? 2 : 1;
}

void view_capture(const struct supervisor *supervisor, unsigned capture, struct capture_view *view)
{
	(void)supervisor;
	*view = (struct capture_view){ .name = capture ? "b" : "a",
				       .interface = "\"\\\n",
				       .state = view_capture_states[shown & NOT_READY ? 1 : 0],
				       .reason = shown & REASON ? "because" : NULL,
				       .workers = 2,
				       .ready = !(shown & NOT_READY),
				       .disk_available = UINT64_MAX - capture };
}

void view_worker(const struct supervisor *supervisor, unsigned capture, unsigned worker,
		 struct worker_view *view)
{
	(void)supervisor;
	*view = (struct worker_view){ .pid = -1, .state = "running" };
	view->counters.packets = UINT64_MAX - capture - worker;
}

bool view_rotating(const struct supervisor *supervisor, const char *capture)
{
	(void)supervisor;
	(void)capture;
	return false;
}

double view_loss(const struct counters *counters)
{
	(void)counters;
	return 0;
}

/* ---- the server ---- */

static void server_stop(void)
{
	http_free(server);
	event_base_free(base);
	rmdir(directory);
}

static void server_start(void)
{
	signal(SIGPIPE, SIG_IGN); /* as the daemon does */
	base = event_base_new();
	if (!base || !mkdtemp(directory))
		abort();
	config_init(&config);
	snprintf(config.daemon.metrics, sizeof(config.daemon.metrics), "unix:%s/s", directory);
	if (http_new(&server, base, &config, -ENOENT))
		abort();
	http_serve(server, NULL);
	atexit(server_stop);
}

static int connected(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", directory);
	return client_connect((struct sockaddr *)&address, sizeof(address));
}

/* ---- what it answered ---- */

static bool begins(const char *at, const char *end, const char *what)
{
	size_t n = strlen(what);

	return (size_t)(end - at) >= n && memcmp(at, what, n) == 0;
}

/* A line up to its end; NULL: it has none. Nothing of the request may have come into it. */
static const char *line_end(const char *at, const char *end)
{
	for (; at < end && *at != '\r'; at++)
		if (iscntrl((unsigned char)*at))
			abort();
	return begins(at, end, "\r\n") ? at : NULL;
}

/* Behind the header; NULL: it was cut short. */
static const char *header_check(const char *at, const char *end, size_t *length)
{
	const char *line = line_end(at, end);

	*length = SIZE_MAX; /* not said: up to the end of the connection */
	while (line) {
		at = line + 2;
		line = line_end(at, end);
		if (line == at)
			return at + 2;
		if (line && !memchr(at, ':', (size_t)(line - at)))
			abort();
		if (line && begins(at, end, "Content-Length: "))
			*length = strtoul(at + 16, NULL, 10);
	}
	return NULL;
}

static void body_check(const char *at, size_t length, int code)
{
	static const char *const bodies[] = { "# HELP afcap_", "healthy\n", "ready\n" };
	bool known = false;

	for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++)
		known |= code == 200 && begins(at, at + length, bodies[i]);
	if (code == 503)
		known = shown & NOT_READY && begins(at, at + length, "a: failed");
	if ((code == 200 || code == 503) && !known)
		abort();
}

/* One response; where the next begins. */
static const char *response_check(const char *at, const char *end, bool asked)
{
	size_t length;
	const char *body;
	int code;

	if (!begins(at, end, "HTTP/")) /* and the client's version */
		abort();
	body = header_check(at, end, &length);
	if (!body)
		return end;
	code = (int)strtol(at + strcspn(at, " \r"), NULL, 10);
	if (code < 200 || code > 599 || ((code == 200 || code == 503) && !asked))
		abort();
	if (body == end || begins(body, end, "HTTP/"))
		return body; /* of HEAD */
	if (length > (size_t)(end - body))
		return end;
	body_check(body, length, code);
	return body + length;
}

static void responses_check(const struct client_text *text, const uint8_t *data, size_t bytes,
			    unsigned times)
{
	const char *at = text->bytes, *end;
	size_t most = 1;
	bool asked = memmem(data, bytes, "GET ", 4) || memmem(data, bytes, "HEAD ", 5) || times > 1;

	if (!at)
		return;
	for (size_t i = 0; i < bytes; i++)
		most += times * (data[i] == '\n');
	for (end = at + text->length; at < end; at = response_check(at, end, asked))
		if (most-- == 0)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct client_text text = { NULL, 0 };
	struct client_way way;
	size_t before;
	int fd;

	if (bytes < 2)
		return 0;
	if (!base)
		server_start();
	shown = data[1];
	way = (struct client_way){ .piece = (size_t)1 << data[0] % 16,
				   .times = data[1] & REPEAT ? REPEATED : 1,
				   .timers = data[1] & TIMERS,
				   .deaf = data[1] & DEAF,
				   .half = data[1] & HALF };
	if (way.timers && way.piece < bytes / PIECES_MOST)
		way.piece = bytes / PIECES_MOST;
	before = client_memory();
	fd = connected();
	client_talk(base, fd, &way, data + 2, bytes - 2, &text);
	if (client_memory() > before + text.length + MEMORY_MOST)
		abort();
	responses_check(&text, data + 2, bytes - 2, way.times);
	free(text.bytes);
	close(fd);
	client_turn(base);
	return 0;
}
