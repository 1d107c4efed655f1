/* The socket with its ring: open, adopt, close, wait, stop. */
#include "internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAME_BYTES                                                                                \
	2048u /* V3 packs packets tightly; the kernel only checks this against the block */

AFCAP_PUBLIC int afcap_socket(void)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

AFCAP_PUBLIC int afcap_fd(const struct afcap *handle)
{
	return handle->fd;
}

AFCAP_PUBLIC int afcap_link_type(const char *interface)
{
	struct ifreq request = { 0 };
	int rc, fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	strncpy(request.ifr_name, interface, sizeof(request.ifr_name) - 1);
	rc = ioctl(fd, SIOCGIFHWADDR, &request) ? -errno : request.ifr_hwaddr.sa_family;
	close(fd);
	return rc;
}

static int ring_option(int fd, int option, int value, const char *what, struct afcap_error *error)
{
	if (setsockopt(fd, SOL_PACKET, option, &value, sizeof(value)))
		return error_set(error, errno, "%s: %s", what, strerror(errno));
	return 0;
}

/* Version, reserve, a filter that drops all, the ring. */
static int ring_create(int fd, const struct afcap_geometry *g, struct afcap_error *error)
{
	struct tpacket_req3 request = {
		.tp_block_size = g->block_bytes,
		.tp_block_nr = g->blocks,
		.tp_frame_size = FRAME_BYTES,
		.tp_frame_nr = g->block_bytes / FRAME_BYTES * g->blocks,
		.tp_retire_blk_tov = g->block_timeout_ms,
	};
	int rc = ring_option(fd, PACKET_VERSION, TPACKET_V3, "TPACKET_V3", error);

	if (rc == 0 && g->reserve_bytes)
		rc = ring_option(fd, PACKET_RESERVE, (int)g->reserve_bytes, "PACKET_RESERVE",
				 error);
	if (rc)
		return rc;
	rc = afcap_filter_drop_all(fd);
	if (rc)
		return error_set(error, -rc, "attaching a filter: %s", strerror(-rc));
	if (setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof(request))) {
		rc = errno;
		if (rc == ENOMEM)
			return error_set(
				error, rc,
				"no memory for a ring of %u blocks of %u bytes (%llu bytes)",
				g->blocks, g->block_bytes,
				(unsigned long long)afcap_geometry_memory(g));
		return error_set(error, rc, "ring of %u blocks of %u bytes: %s", g->blocks,
				 g->block_bytes, strerror(rc));
	}
	return 0;
}

/* Binding to a link that is down succeeds; the error waits in SO_ERROR. */
static int ring_bind(int fd, const struct afcap_options *o, int ifindex, struct afcap_error *error)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET,
				       .sll_protocol = htons(ETH_P_ALL),
				       .sll_ifindex = ifindex };
	int pending = 0;
	socklen_t length = sizeof(pending);

	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    getsockopt(fd, SOL_SOCKET, SO_ERROR, &pending, &length))
		pending = errno;
	if (pending == ENETDOWN)
		return error_set(error, ENETDOWN, "interface %s is down (ip link set %s up)",
				 o->interface, o->interface);
	if (pending)
		return error_set(error, pending, "binding to %s: %s", o->interface,
				 strerror(pending));
	if (o->promiscuous) {
		struct packet_mreq mreq = { .mr_ifindex = ifindex, .mr_type = PACKET_MR_PROMISC };

		if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mreq, sizeof(mreq)))
			return error_set(error, errno, "promiscuous mode on %s: %s", o->interface,
					 strerror(errno));
	}
	return 0;
}

static int handle_events(struct afcap *h, struct afcap_error *error)
{
	/* Edge-triggered: the kernel's POLLIN looks at the block before the active one alone, so
	 * that a held block would make a level-triggered wait spin. afcap_wait() looks at the block
	 * itself first. */
	struct epoll_event ring = { .events = EPOLLIN | EPOLLET, .data.fd = h->fd };
	struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.fd = 0 };

	h->epoll = epoll_create1(EPOLL_CLOEXEC);
	h->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	event.data.fd = h->event;
	if (h->epoll < 0 || h->event < 0 || epoll_ctl(h->epoll, EPOLL_CTL_ADD, h->fd, &ring) ||
	    epoll_ctl(h->epoll, EPOLL_CTL_ADD, h->event, &event))
		return error_set(error, errno, "epoll: %s", strerror(errno));
	return 0;
}

