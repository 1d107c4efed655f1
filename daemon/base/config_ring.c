/* Decides what is auto. */
#include "config_ring.h"

#include <unistd.h>

#define KIB	       UINT64_C(1024)
#define MS	       UINT64_C(1000000)
#define BLOCKS_WANTED  128
#define BLOCKS_MIN     8
#define BLOCK_MIN      (128 * KIB)
#define BLOCK_MAX      (1024 * KIB)
#define TIMEOUT_MIN_MS 64
#define TIMEOUT_MAX_MS 1000

static uint64_t limited(uint64_t value, uint64_t minimum, uint64_t maximum)
{
	value = value > minimum ? value : minimum;
	return value < maximum ? value : maximum;
}

uint64_t config_power(uint64_t value)
{
	while (value & (value - 1))
		value &= value - 1;
	return value;
}

/* 0 for 0; the kernel allocates so much for a block (get_order()). */
static uint64_t power_above(uint64_t value)
{
	uint64_t power = config_power(value);

	return power < value ? power << 1 : power;
}

static uint64_t block_auto(uint64_t ring_bytes)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t bytes = limited(ring_bytes / BLOCKS_WANTED, BLOCK_MIN, BLOCK_MAX);

	bytes = config_power(limited(bytes, 1, ring_bytes / BLOCKS_MIN));
	return bytes > page ? bytes : page;
}

static uint64_t timeout_auto(uint64_t blocks)
{
	uint64_t counted = blocks < 2 ? 1 : blocks * 3 / 4;

	return limited((CONFIG_RING_NS / MS + counted - 1) / counted, TIMEOUT_MIN_MS,
		       TIMEOUT_MAX_MS) *
	       MS;
}

struct config_ring config_ring(const struct group_config *group)
{
	struct config_ring ring = { group->ring_bytes, group->block_bytes, 0,
				    group->block_timeout_ns };

	if (ring.ring_bytes == (uint64_t)CONFIG_AUTO)
		ring.ring_bytes = CONFIG_RING_AUTO_MIN;
	if (ring.block_bytes == (uint64_t)CONFIG_AUTO)
		ring.block_bytes = block_auto(ring.ring_bytes);
	ring.blocks = ring.block_bytes ? ring.ring_bytes / power_above(ring.block_bytes) : 0;
	if (ring.block_timeout_ns == (uint64_t)CONFIG_AUTO)
		ring.block_timeout_ns = timeout_auto(ring.blocks);
	return ring;
}

uint64_t config_block_max(const struct group_config *group)
{
	struct group_config largest = *group;

	if (group->ring_bytes == (uint64_t)CONFIG_AUTO)
		largest.ring_bytes = CONFIG_RING_AUTO_MAX;
	return config_ring(&largest).block_bytes;
}
