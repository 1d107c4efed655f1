/* daemon/worker/cooked.c, and cooked packets out of blocks made by hand. */
#include "../library/handblock.h"
#include "suites.h"

#include "../../daemon/worker/cooked.h"
#include "../../daemon/worker/pcapng.h"

#include <arpa/inet.h>
#include <net/if_arp.h>

#define BLOCK_BYTES  65536u
#define BUFFER_BYTES (2 * BLOCK_BYTES)

static uint8_t buffer[BUFFER_BYTES];
static struct pcapng_chunk chunk;
static struct pcapng_context context;
static struct handblock block;

static void setup(void)
{
	memset(buffer, 0xaa, BUFFER_BYTES); /* whatever is not written shows */
	context = (struct pcapng_context){ .snaplen = 262124,
					   .vlan_keep = true,
					   .cooked = LINKTYPE_LINUX_SLL2 };
	block = handblock_new(BLOCK_BYTES, 1);
	pcapng_chunk_begin(&chunk, buffer, BUFFER_BYTES);
}

static void teardown(void)
{
	free(block.desc);
}

static uint32_t word(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return v;
}

/* A packet as the kernel puts it into the ring of a SOCK_DGRAM socket */
static struct tpacket3_hdr *packet_add(uint32_t captured, uint16_t protocol)
{
	struct tpacket3_hdr *h = handblock_add(&block, captured, 96, 0x45);
	struct sockaddr_ll *link = (struct sockaddr_ll *)(void *)(h + 1);

	*link = (struct sockaddr_ll){ .sll_family = AF_PACKET,
				      .sll_protocol = htons(protocol),
				      .sll_ifindex = 0x01020304,
				      .sll_hatype = ARPHRD_ETHER,
				      .sll_pkttype = PACKET_OTHERHOST,
				      .sll_halen = 6,
				      .sll_addr = { 2, 3, 4, 5, 6, 7, 0x99, 0x99 } };
	return h;
}

static void tag_add(struct tpacket3_hdr *h, uint16_t tpid, uint16_t tci)
{
	h->tp_status |= TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID;
	h->hv1.tp_vlan_tpid = tpid;
	h->hv1.tp_vlan_tci = tci;
}

static struct sockaddr_ll *link_of(struct tpacket3_hdr *h)
{
	return (struct sockaddr_ll *)(void *)(h + 1);
}

/* The first EPB of what the block makes */
static const uint8_t *encode(void)
{
	struct afcap_block view = handblock_view(&block);

	pcapng_chunk_add(&chunk, &view, &context);
	ck_assert_uint_eq(chunk.unreadable, 0);
	ck_assert_uint_gt(pcapng_chunk_end(&chunk, &context), 0);
	return buffer + CHUNK_HEADER_BYTES;
}

START_TEST(the_header_is_what_the_kernel_says_of_the_packet)
{
	static const uint8_t expected[] = { 0x08, 0x00, 0, 0, 1, 2, 3, 4, 0, 1,
					    3,	  6,	2, 3, 4, 5, 6, 7, 0, 0 };
	const uint8_t *epb;

	packet_add(61, 0x0800)->tp_len = 100;
	epb = encode();
	ck_assert_uint_eq(word(epb + 20), 81);
	ck_assert_uint_eq(word(epb + 24), 120);
	ck_assert_mem_eq(epb + 28, expected, sizeof(expected));
	for (uint32_t i = 0; i < 61; i++)
		ck_assert_uint_eq(epb[48 + i], (uint8_t)(0x45 + i));
	for (uint32_t i = 81; i < 84; i++)
		ck_assert_uint_eq(epb[28 + i], 0);
	ck_assert_uint_eq(word(epb + 4), 32 + 84);
	ck_assert_uint_eq(word(epb + 28 + 84), 32 + 84);
	/* as in the ring */
	ck_assert_uint_eq(chunk.received_bytes, 61);
	ck_assert_uint_eq(chunk.truncated, 1);
}
END_TEST

