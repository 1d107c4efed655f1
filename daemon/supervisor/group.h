/* The members of one fanout group on one interface: the slots of a capture, the device that their
 * rings are bound to, their common filter.
 *
 * Invariant: a program is set on every member, or on none, whatever fails: a capture whose members
 * have different filters does not run. Members join in slot order (the kernel joins them again in
 * the order of their creation after the link was down, packet_notifier() of
 * net/packet/af_packet.c). */
#ifndef GROUP_H
#define GROUP_H

#include "link.h"
#include "slot.h"

#include "../../lib/afcap.h"

struct group {
	struct slots *slots; /* borrowed, as the next one is */
	struct links *links;
	struct link link; /* the device, as known; id 0: not bound, or to all */
	bool up;	  /* ... and has a carrier */
	bool renamed;	  /* it does not have the configured name any more */
	bool known;	  /* `message` is the kernel's state */
	struct message_group message;
	struct sock_fprog program; /* of all members when they are armed; owned */
};

void group_init(struct group *group, struct slots *slots, struct links *links);
void group_free(struct group *group);

/* Binds the group to this device (NULL: to all), whatever its name is later. */
void group_bind(struct group *group, const struct link *link);
void group_unbind(struct group *group);

/* Sets the mode, flags and id that its members join with; id -1: an unused one. */
void group_begin(struct group *group, const struct group_config *config, uint32_t flags);

/* Restores the group from a checkpoint. */
void group_resume(struct group *group, const struct message_group *message);

enum group_progress {
	GROUP_STARTING,
	GROUP_JOINED, /* the first member has just joined: group->message is the kernel's state */
	GROUP_READY,  /* all members read their rings */
};

/* Called when workers have progressed: sends the next requests in order. */
enum group_progress group_advance(struct group *group);

/* Takes ownership of the program, and frees the previous one. */
void group_program(struct group *group, const struct sock_fprog *program);

/* Sets the program on every existing ring. Returns 0 or -errno. */
int group_arm(struct group *group);

/* Stops all rings from accepting packets. */
void group_drop_all(struct group *group);

/* Whether a worker has reported that its interface is gone. */
bool group_gone(const struct group *group);

/* Whether its device is gone or down, as the kernel says when asked now: a report of that may still
 * be on its way. Waits for the kernel, some milliseconds. */
bool group_lost(const struct group *group);

/* Changes of its device, as bits. */
#define GROUP_LINK_GONE	   1u  /* deleted, or moved to another network namespace */
#define GROUP_LINK_TYPE	   2u  /* its packets are of another link type now */
#define GROUP_LINK_RENAMED 4u  /* group->link.name is new */
#define GROUP_LINK_ALIEN   8u  /* it has lost the configured name */
#define GROUP_LINK_UPDOWN  16u /* group->up has changed */

/* Checks the device; 0: no change, or it is bound to none. */
unsigned group_look(struct group *group, const char *configured);

#endif
