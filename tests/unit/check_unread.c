/* daemon/supervisor/unread.c: a ring whose record may be damaged. */
#include "packetring.h"
#include "suites.h"

#include "../../daemon/supervisor/unread.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define BLOCKS	    PACKETRING_BLOCKS
#define BLOCK_BYTES PACKETRING_BLOCK_BYTES

START_TEST(a_ring_is_counted_by_its_heads)
{
	int fd = packetring_open(0);
	uint64_t packets = 10;

	if (fd < 0)
		return;
	packetring_fill(fd);
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
	int fd = packetring_open(0);
	uint64_t packets = 10;

	if (fd < 0)
		return;
	packetring_fill(fd);
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
	int fd = packetring_open(0);
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
