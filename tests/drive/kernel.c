/* Doubles, by the linker's --wrap. */
#include "kernel.h"
#include "world.h"

#include "../../lib/afcap.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define ETHERNET   1	 /* ARPHRD_ETHER */
#define RAW	   65534 /* ARPHRD_NONE */
#define OWN_GROUPS 100

/* ---- interfaces ---- */

static const char *const names[KERNEL_LINKS][2] = { { "va", "wa" }, { "vb", "wb" } };

struct kernel_link kernel_links[KERNEL_LINKS];
static struct {
	void (*changed)(void *context);
	void *context;
	int next; /* number of an interface */
} links_told;

int __wrap_links_new(struct links **out, struct event_base *base, void (*changed)(void *context),
		     void *context);
void __wrap_links_free(struct links *links);
bool __wrap_links_by_name(const struct links *links, const char *name, struct link *link);
bool __wrap_links_by_id(const struct links *links, uint64_t id, struct link *link);
bool __wrap_links_by_index(const struct links *links, int ifindex, struct link *link);
int __wrap_getsockname(int socket, struct sockaddr *address, socklen_t *length);

int __wrap_links_new(struct links **out, struct event_base *base, void (*changed)(void *context),
		     void *context)
{
	*out = (struct links *)(base ? kernel_links : kernel_links + 1);
	if (!base) /* read once */
		return 0;
	links_told.changed = changed;
	links_told.context = context;
	return 0;
}

void __wrap_links_free(struct links *links)
{
	if (links == (struct links *)kernel_links)
		links_told.changed = NULL;
}

static void link_make(unsigned i)
{
	struct kernel_link *k = &kernel_links[i];

	links_told.next++;
	*k = (struct kernel_link){ true,
				   { .ifindex = links_told.next,
				     .id = (uint64_t)links_told.next,
				     .type = ETHERNET,
				     .up = true,
				     .running = true } };
	strcpy(k->link.name, names[i][0]);
}

void kernel_links_make(void)
{
	links_told.next = 0;
	for (unsigned i = 0; i < KERNEL_LINKS; i++) {
		link_make(i);
		kernel_links[i].there = !world_chance(8);
	}
}

void kernel_links_restore(void)
{
	for (unsigned i = 0; i < KERNEL_LINKS; i++) {
		struct link *link = &kernel_links[i].link;

		if (!kernel_links[i].there)
			link_make(i);
		link->up = link->running = true;
		link->type = ETHERNET;
		strcpy(link->name, names[i][0]);
	}
}

void kernel_links_tell(void)
{
	if (links_told.changed)
		links_told.changed(links_told.context);
}

void kernel_link_change(void)
{
	unsigned i = world_random(KERNEL_LINKS);
	struct link *link = &kernel_links[i].link;

	switch (world_random(7)) {
	case 0:
		kernel_links[i].there = false;
		break;
	case 1:
		link->type = world_chance(4) ? RAW : ETHERNET;
		break;
	case 2:
		link->running = link->up = !link->up;
		break;
	case 3:
		strcpy(link->name, names[i][world_chance(2)]);
		break;
	default:
		if (!kernel_links[i].there)
			link_make(i);
		link->up = link->running = true;
	}
}

static bool found(const struct kernel_link *k, struct link *link)
{
	if (k)
		*link = k->link;
	return k;
}

static const struct kernel_link *link_of(const char *name, uint64_t id, int ifindex)
{
	for (const struct kernel_link *k = kernel_links; k < kernel_links + KERNEL_LINKS; k++)
		if (k->there &&
		    ((name && strcmp(k->link.name, name) == 0) || (id && k->link.id == id) ||
		     (ifindex && k->link.ifindex == ifindex)))
			return k;
	return NULL;
}

bool __wrap_links_by_name(const struct links *links, const char *name, struct link *link)
{
	(void)links;
	return found(link_of(name, 0, 0), link);
}

bool __wrap_links_by_id(const struct links *links, uint64_t id, struct link *link)
{
	(void)links;
	return found(link_of(NULL, id, 0), link);
}

bool __wrap_links_by_index(const struct links *links, int ifindex, struct link *link)
{
	(void)links;
	return found(link_of(NULL, 0, ifindex), link);
}

