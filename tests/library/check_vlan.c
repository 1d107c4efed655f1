/* VLAN tags: told beside the packet, and put back in place. */
#include "lab.h"
#include "suites.h"

#include <linux/if_ether.h>
#include <string.h>

#define HEAD 12u

/* A frame with this many tags (TPID, TCI pairs) */
static size_t tagged(uint8_t *frame, const uint16_t (*tags)[2], unsigned count, size_t payload)
{
	size_t at = HEAD;

	memset(frame, 0, 1500);
	for (unsigned i = 0; i < HEAD; i++)
		frame[i] = (uint8_t)(2 + i);
	for (unsigned i = 0; i < count; i++, at += 4) {
		frame[at] = (uint8_t)(tags[i][0] >> 8);
		frame[at + 1] = (uint8_t)tags[i][0];
		frame[at + 2] = (uint8_t)(tags[i][1] >> 8);
		frame[at + 3] = (uint8_t)tags[i][1];
	}
	frame[at++] = TEST_TYPE >> 8;
	frame[at++] = TEST_TYPE & 0xff;
	for (size_t i = 0; i < payload; i++)
		frame[at++] = (uint8_t)(100 + i);
	return at;
}

/* What is sent, and what of its outer tag is told */
static const struct {
	unsigned count;
	uint16_t tags[2][2];
	bool dei;
	uint8_t pcp;
	uint16_t vid, tpid;
	size_t payload;
} frames[] = {
	{ 1, { { 0x8100, 0x6064 } }, false, 3, 100, 0x8100, 60 },
	{ 1, { { 0x88a8, 0x0fff } }, false, 0, 4095, 0x88a8, 60 },
	{ 1, { { 0x8100, 0x0000 } }, false, 0, 0, 0x8100, 60 }, /* VID 0: a priority tag */
	{ 1, { { 0x8100, 0xe000 } }, false, 7, 0, 0x8100, 60 }, /* PCP only */
	{ 1, { { 0x8100, 0xf000 } }, true, 7, 0, 0x8100, 60 },	/* PCP and DEI only */
	{ 2, { { 0x88a8, 0x0064 }, { 0x8100, 0x20c8 } }, false, 0, 100, 0x88a8, 60 }, /* QinQ */
	{ 1, { { 0x8100, 0x0001 } }, false, 0, 1, 0x8100, 2 },			      /* a runt */
	{ 1, { { 0x8100, 0x0001 } }, false, 0, 1, 0x8100, 1400 },
};
#define FRAMES ((int)(sizeof(frames) / sizeof(*frames)))

static size_t frame_send(uint8_t *frame, int which)
{
	size_t bytes =
		tagged(frame, frames[which].tags, frames[which].count, frames[which].payload);

	lab_send_bytes(frame, bytes);
	return bytes;
}

static void meta_expect(const struct afcap_packet_meta *meta, int which)
{
	ck_assert(meta->vlan);
	ck_assert_uint_eq(meta->vlan_vid, frames[which].vid);
	ck_assert_uint_eq(meta->vlan_pcp, frames[which].pcp);
	ck_assert_int_eq(meta->vlan_dei, frames[which].dei);
	ck_assert_uint_eq(meta->vlan_tpid, frames[which].tpid);
}

/* _i: frame and version */
START_TEST(the_tag_is_told_beside_the_packet)
{
	int which = _i % FRAMES;
	uint8_t frame[1500];
	const struct afcap_packet *packet;
	struct afcap_packet_meta meta;
	size_t bytes;

	options.ring.version = (enum afcap_tpacket)(1 + _i / FRAMES);
	lab_open();
	bytes = frame_send(frame, which);
	packet = lab_next();
	afcap_packet_meta(packet, &meta);
	ck_assert_uint_eq(packet->length, bytes - 4);
	ck_assert_mem_eq(packet->data, frame, HEAD);
	ck_assert_mem_eq(packet->data + HEAD, frame + HEAD + 4, bytes - HEAD - 4);
	if (options.ring.version == AFCAP_TPACKET_V1) /* has no field for it */
		ck_assert(!meta.vlan);
	else
		meta_expect(&meta, which);
	afcap_close(handle);
}
END_TEST

START_TEST(the_tag_is_put_back_in_place)
{
	int which = _i % FRAMES;
	uint8_t frame[1500], copy[1500];
	const struct afcap_packet *packet;
	struct afcap_packet_meta meta;
	size_t bytes;

	options.ring.version = (enum afcap_tpacket)(2 + _i / FRAMES);
	options.vlan_restore = true;
	lab_open();
	for (unsigned around = 0; around < 3; around++) { /* as seen, copied, and not by length */
		bytes = frame_send(frame, which);
		if (around == 1)
			ck_assert_int_eq(
				afcap_read_into(handle, copy, sizeof(copy), &packet, SECOND),
				AFCAP_READY);
		else
			packet = lab_next();
		afcap_packet_meta(packet, &meta);
		ck_assert_uint_eq(packet->length, bytes);
		ck_assert_uint_eq(packet->capture_length, bytes);
		ck_assert_mem_eq(packet->data, frame, bytes);
		meta_expect(&meta, which); /* still told */
	}
	afcap_close(handle);
}
END_TEST

