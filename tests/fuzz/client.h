/* A client of one of the daemon's servers, in one process with it. The server's clocks run when
 * they are told to. */
#ifndef CLIENT_H
#define CLIENT_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* What the server sent. */
struct client_text {
	char *bytes;
	size_t length;
};

/* How the input is sent. */
struct client_way {
	size_t piece;	/* bytes at once */
	unsigned times; /* all of it */
	bool timers;	/* of the server come due after each piece */
	bool deaf;	/* nothing is read before all is sent */
	bool half;	/* then this side is closed */
};

/* Connects to the server that listens at `address`; aborts where that fails. */
int client_connect(const struct sockaddr *address, socklen_t length);

/* Sends `bytes` of `data` as `way` says, until the server closes; what it answered is added to
 * `text`. */
void client_talk(struct event_base *base, int fd, const struct client_way *way, const uint8_t *data,
		 size_t bytes, struct client_text *text);

/* Lets the server do what there is to be done. */
void client_turn(struct event_base *base);

/* The server's timers come due, once. */
void client_timers(struct event_base *base);

/* Bytes that are allocated in this process, as the sanitizer counts them. */
size_t client_memory(void);

#endif
