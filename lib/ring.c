/* The handle: open, adopt, close. */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define VLAN_RESERVE 4u /* a tag put back moves the addresses down by this */

AFCAP_PUBLIC int afcap_fd(const struct afcap *handle)
{
	return handle->fd;
}

AFCAP_PUBLIC const struct afcap_geometry *afcap_ring(const struct afcap *handle)
{
	return &handle->rx.geometry;
}

AFCAP_PUBLIC int afcap_hardware_timestamps(const struct afcap *handle)
{
	return handle->hardware;
}

/* Unmaps and frees, leaving the socket. */
static void handle_free(struct afcap *h)
{
	if (h->map)
		munmap(h->map, h->map_bytes);
	wait_free(h);
	pthread_mutex_destroy(&h->stats_lock);
	free(h);
}

/* The mapping holds the receiving ring, then the sending one. */
static int handle_map(struct afcap *h, struct afcap_error *error)
{
	size_t rx = (size_t)h->rx.geometry.block_bytes * h->rx.geometry.blocks;
	size_t tx = (size_t)h->tx.geometry.block_bytes * h->tx.geometry.blocks;
	void *map;

	if (rx + tx == 0)
		return 0;
	map = mmap(NULL, rx + tx, PROT_READ | PROT_WRITE, MAP_SHARED, h->fd, 0);
	if (map == MAP_FAILED)
		return error_set(error, errno, "mapping a ring of %zu bytes: %s", rx + tx,
				 errno == EINVAL ? "the socket's ring has another size"
						 : strerror(errno));
	h->map = map;
	h->map_bytes = rx + tx;
	h->rx.map = map;
	h->tx.map = h->map + rx;
	return 0;
}

/* Makes a handle of a socket that has its rings. On failure the socket remains the caller's. */
static int handle_new(struct afcap **out, int fd, const struct afcap_geometry *rx,
		      const struct afcap_geometry *tx, struct afcap_error *error)
{
	struct afcap *h = calloc(1, sizeof(*h));
	int rc;

	if (!h)
		return error_set(error, ENOMEM, "no memory for a handle");
	h->fd = fd;
	h->rx.geometry = *rx;
	h->tx.geometry = *tx;
	h->hardware = -EINVAL;
	pthread_mutex_init(&h->stats_lock, NULL);
	rc = wait_init(h, error);
	if (rc == 0)
		rc = handle_map(h, error);
	if (rc)
		handle_free(h);
	else
		*out = h;
	return rc;
}

static int socket_get(int fd, int option, int *value)
{
	socklen_t length = sizeof(*value);

	return getsockopt(fd, SOL_PACKET, option, value, &length) ? -errno : 0;
}

AFCAP_PUBLIC int afcap_adopt(struct afcap **out, int fd, const struct afcap_geometry *geometry,
			     struct afcap_error *error)
{
	static const struct afcap_geometry none;
	struct afcap_geometry g = *geometry;
	int version, vnet = 0, rc = afcap_geometry_check(&g, error);

	if (rc)
		return rc;
	rc = socket_get(fd, PACKET_VERSION, &version);
	if (rc)
		return error_set(error, -rc, "not a packet socket: %s", strerror(-rc));
	version++; /* TPACKET_V1 is 0 */
	if (g.version != AFCAP_TPACKET_HIGHEST && (int)g.version != version)
		return error_set(error, EINVAL, "version %d: the socket's ring has %d",
				 (int)g.version, version);
	g.version = (enum afcap_tpacket)version;
	rc = afcap_geometry_check(&g, error);
	if (rc == 0)
		rc = handle_new(out, fd, &g, &none, error);
	if (rc)
		return rc;
	if (socket_get(fd, PACKET_VNET_HDR_SZ, &vnet) &&
	    socket_get(fd, PACKET_VNET_HDR, &vnet) == 0)
		vnet = vnet ? 10 : 0;
	(*out)->vnet_header_bytes = (uint32_t)vnet;
	wait_link_begin(*out);
	return 0;
}

static int filter_open(int fd, const struct afcap_options *o, struct afcap_error *error)
{
	int rc;

	if (o->paused)
		return 0;
	if (o->filter_fd >= 0)
		rc = afcap_filter_set_ebpf(fd, o->filter_fd);
	else
		rc = o->filter ? afcap_filter_set(fd, o->filter) : afcap_filter_clear(fd);
	return rc ? error_set(error, -rc, "attaching the filter: %s", strerror(-rc)) : 0;
}

