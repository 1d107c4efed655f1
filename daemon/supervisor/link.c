/* A netlink socket: one dump, then what changes. */
#include "link.h"

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
#define RECEIVE_BYTES	(1 << 20) /* of changes that were not read yet */
#define DUMP_TIMEOUT_MS 5000

struct links {
	struct link *list;
	unsigned count, room;
	uint64_t next_id;
	int fd;
	struct event *event;
	bool dumping; /* what the dump does not tell of is gone */
	bool again;   /* something was missed: once more when it is done */
	bool *seen;
	void (*changed)(void *context);
	void *context;
};

static struct link *find(const struct links *l, int ifindex)
{
	for (unsigned i = 0; i < l->count; i++)
		if (l->list[i].ifindex == ifindex)
			return &l->list[i];
	return NULL;
}

static struct link *add(struct links *l, int ifindex)
{
	if (l->count == l->room) {
		unsigned room = l->room ? 2 * l->room : 16;
		struct link *list = realloc(l->list, room * sizeof(*list));
		bool *seen = list ? realloc(l->seen, room * sizeof(*seen)) : NULL;

		if (list)
			l->list = list;
		if (!seen)
			return NULL;
		l->seen = seen;
		l->room = room;
	}
	l->list[l->count] = (struct link){ .ifindex = ifindex, .id = ++l->next_id };
	return &l->list[l->count++];
}

static void drop(struct links *l, struct link *link)
{
	size_t i = (size_t)(link - l->list);

	l->count--;
	l->list[i] = l->list[l->count];
	l->seen[i] = l->seen[l->count];
}

static void name_take(struct link *link, const struct ifinfomsg *info, int length)
{
	const struct rtattr *a = IFLA_RTA(info);

	for (; RTA_OK(a, length); a = RTA_NEXT(a, length))
		if (a->rta_type == IFLA_IFNAME && RTA_PAYLOAD(a) > 0) {
			size_t n = strnlen(RTA_DATA(a), RTA_PAYLOAD(a));

			if (n >= sizeof(link->name))
				n = sizeof(link->name) - 1;
			memcpy(link->name, RTA_DATA(a), n);
			link->name[n] = '\0';
		}
}

static void message_take(struct links *l, const struct nlmsghdr *h)
{
	const struct ifinfomsg *info = NLMSG_DATA(h);
	struct link *link;

	if ((h->nlmsg_type != RTM_NEWLINK && h->nlmsg_type != RTM_DELLINK) ||
	    h->nlmsg_len < NLMSG_LENGTH(sizeof(*info)) ||
	    info->ifi_family != AF_UNSPEC) /* bridges tell of their ports, too */
		return;
	link = find(l, info->ifi_index);
	if (h->nlmsg_type == RTM_DELLINK) {
		if (link)
			drop(l, link);
		return;
	}
	if (!link)
		link = add(l, info->ifi_index);
	if (!link)
		return; /* no memory: unknown until it changes again */
	l->seen[link - l->list] = true;
	link->up = info->ifi_flags & IFF_UP;
	link->running = link->up && info->ifi_flags & IFF_RUNNING;
	name_take(link, info, (int)(h->nlmsg_len - NLMSG_LENGTH(sizeof(*info))));
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
	if (l->room)
		memset(l->seen, 0, l->room * sizeof(*l->seen));
	return 0;
}

static void dump_done(struct links *l)
{
	int rc;

	l->dumping = false;
	if (l->again) { /* what was not seen may be there */
		rc = dump_ask(l);
		if (rc)
			log_error("reading interfaces: %s", strerror(-rc));
		return;
	}
	for (unsigned i = l->count; i-- > 0;)
		if (!l->seen[i])
			drop(l, &l->list[i]);
}

static int dump_error(const struct nlmsghdr *h)
{
	const struct nlmsgerr *error = NLMSG_DATA(h);

	return h->nlmsg_len >= NLMSG_LENGTH(sizeof(*error)) && error->error < 0 ? error->error
										: -EIO;
}

/* All that is there to be read. Returns 0 or -errno. */
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
				l->dumping = false; /* what is known stays */
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
	if (rc == -ENOBUFS) /* some were lost: all anew */
		rc = dump_ask(l);
	if (rc)
		log_error("reading of changed interfaces: %s", strerror(-rc));
	if (!l->dumping)
		l->changed(l->context);
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
	if (rc == 0) {
		l->event = event_new(base, l->fd, EV_READ | EV_PERSIST, links_cb, l);
		rc = l->event && event_add(l->event, NULL) == 0 ? 0 : -ENOMEM;
	}
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
	if (l->fd >= 0)
		close(l->fd);
	free(l->list);
	free(l->seen);
	free(l);
}

bool links_by_name(const struct links *l, const char *name, struct link *link)
{
	for (unsigned i = 0; i < l->count; i++)
		if (strcmp(l->list[i].name, name) == 0) {
			*link = l->list[i];
			return true;
		}
	return false;
}

bool links_by_id(const struct links *l, uint64_t id, struct link *link)
{
	for (unsigned i = 0; i < l->count; i++)
		if (l->list[i].id == id) {
			*link = l->list[i];
			return true;
		}
	return false;
}
