/* Sends, turns the server's loop, reads. */
#include "client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TURNS	    4
#define TIMERS_MOST 64
#define TEXT_MOST   ((size_t)64 << 20)

/* Of the sanitizer, which gcc has no header for; a build without it (coverage) does not look */
__attribute__((weak)) size_t __sanitizer_get_current_allocated_bytes(void);

struct timers {
	struct event *events[TIMERS_MOST];
	unsigned count;
};

int client_connect(const struct sockaddr *address, socklen_t length)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || connect(fd, address, length))
		abort();
	return fd;
}

void client_turn(struct event_base *base)
{
	for (unsigned i = 0; i < TURNS; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

static int timer_collect(const struct event_base *base, const struct event *event, void *context)
{
	struct timers *timers = context;

	(void)base;
	if (timers->count < TIMERS_MOST && event_pending(event, EV_TIMEOUT, NULL))
		timers->events[timers->count++] = (struct event *)(uintptr_t)event;
	return 0;
}

/* One that is freed by another's callback is not active any more. */
void client_timers(struct event_base *base)
{
	struct timers timers = { .count = 0 };

	event_base_foreach_event(base, timer_collect, &timers);
	for (unsigned i = 0; i < timers.count; i++)
		event_active(timers.events[i], EV_TIMEOUT, 0);
	client_turn(base);
}

/* False: the server closed. */
static bool receive(int fd, struct client_text *text)
{
	char buffer[4096];
	ssize_t n;

	while ((n = read(fd, buffer, sizeof(buffer))) > 0) {
		text->bytes = realloc(text->bytes, text->length + (size_t)n);
		if (!text->bytes || text->length > TEXT_MOST)
			abort();
		memcpy(text->bytes + text->length, buffer, (size_t)n);
		text->length += (size_t)n;
	}
	return n < 0 && errno == EAGAIN;
}

/* False: the server closed. One that does not read is waited for no longer. */
static bool piece_send(struct event_base *base, int fd, const uint8_t *data, size_t bytes,
		       bool timers)
{
	ssize_t n = send(fd, data, bytes, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN)
		return false;
	client_turn(base);
	if (timers)
		client_timers(base);
	return n >= 0;
}

void client_talk(struct event_base *base, int fd, const struct client_way *way, const uint8_t *data,
		 size_t bytes, struct client_text *text)
{
	bool open = true;

	for (unsigned i = 0; i < way->times && open; i++)
		for (size_t at = 0; at < bytes && open; at += way->piece) {
			size_t n = bytes - at < way->piece ? bytes - at : way->piece;

			open = piece_send(base, fd, data + at, n, way->timers) &&
			       (way->deaf || receive(fd, text));
		}
	if (way->half)
		shutdown(fd, SHUT_WR);
	client_turn(base);
	receive(fd, text);
	client_turn(base); /* what there was no room for */
	receive(fd, text);
}

size_t client_memory(void)
{
	return __sanitizer_get_current_allocated_bytes ? __sanitizer_get_current_allocated_bytes()
						       : 0;
}
