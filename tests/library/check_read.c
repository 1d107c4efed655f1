/* Reading packet by packet: all versions, both socket types, every way; what is said of a packet.
 */
#include "lab.h"
#include "suites.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#define COUNT	    3000u /* several times around each ring */
#define LENGTH_MOST 1500u

enum way { BY_VIEW, BY_COPY_INTO, BY_COPY, WAYS };

static uint8_t frame[LENGTH_MOST];

static uint32_t length_of(unsigned i)
{
	return 60 + i * 7 % (LENGTH_MOST - 60);
}

/* Frame number i: its bytes say so. */
static void frame_fill(unsigned i)
{
	static const uint8_t head[] = {
		2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, TEST_TYPE >> 8, TEST_TYPE & 0xff
	};

	for (unsigned k = 0; k < length_of(i); k++)
		frame[k] = (uint8_t)(i + k);
	memcpy(frame, head, sizeof(head));
}

/* One packet in this way; its bytes at *data, until the next call */
static const struct afcap_packet *read_by(enum way way)
{
	static uint8_t buffer[LENGTH_MOST], *copy;
	const struct afcap_packet *packet = NULL;
	int rc = -EINVAL;

	switch (way) {
	case BY_VIEW:
		rc = afcap_read(handle, &packet, PATIENCE);
		break;
	case BY_COPY_INTO:
		rc = afcap_read_into(handle, buffer, sizeof(buffer), &packet, PATIENCE);
		ck_assert_ptr_eq(packet->data, buffer);
		break;
	case BY_COPY:
		free(copy);
		rc = afcap_read_copy(handle, &copy, &packet, PATIENCE);
		ck_assert_ptr_eq(packet->data, copy);
		break;
	case WAYS:
		break;
	}
	ck_assert_msg(rc == AFCAP_READY, "%s", afcap_strerror(rc));
	return packet;
}

/* _i: version, type, way */
START_TEST(bytes_lengths_and_order_are_those_sent)
{
	uint32_t skip;

	options.ring.version = (enum afcap_tpacket)(1 + _i % 3);
	options.socket_type = _i / 3 % 2 ? AFCAP_DGRAM : AFCAP_RAW;
	skip = options.socket_type == AFCAP_DGRAM ? ETH_HLEN : 0;
	lab_open();
	for (unsigned sent = 0, got = 0; got < COUNT;) {
		const struct afcap_packet *packet;

		for (unsigned k = 0; k < 15 && sent < COUNT; k++, sent++) {
			frame_fill(sent);
			lab_send_bytes(frame, length_of(sent));
		}
		while (got < sent) {
			packet = read_by((enum way)(_i / 6));
			frame_fill(got);
			ck_assert_uint_eq(packet->length, length_of(got) - skip);
			ck_assert_uint_eq(packet->capture_length, length_of(got) - skip);
			ck_assert_mem_eq(packet->data, frame + skip, packet->capture_length);
			got++;
		}
	}
	ck_assert_uint_eq(lab_stats().received, COUNT);
	ck_assert_uint_eq(lab_stats().packets, COUNT);
	ck_assert_uint_eq(lab_stats().drops, 0);
	afcap_close(handle);
}
END_TEST

START_TEST(a_copy_into_a_small_buffer_says_how_much_fitted)
{
	const struct afcap_packet *packet;
	uint8_t buffer[41];

	options.ring.version = (enum afcap_tpacket)_i;
	lab_open();
	lab_send(2, TEST_TYPE);
	buffer[40] = 0xee;
	ck_assert_int_eq(afcap_read_into(handle, buffer, 40, &packet, PATIENCE), AFCAP_READY);
	ck_assert_uint_eq(packet->capture_length, 40);
	ck_assert_uint_eq(packet->length, FRAME_BYTES);
	ck_assert_uint_eq(buffer[20], 0);
	ck_assert_uint_eq(buffer[40], 0xee);
	ck_assert_int_eq(afcap_read_into(handle, NULL, 0, &packet, PATIENCE), AFCAP_READY);
	ck_assert_uint_eq(packet->capture_length, 0);
	afcap_close(handle);
}
END_TEST

START_TEST(a_filters_snaplen_truncates_and_is_counted)
{
	struct sock_filter code[] = { BPF_STMT(BPF_RET | BPF_K, 50) };
	struct sock_fprog program = { 1, code };
	const struct afcap_packet *packet;
	struct afcap_packet_meta meta;

	options.filter = &program;
	options.ring.version = (enum afcap_tpacket)_i;
	lab_open();
	lab_send(1, TEST_TYPE);
	packet = lab_next();
	afcap_packet_meta(packet, &meta);
	ck_assert(meta.truncated);
	ck_assert_uint_eq(packet->capture_length, 50);
	ck_assert_uint_eq(packet->length, FRAME_BYTES);
	ck_assert_uint_eq(lab_stats().truncated, 1);
	ck_assert_uint_eq(lab_stats().received_bytes, 50);
	afcap_close(handle);
}
END_TEST

