/* Reads a netlink socket: one dump, then the changes. */
#include "link.h"

#include "../base/failure.h"
#include "../base/log.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_BYTES	65536
#define RECEIVE_BYTES	(1 << 20) /* of unread changes */
#define DUMP_TIMEOUT_MS 5000
#define RETRY_US	500000 /* of a dump that failed */

struct device {
	struct link link;
	char *alternatives; /* further names, each ended by NUL, and an empty one; NULL: none */
	bool seen;	    /* in the dump */
};

struct links {
	struct device *list;
	unsigned count, room;
	uint64_t next_id;
	int fd;
	struct event *event, *retry;
	bool dumping; /* devices missing in the dump are gone */
	bool again;   /* changes were missed: another dump when this one is done */
	int failed;   /* -errno of the last dump, which is retried; 0: none */
	void (*changed)(void *context);
	void *context;
};

/* The state may be out of date until a dump succeeds. */
static void dump_failed(struct links *l, int rc)
{
	if (rc != l->failed)
		log_error("watching interfaces: %s; retrying", failure_text(-rc));
	l->failed = rc;
	if (l->retry)
		event_add(l->retry, &(struct timeval){ 0, RETRY_US });
}

static struct device *find(const struct links *l, int ifindex)
{
	for (unsigned i = 0; i < l->count; i++)
		if (l->list[i].link.ifindex == ifindex)
			return &l->list[i];
	return NULL;
}

static struct device *add(struct links *l, int ifindex)
{
	if (l->count == l->room) {
		unsigned room = l->room ? 2 * l->room : 16;
		struct device *list = realloc(l->list, room * sizeof(*list));

		if (!list)
			return NULL;
		l->list = list;
		l->room = room;
	}
	l->list[l->count] = (struct device){ .link = { .ifindex = ifindex, .id = ++l->next_id } };
	return &l->list[l->count++];
}

static void drop(struct links *l, struct device *device)
{
	free(device->alternatives);
	*device = l->list[--l->count];
}

static void name_take(struct link *link, const struct rtattr *a)
{
	size_t n = strnlen(RTA_DATA(a), RTA_PAYLOAD(a));

	if (n == 0)
		return;
	if (n >= sizeof(link->name))
		n = sizeof(link->name) - 1;
	memcpy(link->name, RTA_DATA(a), n);
	link->name[n] = '\0';
}

static unsigned type_of(const struct rtattr *a)
{
	return a->rta_type & NLA_TYPE_MASK;
}

/* An attribute's header is longer than the NUL after each name. */
static bool alternatives_take(struct device *device, const struct rtattr *list)
{
	char *names = list ? malloc(RTA_PAYLOAD(list) + 1) : NULL, *at = names;
	int length = list ? (int)RTA_PAYLOAD(list) : 0;

	if (list && !names)
		return false; /* as they were */
	for (const struct rtattr *a = names ? RTA_DATA(list) : NULL; RTA_OK(a, length);
	     a = RTA_NEXT(a, length)) {
		size_t n = strnlen(RTA_DATA(a), RTA_PAYLOAD(a));

		if (type_of(a) != IFLA_ALT_IFNAME || n == 0)
			continue;
		memcpy(at, RTA_DATA(a), n);
		at[n] = '\0';
		at += n + 1;
	}
	if (names)
		*at = '\0';
	free(device->alternatives);
	device->alternatives = names;
	return true;
}

/* Wireless devices report events in messages that have only the name: every complete one has an
 * MTU. False: no memory. */
static bool attributes_take(struct device *device, const struct ifinfomsg *info, int length)
{
	const struct rtattr *properties = NULL;
	bool whole = false;

	for (const struct rtattr *a = IFLA_RTA(info); RTA_OK(a, length); a = RTA_NEXT(a, length)) {
		if (type_of(a) == IFLA_IFNAME)
			name_take(&device->link, a);
		else if (type_of(a) == IFLA_PROP_LIST)
			properties = a;
		else if (type_of(a) == IFLA_MTU)
			whole = true;
	}
	return !whole || alternatives_take(device, properties);
}

static void message_take(struct links *l, const struct nlmsghdr *h)
{
	const struct ifinfomsg *info = NLMSG_DATA(h);
	struct device *device;

	if ((h->nlmsg_type != RTM_NEWLINK && h->nlmsg_type != RTM_DELLINK) ||
	    h->nlmsg_len < NLMSG_LENGTH(sizeof(*info)) ||
	    info->ifi_family != AF_UNSPEC) /* bridges report their ports, too */
		return;
	device = find(l, info->ifi_index);
	if (h->nlmsg_type == RTM_DELLINK) {
		if (device)
			drop(l, device);
		return;
	}
	if (!device)
		device = add(l, info->ifi_index);
	if (!device) {
		dump_failed(l, -ENOMEM);
		return;
	}
	device->seen = true;
	device->link.type = info->ifi_type;
	device->link.up = info->ifi_flags & IFF_UP;
	device->link.running = device->link.up && info->ifi_flags & IFF_RUNNING;
	if (!attributes_take(device, info, (int)(h->nlmsg_len - NLMSG_LENGTH(sizeof(*info)))))
		dump_failed(l, -ENOMEM);
}

/* One dump at a time: the kernel refuses a second one. */
static int dump_ask(struct links *l)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg info;
	} request = { .head = { .nlmsg_len = sizeof(request),
				.nlmsg_type = RTM_GETLINK,
				.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP } };

	if (l->dumping) {
		l->again = true;
		return 0;
	}
	if (send(l->fd, &request, sizeof(request), 0) < 0)
		return -errno;
	l->dumping = true;
	l->again = false;
	for (unsigned i = 0; i < l->count; i++)
		l->list[i].seen = false;
	return 0;
}

