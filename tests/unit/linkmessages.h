/* Messages about interfaces as the kernel sends them, made one after the other, for a double of
 * recvfrom(). */
#ifndef LINKMESSAGES_H
#define LINKMESSAGES_H

#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* All that were made and are not taken yet. */
extern struct linkmessages {
	_Alignas(struct nlmsghdr) char data[16384];
	size_t bytes;
	uint32_t sender; /* 0: the kernel */
} linkmessages;

/* As recvfrom(2). */
ssize_t linkmessages_take(void *data, size_t space, struct sockaddr *from);

/* Begins a message, which the following ones add to. */
void linkmessage(uint16_t type, uint16_t flags);
void linkmessage_append(const void *data, size_t bytes);

/* Its last byte is missing, as its length says. */
void linkmessage_cut(void);

/* Begins one about a device, of ARPHRD_NONE. */
void linkmessage_device(uint16_t type, int ifindex, unsigned flags);

void linkmessage_name(const char *text);
/* Two alternative names. */
void linkmessage_alternatives(const char *one, const char *other);
/* What every message has that is not of an event of a wireless device: an MTU. */
void linkmessage_whole(void);

#endif
