/* Messages, read and obeyed. */
#include "manager.h"
#include "suites.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct manager manager;

static int channel;

/* What one message says of `name`, up to its line's end; "": nothing. */
static void value_of(const char *text, const char *name, char value[128])
{
	const char *at = strstr(text, name);

	*value = '\0';
	if (at)
		sscanf(at + strlen(name), "%127[^\n]", value);
}

static void remove_all(const char *name)
{
	for (unsigned i = 0; i < manager.count; i++)
		if (strcmp(manager.stored[i].name, name) == 0) {
			close(manager.stored[i].fd);
			manager.stored[i--] = manager.stored[--manager.count];
		}
}

static void message_handle(char *text, const int *fds, size_t count)
{
	bool stores = strstr(text, "FDSTORE=1") != NULL;
	char name[128];

	value_of(text, "FDNAME=", name);
	for (size_t i = 0; i < count; i++) {
		if (!stores || manager.count == manager.max) { /* a barrier, or no room */
			close(fds[i]);
			continue;
		}
		ck_assert_ptr_nonnull(strstr(text, "FDPOLL=0"));
		snprintf(manager.stored[manager.count].name, sizeof(manager.stored->name), "%s",
			 name);
		manager.stored[manager.count++].fd = fds[i];
	}
	if (strstr(text, "FDSTOREREMOVE=1"))
		remove_all(name);
	for (char *c = text; *c; c++)
		*c = *c == '\n' ? ' ' : *c;
	ck_assert_uint_lt(strlen(manager.texts) + strlen(text) + 1, sizeof(manager.texts));
	strcat(strcat(manager.texts, text), "\n");
}

unsigned manager_read(void)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(MANAGER_MOST * sizeof(int))];
	} control;
	char text[600];
	struct iovec io = { text, sizeof(text) - 1 };
	struct msghdr header = { .msg_iov = &io, .msg_iovlen = 1 };
	unsigned messages = 0;

	for (;; messages++) {
		size_t count = 0;
		struct cmsghdr *c;
		ssize_t n;

		header.msg_control = &control;
		header.msg_controllen = sizeof(control);
		n = recvmsg(channel, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n < 0)
			return messages;
		text[n] = '\0';
		c = CMSG_FIRSTHDR(&header);
		if (c)
			count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		message_handle(text, c ? (const int *)(const void *)CMSG_DATA(c) : NULL, count);
	}
}

bool manager_stores(const char *name)
{
	for (unsigned i = 0; i < manager.count; i++)
		if (strcmp(manager.stored[i].name, name) == 0)
			return true;
	return false;
}

void manager_begin(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char name[64];

	memset(&manager, 0, sizeof(manager));
	manager.max = MANAGER_MOST;
	channel = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(name, sizeof(name), "@afcap-check-%d", (int)getpid());
	memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
	ck_assert_int_eq(bind(channel, (struct sockaddr *)&address,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
			 0);
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", name, 1), 0);
	unsetenv("FDSTORE");
	unsetenv("LISTEN_FDS");
}

void manager_end(void)
{
	close(channel);
}
