/* The rules for the size and shape of a ring. */
#include "internal.h"

#include <errno.h>
#include <unistd.h>

#define RESERVE_MAX	4096u
#define BLOCK_BYTES_MAX (1u << 30)

/* The smallest V3 block: descriptor, one slot's header with its address (TPACKET3_HDRLEN), the
 * reserve. */
static uint32_t block_bytes_min(uint32_t reserve)
{
	return (uint32_t)(sizeof(struct tpacket_block_desc) + sizeof(struct tpacket3_hdr) +
			  sizeof(struct sockaddr_ll)) +
	       reserve;
}

AFCAP_PUBLIC int afcap_geometry_check(const struct afcap_geometry *g, struct afcap_error *error)
{
	long page = sysconf(_SC_PAGESIZE);

	if (g->reserve_bytes > RESERVE_MAX)
		return error_set(error, EINVAL, "reserve_bytes %u: at most %u", g->reserve_bytes,
				 RESERVE_MAX);
	if (g->block_bytes == 0 || g->block_bytes % (unsigned long)page)
		return error_set(error, EINVAL,
				 "block_bytes %u: must be a multiple of the page size, %ld",
				 g->block_bytes, page);
	if (g->block_bytes > BLOCK_BYTES_MAX)
		return error_set(error, EINVAL, "block_bytes %u: at most %u", g->block_bytes,
				 BLOCK_BYTES_MAX);
	if (g->block_bytes < block_bytes_min(g->reserve_bytes))
		return error_set(error, EINVAL, "block_bytes %u: a block needs at least %u",
				 g->block_bytes, block_bytes_min(g->reserve_bytes));
	if (g->blocks == 0 || g->blocks > AFCAP_BLOCKS_MAX)
		return error_set(error, EINVAL,
				 "blocks %u: must be 1 to %u (the kernel's index has 16 bits)",
				 g->blocks, AFCAP_BLOCKS_MAX);
	if (g->block_timeout_ms == 0 || g->block_timeout_ms > AFCAP_BLOCK_TIMEOUT_MAX)
		return error_set(error, EINVAL, "block_timeout_ms %u: must be 1 to %u",
				 g->block_timeout_ms, AFCAP_BLOCK_TIMEOUT_MAX);
	return 0;
}

AFCAP_PUBLIC int afcap_geometry_solve(struct afcap_geometry *geometry, uint64_t ring_bytes,
				      uint32_t block_bytes, uint32_t block_timeout_ms,
				      struct afcap_error *error)
{
	struct afcap_geometry g = { .block_bytes = block_bytes,
				    .block_timeout_ms = block_timeout_ms };
	uint64_t blocks = block_bytes ? ring_bytes / block_bytes : 0;
	int rc;

	if (block_bytes && blocks == 0)
		return error_set(error, EINVAL, "ring of %llu bytes: smaller than one block of %u",
				 (unsigned long long)ring_bytes, block_bytes);
	if (blocks > AFCAP_BLOCKS_MAX)
		return error_set(error, EINVAL,
				 "ring of %llu bytes in blocks of %u: %llu blocks, at most %u; "
				 "take larger blocks",
				 (unsigned long long)ring_bytes, block_bytes,
				 (unsigned long long)blocks, AFCAP_BLOCKS_MAX);
	g.blocks = (uint32_t)blocks;
	rc = afcap_geometry_check(&g, error);
	if (rc == 0)
		*geometry = g;
	return rc;
}

AFCAP_PUBLIC uint64_t afcap_geometry_memory(const struct afcap_geometry *geometry)
{
	uint64_t block = 1;

	while (block < geometry->block_bytes)
		block *= 2;
	return block * geometry->blocks;
}
