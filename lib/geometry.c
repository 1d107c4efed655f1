/* The rules for the layout of a ring. */
#include "internal.h"

#include <errno.h>
#include <unistd.h>

#define BLOCK_BYTES_MAX	 (1u << 30)
#define BLOCK_BYTES_PREF (1u << 20) /* the solver's preferred block */
#define FRAME_BYTES_V3	 2048u /* V3 packs packets tightly; the kernel only checks that it fits */
#define FRAMES_MAX	 UINT32_MAX
#define MAC_HEADER_MAX	 16u /* the minimum that the kernel reserves for the link-layer header */
#define VNET_HEADER_MAX	 12u
#define BLOCK_TIMEOUT_MS 64u

static uint32_t align_up(uint32_t value, uint32_t unit)
{
	return (value + unit - 1) / unit * unit;
}

static bool is_v3(const struct afcap_geometry *g)
{
	return g->version == AFCAP_TPACKET_V3 || g->version == AFCAP_TPACKET_HIGHEST;
}

/* TPACKET_HDRLEN and its variants: the header and the address after it */
static uint32_t header_bytes(const struct afcap_geometry *g)
{
	uint32_t header = HEADER_BYTES(struct tpacket_hdr);

	if (is_v3(g))
		header = HEADER_BYTES(struct tpacket3_hdr);
	else if (g->version == AFCAP_TPACKET_V2)
		header = HEADER_BYTES(struct tpacket2_hdr);
	return header + (uint32_t)sizeof(struct sockaddr_ll);
}

uint32_t geometry_header(const struct afcap_geometry *g)
{
	return align_up(header_bytes(g) + MAC_HEADER_MAX, TPACKET_ALIGNMENT) + g->reserve_bytes +
	       VNET_HEADER_MAX;
}

/* The smallest frame that the kernel accepts. */
static uint32_t frame_min(const struct afcap_geometry *g)
{
	return header_bytes(g) + g->reserve_bytes;
}

uint32_t geometry_frame(const struct afcap_geometry *g)
{
	uint32_t minimum = align_up(frame_min(g), TPACKET_ALIGNMENT);

	if (!is_v3(g))
		return g->frame_bytes;
	return minimum > FRAME_BYTES_V3 ? minimum : FRAME_BYTES_V3;
}

static int block_check(const struct afcap_geometry *g, uint32_t page, struct afcap_error *error)
{
	uint32_t maximum = is_v3(g) ? AFCAP_BLOCKS_MAX : AFCAP_BLOCKS_MAX_V2;

	if (g->block_bytes == 0 || g->block_bytes % page)
		return error_set(error, EINVAL,
				 "block_bytes %u: must be a multiple of the page size, %u",
				 g->block_bytes, page);
	if (g->block_bytes > BLOCK_BYTES_MAX)
		return error_set(error, EINVAL, "block_bytes %u: at most %u", g->block_bytes,
				 BLOCK_BYTES_MAX);
	if (g->blocks == 0 || g->blocks > maximum)
		return error_set(error, EINVAL, "blocks %u: must be 1 to %u%s", g->blocks, maximum,
				 is_v3(g) ? " (the kernel's index has 16 bits)" : "");
	if ((uint64_t)g->block_bytes * g->blocks > SIZE_MAX / 2)
		return error_set(error, EINVAL,
				 "blocks %u of block_bytes %u: more than this machine can map",
				 g->blocks, g->block_bytes);
	return 0;
}

static int frame_check(const struct afcap_geometry *g, struct afcap_error *error)
{
	uint32_t minimum = frame_min(g);

	if (g->frame_bytes < minimum)
		return error_set(
			error, EINVAL, "frame_bytes %u: at least %u (header%s) are needed with %s",
			g->frame_bytes, minimum, g->reserve_bytes ? " and reserve_bytes" : "",
			afcap_tpacket_name(g->version));
	if (g->frame_bytes % TPACKET_ALIGNMENT)
		return error_set(error, EINVAL, "frame_bytes %u: must be a multiple of %d",
				 g->frame_bytes, TPACKET_ALIGNMENT);
	if (g->frame_bytes > g->block_bytes)
		return error_set(error, EINVAL, "frame_bytes %u: at most block_bytes, %u",
				 g->frame_bytes, g->block_bytes);
	if ((uint64_t)(g->block_bytes / g->frame_bytes) * g->blocks > FRAMES_MAX)
		return error_set(error, EINVAL,
				 "frame_bytes %u: more than 2^32 frames in %u blocks of %u",
				 g->frame_bytes, g->blocks, g->block_bytes);
	return 0;
}

