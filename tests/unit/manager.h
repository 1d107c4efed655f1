/* A service manager that is a socket: as systemd's, it stores descriptors, or closes those for
 * which it has no room, drops all of a name on FDSTOREREMOVE=1, and closes a barrier. It reads
 * where the test says so. */
#ifndef MANAGER_H
#define MANAGER_H

#include <stdbool.h>

#define MANAGER_MOST 32

extern struct manager {
	struct {
		char name[128];
		int fd;
	} stored[MANAGER_MOST];
	unsigned count, max;
	char texts[1 << 16]; /* all that was sent, a message a line, their lines separated by spaces
			      */
} manager;

/* It is there: $NOTIFY_SOCKET. It says nothing of its limit and has passed nothing. */
void manager_begin(void);
void manager_end(void);

/* Reads all that is there. Returns how many messages that were. */
unsigned manager_read(void);

bool manager_stores(const char *name);

#endif