START_TEST(the_first_version_has_the_same_elsewhere)
{
	static const uint8_t expected[] = { 0, 3, 0, 1, 0, 6, 2, 3, 4, 5, 6, 7, 0, 0, 0x08, 0x00 };
	static const uint8_t tag[] = { 0x81, 0x00, 0x12, 0x34, 0x08, 0x00 };
	const uint8_t *epb;

	context.cooked = LINKTYPE_LINUX_SLL;
	packet_add(61, 0x0800);
	tag_add(packet_add(40, 0x0800), 0x8100, 0x1234);
	epb = encode();
	ck_assert_uint_eq(word(epb + 20), 77);
	ck_assert_uint_eq(word(epb + 24), 77);
	ck_assert_mem_eq(epb + 28, expected, sizeof(expected));
	for (uint32_t i = 0; i < 61; i++)
		ck_assert_uint_eq(epb[44 + i], (uint8_t)(0x45 + i));
	epb += word(epb + 4);
	ck_assert_uint_eq(word(epb + 20), 60);
	ck_assert_mem_eq(epb + 28 + 14, tag, sizeof(tag));
	ck_assert_uint_eq(epb[48], 0x45);
}
END_TEST

/* Of InfiniBand it is 20 bytes long: as many as there is room for */
START_TEST(a_long_address_is_cut_and_a_missing_one_is_zeros)
{
	static const uint8_t none[8];
	struct tpacket3_hdr *h = packet_add(40, 0x0800);
	uint8_t head[COOKED_BYTES_MAX];
	struct afcap_packet packet = { .data = (const uint8_t *)h + 96, .link = link_of(h) };

	link_of(h)->sll_halen = 20;
	ck_assert_uint_eq(cooked_header(head, &packet, LINKTYPE_LINUX_SLL2, false), 20);
	ck_assert_uint_eq(head[11], 20);
	ck_assert_mem_eq(head + 12, link_of(h)->sll_addr, 8);
	link_of(h)->sll_halen = 0;
	cooked_header(head, &packet, LINKTYPE_LINUX_SLL2, false);
	ck_assert_mem_eq(head + 12, none, 8);
}
END_TEST

/* TPID, TCI, the kernel's protocol, what stands behind the tag; packets are of 60 bytes */
static const struct {
	uint16_t tpid, tci, protocol, within;
} tags[] = {
	{ 0x8100, 100, 0x0800, 0x0800 },
	{ 0x88a8, 0xe000 | 5, 0x86dd, 0x86dd },
	{ 0x8100, 0, 0x0806, 0x0806 },
	{ 0x88a8, 7, 0x8100, 0x8100 }, /* another tag in the packet's bytes */
	{ 0x8100, 7, 4, 60 },	       /* 802.2: the length */
	{ 0x8100, 7, 0x26, 0x26 },     /* sent with its length */
};

START_TEST(a_stripped_tag_stands_in_front_of_the_packet)
{
	const uint8_t *epb, *data;
	uint16_t expected[3] = { htons(tags[_i].tpid), htons(tags[_i].tci),
				 htons(tags[_i].within) };

	tag_add(packet_add(60, tags[_i].protocol), tags[_i].tpid, tags[_i].tci);
	epb = encode();
	data = epb + 28;
	ck_assert_uint_eq(word(epb + 20), 84);
	ck_assert_uint_eq(word(epb + 24), 84);
	ck_assert_mem_eq(data, &expected[0], 2);
	ck_assert_uint_eq(data[10], PACKET_OTHERHOST);
	ck_assert_mem_eq(data + 20, &expected[1], 4);
	for (uint32_t i = 0; i < 60; i++)
		ck_assert_uint_eq(data[24 + i], (uint8_t)(0x45 + i));
	ck_assert_uint_eq(chunk.received_bytes, 60);
	ck_assert_uint_eq(chunk.truncated, 0);
}
END_TEST

START_TEST(a_tag_stays_away_when_told_so)
{
	const uint8_t *epb;

	context.vlan_keep = false;
	tag_add(packet_add(60, 0x0800), 0x88a8, 100);
	epb = encode();
	ck_assert_uint_eq(word(epb + 20), 80);
	ck_assert_uint_eq(epb[28] << 8 | epb[29], 0x0800);
}
END_TEST