START_TEST(a_walked_block_gets_its_tags_back_once)
{
	uint8_t frame[1500];
	struct afcap_block block;
	size_t bytes;

	options.ring.reserve_bytes = 4;
	lab_open();
	bytes = frame_send(frame, 0);
	ck_assert_int_eq(afcap_wait(handle, PATIENCE), AFCAP_READY);
	ck_assert_int_eq(afcap_block_acquire(handle, &block), 0);
	for (unsigned walk = 0; walk < 2; walk++) {
		struct afcap_packet packet = { 0 };

		ck_assert(afcap_packet_next(&block, &packet));
		ck_assert_int_eq(afcap_vlan_restore(&packet), walk == 0);
		ck_assert(!afcap_vlan_restore(&packet));
		ck_assert_uint_eq(packet.length, bytes);
		ck_assert_mem_eq(packet.data, frame, bytes);
	}
	afcap_block_release(handle, &block);
	afcap_close(handle);
}
END_TEST

START_TEST(without_a_link_layer_header_nothing_is_put_back)
{
	uint8_t frame[1500];
	const struct afcap_packet *packet;
	struct afcap_packet_meta meta;
	size_t bytes;

	options.ring.version = (enum afcap_tpacket)_i;
	options.socket_type = AFCAP_DGRAM;
	options.vlan_restore = true;
	lab_open();
	bytes = frame_send(frame, 0);
	packet = lab_next();
	afcap_packet_meta(packet, &meta);
	ck_assert_uint_eq(packet->length, bytes - HEAD - 6);
	ck_assert_mem_eq(packet->data, frame + HEAD + 6, packet->length);
	meta_expect(&meta, 0);
	afcap_close(handle);
}
END_TEST

START_TEST(a_copy_is_left_alone)
{
	uint8_t frame[1500], copy[1500];
	const struct afcap_packet *packet;
	struct afcap_packet own;

	lab_open();
	frame_send(frame, 0);
	ck_assert_int_eq(afcap_read_into(handle, copy + 8, sizeof(copy) - 8, &packet, SECOND),
			 AFCAP_READY);
	own = *packet;
	ck_assert(own.status & TP_STATUS_VLAN_VALID);
	ck_assert(!afcap_vlan_restore(&own)); /* no room in front of it that were its own */
	ck_assert_ptr_eq(own.data, copy + 8);
	afcap_close(handle);
}
END_TEST

START_TEST(a_packet_without_a_tag_is_left_alone)
{
	struct afcap_packet_meta meta;

	options.vlan_restore = true;
	lab_open();
	lab_send(1, TEST_TYPE);
	afcap_packet_meta(lab_next(), &meta);
	ck_assert(!meta.vlan);
	afcap_close(handle);
}
END_TEST

/* A tag behind a snaplen that is shorter than the addresses cannot be put back. */
START_TEST(a_tag_is_not_put_into_cut_off_addresses)
{
	struct sock_filter code[] = { BPF_STMT(BPF_RET | BPF_K, 11) };
	struct sock_fprog program = { 1, code };
	const struct afcap_packet *packet;
	uint8_t frame[1500];

	options.filter = &program;
	options.vlan_restore = true;
	lab_open();
	frame_send(frame, 0);
	packet = lab_next();
	ck_assert_uint_eq(packet->capture_length, 11);
	ck_assert_mem_eq(packet->data, frame, 11);
	ck_assert(packet->status & TP_STATUS_VLAN_VALID);
	afcap_close(handle);
}
END_TEST

Suite *suite_vlan(void)
{
	Suite *s = suite_create("vlan");
	TCase *t = lab_case(s, "AncillaryVLAN", lab_setup, 30);

	tcase_add_loop_test(t, the_tag_is_told_beside_the_packet, 0, 3 * FRAMES);
	t = lab_case(s, "OptAddVLANHeader", lab_setup, 30);
	tcase_add_loop_test(t, the_tag_is_put_back_in_place, 0, 2 * FRAMES);
	tcase_add_test(t, a_walked_block_gets_its_tags_back_once);
	tcase_add_loop_test(t, without_a_link_layer_header_nothing_is_put_back, 2, 4);
	tcase_add_test(t, a_copy_is_left_alone);
	tcase_add_test(t, a_packet_without_a_tag_is_left_alone);
	tcase_add_test(t, a_tag_is_not_put_into_cut_off_addresses);
	return s;
}
