/* daemon/supervisor/unread.c: a ring whose record may be damaged. */
#include "suites.h"

#include "../../daemon/supervisor/unread.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define BLOCKS	    4
#define BLOCK_BYTES 65536

/* A ring that takes nothing; -1: not root. */
static int ring_make(void)
{
	const struct tpacket_req3 request = { .tp_block_size = BLOCK_BYTES,
					      .tp_block_nr = BLOCKS,
					      .tp_frame_size = 2048,
					      .tp_frame_nr = BLOCKS * BLOCK_BYTES / 2048 };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), version = TPACKET_V3;

	if (fd < 0)
		return -1;
	ck_assert_int_eq(setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)), 0);
	ck_assert_int_eq(setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof(request)), 0);
	return fd;
}

/* As if the kernel had filled its heads, each with 3 packets, the first one handed over */
static void ring_fill(int fd)
{
	char *map = mmap(NULL, BLOCKS * BLOCK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	ck_assert_ptr_ne(map, MAP_FAILED);
	memset(map, 0xff, BLOCKS * BLOCK_BYTES);
	for (unsigned i = 0; i < BLOCKS; i++) {
		struct tpacket_block_desc *block = (void *)(map + i * BLOCK_BYTES);

		block->hdr.bh1 = (struct tpacket_hdr_v1){ .block_status = i ? 0 : TP_STATUS_USER,
							  .num_pkts = 3,
							  .seq_num = i < 2 ? i + 1 : 0 };
	}
	munmap(map, BLOCKS * BLOCK_BYTES);
}

START_TEST(a_ring_is_counted_by_its_heads)
{
	int fd = ring_make();
	uint64_t packets = 10;

	if (fd < 0)
		return;
	ring_fill(fd);
	ck_assert(unread_count(fd, BLOCKS, BLOCK_BYTES, &packets));
	ck_assert_uint_eq(packets, 16); /* of the first, and of the one that is filled */
	close(fd);
}
END_TEST

/* All of these are as large as the ring is, and some: a head would be beyond its end. */
START_TEST(a_record_with_other_blocks_is_not_believed)
{
	static const struct {
		uint32_t blocks, block_bytes;
	} rows[] = {
		{ BLOCKS * BLOCK_BYTES / 16, 16 },
		{ BLOCKS * BLOCK_BYTES, 1 },
		{ BLOCKS * BLOCK_BYTES / 2048, 2048 },
		{ BLOCKS * BLOCK_BYTES / 4096, 4096 },
		{ BLOCKS * 2, BLOCK_BYTES },
		{ 0, BLOCK_BYTES },
		{ BLOCKS, 0 },
		{ UINT32_MAX, UINT32_MAX },
	};
	int fd = ring_make();
	uint64_t packets = 10;

	if (fd < 0)
		return;
	ring_fill(fd);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		ck_assert_msg(!unread_count(fd, rows[i].blocks, rows[i].block_bytes, &packets),
			      "row %zu", i);
		ck_assert_uint_eq(packets, 10);
	}
	close(fd);
}
END_TEST

/* Nothing in an empty ring tells of the wrong size: a head that is cut off is not read all the
 * same. */
START_TEST(blocks_that_are_no_whole_pages_are_no_rings)
{
	static const uint32_t sizes[] = { 1, 16, 512, 2048 };
	int fd = ring_make();
	uint64_t packets = 10;

	if (fd < 0)
		return;
	ck_assert(unread_count(fd, BLOCKS, BLOCK_BYTES, &packets));
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		ck_assert_msg(
			!unread_count(fd, BLOCKS * BLOCK_BYTES / sizes[i], sizes[i], &packets),
			"size %u", sizes[i]);
	ck_assert_uint_eq(packets, 10);
	close(fd);
}
END_TEST

/* What stands under a ring's name in the store may be anything: a TCP socket can be mapped, with no
 * page behind it. */
START_TEST(what_is_no_ring_is_not_looked_into)
{
	int fds[] = { socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
		      socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
		      memfd_create("empty", MFD_CLOEXEC), -1 };
	uint64_t packets = 10;

	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++) {
		ck_assert_msg(!unread_count(fds[i], BLOCKS, BLOCK_BYTES, &packets), "row %zu", i);
		ck_assert_uint_eq(packets, 10);
		if (fds[i] >= 0)
			close(fds[i]);
	}
}
END_TEST

Suite *suite_unread(void)
{
	Suite *s = suite_create("unread");
	TCase *t = tcase_create("unread");

	tcase_add_test(t, a_ring_is_counted_by_its_heads);
	tcase_add_test(t, a_record_with_other_blocks_is_not_believed);
	tcase_add_test(t, blocks_that_are_no_whole_pages_are_no_rings);
	tcase_add_test(t, what_is_no_ring_is_not_looked_into);
	suite_add_tcase(s, t);
	return s;
}
