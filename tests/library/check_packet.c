/* The walk of a block, on blocks made by hand; VLAN tags put back; names. */
#include "handblock.h"
#include "suites.h"

#include "../../lib/afcap.h"

static struct handblock block;
static struct afcap_block view;
static struct afcap_packet packet;

static void setup(void)
{
	block = handblock_new(4096, 1);
	packet = (struct afcap_packet){ 0 };
}

static void teardown(void)
{
	free(block.desc);
}

static bool walk(void)
{
	return afcap_packet_next(&view, &packet);
}

START_TEST(packets_come_in_order_and_are_counted)
{
	for (unsigned i = 0; i < 5; i++)
		handblock_add(&block, 40 + i, 82, (uint8_t)i)->tp_len = 1000;
	view = handblock_view(&block);
	for (unsigned i = 0; i < 5; i++) {
		ck_assert(walk());
		ck_assert_uint_eq(packet.capture_length, 40 + i);
		ck_assert_uint_eq(packet.length, 1000);
		ck_assert_uint_eq(packet.data[1], i + 1);
	}
	ck_assert(!walk());
	ck_assert_uint_eq(packet.seen, 5);
	ck_assert_uint_eq(view.walked_packets, 5);
	ck_assert_uint_eq(view.walked_bytes, 40 + 41 + 42 + 43 + 44);
	ck_assert_uint_eq(view.walked_truncated, 5);
}
END_TEST

START_TEST(what_the_status_says_is_told)
{
	struct afcap_packet_meta meta;

	handblock_add(&block, 60, 82, 0)->tp_status |= TP_STATUS_CSUM_VALID;
	handblock_add(&block, 60, 82, 0)->tp_status |= TP_STATUS_CSUMNOTREADY | (1 << 8);
	handblock_add(&block, 60, 82, 0)->tp_status |= TP_STATUS_TS_RAW_HARDWARE;
	view = handblock_view(&block);
	view.status |= TP_STATUS_LOSING;
	ck_assert(walk());
	afcap_packet_meta(&packet, &meta);
	ck_assert_int_eq(meta.checksum, AFCAP_CHECKSUM_VALID);
	ck_assert(!meta.gso_tcp && meta.losing);
	ck_assert(walk());
	afcap_packet_meta(&packet, &meta);
	ck_assert_int_eq(meta.checksum, AFCAP_CHECKSUM_NOT_READY);
	ck_assert(meta.gso_tcp);
	ck_assert_int_eq(meta.timestamp, AFCAP_TIMESTAMP_SOFTWARE);
	ck_assert(walk());
	afcap_packet_meta(&packet, &meta);
	ck_assert_int_eq(meta.checksum, AFCAP_CHECKSUM_UNKNOWN);
	ck_assert_int_eq(meta.timestamp, AFCAP_TIMESTAMP_HARDWARE);
}
END_TEST

START_TEST(an_empty_block_has_no_packet)
{
	view = handblock_view(&block);
	ck_assert(!walk());
	ck_assert_uint_eq(packet.seen, 0);
}
END_TEST

START_TEST(an_unfilled_slot_is_passed_over)
{
	handblock_add(&block, 60, 82, 1);
	handblock_add(&block, 60, 82, 2)->tp_status = 0;
	handblock_add(&block, 60, 82, 3);
	view = handblock_view(&block);
	ck_assert(walk());
	ck_assert_uint_eq(packet.data[0], 1);
	ck_assert(walk());
	ck_assert_uint_eq(packet.data[0], 3);
	ck_assert(!walk());
}
END_TEST

/* Each row spoils the second of three slots; the walk ends there. */
static void spoil_mac_small(struct tpacket3_hdr *h)
{
	h->tp_mac = 67;
}
static void spoil_mac_large(struct tpacket3_hdr *h)
{
	h->tp_mac = 65535;
}
static void spoil_length(struct tpacket3_hdr *h)
{
	h->tp_snaplen = UINT32_MAX;
}
static void spoil_next_odd(struct tpacket3_hdr *h)
{
	h->tp_next_offset = 148;
}
static void spoil_next_wrap(struct tpacket3_hdr *h)
{
	h->tp_next_offset = (uint32_t)-152;
}
static void spoil_next_far(struct tpacket3_hdr *h)
{
	h->tp_next_offset = 1 << 20;
}
static const struct {
	void (*spoil)(struct tpacket3_hdr *h);
	unsigned good;
} spoils[] = { { spoil_mac_small, 1 },
	       { spoil_mac_large, 1 },
	       { spoil_length, 1 },
	       { spoil_next_odd, 2 },
	       { spoil_next_far, 2 } };

