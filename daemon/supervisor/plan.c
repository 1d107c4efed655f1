/* Computes the numbers from a configuration. */
#include "plan.h"
#include "filter.h"

#include "../base/config_cpus.h"
#include "../base/config_ring.h"
#include "../base/linktype.h"

#include <errno.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>

#define MS UINT64_C(1000000) /* ns */
#define SNAPLEN_SPARE                                                                              \
	160 /* in a block, beside a packet: descriptor, slot header, address, alignment */

#define ROWS(table) (sizeof(table) / sizeof(*(table)))

bool plan_any(const struct config_capture *config)
{
	return strcmp(config->group.interface, INTERFACE_ANY) == 0;
}

const char *plan_filter_for(const struct config_capture *config, const char *device)
{
	if (!plan_any(config))
		return device;
	return config->group.cooked == LINKTYPE_LINUX_SLL ? FILTER_ANY_SLL : INTERFACE_ANY;
}

static uint32_t snaplen_of(const struct config_capture *config, uint64_t block_bytes)
{
	uint64_t maximum = block_bytes - SNAPLEN_SPARE;

	if (plan_any(config) && maximum > PACKET_BYTES_MAX - COOKED_HEADER_BYTES)
		maximum = PACKET_BYTES_MAX - COOKED_HEADER_BYTES;
	return (uint32_t)(config->group.snaplen < maximum ? config->group.snaplen : maximum);
}

bool plan_snaplen_is_a_block(uint32_t snaplen, uint32_t block_bytes)
{
	return snaplen + SNAPLEN_SPARE == block_bytes;
}

int plan_make(const struct config_capture *config, struct plan *plan, struct afcap_error *error)
{
	return plan_make_sized(config, config->group.ring_bytes, plan, error);
}

int plan_make_sized(const struct config_capture *config, uint64_t ring_bytes, struct plan *plan,
		    struct afcap_error *error)
{
	struct group_config group = config->group;
	struct config_ring ring;

	group.ring_bytes = ring_bytes;
	ring = config_ring(&group);
	plan->snaplen = snaplen_of(config, ring.block_bytes);
	plan->link_type = plan_any(config) ? (uint32_t)config->group.cooked : 0;
	plan->ring = (struct afcap_geometry){ .version = AFCAP_TPACKET_V3,
					      .block_bytes = (uint32_t)ring.block_bytes,
					      .block_timeout_ms =
						      (uint32_t)(ring.block_timeout_ns / MS) };
	return afcap_geometry_solve(&plan->ring, ring.ring_bytes, plan->snaplen, error);
}

int plan_link_type(const struct config_capture *config, uint32_t hardware, uint32_t *link_type)
{
	if (plan_any(config)) {
		*link_type = (uint32_t)config->group.cooked;
		return 0;
	}
	switch (hardware) {
	case ARPHRD_ETHER:
	case ARPHRD_LOOPBACK:
		*link_type = LINKTYPE_ETHERNET;
		return 0;
	case ARPHRD_NONE:
	case ARPHRD_RAWIP:
		*link_type = LINKTYPE_RAW;
		return 0;
	default:
		return -EPFNOSUPPORT;
	}
}

bool plan_link_type_known(const struct config_capture *config, uint32_t link_type)
{
	return plan_any(config) ? IS_COOKED(link_type)
				: link_type == LINKTYPE_ETHERNET || link_type == LINKTYPE_RAW;
}

uint32_t plan_link_type_like(const struct config_capture *config, uint32_t link_type)
{
	return plan_any(config) && IS_COOKED(link_type) ? (uint32_t)config->group.cooked
							: link_type;
}

uint32_t plan_fanout_flags(const struct config_capture *config, bool bound, uint32_t hardware)
{
	if (!config->group.fanout_flags_auto || !bound)
		return config->group.fanout_flags;
	return hardware == ARPHRD_LOOPBACK
		       ? config->group.fanout_flags | AFCAP_FANOUT_FLAG_IGNORE_OUTGOING
		       : config->group.fanout_flags & ~(uint32_t)AFCAP_FANOUT_FLAG_IGNORE_OUTGOING;
}

struct group_config plan_group(const struct config_capture *config, const struct plan *plan,
			       unsigned workers)
{
	struct group_config group = config->group;

	group.workers = workers;
	group.block_bytes = plan->ring.block_bytes;
	group.ring_bytes = group.block_bytes * plan->ring.blocks;
	group.block_timeout_ns = plan->ring.block_timeout_ms * MS;
	group.snaplen = plan->snaplen;
	group.fanout_flags_auto = group.ring_auto = 0;
	if (!plan_any(config))
		group.cooked = 0;
	return group;
}

void plan_worker(const struct config_capture *config, const struct plan *plan, unsigned workers,
		 unsigned index, struct message_worker *worker)
{
	*worker = (struct message_worker){
		.config = config->worker,
		.group = plan_group(config, plan, workers),
		.worker = index,
		.blocks = plan->ring.blocks,
		.link_type = plan->link_type,
		.cpu = config_cpu(config, workers, index),
	};
	memcpy(worker->capture, config->name, sizeof(worker->capture));
}

