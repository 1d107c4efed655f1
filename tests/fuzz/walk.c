/* Fuzz target: rings of arbitrary bytes, read in every way. The ring is one page between two that
 * cannot be touched, so that reading or writing outside it is a crash, also without a sanitizer.
 *
 * Input: byte 0 chooses version, way and options, byte 1 the frame size; the rest is the ring. */
#include "fuzz.h"

#include "../../lib/internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE 4096u

static volatile uint32_t sink; /* what is read must not be optimized away */

static void touch(const void *data, size_t bytes)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < bytes; i++)
		sum += ((const uint8_t *)data)[i];
	sink += sum;
}

/* The packet lies in its frame, or in what its block says is used. */
static void packet_use(const struct afcap_packet *packet, const uint8_t *begin, size_t bytes)
{
	struct afcap_packet_meta meta;

	if (packet->data < begin || packet->data + packet->capture_length > begin + bytes)
		abort();

	touch(packet->data, packet->capture_length);
	afcap_packet_meta(packet, &meta);
	touch(&meta, sizeof(meta));
	if (packet->vnet_header)
		touch(packet->vnet_header, AFCAP_VNET_HEADER_BYTES);
}

static void blocks_walk(struct afcap *ring, bool restore)
{
	struct afcap_block block;

	if (afcap_block_acquire(ring, &block))
		return;
	for (unsigned walk = 0; walk < 2; walk++) { /* a tag put back must not spoil the second */
		struct afcap_packet packet = { 0 };

		while (afcap_packet_next(&block, &packet)) {
			if (restore)
				afcap_vlan_restore(&packet);
			packet_use(&packet, (const uint8_t *)block.desc, block.bytes);
		}
	}
	afcap_block_release(ring, &block);
}

static void packets_read(struct afcap *ring)
{
	const struct afcap_packet *packet;
	uint8_t copy[600];

	while (afcap_read(ring, &packet, 0) == AFCAP_READY) {
		if (ring->rx.geometry.version == AFCAP_TPACKET_V3)
			packet_use(packet, ring->rx.map, ring->block.bytes);
		else
			packet_use(packet, packet->slot, ring->rx.geometry.frame_bytes);
		if (afcap_read_into(ring, copy, sizeof(copy), &packet, 0) == AFCAP_READY)
			touch(packet->data, packet->capture_length);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const uint32_t frame_sizes[] = { 80, 256, 1040, PAGE };
	static const uint32_t vnet_sizes[] = { 0, 10, 12, 0 };
	static uint8_t *page;
	struct afcap ring = { .fd = -1, .epoll = -1, .event = -1, .timer = -1 };

	if (!page) {
		page = mmap(NULL, 3 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		page += PAGE;
		mprotect(page, PAGE, PROT_READ | PROT_WRITE);
	}
	if (bytes < 2 || bytes > 2 + PAGE)
		return 0;
	memset(page, 0, PAGE);
	memcpy(page, data + 2, bytes - 2);
	ring.rx.map = page;
	ring.rx.geometry =
		(struct afcap_geometry){ .version = (enum afcap_tpacket)(1 + data[0] % 3),
					 .block_bytes = PAGE,
					 .blocks = 1,
					 .frame_bytes = frame_sizes[data[1] % 4],
					 .block_timeout_ms = 1 };
	ring.vnet_header_bytes = vnet_sizes[data[0] >> 2 & 3];
	ring.vlan_restore = data[0] & 0x10;
	if (data[0] & 0x20 && ring.rx.geometry.version == AFCAP_TPACKET_V3)
		blocks_walk(&ring, ring.vlan_restore);
	else
		packets_read(&ring);
	return 0;
}