/* The file's snapshot length is that of the packets and the header: nothing is longer, down to
 * packets that are shorter than a tag. */
START_TEST(a_tag_makes_no_packet_longer_than_the_snapshot_length)
{
	static const uint8_t tag[] = { 0x12, 0x34, 8, 0 };
	uint32_t snaplen = (uint32_t)_i, captured;
	const uint8_t *epb;

	context.snaplen = snaplen;
	tag_add(packet_add(snaplen, 0x0800), 0x8100, 0x1234);
	epb = encode();
	captured = word(epb + 20);
	ck_assert_uint_eq(captured, 20 + snaplen);
	ck_assert_uint_eq(word(epb + 24), 24 + snaplen);
	for (uint32_t i = 0; i < snaplen && i < 4; i++)
		ck_assert_uint_eq(epb[48 + i], tag[i]);
	for (uint32_t i = 4; i < snaplen; i++)
		ck_assert_uint_eq(epb[48 + i], (uint8_t)(0x45 + i - 4));
	for (uint32_t i = captured; i % 4; i++)
		ck_assert_uint_eq(epb[28 + i], 0);
	ck_assert_uint_eq(chunk.truncated, 1); /* by the tag */
}
END_TEST

/* What came in with two tags: the kernel tells IP, but has taken out one tag only. The packet's
 * first bytes; its length; what the header must say. */
static const struct {
	uint8_t bytes[10];
	uint32_t length;
	uint16_t protocol, said;
	uint8_t type;
} doubles[] = {
	{ { 0, 70, 8, 0, 0x45, 0, 0, 58 }, 62, 0x0800, 0x8100, PACKET_HOST },
	{ { 0, 70, 0x86, 0xdd, 0x60, 0, 0, 0 }, 62, 0x86dd, 0x8100, PACKET_HOST },
	{ { 0, 70, 8, 6, 0, 1, 8, 0 }, 62, 0x0806, 0x8100, PACKET_BROADCAST },
	{ { 0, 70, 0x81, 0, 0, 71, 8, 0, 0x45 }, 62, 0x0800, 0x8100, PACKET_HOST },
	/* priority 2: like IP at first sight, of another length */
	{ { 0x45, 0, 8, 0, 0x45, 0, 0, 58 }, 62, 0x0800, 0x8100, PACKET_HOST },
	/* one tag only: IP of 2048 bytes, IPv6 with such a flow label; ARP; a protocol of no known
	   form */
	{ { 0x45, 0, 8, 0, 0x45, 0, 0, 0 }, 2048, 0x0800, 0x0800, PACKET_HOST },
	{ { 0x60, 0, 0x86, 0xdd, 0, 20, 0, 0 }, 60, 0x86dd, 0x86dd, PACKET_HOST },
	{ { 0, 1, 8, 0, 6, 4, 0, 1 }, 60, 0x0806, 0x0806, PACKET_BROADCAST },
	{ { 0x11, 0, 0x88, 0x64, 0, 20, 0, 0 }, 60, 0x8864, 0x8864, PACKET_HOST },
	/* that went out begins with its network layer */
	{ { 0, 70, 8, 0, 0x45, 0, 0, 58 }, 62, 0x0800, 0x0800, PACKET_OUTGOING },
};

START_TEST(a_second_tag_is_not_taken_for_what_it_holds)
{
	struct tpacket3_hdr *h = packet_add(10, doubles[_i].protocol);
	const uint8_t *epb;

	tag_add(h, 0x88a8, 7);
	link_of(h)->sll_pkttype = doubles[_i].type;
	memcpy((uint8_t *)h + 96, doubles[_i].bytes, 10);
	h->tp_len = doubles[_i].length;
	epb = encode();
	ck_assert_uint_eq(epb[28] << 8 | epb[29], 0x88a8);
	ck_assert_uint_eq(epb[50] << 8 | epb[51], doubles[_i].said);
	ck_assert_mem_eq(epb + 52, doubles[_i].bytes, 10);
}
END_TEST

