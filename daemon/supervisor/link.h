/* The interfaces of this network namespace, as the kernel reports them (rtnetlink(7)). */
#ifndef LINK_H
#define LINK_H

#include "../base/sizes.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

struct links;

struct link {
	int ifindex;
	uint64_t id;   /* unique: another device may later get its name and its ifindex */
	uint32_t type; /* ARPHRD_* */
	bool up;       /* set up: packet sockets are bound to it */
	bool running;  /* and it has a carrier, if it can have one */
	char name[DEVICE_BYTES];
};

/* Reads the interfaces and watches them: `changed` is called after every change. Without a base:
 * reads them once. Returns 0 or -errno. */
int links_new(struct links **out, struct event_base *base, void (*changed)(void *context),
	      void *context);
void links_free(struct links *links);

/* The device with this name, which may be an alternative one (ip link property), with this id, or
 * with this index. False: there is none. */
bool links_by_name(const struct links *links, const char *name, struct link *link);
bool links_by_id(const struct links *links, uint64_t id, struct link *link);
bool links_by_index(const struct links *links, int ifindex, struct link *link);

#endif