/* CaptureInfo and what is beyond it */
START_TEST(all_that_the_kernel_says_of_a_packet_is_told)
{
	uint8_t broadcast[FRAME_BYTES] = { 255, 255, 255, 255, 255, 255,  2,
					   4,	6,   8,	  10,  12,  0x08, 0x00 };
	const struct afcap_packet *packet;
	struct afcap_packet_meta meta;
	struct timespec before, after;

	options.ring.version = (enum afcap_tpacket)_i;
	lab_open();
	clock_gettime(CLOCK_REALTIME, &before);
	lab_send_bytes(broadcast, sizeof(broadcast));
	clock_gettime(CLOCK_REALTIME, &after);
	packet = lab_next();
	afcap_packet_meta(packet, &meta);
	ck_assert_int_eq(meta.type, AFCAP_PACKET_BROADCAST);
	ck_assert_int_eq(meta.hatype, ARPHRD_ETHER);
	ck_assert_int_eq(meta.protocol, ETH_P_IP);
	ck_assert_int_eq(meta.ifindex, (int)if_nametoindex("va"));
	ck_assert_uint_eq(meta.address_bytes, 6);
	ck_assert_mem_eq(meta.address, broadcast + 6, 6);
	ck_assert(!meta.vlan && !meta.truncated && !meta.losing);
	ck_assert_int_eq(meta.timestamp, AFCAP_TIMESTAMP_SOFTWARE);
	ck_assert_int_ge(packet->seconds * SECOND + packet->nanoseconds,
			 before.tv_sec * SECOND + before.tv_nsec - 1000);
	ck_assert_int_le(packet->seconds * SECOND + packet->nanoseconds,
			 after.tv_sec * SECOND + after.tv_nsec);
	if (_i == AFCAP_TPACKET_V1)
		ck_assert_uint_eq(packet->nanoseconds % 1000, 0);
	lab_send(1, TEST_TYPE);
	afcap_packet_meta(lab_next(), &meta);
	ck_assert_int_eq(meta.type, AFCAP_PACKET_OTHERHOST);
	ck_assert_int_eq(meta.protocol, TEST_TYPE);
	afcap_close(handle);
}
END_TEST

/* A frame too small for the packet's place in it: it comes, without its bytes. */
START_TEST(a_packet_without_room_in_its_frame_comes_empty)
{
	const struct afcap_packet *packet;

	options.ring.version = (enum afcap_tpacket)_i;
	options.ring.frame_bytes = 64;
	lab_open();
	lab_send(3, TEST_TYPE);
	for (unsigned i = 0; i < 3; i++) {
		packet = lab_next();
		ck_assert_uint_eq(packet->capture_length, 0);
		ck_assert_uint_eq(packet->length, FRAME_BYTES);
	}
	ck_assert_uint_eq(lab_stats().received, 3);
	afcap_close(handle);
}
END_TEST

START_TEST(the_destination_tells_the_type)
{
	static const uint8_t multicast[FRAME_BYTES] = { 1, 0, 0x5e, 0, 0, 1 };
	uint8_t own[FRAME_BYTES] = { 0 };
	struct afcap_packet_meta meta;
	struct ifreq request = { .ifr_name = "va" };

	lab_open();
	ck_assert_int_eq(ioctl(sender, SIOCGIFHWADDR, &request), 0);
	memcpy(own, request.ifr_hwaddr.sa_data, 6);
	lab_send_bytes(own, sizeof(own));
	lab_send_bytes(multicast, sizeof(multicast));
	afcap_packet_meta(lab_next(), &meta);
	ck_assert_int_eq(meta.type, AFCAP_PACKET_HOST);
	afcap_packet_meta(lab_next(), &meta);
	ck_assert_int_eq(meta.type, AFCAP_PACKET_MULTICAST);
	afcap_close(handle);
	ck_assert_int_eq(afcap_link_type("va"), ARPHRD_ETHER);
	ck_assert_int_eq(afcap_link_type("lo"), ARPHRD_LOOPBACK);
	ck_assert_int_eq(afcap_link_type("a-name-of-sixteen-bytes"), -ENODEV);
}
END_TEST

