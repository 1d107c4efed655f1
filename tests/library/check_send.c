/* WritePacketData: single, batches, sending rings. */
#include "lab.h"
#include "suites.h"

#include "../../lib/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/socket.h>

#define MTU 1500u

static struct afcap *out; /* sends on vb; `handle` reads on va */
static uint8_t frames[300][MTU + 32];

static void setup(void)
{
	lab_setup();
	options.ring.blocks =
		256; /* more than there are packets at a time, however slowly they come */
	lab_open();
	options.ring.blocks = 16;
	options.interface = "vb";
	options.send_only = true;
	for (unsigned i = 0; i < 300; i++) {
		memcpy(frames[i], "\2\0\0\0\0\1\2\0\0\0\0\2\x88\xb5", ETH_HLEN);
		for (unsigned k = ETH_HLEN; k < MTU + 32; k++)
			frames[i][k] = (uint8_t)(i + k);
	}
}

static void out_open(void)
{
	ck_assert_msg(afcap_open(&out, &options, &error) == 0, "%s", error.text);
}

static void teardown(void)
{
	afcap_close(out);
	afcap_close(handle);
}

/* Packets first..last arrive, `bytes` long, whole. */
static void arrive(unsigned first, unsigned last, uint32_t bytes)
{
	for (unsigned i = first; i <= last; i++) {
		const struct afcap_packet *packet = lab_next();

		ck_assert_uint_eq(packet->length, bytes);
		ck_assert_mem_eq(packet->data, frames[i], bytes);
	}
}

static void nothing_more(void)
{
	const struct afcap_packet *packet;

	ck_assert_int_eq(afcap_read(handle, &packet, SECOND / 20), AFCAP_TIMEOUT);
}

static struct afcap_stats out_stats(void)
{
	struct afcap_stats stats;

	ck_assert_int_eq(afcap_stats(out, &stats), 0);
	return stats;
}

START_TEST(single_packets_are_sent_or_the_error_is_told)
{
	struct afcap_frame frame = { .data = frames[0], .length = 100 };

	options.qdisc_bypass = _i;
	out_open();
	ck_assert_int_eq(afcap_write(out, &frame), 0);
	arrive(0, 0, 100);
	frame.length = MTU + ETH_HLEN + 1;
	ck_assert_int_eq(afcap_write(out, &frame), -EMSGSIZE);
	frame.length = 5;
	ck_assert_int_eq(afcap_write(out, &frame), -EINVAL);
	frame.length = MTU + ETH_HLEN;
	ck_assert_int_eq(afcap_write(out, &frame), 0);
	arrive(0, 0, MTU + ETH_HLEN);
	ck_assert_uint_eq(out_stats().sent, 2);
	ck_assert_uint_eq(out_stats().sent_bytes, 100 + MTU + ETH_HLEN);
	lab_run("ip link set vb down");
	ck_assert_int_eq(afcap_write(out, &frame), -ENETDOWN);
	lab_run("ip link del vb");
	ck_assert_int_eq(afcap_write(out, &frame), -ENXIO);
	ck_assert_uint_eq(out_stats().sent, 2);
}
END_TEST

START_TEST(a_sender_receives_nothing)
{
	out_open();
	lab_send(10, TEST_TYPE); /* goes out by vb, too */
	ck_assert_uint_eq(out_stats().packets, 0);
	ck_assert_int_eq(afcap_wait(out, SECOND / 20), AFCAP_TIMEOUT);
}
END_TEST

START_TEST(a_batch_is_sent_in_order_up_to_the_first_that_fails)
{
	struct afcap_frame batch[200];

	out_open();
	for (unsigned i = 0; i < 200; i++)
		batch[i] = (struct afcap_frame){ .data = frames[i], .length = 200 };
	ck_assert_int_eq(afcap_write_batch(out, batch, 200), 200);
	arrive(0, 199, 200);
	batch[130].length = MTU + 1000;
	ck_assert_int_eq(afcap_write_batch(out, batch, 200), 130);
	ck_assert_int_eq(afcap_write_batch(out, batch + 130, 70), -EMSGSIZE);
	ck_assert_int_eq(afcap_write_batch(out, batch + 131, 69), 69);
	arrive(0, 129, 200);
	arrive(131, 199, 200);
	nothing_more();
	ck_assert_uint_eq(out_stats().sent, 200 + 199);
	ck_assert_int_eq(afcap_write_batch(out, batch, 0), 0);
}
END_TEST