/* Too short for a second tag: nothing behind the packet's end is looked at. */
START_TEST(a_packet_cut_short_is_what_the_kernel_says)
{
	static const uint8_t bytes[] = { 0, 70, 8, 0 };
	struct tpacket3_hdr *h = packet_add((uint32_t)_i, 0x0800);

	tag_add(h, 0x8100, 7);
	memcpy((uint8_t *)h + 96, bytes, sizeof(bytes));
	ck_assert_uint_eq(encode()[51], 0);
	ck_assert_uint_eq(buffer[CHUNK_HEADER_BYTES + 50], 0x08);
}
END_TEST

/* At every length, also with the least room that a slot can have beside its packet */
START_TEST(a_full_block_fits_the_promised_room)
{
	static const uint32_t places[] = { 96, sizeof(struct tpacket3_hdr) +
						       sizeof(struct sockaddr_ll) };
	struct afcap_block view;
	uint32_t most = pcapng_chunk_bytes_max(BLOCK_BYTES);

	for (unsigned k = 0; k < 2; k++) {
		free(block.desc);
		block = handblock_new(BLOCK_BYTES, 1);
		while (block.used + places[k] + (uint32_t)_i + 8 < BLOCK_BYTES)
			tag_add(handblock_add(&block, (uint32_t)_i, places[k], 1), 0x8100, 5);
		view = handblock_view(&block);
		pcapng_chunk_begin(&chunk, buffer, most);
		pcapng_chunk_add(&chunk, &view, &context);
		ck_assert_uint_eq(chunk.unreadable, 0);
		ck_assert_uint_le(pcapng_chunk_end(&chunk, &context), most);
	}
}
END_TEST

/* A block that says it is full of packets which overlap: the room ends first. */
START_TEST(overlapping_slots_do_not_leave_the_room)
{
	struct afcap_block view;
	struct tpacket3_hdr *h;
	uint32_t capacity = pcapng_chunk_bytes_max(BLOCK_BYTES);

	for (uint32_t i = 0; i < 600; i++) {
		h = handblock_add(&block, 1, 96, 1);
		h->tp_snaplen = h->tp_len = 1000 + (uint32_t)_i;
		tag_add(h, 0x8100, 5);
	}
	view = handblock_view(&block);
	view.bytes = BLOCK_BYTES;
	pcapng_chunk_begin(&chunk, buffer, capacity);
	pcapng_chunk_add(&chunk, &view, &context);
	ck_assert_uint_gt(chunk.unreadable, 0);
	ck_assert_uint_le(pcapng_chunk_end(&chunk, &context), capacity);
	ck_assert_uint_eq(buffer[capacity], 0xaa);
}
END_TEST

Suite *suite_cooked(void)
{
	Suite *s = suite_create("cooked");
	TCase *t = tcase_create("cooked");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, the_header_is_what_the_kernel_says_of_the_packet);
	tcase_add_test(t, the_first_version_has_the_same_elsewhere);
	tcase_add_test(t, a_long_address_is_cut_and_a_missing_one_is_zeros);
	tcase_add_loop_test(t, a_stripped_tag_stands_in_front_of_the_packet, 0,
			    sizeof(tags) / sizeof(*tags));
	tcase_add_test(t, a_tag_stays_away_when_told_so);
	tcase_add_loop_test(t, a_tag_makes_no_packet_longer_than_the_snapshot_length, 0, 20);
	tcase_add_loop_test(t, a_second_tag_is_not_taken_for_what_it_holds, 0,
			    sizeof(doubles) / sizeof(*doubles));
	tcase_add_loop_test(t, a_packet_cut_short_is_what_the_kernel_says, 0, 4);
	tcase_add_loop_test(t, a_full_block_fits_the_promised_room, 0, 20);
	tcase_add_loop_test(t, overlapping_slots_do_not_leave_the_room, 0, 40);
	suite_add_tcase(s, t);
	return s;
}