/* UDP over lo: the kernel leaves the checksum to the card that never comes. */
START_TEST(checksum_state_and_hash_are_told)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
	int udp = socket(AF_INET, SOCK_DGRAM, 0);
	struct afcap_packet_meta meta;
	uint32_t hash = 0;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	options.interface = "lo";
	options.protocol = ETH_P_IP;
	options.rxhash = true;
	lab_open();
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_eq(sendto(udp, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
		afcap_packet_meta(lab_next(), &meta);
		ck_assert_int_ne(meta.checksum, AFCAP_CHECKSUM_VALID);
		ck_assert_uint_ne(meta.rxhash, 0);
		ck_assert(i == 0 || meta.rxhash == hash); /* the same flow */
		hash = meta.rxhash;
		lab_next(); /* ICMP: port unreachable */
	}
	ck_assert_int_eq(meta.checksum, AFCAP_CHECKSUM_NOT_READY);
	afcap_close(handle);
	options.rxhash = false;
	lab_open();
	ck_assert_int_eq(sendto(udp, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
	afcap_packet_meta(lab_next(), &meta);
	ck_assert_uint_eq(meta.rxhash, 0);
	afcap_close(handle);
}
END_TEST

START_TEST(losing_is_told_until_the_statistics_are_read)
{
	const struct afcap_packet *packet;
	struct afcap_packet_meta meta;
	unsigned losing = 0;

	options.ring.version = (enum afcap_tpacket)_i;
	lab_open();
	lab_send(20000, TEST_TYPE);
	while (afcap_read(handle, &packet, SECOND / 10) == AFCAP_READY)
		; /* the overflow */
	lab_send(10, TEST_TYPE);
	for (unsigned i = 0; i < 10; i++) {
		afcap_packet_meta(lab_next(), &meta);
		losing += meta.losing;
	}
	ck_assert_uint_gt(losing, 0);
	ck_assert_uint_gt(lab_stats().drops, 0);
	lab_send(10, TEST_TYPE);
	for (unsigned i = 0; i < 10; i++) {
		afcap_packet_meta(lab_next(), &meta);
		ck_assert(!meta.losing);
	}
	afcap_close(handle);
}
END_TEST

START_TEST(packets_and_blocks_may_be_read_in_turn)
{
	struct afcap_block block;
	unsigned first, second = 0;

	options.ring.block_timeout_ms = 100; /* ten packets stand in one block */
	lab_open();
	lab_send(10, TEST_TYPE);
	ck_assert_uint_eq(lab_next()->data[20], 0); /* its block is held from here on */
	lab_send(10, TEST_TYPE);
	LAB_SOON(afcap_block_acquire(handle, &block) == 0);
	first = lab_next()->data[20];
	ck_assert_uint_eq(first, 1);
	for (struct afcap_packet p = { 0 }; afcap_packet_next(&block, &p);)
		second++;
	ck_assert_uint_eq(second, 10);
	for (unsigned i = 2; i < 10; i++)
		ck_assert_uint_eq(lab_next()->data[20], i);
	afcap_block_release(handle, &block);
	ck_assert_uint_eq(lab_stats().received, 20);
	afcap_close(handle);
}
END_TEST

START_TEST(blocks_are_for_v3_alone)
{
	struct afcap_block block;

	options.ring.version = (enum afcap_tpacket)_i;
	lab_open();
	lab_send(1, TEST_TYPE);
	ck_assert_int_eq(afcap_block_acquire(handle, &block), -EOPNOTSUPP);
	ck_assert_uint_eq(lab_read(1), 1);
	afcap_close(handle);
}
END_TEST

Suite *suite_read(void)
{
	Suite *s = suite_create("read");
	TCase *t = lab_case(s,
			    "SocketRaw SocketDgram ReadPacketData ReadPacketDataTo "
			    "ZeroCopyReadPacketData",
			    lab_setup, 60);

	tcase_add_loop_test(t, bytes_lengths_and_order_are_those_sent, 0, 6 * WAYS);
	tcase_add_loop_test(t, a_copy_into_a_small_buffer_says_how_much_fitted, 1, 4);
	tcase_add_test(t, packets_and_blocks_may_be_read_in_turn);
	tcase_add_loop_test(t, blocks_are_for_v3_alone, 1, 3);
	t = lab_case(s, "CaptureInfo", lab_setup, 30);
	tcase_add_loop_test(t, a_filters_snaplen_truncates_and_is_counted, 1, 4);
	tcase_add_loop_test(t, all_that_the_kernel_says_of_a_packet_is_told, 1, 4);
	tcase_add_loop_test(t, a_packet_without_room_in_its_frame_comes_empty, 1, 3);
	tcase_add_test(t, the_destination_tells_the_type);
	tcase_add_test(t, checksum_state_and_hash_are_told);
	tcase_add_loop_test(t, losing_is_told_until_the_statistics_are_read, 1, 4);
	return s;
}