START_TEST(the_walk_ends_at_a_slot_that_does_not_lie_in_the_block)
{
	handblock_add(&block, 60, 82, 1);
	struct tpacket3_hdr *h = handblock_add(&block, 60, 82, 2);

	handblock_add(&block, 60, 82, 3);
	view = handblock_view(&block);
	spoils[_i].spoil(h);
	for (unsigned i = 0; i < spoils[_i].good; i++)
		ck_assert(walk());
	ck_assert(!walk());
	ck_assert_uint_lt(packet.seen, view.packets);
}
END_TEST

START_TEST(a_walk_that_is_sent_back_ends_with_the_count)
{
	struct tpacket3_hdr *h;

	handblock_add(&block, 60, 82, 1);
	h = handblock_add(&block, 60, 82, 2);
	handblock_add(&block, 60, 82, 3);
	view = handblock_view(&block);
	/* Back to the first slot, in a circle of slots that are passed over: by its count the block
	 * would keep the walk for minutes. */
	for (uint32_t at = 48; at < view.bytes; at += 144)
		((struct tpacket3_hdr *)(void *)((char *)block.desc + at))->tp_status = 0;
	view.packets = UINT32_MAX;
	h->tp_next_offset = (uint32_t)-144;
	ck_assert(!walk());
	ck_assert_uint_lt(packet.seen, 10);
	packet = (struct afcap_packet){ 0 };
	view.packets = 3;
	spoil_next_wrap(h); /* to before the first slot */
	for (unsigned i = 0; i < 3; i++)
		if (!walk())
			break;
	ck_assert(!walk());
	ck_assert_uint_le(packet.seen, 3);
}
END_TEST

/* No room in front: as for a maclen of 26 without reserve */
START_TEST(a_tag_without_room_is_not_put_back)
{
	struct tpacket3_hdr *h = handblock_add(&block, 60, 70, 1);

	h->tp_status |= TP_STATUS_VLAN_VALID;
	h->hv1.tp_vlan_tci = 5;
	view = handblock_view(&block);
	ck_assert(walk());
	ck_assert(!afcap_vlan_restore(&packet));
	ck_assert_uint_eq(packet.capture_length, 60);
	ck_assert_uint_eq(packet.data[0], 1);
}
END_TEST

START_TEST(a_tag_with_just_the_room_is_put_back)
{
	struct tpacket3_hdr *h = handblock_add(&block, 60, 72, 1);
	static const uint8_t expected[] = { 1,	2,  3,	4,    5,    6,	  7, 8, 9,
					    10, 11, 12, 0x88, 0xa8, 0x20, 5, 13 };

	h->tp_status |= TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID;
	h->hv1.tp_vlan_tci = 0x2005;
	h->hv1.tp_vlan_tpid = 0x88a8;
	view = handblock_view(&block);
	ck_assert(walk());
	ck_assert(afcap_vlan_restore(&packet));
	ck_assert_mem_eq(packet.data, expected, sizeof(expected));
	ck_assert_uint_eq(packet.capture_length, 64);
	ck_assert_uint_eq(packet.length, 64);
}
END_TEST

Suite *suite_packet(void)
{
	Suite *s = suite_create("packet");
	TCase *t = tcase_create("packet");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, packets_come_in_order_and_are_counted);
	tcase_add_test(t, what_the_status_says_is_told);
	tcase_add_test(t, an_empty_block_has_no_packet);
	tcase_add_test(t, an_unfilled_slot_is_passed_over);
	tcase_add_loop_test(t, the_walk_ends_at_a_slot_that_does_not_lie_in_the_block, 0,
			    sizeof(spoils) / sizeof(*spoils));
	tcase_add_test(t, a_walk_that_is_sent_back_ends_with_the_count);
	tcase_add_test(t, a_tag_without_room_is_not_put_back);
	tcase_add_test(t, a_tag_with_just_the_room_is_put_back);
	suite_add_tcase(s, t);
	return s;
}
