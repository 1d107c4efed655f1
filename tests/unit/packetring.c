/* PACKET_RX_RING of packet(7). */
#include "packetring.h"
#include "suites.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define BYTES (PACKETRING_BLOCKS * PACKETRING_BLOCK_BYTES)

int packetring_open(int ifindex)
{
	const struct tpacket_req3 request = { .tp_block_size = PACKETRING_BLOCK_BYTES,
					      .tp_block_nr = PACKETRING_BLOCKS,
					      .tp_frame_size = 2048,
					      .tp_frame_nr = BYTES / 2048 };
	const struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_ifindex = ifindex };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), version = TPACKET_V3;

	if (fd < 0)
		return -1;
	ck_assert_int_eq(setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)), 0);
	ck_assert_int_eq(setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof(request)), 0);
	if (ifindex)
		ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

void packetring_fill(int fd)
{
	char *map = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	ck_assert_ptr_ne(map, MAP_FAILED);
	memset(map, 0xff, BYTES);
	for (unsigned i = 0; i < PACKETRING_BLOCKS; i++) {
		struct tpacket_block_desc *block = (void *)(map + i * PACKETRING_BLOCK_BYTES);

		block->hdr.bh1 = (struct tpacket_hdr_v1){ .block_status = i ? 0 : TP_STATUS_USER,
							  .num_pkts = 3,
							  .seq_num = i < 2 ? i + 1 : 0 };
	}
	munmap(map, BYTES);
}
