/* The only code outside a worker that reads a ring, which has no worker and gets none. Reads only
 * the headers of blocks (struct tpacket_hdr_v1). */
#include "unread.h"

#include "../../lib/afcap.h"

#include <linux/if_packet.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* Counts blocks that the kernel has handed over, and the last one that it opened and still fills:
 * all others have the number of an earlier use. A block in progress in a worker has its status
 * overwritten by an odd number, and the other two fields unchanged. */
static bool heads_sum(const char *map, uint32_t blocks, uint32_t block_bytes, uint64_t *packets)
{
	const uint32_t maximum = block_bytes / sizeof(struct tpacket3_hdr);
	uint64_t open_sequence = 0, open_packets = 0, sum = 0;

	for (uint32_t i = 0; i < blocks; i++) {
		const volatile struct tpacket_block_desc *block =
			(const void *)(map + (size_t)i * block_bytes);
		bool handed_over = block->hdr.bh1.block_status & TP_STATUS_USER;
		uint32_t held = block->hdr.bh1.num_pkts;

		if (held > maximum) /* no header */
			return false;
		if (handed_over)
			sum += held;
		if (block->hdr.bh1.seq_num > open_sequence) {
			open_sequence = block->hdr.bh1.seq_num;
			open_packets = handed_over ? 0 : held;
		}
	}
	*packets += sum + open_packets;
	return true;
}

/* Other sockets can be mapped, too, and have no page there: that would end in a SIGBUS (tcp_mmap()
 * of net/ipv4/tcp.c). */
static bool is_packet_socket(int fd)
{
	int domain = AF_UNSPEC;
	socklen_t bytes = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &bytes) == 0 && domain == AF_PACKET;
}

/* The kernel maps a ring whose size is right as a whole (packet_mmap() of net/packet/af_packet.c),
 * whatever blocks it is cut into here: these are whole pages, or no ring's. */
bool unread_count(int ring, uint32_t blocks, uint32_t block_bytes, uint64_t *packets)
{
	size_t bytes = (size_t)blocks * block_bytes;
	bool known;
	char *map;

	if (bytes == 0 || block_bytes % (size_t)sysconf(_SC_PAGESIZE) || !is_packet_socket(ring) ||
	    afcap_filter_drop_all(ring))
		return false;
	map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, ring, 0);
	if (map == MAP_FAILED)
		return false;
	known = heads_sum(map, blocks, block_bytes, packets);
	munmap(map, bytes);
	return known;
}