START_TEST(without_a_link_layer_header_the_kernel_makes_it)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(TEST_TYPE),
				  .sll_halen = 6,
				  .sll_addr = { 2, 0, 0, 0, 0, 1 } };
	struct afcap_frame frame = { .data = "payload", .length = 7, .to = &to };
	const struct afcap_packet *packet;

	to.sll_ifindex = (int)if_nametoindex("vb");
	options.socket_type = AFCAP_DGRAM;
	out_open();
	ck_assert_int_eq(afcap_write(out, &frame), 0);
	packet = lab_next();
	ck_assert_mem_eq(packet->data, "\2\0\0\0\0\1", 6);
	ck_assert_uint_eq(packet->data[12] << 8 | packet->data[13], TEST_TYPE);
	ck_assert_mem_eq(packet->data + ETH_HLEN, "payload", 7);
}
END_TEST

/* ---- sending rings, of version _i ---- */

/* 32 slots */
static void ring_open(int version)
{
	options.ring.version = (enum afcap_tpacket)version;
	options.tx_ring =
		(struct afcap_geometry){ .block_bytes = 16384, .blocks = 4, .frame_bytes = 2048 };
	out_open();
}

/* Queues frames first..last; the ring must have room. */
static void queue(unsigned first, unsigned last, uint32_t bytes)
{
	struct afcap_tx_slot slot;

	for (unsigned i = first; i <= last; i++) {
		ck_assert_int_eq(afcap_tx_acquire(out, &slot), 0);
		ck_assert_uint_ge(slot.capacity, bytes);
		memcpy(slot.data, frames[i], bytes);
		ck_assert_int_eq(afcap_tx_commit(out, &slot, bytes), 0);
	}
}

START_TEST(a_ring_sends_what_is_queued_round_and_round)
{
	ring_open(_i);
	for (unsigned i = 0; i + 23 < 300; i += 23) {
		queue(i, i + 22, 60 + i);
		ck_assert_int_eq(afcap_tx_flush(out, NULL, SECOND), 0);
		arrive(i, i + 22, 60 + i);
	}
	ck_assert_uint_eq(out_stats().sent, 299 / 23 * 23);
	ck_assert_int_eq(afcap_tx_flush(out, NULL, 0), 0); /* nothing queued */
	nothing_more();
}
END_TEST

/* By a slow queue, which the kernel says is full: the flush waits, and all arrive. */
START_TEST(a_flush_waits_for_a_driver_that_is_behind)
{
	if (system("tc qdisc add dev vb root tbf rate 4mbit burst 1600 limit 3000 2>/dev/null"))
		return; /* no tbf here */
	ring_open(_i);
	queue(0, 19, 1000);
	ck_assert_int_eq(afcap_tx_flush(out, NULL, 0), AFCAP_TIMEOUT);
	ck_assert_int_eq(afcap_tx_flush(out, NULL, 10 * SECOND), 0);
	arrive(0, 19, 1000);
	ck_assert_uint_eq(out_stats().sent, 20);
	ck_assert_uint_eq(out_stats().sent_bytes, 20000);
}
END_TEST

START_TEST(a_full_ring_says_so_and_has_room_after_a_flush)
{
	struct afcap_tx_slot slot;

	ring_open(_i);
	queue(0, 31, 100);
	ck_assert_int_eq(afcap_tx_acquire(out, &slot), -EAGAIN);
	ck_assert_int_eq(afcap_tx_flush(out, NULL, -1), 0);
	queue(32, 63, 100);
	ck_assert_int_eq(afcap_tx_flush(out, NULL, -1), 0);
	arrive(0, 63, 100);
}
END_TEST