bool kernel_bound(int ifindex)
{
	return !ifindex || link_of(NULL, 0, ifindex);
}

bool kernel_link_up(const char *name)
{
	const struct kernel_link *k = link_of(name, 0, 0);

	return k && k->link.up;
}

/* ---- rings ---- */

int __wrap_afcap_filter_set(int socket, const struct sock_fprog *program);
int __wrap_afcap_filter_drop_all(int socket);
int __wrap_afcap_stats_take(int socket, struct afcap_kernel_stats *stats);
bool __wrap_unread_count(int ring, uint32_t blocks, uint32_t block_bytes, uint64_t *packets);

struct kernel_ring kernel_ring_read(int fd)
{
	struct kernel_ring r;

	demand(pread(fd, &r, sizeof(r), 0) == sizeof(r), "%d is no ring", fd);
	return r;
}

static void ring_write(int fd, const struct kernel_ring *r)
{
	demand(pwrite(fd, r, sizeof(*r), 0) == sizeof(*r), "%d is no ring", fd);
}

int kernel_ring(uint32_t group, int ifindex)
{
	const struct kernel_ring r = { .group = group, .ifindex = ifindex };
	int fd = memfd_create("ring", MFD_CLOEXEC);

	ring_write(fd, &r);
	return fd;
}

uint32_t kernel_group(void)
{
	static uint32_t last = OWN_GROUPS;

	last = last < 65535 ? last + 1 : OWN_GROUPS;
	return last;
}

bool kernel_traffic(int ring, uint32_t packets, uint32_t drops)
{
	struct kernel_ring r = kernel_ring_read(ring);

	if (!r.program || !kernel_bound(r.ifindex))
		return false;
	r.packets += packets;
	r.drops += drops;
	r.held += packets - drops;
	ring_write(ring, &r);
	return true;
}

void kernel_release(int ring, uint64_t packets)
{
	struct kernel_ring r = kernel_ring_read(ring);

	demand(packets <= r.held, "%llu packets read of %llu in the ring",
	       (unsigned long long)packets, (unsigned long long)r.held);
	r.held -= packets;
	r.sequence++;
	ring_write(ring, &r);
}

int __wrap_getsockname(int socket, struct sockaddr *address, socklen_t *length)
{
	const struct sockaddr_ll bound = { .sll_family = AF_PACKET,
					   .sll_ifindex = kernel_ring_read(socket).ifindex };

	memcpy(address, &bound, sizeof(bound));
	*length = sizeof(bound);
	return 0;
}

/* FNV-1a, but never 0 */
static uint32_t hash(const void *bytes, size_t count)
{
	const uint8_t *byte = bytes;
	uint32_t h = 2166136261u;

	while (count-- > 0)
		h = (h ^ *byte++) * 16777619u;
	return h ? h : 1;
}

uint32_t kernel_expression(const char *expression)
{
	return *expression ? hash(expression, strlen(expression)) : 0;
}

int __wrap_afcap_filter_set(int socket, const struct sock_fprog *program)
{
	struct kernel_ring r = kernel_ring_read(socket);

	r.program = hash(program->filter, program->len * sizeof(*program->filter));
	r.expression = 0;
	for (unsigned i = 0; i < program->len; i++)
		if (program->filter[i].code == (BPF_LD | BPF_IMM))
			r.expression = program->filter[i].k;
	ring_write(socket, &r);
	return 0;
}

int __wrap_afcap_filter_drop_all(int socket)
{
	struct kernel_ring r = kernel_ring_read(socket);

	r.program = r.expression = 0;
	ring_write(socket, &r);
	return 0;
}

int __wrap_afcap_stats_take(int socket, struct afcap_kernel_stats *stats)
{
	struct kernel_ring r = kernel_ring_read(socket);

	*stats = (struct afcap_kernel_stats){ r.packets, r.drops, r.freezes };
	r.packets = r.drops = r.freezes = 0;
	ring_write(socket, &r);
	return 0;
}

bool __wrap_unread_count(int ring, uint32_t blocks, uint32_t block_bytes, uint64_t *packets)
{
	(void)blocks;
	(void)block_bytes;
	*packets += kernel_ring_read(ring).held;
	return true;
}
