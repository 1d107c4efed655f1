/* Sets up the socket of a handle: its options, its rings, its interface. */
#include "internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

AFCAP_PUBLIC int afcap_socket(enum afcap_socket_type type)
{
	int fd = socket(AF_PACKET, (int)type | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

int socket_number(int fd, int option, int value, const char *what, struct afcap_error *error)
{
	if (setsockopt(fd, SOL_PACKET, option, &value, sizeof(value)) == 0)
		return 0;
	if (errno == ENOPROTOOPT)
		return error_set(error, EOPNOTSUPP, "%s: not supported by this kernel", what);
	return error_set(error, errno, "%s: %s", what, strerror(errno));
}

static int ring_error(int code, const struct afcap_geometry *g, const char *what,
		      struct afcap_error *error)
{
	if (code == ENOMEM)
		return error_set(error, code,
				 "no memory for a %s of %u blocks of %u bytes (%llu bytes)", what,
				 g->blocks, g->block_bytes,
				 (unsigned long long)afcap_geometry_memory(g));
	return error_set(error, code, "%s of %u blocks of %u bytes: %s", what, g->blocks,
			 g->block_bytes, strerror(code));
}

/* PACKET_RX_RING or PACKET_TX_RING. V1 and V2 accept the first four fields only; V3 accepts a
 * timeout, a private area and features for receiving only. */
static int ring_create(int fd, int option, const struct afcap_geometry *g, bool rxhash,
		       struct afcap_error *error)
{
	bool v3 = g->version == AFCAP_TPACKET_V3, receiving = option == PACKET_RX_RING;
	uint32_t frame = receiving ? geometry_frame(g) : g->frame_bytes;
	struct tpacket_req3 request = {
		.tp_block_size = g->block_bytes,
		.tp_block_nr = g->blocks,
		.tp_frame_size = frame,
		.tp_frame_nr = g->block_bytes / frame * g->blocks,
		.tp_retire_blk_tov = v3 && receiving ? g->block_timeout_ms : 0,
		.tp_sizeof_priv = v3 && receiving ? g->priv_bytes : 0,
		.tp_feature_req_word = v3 && receiving && rxhash ? TP_FT_REQ_FILL_RXHASH : 0,
	};
	socklen_t bytes = v3 ? sizeof(request) : sizeof(struct tpacket_req);

	if (setsockopt(fd, SOL_PACKET, option, &request, bytes))
		return ring_error(errno, g, receiving ? "ring" : "sending ring", error);
	return 0;
}

/* Sets the options that must be set before there is a ring */
static int socket_prepare(int fd, const struct afcap_options *o, struct afcap_error *error)
{
	int rc = 0;

	if (o->ring.reserve_bytes)
		rc = socket_number(fd, PACKET_RESERVE, (int)o->ring.reserve_bytes, "PACKET_RESERVE",
				   error);
	if (rc == 0 && o->vnet_header_bytes == 10)
		rc = socket_number(fd, PACKET_VNET_HDR, 1, "vnet_header_bytes 10", error);
	else if (rc == 0 && o->vnet_header_bytes)
		rc = socket_number(fd, PACKET_VNET_HDR_SZ, (int)o->vnet_header_bytes,
				   "vnet_header_bytes 12 (Linux 6.4)", error);
	/* Without it, one bad frame in a sending ring blocks all frames after it for ever */
	if (rc == 0 && o->tx_ring.blocks)
		rc = socket_number(fd, PACKET_LOSS, 1, "PACKET_LOSS", error);
	if (rc == 0 && o->timestamp == AFCAP_TIMESTAMP_HARDWARE)
		rc = socket_number(fd, PACKET_TIMESTAMP, SOF_TIMESTAMPING_RAW_HARDWARE,
				   "PACKET_TIMESTAMP", error);
	return rc;
}

static int tx_create(int fd, const struct afcap_options *o, struct afcap_error *error)
{
	return o->tx_ring.blocks ? ring_create(fd, PACKET_TX_RING, &o->tx_ring, false, error) : 0;
}

/* Sets the version, then makes the first ring: a kernel without that version refuses it here. The
 * rules differ between the versions. */
static int version_try(int fd, const struct afcap_options *o, struct afcap_error *error)
{
	uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE);
	int rc = o->send_only ? 0 : geometry_check(&o->ring, page, false, error);

	if (rc == 0 && o->tx_ring.blocks)
		rc = geometry_check(&o->tx_ring, page, true, error);
	if (rc == 0)
		rc = socket_number(fd, PACKET_VERSION, (int)o->ring.version - 1, "PACKET_VERSION",
				   error);
	if (rc)
		return rc;
	return o->send_only ? tx_create(fd, o, error)
			    : ring_create(fd, PACKET_RX_RING, &o->ring, o->rxhash, error);
}

int socket_rings(int fd, struct afcap_options *o, struct afcap_error *error)
{
	enum afcap_tpacket lowest = o->ring.version, version = lowest;
	int rc = socket_prepare(fd, o, error);

	if (rc)
		return rc;
	rc = afcap_filter_drop_all(fd);
	if (rc)
		return error_set(error, -rc, "attaching a filter: %s", strerror(-rc));
	if (version == AFCAP_TPACKET_HIGHEST) {
		lowest = AFCAP_TPACKET_V1;
		version = AFCAP_TPACKET_V3;
	}
	o->tx_ring.reserve_bytes = o->ring.reserve_bytes;
	do { /* a kernel that does not know the version, or its rings, returns EINVAL */
		o->ring.version = o->tx_ring.version = version;
		if (version != AFCAP_TPACKET_V3)
			o->ring.priv_bytes = 0;
		rc = version_try(fd, o, error);
	} while (rc == -EINVAL && version-- > lowest);
	return rc || o->send_only ? rc : tx_create(fd, o, error);
}

static int membership_add(int fd, int type, const char *what, int ifindex,
			  struct afcap_error *error)
{
	struct packet_mreq mreq = { .mr_ifindex = ifindex, .mr_type = (unsigned short)type };

	if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mreq, sizeof(mreq)))
		return error_set(error, errno, "%s: %s", what, strerror(errno));
	return 0;
}