START_TEST(a_bad_frame_is_refused_and_holds_up_nothing)
{
	struct afcap_tx_slot slot;

	ring_open(_i);
	queue(0, 4, 100);
	ck_assert_int_eq(afcap_tx_acquire(out, &slot), 0);
	memcpy(slot.data, frames[99], 1600);
	ck_assert_int_eq(afcap_tx_commit(out, &slot, MTU + ETH_HLEN + 1), -EMSGSIZE);
	ck_assert_int_eq(afcap_tx_commit(out, &slot, slot.capacity + 1), -EMSGSIZE);
	ck_assert_int_eq(afcap_tx_commit(out, &slot, ETH_HLEN - 1), -EINVAL);
	ck_assert_int_eq(afcap_tx_commit(out, &slot, 0), -EINVAL);
	queue(5, 9, 100);
	ck_assert_int_eq(afcap_tx_commit(out, &slot, 100), -EINVAL); /* not its turn any more */
	ck_assert_int_eq(afcap_tx_flush(out, NULL, SECOND), 0);
	arrive(0, 9, 100);
	memcpy(frames[10] + 12, "\x81\0\0\5", 4); /* a tag may be four bytes more */
	queue(10, 10, MTU + ETH_HLEN + 4);
	ck_assert_int_eq(afcap_tx_flush(out, NULL, SECOND), 0);
	ck_assert_uint_eq(lab_next()->length, MTU + ETH_HLEN);
	nothing_more();
}
END_TEST

/* The interface takes less than when it was opened: the kernel passes over what is too long now. */
START_TEST(what_the_kernel_passes_over_is_told_and_the_rest_is_sent)
{
	ring_open(_i);
	lab_run("ip link set vb mtu 1000");
	queue(0, 4, 100);
	queue(5, 5, 1400);
	queue(6, 9, 100);
	ck_assert_int_eq(afcap_tx_flush(out, NULL, SECOND), -EIO);
	arrive(0, 4, 100);
	arrive(6, 9, 100);
	ck_assert_uint_eq(out_stats().sent_bytes, 900);
	queue(10, 19, 100);
	ck_assert_int_eq(afcap_tx_flush(out, NULL, SECOND), 0);
	arrive(10, 19, 100);
}
END_TEST

START_TEST(what_cannot_be_sent_stays_queued)
{
	ring_open(_i);
	queue(0, 9, 100);
	lab_run("ip link set vb down");
	ck_assert_int_eq(afcap_tx_flush(out, NULL, SECOND / 10), -ENETDOWN);
	ck_assert_uint_eq(out_stats().sent, 0);
	lab_run("ip link set vb up");
	ck_assert_int_eq(afcap_tx_flush(out, NULL, SECOND), 0);
	arrive(0, 9, 100);
	ck_assert_uint_eq(out_stats().sent, 10);
}
END_TEST

START_TEST(one_handle_receives_and_sends_by_rings)
{
	struct afcap_frame frame = { .data = frames[0], .length = 100 };
	const struct afcap_packet *packet;

	options.send_only = false;
	ring_open(_i);
	queue(0, 9, 100);
	ck_assert_int_eq(afcap_tx_flush(out, NULL, SECOND), 0);
	arrive(0, 9, 100);
	ck_assert_int_eq(afcap_write(out, &frame), -EOPNOTSUPP); /* the kernel would ignore it */
	ck_assert_int_eq(afcap_write_batch(out, &frame, 1), -EOPNOTSUPP);
	for (unsigned i = 0; i < 10; i++) { /* its own packets are not given back to a sender */
		struct afcap_frame back = { .data = frames[100 + i], .length = 90 };

		afcap_write(handle, &back);
	}
	for (unsigned i = 0; i < 10; i++) {
		ck_assert_int_eq(afcap_read(out, &packet, PATIENCE), AFCAP_READY);
		ck_assert_mem_eq(packet->data, frames[100 + i], 90);
	}
}
END_TEST

START_TEST(without_a_link_layer_header_a_ring_needs_the_address)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(TEST_TYPE),
				  .sll_halen = 6,
				  .sll_addr = { 2, 0, 0, 0, 0, 1 } };
	const struct afcap_packet *packet;

	to.sll_ifindex = (int)if_nametoindex("vb");
	options.socket_type = AFCAP_DGRAM;
	ring_open(_i);
	queue(0, 2, 50);
	ck_assert_int_eq(afcap_tx_flush(out, &to, SECOND), 0);
	for (unsigned i = 0; i < 3; i++) {
		packet = lab_next();
		ck_assert_mem_eq(packet->data, to.sll_addr, 6);
		ck_assert_mem_eq(packet->data + ETH_HLEN, frames[i], 50);
	}
}
END_TEST

