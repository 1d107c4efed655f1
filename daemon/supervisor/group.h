/* The members of one fanout group on one interface: the slots of a capture, the device that their
 * rings are bound to, the filter that they all have.
 *
 * Invariant: a program is set on every member, or on none, whatever fails: a capture whose members
 * have different filters does not run. Members join in slot order (the kernel joins them again in
 * the order of their making when the link was down, packet_notifier() of net/packet/af_packet.c).
 */
#ifndef GROUP_H
#define GROUP_H

#include "link.h"
#include "slot.h"

#include "../../lib/afcap.h"

struct group {
	struct slots *slots; /* borrowed, as the next one is */
	struct links *links;
	struct link link; /* the device, as it is known; id 0: not bound, or to all */
	bool up;	  /* ... and has a carrier */
	bool renamed;	  /* it is not called as configured any more */
	bool known;	  /* `message` is as the kernel has it */
	struct message_group message;
	struct sock_fprog program; /* of all members when they are armed; owned */
};

void group_init(struct group *group, struct slots *slots, struct links *links);
void group_free(struct group *group);

/* From now on it is bound to this device (NULL: to all), whatever that is called later. */
void group_bind(struct group *group, const struct link *link);
void group_unbind(struct group *group);

/* Its members are to join a group of this mode and these flags, with this id; -1: with one that is
 * not in use. */
void group_begin(struct group *group, const struct group_config *config, uint32_t flags);

/* It is as a record says. */
void group_resume(struct group *group, const struct message_group *message);

enum group_progress {
	GROUP_STARTING,
	GROUP_JOINED, /* the first member has, just now: group->message is as the kernel has it */
	GROUP_READY,  /* all members read */
};

/* Workers got further: the next ones in order are asked. */
enum group_progress group_advance(struct group *group);

/* Takes the program, and frees the one before. */
void group_program(struct group *group, const struct sock_fprog *program);

/* Sets the program on every ring that there is. Returns 0 or -errno. */
int group_arm(struct group *group);

/* No packet comes into any ring any more. */
void group_drop_all(struct group *group);

/* Whether a worker has seen that its interface is gone. */
bool group_gone(const struct group *group);

/* What has become of its device, as bits. */
#define GROUP_LINK_GONE	   1u  /* deleted, or moved to another network namespace */
#define GROUP_LINK_TYPE	   2u  /* its packets are of another link type now */
#define GROUP_LINK_RENAMED 4u  /* group->link.name is new */
#define GROUP_LINK_ALIEN   8u  /* it is not called as configured any more, and was */
#define GROUP_LINK_UPDOWN  16u /* group->up has changed */

/* Looks at the device; 0: nothing is new, or it is bound to none. */
unsigned group_look(struct group *group, const char *configured);

#endif
