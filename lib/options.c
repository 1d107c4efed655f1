/* Options: their defaults, and the checks that need no kernel. */
#include "internal.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

/* A later version adds its fields after these. None may lie in what is padding today, whose
 * contents are undefined. */
_Static_assert(offsetof(struct afcap_options, fanout) + sizeof(void *) ==
		       sizeof(struct afcap_options),
	       "no padding at the end of struct afcap_options");

static const struct afcap_options defaults = {
	.size = sizeof(struct afcap_options),
	.socket = -1,
	.socket_type = AFCAP_RAW,
	.protocol = ETH_P_ALL,
	.ring = { .block_bytes = 512 << 10,
		  .blocks = 128,
		  .frame_bytes = 4096,
		  .block_timeout_ms = 64 },
	.filter_fd = -1,
};

AFCAP_PUBLIC void afcap_options_init(struct afcap_options *options, size_t size)
{
	sized_init(options, size, &defaults, sizeof(defaults));
}

int options_read(struct afcap_options *to, const struct afcap_options *from,
		 struct afcap_error *error)
{
	*to = defaults;
	return sized_read(to, sizeof(*to), from, "options", error);
}

static int filter_check(const struct afcap_options *o, struct afcap_error *error)
{
	if (o->filter && o->filter_fd >= 0)
		return error_set(error, EINVAL, "filter and filter_fd: only one of them");
	if (o->filter && (o->filter->len == 0 || !o->filter->filter))
		return error_set(error, EINVAL, "filter: has no instructions");
	if (o->filter_fd < -1)
		return error_set(error, EINVAL, "filter_fd %d: must be a descriptor, or -1: none",
				 o->filter_fd);
	if (o->paused && (o->filter || o->filter_fd >= 0))
		return error_set(error, EINVAL,
				 "paused and a filter: paused lets nothing in until "
				 "afcap_filter_set() is called");
	return 0;
}

static int values_check(const struct afcap_options *o, struct afcap_error *error)
{
	if (o->socket_type != AFCAP_RAW && o->socket_type != AFCAP_DGRAM)
		return error_set(error, EINVAL,
				 "socket_type %d: must be AFCAP_RAW (%d) or AFCAP_DGRAM (%d)",
				 (int)o->socket_type, AFCAP_RAW, AFCAP_DGRAM);
	if (o->protocol == 0)
		return error_set(error, EINVAL, "protocol 0: no packet has it; ETH_P_ALL is 0x%04x",
				 ETH_P_ALL);
	if (o->ifindex < 0)
		return error_set(error, EINVAL, "ifindex %d: must be positive, or 0", o->ifindex);
	if (o->interface && strlen(o->interface) >= INTERFACE_NAME_BYTES)
		return error_set(error, ENODEV,
				 "no such interface: %.64s (names have at most %d bytes)",
				 o->interface, INTERFACE_NAME_BYTES - 1);
	if (o->vnet_header_bytes && o->vnet_header_bytes != 10 && o->vnet_header_bytes != 12)
		return error_set(error, EINVAL, "vnet_header_bytes %u: must be 0, 10 or 12",
				 o->vnet_header_bytes);
	if (o->vnet_header_bytes && o->socket_type != AFCAP_RAW)
		return error_set(error, EINVAL, "vnet_header_bytes %u: only with socket_type raw",
				 o->vnet_header_bytes);
	if ((unsigned)o->timestamp > AFCAP_TIMESTAMP_HARDWARE)
		return error_set(error, EINVAL, "timestamp %u: unknown", (unsigned)o->timestamp);
	return filter_check(o, error);
}

static bool all_interfaces(const struct afcap_options *o)
{
	return !o->ifindex && (!o->interface || !*o->interface || strcmp(o->interface, "any") == 0);
}

/* What needs one interface, or a ring */
static int needs_check(const struct afcap_options *o, struct afcap_error *error)
{
	if (all_interfaces(o) && (o->promiscuous || o->all_multicast))
		return error_set(error, EINVAL, "%s: needs one interface, not all",
				 o->promiscuous ? "promiscuous" : "all_multicast");
	if (o->send_only && (o->fanout || o->filter || o->filter_fd >= 0 || o->promiscuous))
		return error_set(error, EINVAL, "send_only: nothing is received, %s has no meaning",
				 o->fanout	  ? "fanout"
				 : o->promiscuous ? "promiscuous"
						  : "a filter");
	if (o->rxhash &&
	    (o->ring.version == AFCAP_TPACKET_V1 || o->ring.version == AFCAP_TPACKET_V2))
		return error_set(error, EINVAL, "rxhash: only V3 reports it");
	if (o->vlan_restore && o->ring.version == AFCAP_TPACKET_V1)
		return error_set(error, EINVAL, "vlan_restore: V1 does not report the tag");
	return 0;
}

int options_check(const struct afcap_options *o, struct afcap_error *error)
{
	uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE);
	struct afcap_fanout fanout;
	struct afcap_geometry tx;
	int rc = values_check(o, error);

	if (rc == 0)
		rc = needs_check(o, error);
	if (rc == 0 && !o->send_only)
		rc = geometry_check(&o->ring, page, false, error);
	if (rc == 0 && o->tx_ring.blocks) {
		tx = o->tx_ring;
		tx.version = o->ring.version;
		tx.reserve_bytes = o->ring.reserve_bytes;
		rc = geometry_check(&tx, page, true, error);
	}
	if (rc == 0 && o->fanout)
		rc = fanout_read(&fanout, o->fanout, error);
	return rc;
}

AFCAP_PUBLIC int afcap_options_check(const struct afcap_options *options, struct afcap_error *error)
{
	struct afcap_options o;
	int rc = options_read(&o, options, error);

	return rc ? rc : options_check(&o, error);
}