/* The header of the offloads comes first in a slot, and is no part of the packet. */
START_TEST(a_ring_sends_behind_a_vnet_header)
{
	struct afcap_tx_slot slot;

	options.vnet_header_bytes = 10;
	ring_open(_i);
	ck_assert_int_eq(afcap_tx_acquire(out, &slot), 0);
	ck_assert_int_eq(afcap_tx_commit(out, &slot, 10), -EINVAL);
	ck_assert_int_eq(afcap_tx_commit(out, &slot, 10 + 13), -EINVAL);
	memset(slot.data, 0, 10);
	memcpy(slot.data + 10, frames[0], 100);
	ck_assert_int_eq(afcap_tx_commit(out, &slot, 110), 0);
	ck_assert_int_eq(afcap_tx_flush(out, NULL, SECOND), 0);
	arrive(0, 0, 100);
	ck_assert_uint_eq(out_stats().sent_bytes, 100);
}
END_TEST

/* Other packet sockets see what goes out, but for what bypasses the queues. */
START_TEST(what_bypasses_the_queue_is_unseen_by_others)
{
	struct afcap_frame frame = { .data = frames[0], .length = 100 };
	const struct afcap_packet *packet;
	struct afcap *other;

	options.qdisc_bypass = _i;
	out_open();
	options.send_only = options.qdisc_bypass = false;
	ck_assert_msg(afcap_open(&other, &options, &error) == 0, "%s", error.text);
	ck_assert_int_eq(afcap_write(out, &frame), 0);
	arrive(0, 0, 100);
	ck_assert_int_eq(afcap_read(other, &packet, SECOND / 5), _i ? AFCAP_TIMEOUT : AFCAP_READY);
	afcap_close(other);
}
END_TEST

START_TEST(without_a_sending_ring_it_is_told)
{
	struct afcap_tx_slot slot;
	const struct afcap_packet *packet;

	out_open();
	ck_assert_int_eq(afcap_tx_acquire(out, &slot), -ENODEV);
	ck_assert_int_eq(afcap_tx_flush(out, NULL, 0), -ENODEV);
	ck_assert_int_eq(afcap_read(out, &packet, 0), -ENODEV);
}
END_TEST

Suite *suite_send(void)
{
	Suite *s = suite_create("send");
	TCase *t = tcase_create("WritePacketData");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 30);
	tcase_add_loop_test(t, single_packets_are_sent_or_the_error_is_told, 0, 2);
	tcase_add_test(t, a_sender_receives_nothing);
	tcase_add_test(t, a_batch_is_sent_in_order_up_to_the_first_that_fails);
	tcase_add_test(t, without_a_link_layer_header_the_kernel_makes_it);
	tcase_add_test(t, without_a_sending_ring_it_is_told);
	tcase_add_loop_test(t, what_bypasses_the_queue_is_unseen_by_others, 0, 2);
	tcase_add_loop_test(t, a_ring_sends_behind_a_vnet_header, 1, 4);
	tcase_add_loop_test(t, a_ring_sends_what_is_queued_round_and_round, 1, 4);
	tcase_add_loop_test(t, a_flush_waits_for_a_driver_that_is_behind, 1, 4);
	tcase_add_loop_test(t, a_full_ring_says_so_and_has_room_after_a_flush, 1, 4);
	tcase_add_loop_test(t, a_bad_frame_is_refused_and_holds_up_nothing, 1, 4);
	tcase_add_loop_test(t, what_the_kernel_passes_over_is_told_and_the_rest_is_sent, 1, 4);
	tcase_add_loop_test(t, what_cannot_be_sent_stays_queued, 1, 4);
	tcase_add_loop_test(t, one_handle_receives_and_sends_by_rings, 1, 4);
	tcase_add_loop_test(t, without_a_link_layer_header_a_ring_needs_the_address, 1, 4);
	suite_add_tcase(s, t);
	return s;
}