/* Binding to a link that is down succeeds; the error is pending in SO_ERROR. Protocol 0 receives
 * nothing. */
static int bind_to(int fd, const struct afcap_options *o, struct afcap_error *error)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET,
				       .sll_protocol = o->send_only ? 0 : htons(o->protocol),
				       .sll_ifindex = o->ifindex };
	char name[IFNAMSIZ] = "all";
	int pending = 0;
	socklen_t length = sizeof(pending);

	if (o->ifindex && !if_indextoname((unsigned)o->ifindex, name))
		return error_set(error, ENODEV, "no such interface: index %d", o->ifindex);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    getsockopt(fd, SOL_SOCKET, SO_ERROR, &pending, &length))
		pending = errno;
	if (pending == ENETDOWN)
		return error_set(error, ENETDOWN, "interface %s is down (ip link set %s up)", name,
				 name);
	if (pending)
		return error_set(error, pending, "binding to %s: %s", name, strerror(pending));
	return 0;
}

int socket_bind(int fd, const struct afcap_options *o, struct afcap_error *error)
{
	int rc = 0;

	if (o->ignore_outgoing && !o->fanout)
		rc = socket_number(fd, PACKET_IGNORE_OUTGOING, 1, "ignore_outgoing", error);
	if (rc == 0 && o->qdisc_bypass)
		rc = socket_number(fd, PACKET_QDISC_BYPASS, 1, "qdisc_bypass", error);
	if (rc == 0)
		rc = bind_to(fd, o, error);
	if (rc == 0 && o->promiscuous)
		rc = membership_add(fd, PACKET_MR_PROMISC, "promiscuous", o->ifindex, error);
	if (rc == 0 && o->all_multicast)
		rc = membership_add(fd, PACKET_MR_ALLMULTI, "all_multicast", o->ifindex, error);
	return rc;
}

/* Sets the card to stamp every received packet, and leaves its setting for sent ones unchanged: a
 * clock daemon may depend on that. */
int socket_hardware(int fd, const struct afcap_options *o)
{
	struct hwtstamp_config config = { 0 };
	struct ifreq request = { 0 };

	if (o->timestamp != AFCAP_TIMESTAMP_HARDWARE || o->ifindex == 0)
		return -EINVAL;
	if (!if_indextoname((unsigned)o->ifindex, request.ifr_name))
		return -ENODEV;
	request.ifr_data = (void *)&config;
	if (ioctl(fd, SIOCGHWTSTAMP, &request))
		return -errno; /* the current setting is not known, so it cannot be preserved */
	if (config.rx_filter == HWTSTAMP_FILTER_ALL)
		return 0;
	config.rx_filter = HWTSTAMP_FILTER_ALL;
	if (ioctl(fd, SIOCSHWTSTAMP, &request))
		return -errno;
	return config.rx_filter == HWTSTAMP_FILTER_ALL ? 0 : -EOPNOTSUPP;
}