struct checkpoint_fingerprint plan_fingerprint(const struct config_capture *config,
					       const struct plan *plan, unsigned workers)
{
	const struct group_config group = plan_group(config, plan, workers);
	struct checkpoint_fingerprint fingerprint;

	memset(&fingerprint, 0, sizeof(fingerprint)); /* it is compared as bytes */
	fingerprint.workers = workers;
	fingerprint.block_bytes = plan->ring.block_bytes;
	fingerprint.blocks = plan->ring.blocks;
	fingerprint.block_timeout_ms = plan->ring.block_timeout_ms;
	fingerprint.snaplen = (uint32_t)group.snaplen;
	fingerprint.link_type = plan->link_type;
	fingerprint.output = (uint32_t)group.output;
	fingerprint.vlan_keep = (uint32_t)group.vlan_keep;
	fingerprint.promiscuous = (uint32_t)group.promiscuous;
	fingerprint.fanout_mode = (uint32_t)group.fanout;
	fingerprint.fanout_flags = group.fanout_flags;
	fingerprint.fanout_id = (int32_t)group.fanout_id;
	snprintf(fingerprint.interface, sizeof(fingerprint.interface), "%s", group.interface);
	snprintf(fingerprint.directory, sizeof(fingerprint.directory), "%s", group.directory);
	return fingerprint;
}

/* The compared fields, and the keys that set them. */
static const struct {
	size_t offset, bytes;
	const char *key;
} fields[] = {
#define FIELD(name, key)                                                                           \
	{                                                                                          \
		offsetof(struct checkpoint_fingerprint, name),                                     \
			sizeof(((struct checkpoint_fingerprint *)0)->name), key                    \
	}
	FIELD(workers, "workers"),     FIELD(block_bytes, "block_size"),
	FIELD(blocks, "ring_size"),    FIELD(block_timeout_ms, "block_timeout"),
	FIELD(snaplen, "snaplen"),     FIELD(output, "output"),
	FIELD(vlan_keep, "vlan"),      FIELD(promiscuous, "promiscuous"),
	FIELD(fanout_mode, "fanout"),  FIELD(fanout_flags, "fanout_flags"),
	FIELD(fanout_id, "fanout_id"), FIELD(interface, "interface"),
	FIELD(directory, "directory"), FIELD(link_type, "cooked"),
#undef FIELD
};

/* The memory of a ring, as ring_size means it. */
static uint64_t ring_bytes(const struct checkpoint_fingerprint *fingerprint)
{
	const struct afcap_geometry ring = plan_of_fingerprint(fingerprint).ring;

	return afcap_geometry_memory(&ring);
}

/* Auto is decided by the memory that is available, and therefore once: rings that exist keep the
 * size that they have by it. */
static uint64_t ring_wanted(const struct checkpoint_fingerprint *then,
			    const struct config_capture *now)
{
	bool is_auto = now->group.ring_auto || now->group.ring_bytes == (uint64_t)CONFIG_AUTO;
	uint64_t bytes = ring_bytes(then);

	return is_auto && bytes >= CONFIG_RING_AUTO_MIN && bytes <= CONFIG_RING_AUTO_MAX
		       ? bytes
		       : now->group.ring_bytes;
}

/* The fingerprint that rings would need now. */
static struct checkpoint_fingerprint fingerprint_wanted(const struct checkpoint_fingerprint *then,
							const struct config_capture *now)
{
	struct plan plan = { 0 };

	plan_make_sized(now, ring_wanted(then, now), &plan, NULL);
	plan.link_type = plan_link_type_like(now, then->link_type);
	return plan_fingerprint(now, &plan,
				now->group.workers == CONFIG_AUTO ? then->workers
								  : (unsigned)now->group.workers);
}

bool plan_resumable(const struct checkpoint_fingerprint *then, const struct config_capture *now)
{
	const struct checkpoint_fingerprint wanted = fingerprint_wanted(then, now);

	return memcmp(&wanted, then, sizeof(wanted)) == 0;
}

bool plan_packets_missed(const struct config_capture *now, uint32_t hardware, uint32_t flags)
{
	return flags & ~plan_fanout_flags(now, true, hardware) & AFCAP_FANOUT_FLAG_IGNORE_OUTGOING;
}

/* Whether the key of fields[i] is a reason for the difference: not where another key's difference
 * decides this one, because it is auto, or limited by the size of a block. */
