/* What the kernel has: interfaces, and the packet sockets that are bound to them. */
#ifndef KERNEL_H
#define KERNEL_H

#include "../../daemon/supervisor/link.h"

/* ---- two interfaces, "va" and "vb" ---- */

#define KERNEL_LINKS 2

struct kernel_link {
	bool there;
	struct link link;
};
extern struct kernel_link kernel_links[KERNEL_LINKS];

void kernel_links_make(void);
/* All are there, up, and called as they were. */
void kernel_links_restore(void);
/* One of them changes. */
void kernel_link_change(void);
/* Has the process told of it. */
void kernel_links_tell(void);
/* Whether there is one of this number; 0: all, which there always are. */
bool kernel_bound(int ifindex);
/* Whether there is one of this name, and it is up. */
bool kernel_link_up(const char *name);

/* ---- rings: a file each ---- */

struct kernel_ring {
	uint32_t program;		  /* what is set: a number of it; 0: it drops all */
	uint32_t expression;		  /* in it: kernel_expression(); 0: of none */
	uint32_t packets, drops, freezes; /* statistics, since they were read */
	uint32_t group;
	int32_t ifindex;
	uint64_t held;	   /* packets in it */
	uint64_t sequence; /* blocks that were read */
};

int kernel_ring(uint32_t group, int ifindex);
struct kernel_ring kernel_ring_read(int ring);
/* So many packets come, of which some are dropped; none where it is not armed, or its interface is
 * not there. Returns whether they came. */
bool kernel_traffic(int ring, uint32_t packets, uint32_t drops);
/* A block of so many packets is read and released. */
void kernel_release(int ring, uint64_t packets);

/* The number that a filter expression has in programs. */
uint32_t kernel_expression(const char *expression);

/* A group that is not in use. */
uint32_t kernel_group(void);

#endif