/* The rules for TPACKET_V3 and receiving */
static int v3_check(const struct afcap_geometry *g, struct afcap_error *error)
{
	uint32_t minimum;

	if (g->block_timeout_ms == 0 || g->block_timeout_ms > AFCAP_BLOCK_TIMEOUT_MAX)
		return error_set(error, EINVAL, "block_timeout_ms %u: must be 1 to %u",
				 g->block_timeout_ms, AFCAP_BLOCK_TIMEOUT_MAX);
	if (g->priv_bytes > AFCAP_PRIV_MAX)
		return error_set(error, EINVAL,
				 "priv_bytes %u: at most %u (the kernel would make it 0)",
				 g->priv_bytes, AFCAP_PRIV_MAX);
	minimum = (uint32_t)sizeof(struct tpacket_block_desc) + align_up(g->priv_bytes, 8) +
		  frame_min(g);
	if (g->block_bytes < minimum)
		return error_set(error, EINVAL,
				 "block_bytes %u: a block needs at least %u (headers%s%s)",
				 g->block_bytes, minimum, g->priv_bytes ? ", priv_bytes" : "",
				 g->reserve_bytes ? ", reserve_bytes" : "");
	if ((uint64_t)(g->block_bytes / geometry_frame(g)) * g->blocks > FRAMES_MAX)
		return error_set(error, EINVAL,
				 "blocks %u of block_bytes %u: the kernel would count more than "
				 "2^32 frames of %u",
				 g->blocks, g->block_bytes, geometry_frame(g));
	return 0;
}

int geometry_check(const struct afcap_geometry *g, uint32_t page, bool sending,
		   struct afcap_error *error)
{
	int rc;

	if ((unsigned)g->version > AFCAP_TPACKET_V3)
		return error_set(error, EINVAL,
				 "version %d: must be 1, 2, 3, or 0 for the highest available",
				 (int)g->version);
	if (g->reserve_bytes > AFCAP_RESERVE_MAX)
		return error_set(error, EINVAL, "reserve_bytes %u: at most %u", g->reserve_bytes,
				 AFCAP_RESERVE_MAX);
	if (!is_v3(g) && g->priv_bytes)
		return error_set(error, EINVAL, "priv_bytes %u: only V3 has such an area",
				 g->priv_bytes);
	rc = block_check(g, page, error);
	if (rc)
		return rc;
	if (is_v3(g) && !sending) {
		rc = v3_check(g, error);
		if (rc || g->frame_bytes == 0)
			return rc;
	}
	return frame_check(g, error);
}

AFCAP_PUBLIC int afcap_geometry_check(const struct afcap_geometry *g, struct afcap_error *error)
{
	return geometry_check(g, (uint32_t)sysconf(_SC_PAGESIZE), false, error);
}

AFCAP_PUBLIC uint32_t afcap_geometry_frames(const struct afcap_geometry *g)
{
	return g->frame_bytes ? g->block_bytes / g->frame_bytes : 0;
}

static uint64_t power_of_two(uint64_t bytes)
{
	uint64_t power = 1;

	while (power < bytes)
		power *= 2;
	return power;
}

/* A block that holds a packet of `need` bytes with its headers: of the preferred size, but not so
 * large that the ring has less than eight, nor so small that it has too many; in any case large
 * enough for the packet. */
static uint64_t block_choose(uint64_t memory_bytes, uint64_t need, uint32_t page)
{
	uint64_t minimum = power_of_two(need > page ? need : page), block = BLOCK_BYTES_PREF;

	while (block > minimum && block > memory_bytes / 8)
		block /= 2;
	while (memory_bytes / block > AFCAP_BLOCKS_MAX && block < BLOCK_BYTES_MAX)
		block *= 2;
	return block > minimum ? block : minimum;
}

