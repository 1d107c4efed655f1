/* Computes the numbers from a configuration. */
#include "plan.h"
#include "filter.h"

#include "../base/config_cpus.h"
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

static uint32_t snaplen_of(const struct config_capture *config)
{
	uint64_t most = config->group.block_bytes - SNAPLEN_SPARE;

	if (plan_any(config) && most > PACKET_BYTES_MAX - COOKED_HEADER_BYTES)
		most = PACKET_BYTES_MAX - COOKED_HEADER_BYTES;
	return (uint32_t)(config->group.snaplen < most ? config->group.snaplen : most);
}

int plan_make(const struct config_capture *config, struct plan *plan, struct afcap_error *error)
{
	plan->snaplen = snaplen_of(config);
	plan->link_type = plan_any(config) ? (uint32_t)config->group.cooked : 0;
	plan->ring =
		(struct afcap_geometry){ .version = AFCAP_TPACKET_V3,
					 .block_bytes = (uint32_t)config->group.block_bytes,
					 .block_timeout_ms =
						 (uint32_t)(config->group.block_timeout_ns / MS) };
	return afcap_geometry_solve(&plan->ring, config->group.ring_bytes, plan->snaplen, error);
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
	group.fanout_flags_auto = 0;
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

struct checkpoint_shape plan_shape(const struct config_capture *config, const struct plan *plan,
				   unsigned workers)
{
	const struct group_config group = plan_group(config, plan, workers);
	struct checkpoint_shape shape;

	memset(&shape, 0, sizeof(shape)); /* it is compared as bytes */
	shape.workers = workers;
	shape.block_bytes = plan->ring.block_bytes;
	shape.blocks = plan->ring.blocks;
	shape.block_timeout_ms = plan->ring.block_timeout_ms;
	shape.snaplen = (uint32_t)group.snaplen;
	shape.link_type = plan->link_type;
	shape.output = (uint32_t)group.output;
	shape.vlan_keep = (uint32_t)group.vlan_keep;
	shape.promiscuous = (uint32_t)group.promiscuous;
	shape.fanout_mode = (uint32_t)group.fanout;
	shape.fanout_flags = group.fanout_flags;
	shape.fanout_id = (int32_t)group.fanout_id;
	snprintf(shape.interface, sizeof(shape.interface), "%s", group.interface);
	snprintf(shape.directory, sizeof(shape.directory), "%s", group.directory);
	return shape;
}

/* The compared fields, and the keys that set them. */
static const struct {
	size_t offset, bytes;
	const char *key;
} fields[] = {
#define FIELD(name, key)                                                                           \
	{                                                                                          \
		offsetof(struct checkpoint_shape, name),                                           \
			sizeof(((struct checkpoint_shape *)0)->name), key                          \
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

/* The shape that rings would need now. */
static struct checkpoint_shape shape_wanted(const struct checkpoint_shape *then,
					    const struct config_capture *now)
{
	struct plan plan = { 0 };

	plan_make(now, &plan, NULL);
	plan.link_type = plan_link_type_like(now, then->link_type);
	return plan_shape(now, &plan,
			  now->group.workers == CONFIG_AUTO ? then->workers
							    : (unsigned)now->group.workers);
}

bool plan_resumable(const struct checkpoint_shape *then, const struct config_capture *now)
{
	const struct checkpoint_shape wanted = shape_wanted(then, now);

	return memcmp(&wanted, then, sizeof(wanted)) == 0;
}

bool plan_packets_missed(const struct config_capture *now, uint32_t hardware, uint32_t flags)
{
	return flags & ~plan_fanout_flags(now, true, hardware) & AFCAP_FANOUT_FLAG_IGNORE_OUTGOING;
}

void plan_differences(const struct checkpoint_shape *then, const struct config_capture *now,
		      char *text, size_t size)
{
	const struct checkpoint_shape wanted = shape_wanted(then, now);
	size_t n = 0;

	*text = '\0';
	for (size_t i = 0; i < ROWS(fields) && n < size; i++)
		if (memcmp((const char *)&wanted + fields[i].offset,
			   (const char *)then + fields[i].offset, fields[i].bytes) != 0)
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
	struct checkpoint_shape shape;
	struct plan plan;

	plan_make(then, &plan, NULL);
	shape = plan_shape(then, &plan, (unsigned)then->group.workers);
	if (!plan_resumable(&shape, now))
		return PLAN_RING;
	for (size_t i = 0; i < ROWS(parts); i++)
		if (parts[i].cost > cost &&
		    memcmp((const char *)then + parts[i].offset,
			   (const char *)now + parts[i].offset, parts[i].bytes) != 0)
			cost = parts[i].cost;
	return cost;
}

struct plan plan_of_shape(const struct checkpoint_shape *shape)
{
	return (struct plan){ .ring = { .version = AFCAP_TPACKET_V3,
					.block_bytes = shape->block_bytes,
					.blocks = shape->blocks,
					.block_timeout_ms = shape->block_timeout_ms },
			      .snaplen = shape->snaplen,
			      .link_type = shape->link_type };
}

bool plan_shape_valid(const struct checkpoint_shape *shape)
{
	struct afcap_geometry ring = plan_of_shape(shape).ring;

	return shape->workers >= 1 && shape->workers <= WORKERS_MAX &&
	       afcap_geometry_check(&ring, NULL) == 0 && shape->snaplen < shape->block_bytes &&
	       shape->output <= OUTPUT_NONE && *shape->interface &&
	       memchr(shape->interface, '\0', sizeof(shape->interface)) &&
	       memchr(shape->directory, '\0', sizeof(shape->directory)) &&
	       (shape->output == OUTPUT_NONE || *shape->directory == '/');
}

void plan_configure(struct config_capture *config, const struct checkpoint_shape *shape)
{
	struct group_config *group = &config->group;

	group->workers = shape->workers;
	group->block_bytes = shape->block_bytes;
	group->ring_bytes = (uint64_t)shape->block_bytes * shape->blocks;
	group->block_timeout_ns = (uint64_t)shape->block_timeout_ms * MS;
	group->snaplen = shape->snaplen;
	group->output = (int32_t)shape->output;
	group->vlan_keep = (int32_t)shape->vlan_keep;
	group->promiscuous = (int32_t)shape->promiscuous;
	group->fanout = (int32_t)shape->fanout_mode;
	group->fanout_flags = shape->fanout_flags;
	group->fanout_id = shape->fanout_id;
	if (IS_COOKED(shape->link_type))
		group->cooked = (int32_t)shape->link_type;
	memcpy(group->interface, shape->interface, sizeof(group->interface));
	memcpy(group->directory, shape->directory, sizeof(group->directory));
	/* The current limits may be meant for another directory. */
	config->archive.disk_budget = config->archive.max_age_ns = 0;
	config->archive.disk_reserve = 0;
}