static void dump_done(struct links *l)
{
	int rc;

	l->dumping = false;
	if (l->again) { /* devices that were not seen may exist */
		rc = dump_ask(l);
		if (rc)
			dump_failed(l, rc);
		return;
	}
	for (unsigned i = l->count; i-- > 0;)
		if (!l->list[i].seen)
			drop(l, &l->list[i]);
	if (l->retry && !event_pending(l->retry, EV_TIMEOUT, NULL))
		l->failed = 0;
}

static int dump_error(const struct nlmsghdr *h)
{
	const struct nlmsgerr *error = NLMSG_DATA(h);

	return h->nlmsg_len >= NLMSG_LENGTH(sizeof(*error)) && error->error < 0 ? error->error
										: -EIO;
}

/* Reads all pending messages. Returns 0 or -errno. */
static int links_read(struct links *l)
{
	static _Alignas(struct nlmsghdr) char buffer[BUFFER_BYTES];
	struct sockaddr_nl from;
	socklen_t from_bytes = sizeof(from);
	ssize_t n;

	while ((n = recvfrom(l->fd, buffer, sizeof(buffer), MSG_DONTWAIT, (struct sockaddr *)&from,
			     &from_bytes)) > 0) {
		int left = (int)n;

		if (from.nl_pid != 0)
			continue; /* not the kernel */
		for (struct nlmsghdr *h = (struct nlmsghdr *)(void *)buffer;
		     left > 0 && NLMSG_OK(h, (unsigned)left); h = NLMSG_NEXT(h, left))
			if (h->nlmsg_type == NLMSG_ERROR) {
				l->dumping = false; /* the known state is unchanged */
				return dump_error(h);
			} else if (h->nlmsg_type == NLMSG_DONE) {
				l->again |= (h->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
				dump_done(l);
			} else {
				l->again |= l->dumping && (h->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
				message_take(l, h);
			}
	}
	return n < 0 && errno != EAGAIN && errno != EINTR ? -errno : 0;
}

static void links_cb(evutil_socket_t fd, short what, void *arg)
{
	struct links *l = arg;
	int rc = links_read(l);

	(void)fd;
	(void)what;
	if (rc == -ENOBUFS) /* some were lost: starts from scratch */
		rc = dump_ask(l);
	if (rc)
		dump_failed(l, rc);
	if (!l->dumping)
		l->changed(l->context);
}

static void retry_cb(evutil_socket_t fd, short what, void *arg)
{
	struct links *l = arg;
	int rc = dump_ask(l);

	(void)fd;
	(void)what;
	if (rc)
		dump_failed(l, rc);
}

static int links_listen(struct links *l, struct event_base *base)
{
	l->event = event_new(base, l->fd, EV_READ | EV_PERSIST, links_cb, l);
	l->retry = event_new(base, -1, 0, retry_cb, l);
	if (!l->event || !l->retry || event_add(l->event, NULL))
		return -ENOMEM;
	if (l->failed)
		dump_failed(l, l->failed);
	return 0;
}

static int links_open(struct links *l)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	int bytes = RECEIVE_BYTES, rc;

	l->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (l->fd < 0)
		return -errno;
	setsockopt(l->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	if (bind(l->fd, (struct sockaddr *)&address, sizeof(address)))
		return -errno;
	rc = dump_ask(l);
	while (rc == 0 && l->dumping) {
		struct pollfd p = { .fd = l->fd, .events = POLLIN };

		if (poll(&p, 1, DUMP_TIMEOUT_MS) == 0)
			return -ETIMEDOUT;
		rc = links_read(l);
	}
	return rc;
}

int links_new(struct links **out, struct event_base *base, void (*changed)(void *context),
	      void *context)
{
	struct links *l = calloc(1, sizeof(*l));
	int rc;

	if (!l)
		return -ENOMEM;
	*l = (struct links){ .fd = -1, .changed = changed, .context = context };
	rc = links_open(l);
	if (rc == 0 && base)
		rc = links_listen(l, base);
	if (rc)
		links_free(l);
	else
		*out = l;
	return rc;
}

void links_free(struct links *l)
{
	if (!l)
		return;
	if (l->event)
		event_free(l->event);
	if (l->retry)
		event_free(l->retry);
	if (l->fd >= 0)
		close(l->fd);
	while (l->count)
		drop(l, &l->list[0]);
	free(l->list);
	free(l);
}

static bool is_called(const struct device *device, const char *name)
{
	const char *also = device->alternatives;

	if (strcmp(device->link.name, name) == 0)
		return true;
	for (; also && *also; also += strlen(also) + 1)
		if (strcmp(also, name) == 0)
			return true;
	return false;
}

bool links_by_name(const struct links *l, const char *name, struct link *link)
{
	for (unsigned i = 0; i < l->count; i++)
		if (is_called(&l->list[i], name)) {
			*link = l->list[i].link;
			return true;
		}
	return false;
}

bool links_by_id(const struct links *l, uint64_t id, struct link *link)
{
	for (unsigned i = 0; i < l->count; i++)
		if (l->list[i].link.id == id) {
			*link = l->list[i].link;
			return true;
		}
	return false;
}

bool links_by_index(const struct links *l, int ifindex, struct link *link)
{
	const struct device *device = find(l, ifindex);

	if (device)
		*link = device->link;
	return device;
}