static bool differs(size_t i, const struct checkpoint_fingerprint *then,
		    const struct checkpoint_fingerprint *wanted, const struct config_capture *now)
{
	bool size = ring_bytes(then) != ring_bytes(wanted);
	bool block = then->block_bytes != wanted->block_bytes;

	switch (fields[i].offset) {
	case offsetof(struct checkpoint_fingerprint, blocks):
		return size;
	case offsetof(struct checkpoint_fingerprint, block_bytes):
		return block && !(size && now->group.block_bytes == (uint64_t)CONFIG_AUTO);
	case offsetof(struct checkpoint_fingerprint, block_timeout_ms):
		return then->block_timeout_ms != wanted->block_timeout_ms &&
		       !((size || block) && now->group.block_timeout_ns == (uint64_t)CONFIG_AUTO);
	case offsetof(struct checkpoint_fingerprint, snaplen):
		return then->snaplen != wanted->snaplen &&
		       !(block && (plan_snaplen_is_a_block(then->snaplen, then->block_bytes) ||
				   plan_snaplen_is_a_block(wanted->snaplen, wanted->block_bytes)));
	}
	return memcmp((const char *)wanted + fields[i].offset,
		      (const char *)then + fields[i].offset, fields[i].bytes) != 0;
}

void plan_differences(const struct checkpoint_fingerprint *then, const struct config_capture *now,
		      char *text, size_t size)
{
	const struct checkpoint_fingerprint wanted = fingerprint_wanted(then, now);
	size_t n = 0;

	*text = '\0';
	for (size_t i = 0; i < ROWS(fields) && n < size; i++)
		if (differs(i, then, &wanted, now))
			n += (size_t)snprintf(text + n, size - n, "%s%s", n ? ", " : "",
					      fields[i].key);
}

/* The parts of a configuration that are compared as bytes, except the group's, of which not all
 * keys are in effect. A change of other keys costs nothing. */
static const struct {
	size_t offset, bytes;
	enum plan_change cost;
} parts[] = {
#define PART(name, cost)                                                                           \
	{                                                                                          \
		offsetof(struct config_capture, name), sizeof(((struct config_capture *)0)->name), \
			cost                                                                       \
	}
	PART(archive, PLAN_ANNOUNCE), PART(file_group, PLAN_ANNOUNCE), PART(worker, PLAN_ROTATE),
	PART(cpus, PLAN_ROTATE),      PART(filter, PLAN_FILTER),
#undef PART
};

enum plan_change plan_change(const struct config_capture *then, const struct config_capture *now)
{
	enum plan_change cost = PLAN_NOTHING;
	struct checkpoint_fingerprint fingerprint;
	struct plan plan;

	plan_make(then, &plan, NULL);
	fingerprint = plan_fingerprint(then, &plan, (unsigned)then->group.workers);
	if (!plan_resumable(&fingerprint, now))
		return PLAN_RING;
	for (size_t i = 0; i < ROWS(parts); i++)
		if (parts[i].cost > cost &&
		    memcmp((const char *)then + parts[i].offset,
			   (const char *)now + parts[i].offset, parts[i].bytes) != 0)
			cost = parts[i].cost;
	return cost;
}

struct plan plan_of_fingerprint(const struct checkpoint_fingerprint *fingerprint)
{
	return (struct plan){ .ring = { .version = AFCAP_TPACKET_V3,
					.block_bytes = fingerprint->block_bytes,
					.blocks = fingerprint->blocks,
					.block_timeout_ms = fingerprint->block_timeout_ms },
			      .snaplen = fingerprint->snaplen,
			      .link_type = fingerprint->link_type };
}

bool plan_fingerprint_valid(const struct checkpoint_fingerprint *fingerprint)
{
	struct afcap_geometry ring = plan_of_fingerprint(fingerprint).ring;

	return fingerprint->workers >= 1 && fingerprint->workers <= WORKERS_MAX &&
	       afcap_geometry_check(&ring, NULL) == 0 &&
	       fingerprint->snaplen < fingerprint->block_bytes &&
	       fingerprint->output <= OUTPUT_NONE && *fingerprint->interface &&
	       memchr(fingerprint->interface, '\0', sizeof(fingerprint->interface)) &&
	       memchr(fingerprint->directory, '\0', sizeof(fingerprint->directory)) &&
	       (fingerprint->output == OUTPUT_NONE || *fingerprint->directory == '/');
}

void plan_configure(struct config_capture *config, const struct checkpoint_fingerprint *fingerprint)
{
	struct group_config *group = &config->group;

	group->workers = fingerprint->workers;
	group->block_bytes = fingerprint->block_bytes;
	group->ring_bytes = ring_bytes(fingerprint);
	group->ring_auto = 0;
	group->block_timeout_ns = (uint64_t)fingerprint->block_timeout_ms * MS;
	group->snaplen = fingerprint->snaplen;
	group->output = (int32_t)fingerprint->output;
	group->vlan_keep = (int32_t)fingerprint->vlan_keep;
	group->promiscuous = (int32_t)fingerprint->promiscuous;
	group->fanout = (int32_t)fingerprint->fanout_mode;
	group->fanout_flags = fingerprint->fanout_flags;
	group->fanout_id = fingerprint->fanout_id;
	if (IS_COOKED(fingerprint->link_type))
		group->cooked = (int32_t)fingerprint->link_type;
	memcpy(group->interface, fingerprint->interface, sizeof(group->interface));
	memcpy(group->directory, fingerprint->directory, sizeof(group->directory));
	/* The current limits may be meant for another directory. */
	config->archive.disk_budget = config->archive.max_age_ns = 0;
	config->archive.disk_reserve = 0;
}
