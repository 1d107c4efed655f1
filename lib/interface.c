/* Interfaces by their names, as the kernel knows them: rtnetlink(7). An ioctl would cut a name at
 * its colon, so that "va:1" is va (net/core/dev_ioctl.c), and accepts 15 characters at most. */
#include "internal.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdalign.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define ANSWER_BYTES   1024 /* what follows the header may be truncated */
#define ANSWER_SECONDS 5

/* IFLA_ALT_IFNAME of Linux 5.5, missing in older headers */
#define ALT_IFNAME 53

struct question {
	struct nlmsghdr header;
	struct ifinfomsg info;
	struct rtattr attribute;
	char name[INTERFACE_NAME_BYTES];
};

static size_t question_make(struct question *q, const char *name)
{
	size_t bytes = strlen(name) + 1;

	*q = (struct question){ .header = { .nlmsg_type = RTM_GETLINK,
					    .nlmsg_flags = NLM_F_REQUEST } };
	/* Either attribute finds both kinds of names; the first also works on kernels without
	 * alternative names */
	q->attribute.rta_type = bytes <= IFNAMSIZ ? IFLA_IFNAME : ALT_IFNAME;
	q->attribute.rta_len = (unsigned short)RTA_LENGTH(bytes);
	memcpy(q->name, name, bytes);
	q->header.nlmsg_len =
		(uint32_t)(NLMSG_LENGTH(sizeof(q->info)) + RTA_ALIGN(q->attribute.rta_len));
	return q->header.nlmsg_len;
}

/* Parses an answer: the interface, or the kernel's error. -EAGAIN: the message is not an answer. */
static int answer_take(const char *answer, size_t bytes, struct ifinfomsg *out)
{
	const struct nlmsghdr *header = (const struct nlmsghdr *)(const void *)answer;
	const struct nlmsgerr *error = NLMSG_DATA(header);

	if (bytes >= NLMSG_LENGTH(sizeof(*out)) && header->nlmsg_type == RTM_NEWLINK) {
		memcpy(out, NLMSG_DATA(header), sizeof(*out));
		return 0;
	}
	if (bytes >= NLMSG_LENGTH(sizeof(error->error)) && header->nlmsg_type == NLMSG_ERROR)
		return error->error < 0 ? error->error : -EIO;
	return -EAGAIN;
}

static int link_ask(int fd, const struct question *q, size_t length, struct ifinfomsg *out)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	alignas(struct nlmsghdr) char answer[ANSWER_BYTES];
	struct sockaddr_nl from;
	socklen_t from_bytes;
	ssize_t n;
	int rc;

	if (sendto(fd, q, length, 0, (const struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return -errno;
	do {
		from_bytes = sizeof(from);
		do
			n = recvfrom(fd, answer, sizeof(answer), 0, (struct sockaddr *)&from,
				     &from_bytes);
		while (n < 0 && errno == EINTR);
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		rc = from.nl_pid ? -EAGAIN : answer_take(answer, (size_t)n, out);
	} while (rc == -EAGAIN); /* any process may send to the socket */
	return rc;
}

/* Not found is ENODEV. EINVAL: a kernel that does not know alternative names, or none of this
 * length: no interface has this one. */
static int interface_ask(const char *name, struct ifinfomsg *out)
{
	const struct timeval patience = { .tv_sec = ANSWER_SECONDS };
	struct question question;
	int fd, rc;

	if (!*name || strlen(name) >= INTERFACE_NAME_BYTES)
		return -ENODEV;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	rc = link_ask(fd, &question, question_make(&question, name), out);
	close(fd);
	return rc == -EINVAL || rc == -ERANGE ? -ENODEV : rc;
}

int interface_index(const char *name)
{
	struct ifinfomsg info;
	int rc = interface_ask(name, &info);

	return rc ? rc : info.ifi_index;
}

AFCAP_PUBLIC int afcap_link_type(const char *interface)
{
	struct ifinfomsg info;
	int rc = interface_ask(interface, &info);

	return rc ? rc : info.ifi_type;
}