static void solve(struct afcap_geometry *g, uint64_t memory_bytes, uint32_t snaplen, uint32_t page)
{
	uint64_t need = (uint64_t)snaplen + geometry_header(g);
	uint64_t blocks;

	if (is_v3(g))
		need += sizeof(struct tpacket_block_desc) + align_up(g->priv_bytes, 8);
	if (g->frame_bytes == 0 && g->version != AFCAP_TPACKET_V3) /* HIGHEST may become V2 */
		g->frame_bytes = align_up((uint32_t)need, TPACKET_ALIGNMENT);
	if (need < g->frame_bytes)
		need = g->frame_bytes;
	if (g->block_bytes == 0)
		g->block_bytes = (uint32_t)block_choose(memory_bytes, need, page);
	if (g->block_timeout_ms == 0)
		g->block_timeout_ms = BLOCK_TIMEOUT_MS;
	blocks = g->block_bytes ? memory_bytes / power_of_two(g->block_bytes) : 0;
	g->blocks = blocks < UINT32_MAX ? (uint32_t)blocks : UINT32_MAX;
}

/* Whether a packet of `snaplen` bytes fits whole. */
static int space_check(const struct afcap_geometry *g, uint32_t snaplen, struct afcap_error *error)
{
	uint64_t need = (uint64_t)snaplen + geometry_header(g);

	if (is_v3(g)) {
		need += sizeof(struct tpacket_block_desc) + align_up(g->priv_bytes, 8);
		if (need <= g->block_bytes)
			return 0;
		return error_set(
			error, EINVAL,
			"block_bytes %u: packets of %u bytes (snaplen) need blocks of %llu",
			g->block_bytes, snaplen, (unsigned long long)need);
	}
	if (need <= g->frame_bytes)
		return 0;
	return error_set(error, EINVAL,
			 "frame_bytes %u: packets of %u bytes (snaplen) need frames of %llu",
			 g->frame_bytes, snaplen, (unsigned long long)need);
}

AFCAP_PUBLIC int afcap_geometry_solve(struct afcap_geometry *geometry, uint64_t memory_bytes,
				      uint32_t snaplen, struct afcap_error *error)
{
	uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE);
	struct afcap_geometry g = *geometry;
	int rc;

	if (snaplen > BLOCK_BYTES_MAX / 2)
		return error_set(error, EINVAL, "snaplen %u: at most %u", snaplen,
				 BLOCK_BYTES_MAX / 2);
	if (g.reserve_bytes > AFCAP_RESERVE_MAX || g.priv_bytes > AFCAP_PRIV_MAX) {
		g = (struct afcap_geometry){ .block_bytes = BLOCK_BYTES_PREF,
					     .blocks = 1,
					     .block_timeout_ms = 1,
					     .version = g.version,
					     .reserve_bytes = g.reserve_bytes,
					     .priv_bytes = g.priv_bytes };
		return geometry_check(&g, page, false, error);
	}
	solve(&g, memory_bytes, snaplen, page);
	if (g.block_bytes && g.block_bytes <= BLOCK_BYTES_MAX && g.blocks == 0)
		return error_set(error, EINVAL,
				 "memory of %llu bytes: less than one block of %u takes (%llu)",
				 (unsigned long long)memory_bytes, g.block_bytes,
				 (unsigned long long)power_of_two(g.block_bytes));
	if (g.blocks > (is_v3(&g) ? AFCAP_BLOCKS_MAX : AFCAP_BLOCKS_MAX_V2))
		return error_set(error, EINVAL,
				 "memory of %llu bytes in blocks of %u: %u blocks, at most %u; "
				 "use larger blocks",
				 (unsigned long long)memory_bytes, g.block_bytes, g.blocks,
				 is_v3(&g) ? AFCAP_BLOCKS_MAX : AFCAP_BLOCKS_MAX_V2);
	rc = geometry_check(&g, page, false, error);
	if (rc == 0)
		rc = space_check(&g, snaplen, error);
	if (rc == 0)
		*geometry = g;
	return rc;
}

AFCAP_PUBLIC uint64_t afcap_geometry_memory(const struct afcap_geometry *geometry)
{
	return power_of_two(geometry->block_bytes) * geometry->blocks;
}
