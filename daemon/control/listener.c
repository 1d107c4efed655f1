/* Checks the kind and the address of a socket. */
#include "listener.h"

#include "../base/failure.h"
#include "../base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#define ADDRESS_BYTES (sizeof("unix:") + sizeof(((struct sockaddr_un *)0)->sun_path))

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
	struct sockaddr_storage storage;
};

/* Formats an address as in the configuration. `length` is the address's. */
static void address_print(char text[ADDRESS_BYTES], const union address *a, socklen_t length,
			  bool inet)
{
	char host[INET6_ADDRSTRLEN] = "?";
	int path = (int)(length - offsetof(struct sockaddr_un, sun_path));

	switch (a->any.sa_family) {
	case AF_INET:
		inet_ntop(AF_INET, &a->in.sin_addr, host, sizeof(host));
		snprintf(text, ADDRESS_BYTES, "%s:%u", host, ntohs(a->in.sin_port));
		break;
	case AF_INET6:
		inet_ntop(AF_INET6, &a->in6.sin6_addr, host, sizeof(host));
		snprintf(text, ADDRESS_BYTES, "[%s]:%u", host, ntohs(a->in6.sin6_port));
		break;
	default:
		snprintf(text, ADDRESS_BYTES, "%s%.*s", inet ? "unix:" : "", path, a->un.sun_path);
	}
}

/* Why the socket is unusable; NULL: it is usable, and `text` has its address as text. */
static const char *socket_wrong(int fd, bool inet, char text[ADDRESS_BYTES])
{
	union address a;
	socklen_t length = sizeof(a), type_length = sizeof(int), listens_length = sizeof(int);
	int type, listens;

	if (fd == -EEXIST)
		return "there are several of this name: only one can be served";
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_length) ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &listens_length) ||
	    getsockname(fd, &a.any, &length))
		return failure_text(errno);
	if (type != SOCK_STREAM)
		return "not a stream socket (ListenStream=)";
	if (!listens)
		return "it does not listen (Accept=yes is not supported)";
	if (a.any.sa_family != AF_UNIX &&
	    (!inet || (a.any.sa_family != AF_INET && a.any.sa_family != AF_INET6)))
		return inet ? "neither an IP nor a UNIX socket" : "not a UNIX socket";
	if (evutil_make_socket_nonblocking(fd))
		return failure_text(errno);
	address_print(text, &a, length, inet);
	return NULL;
}

static bool address_is(const char *text, const char *value, bool inet)
{
	char normal[ADDRESS_BYTES];
	union address a;
	int length = sizeof(a);

	if (!inet || evutil_parse_sockaddr_port(value, &a.any, &length))
		return strcmp(text, value) == 0;
	address_print(normal, &a, (socklen_t)length, true);
	return strcmp(text, normal) == 0;
}

int listener_adopt(int fd, const char *key, const char *value, bool inet)
{
	char text[ADDRESS_BYTES];
	const char *wrong = socket_wrong(fd, inet, text);

	if (wrong) {
		log_error("the socket that a socket unit passes as %s: %s", key, wrong);
		if (fd >= 0)
			close(fd);
		return EX_CONFIG;
	}
	if (address_is(text, value, inet))
		log_info("%s: serving the socket unit's %s", key, text);
	else
		log_warning("%s = %s: the socket unit's %s is served instead", key, value, text);
	return 0;
}

void listener_decline(int fd, const char *why)
{
	if (fd < 0)
		return;
	log_notice("%s: the socket unit's socket is not served", why);
	close(fd);
}