/* Unmaps and frees, leaving the socket. */
static void handle_free(struct afcap *h)
{
	if (h->map)
		munmap(h->map, h->map_bytes);
	if (h->epoll >= 0)
		close(h->epoll);
	if (h->event >= 0)
		close(h->event);
	pthread_mutex_destroy(&h->stats_lock);
	free(h);
}

AFCAP_PUBLIC int afcap_adopt(struct afcap **out, int fd, const struct afcap_geometry *geometry,
			     struct afcap_error *error)
{
	struct afcap *h;
	void *map;
	int rc = afcap_geometry_check(geometry, error);

	if (rc)
		return rc;
	h = calloc(1, sizeof(*h));
	if (!h)
		return error_set(error, ENOMEM, "no memory for a handle");
	*h = (struct afcap){ .fd = fd, .epoll = -1, .event = -1, .ring = *geometry };
	pthread_mutex_init(&h->stats_lock, NULL);
	h->map_bytes = (size_t)geometry->block_bytes * geometry->blocks;
	map = mmap(NULL, h->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		rc = error_set(error, errno, "mapping a ring of %zu bytes: %s", h->map_bytes,
			       errno == EINVAL ? "the socket's ring has another size"
					       : strerror(errno));
	} else {
		h->map = map;
		rc = handle_events(h, error);
	}
	if (rc)
		handle_free(h);
	else
		*out = h;
	return rc;
}

static int ring_open(struct afcap **out, int fd, const struct afcap_options *o, int ifindex,
		     struct afcap_error *error)
{
	struct afcap_fanout fanout;
	uint32_t before[3];
	struct afcap *h;
	int rc = ring_create(fd, &o->ring, error);

	if (rc == 0)
		rc = ring_bind(fd, o, ifindex, error);
	if (rc == 0 && o->fanout) {
		fanout = *o->fanout;
		rc = fanout_join(fd, &fanout, error);
	}
	if (rc)
		return rc;
	rc = afcap_adopt(&h, fd, &o->ring, error);
	if (rc)
		return rc;
	afcap_stats_take(fd, before); /* what came before the ring is in them */
	if (!o->paused) {
		rc = o->filter ? afcap_filter_set(fd, o->filter) : afcap_filter_clear(fd);
		if (rc) {
			handle_free(h);
			return error_set(error, -rc, "attaching the filter: %s", strerror(-rc));
		}
	}
	*out = h;
	return 0;
}

AFCAP_PUBLIC int afcap_open(struct afcap **out, const struct afcap_options *o,
			    struct afcap_error *error)
{
	unsigned ifindex = 0;
	int fd = o->socket, rc;

	if (o->size != sizeof(*o))
		rc = error_set(error, EINVAL,
			       "options of %zu bytes, not %zu: call afcap_options_init()", o->size,
			       sizeof(*o));
	else if (!o->interface || !*o->interface)
		rc = error_set(error, EINVAL, "no interface given");
	else if ((ifindex = if_nametoindex(o->interface)) == 0)
		rc = error_set(error, ENODEV, "no such interface: %s", o->interface);
	else
		rc = afcap_geometry_check(&o->ring, error);
	if (rc == 0 && fd < 0) {
		fd = afcap_socket();
		if (fd < 0)
			rc = error_set(error, -fd, "packet socket: %s%s", strerror(-fd),
				       fd == -EPERM ? " (needs CAP_NET_RAW)" : "");
	}
	if (rc == 0)
		rc = ring_open(out, fd, o, (int)ifindex, error);
	if (rc && fd >= 0)
		close(fd);
	return rc;
}

AFCAP_PUBLIC void afcap_close(struct afcap *handle)
{
	int fd;

	if (!handle)
		return;
	fd = handle->fd;
	handle_free(handle);
	close(fd);
}
