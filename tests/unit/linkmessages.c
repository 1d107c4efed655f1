/* Headers and attributes of rtnetlink(7). */
#include "linkmessages.h"
#include "suites.h"

#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <string.h>

struct linkmessages linkmessages;

ssize_t linkmessages_take(void *data, size_t space, struct sockaddr *from)
{
	const struct sockaddr_nl sender = { .nl_family = AF_NETLINK,
					    .nl_pid = linkmessages.sender };
	size_t bytes = linkmessages.bytes;

	ck_assert_uint_le(bytes, space);
	memcpy(data, linkmessages.data, bytes);
	memcpy(from, &sender, sizeof(sender));
	linkmessages.bytes = 0;
	return (ssize_t)bytes;
}

static struct nlmsghdr *head; /* of the message that is being made */

void linkmessage(uint16_t type, uint16_t flags)
{
	head = (struct nlmsghdr *)(void *)(linkmessages.data + linkmessages.bytes);
	*head = (struct nlmsghdr){ .nlmsg_len = NLMSG_LENGTH(0),
				   .nlmsg_type = type,
				   .nlmsg_flags = flags };
	linkmessages.bytes += NLMSG_ALIGN(head->nlmsg_len);
}

void linkmessage_append(const void *data, size_t bytes)
{
	char *end = (char *)head + NLMSG_ALIGN(head->nlmsg_len);

	memset(end, 0, NLMSG_ALIGN(bytes));
	memcpy(end, data, bytes);
	head->nlmsg_len = (uint32_t)(end + bytes - (char *)head);
	linkmessages.bytes = (size_t)(end + NLMSG_ALIGN(bytes) - linkmessages.data);
}

void linkmessage_cut(void)
{
	head->nlmsg_len--;
}

void linkmessage_device(uint16_t type, int ifindex, unsigned flags)
{
	const struct ifinfomsg info = { .ifi_type = ARPHRD_NONE,
					.ifi_index = ifindex,
					.ifi_flags = flags };

	linkmessage(type, 0);
	linkmessage_append(&info, sizeof(info));
}

static void attribute(uint16_t type, const void *data, size_t bytes)
{
	const struct rtattr a = { (uint16_t)RTA_LENGTH(bytes), type };

	linkmessage_append(&a, sizeof(a));
	linkmessage_append(data, bytes);
}

void linkmessage_name(const char *text)
{
	attribute(IFLA_IFNAME, text, strlen(text) + 1);
}

void linkmessage_whole(void)
{
	const uint32_t mtu = 1500;

	attribute(IFLA_MTU, &mtu, sizeof(mtu));
}

void linkmessage_alternatives(const char *one, const char *other)
{
	const char *const names[] = { one, other };
	char list[512];
	size_t n = 0;

	for (unsigned i = 0; i < 2; i++) {
		const struct rtattr a = { (uint16_t)RTA_LENGTH(strlen(names[i]) + 1),
					  IFLA_ALT_IFNAME };

		memset(list + n, 0, sizeof(list) - n);
		memcpy(list + n, &a, sizeof(a));
		memcpy(list + n + RTA_LENGTH(0), names[i], strlen(names[i]));
		n += RTA_ALIGN(a.rta_len);
	}
	attribute(IFLA_PROP_LIST | NLA_F_NESTED, list, n);
}