/* With ignore_outgoing the group must know the flag: the kernel ignores a member's own setting. */
static int group_join(int fd, const struct afcap_options *o, struct afcap_error *error)
{
	struct afcap_fanout fanout;
	int rc = fanout_read(&fanout, o->fanout, error);

	if (rc)
		return rc;
	if (o->ignore_outgoing)
		fanout.flags |= AFCAP_FANOUT_FLAG_IGNORE_OUTGOING;
	rc = fanout_join(fd, &fanout, error);
	if (rc == 0 && o->ignore_outgoing && !(fanout.flags & AFCAP_FANOUT_FLAG_IGNORE_OUTGOING))
		return error_set(error, EOPNOTSUPP,
				 "ignore_outgoing: in a fanout group it needs Linux 6.2; "
				 "filter by packet type instead");
	return rc;
}

static int socket_open(struct afcap **out, int fd, struct afcap_options *o,
		       struct afcap_error *error)
{
	struct afcap_kernel_stats before;
	struct afcap *h;
	int rc;

	if (o->vlan_restore && o->ring.reserve_bytes < VLAN_RESERVE)
		o->ring.reserve_bytes = VLAN_RESERVE;
	if (o->send_only)
		o->ring.blocks = 0;
	rc = socket_rings(fd, o, error);
	if (rc == 0)
		rc = socket_bind(fd, o, error);
	if (rc == 0 && o->fanout)
		rc = group_join(fd, o, error);
	if (rc == 0)
		rc = handle_new(&h, fd, &o->ring, &o->tx_ring, error);
	if (rc)
		return rc;
	h->vnet_header_bytes = o->vnet_header_bytes;
	h->vlan_restore = o->vlan_restore;
	h->joined = o->fanout != NULL;
	h->hardware = socket_hardware(fd, o);
	tx_init(h, o);
	afcap_stats_take(fd, &before); /* they include packets from before the ring */
	rc = filter_open(fd, o, error);
	if (rc)
		handle_free(h);
	else
		*out = h;
	return rc;
}

/* Finds the interface that the options name; 0: all */
static int interface_find(struct afcap_options *o, struct afcap_error *error)
{
	int ifindex;

	if (!o->interface || !*o->interface || strcmp(o->interface, "any") == 0)
		return 0;
	ifindex = interface_index(o->interface);
	if (ifindex == -ENODEV)
		return error_set(error, ENODEV, "no such interface: %s", o->interface);
	if (ifindex < 0)
		return error_set(error, -ifindex, "looking up interface %s by netlink: %s",
				 o->interface, strerror(-ifindex));
	if (o->ifindex && o->ifindex != ifindex)
		return error_set(error, EINVAL, "ifindex %d: interface %s has index %d", o->ifindex,
				 o->interface, ifindex);
	o->ifindex = ifindex;
	return 0;
}

static int type_find(struct afcap_options *o, struct afcap_error *error)
{
	int type;
	socklen_t length = sizeof(type);

	if (getsockopt(o->socket, SOL_SOCKET, SO_TYPE, &type, &length))
		return error_set(error, errno, "socket %d: %s", o->socket, strerror(errno));
	o->socket_type = (enum afcap_socket_type)type;
	return 0;
}

AFCAP_PUBLIC int afcap_open(struct afcap **out, const struct afcap_options *options,
			    struct afcap_error *error)
{
	struct afcap_options o;
	int fd, rc = options_read(&o, options, error);

	if (rc)
		return rc;
	fd = o.socket;
	if (fd >= 0)
		rc = type_find(&o, error);
	if (rc == 0)
		rc = options_check(&o, error);
	if (rc == 0)
		rc = interface_find(&o, error);
	if (rc == 0 && fd < 0) {
		fd = afcap_socket(o.socket_type);
		if (fd < 0)
			rc = error_set(error, -fd, "packet socket: %s%s", strerror(-fd),
				       fd == -EPERM ? " (needs CAP_NET_RAW)" : "");
	}
	if (rc == 0)
		rc = socket_open(out, fd, &o, error);
	if (rc && fd >= 0 && o.socket < 0)
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
