/* daemon/worker/compact.c on blocks made by hand, and a walker of its own. */
#include "../library/handblock.h"
#include "suites.h"

#include "../../daemon/worker/pcapng.h"

#include <arpa/inet.h>

#define BLOCK_BYTES  65536u
#define BUFFER_BYTES (2 * BLOCK_BYTES)

static uint8_t *buffer;
static struct pcapng_chunk chunk;
static struct pcapng_context context;

static void setup(void)
{
	buffer = malloc(BUFFER_BYTES);
	memset(buffer, 0xaa, BUFFER_BYTES); /* whatever is not written shows */
	context = (struct pcapng_context){
		.worker = 3,
		.snaplen = 262144,
		.vlan_keep = true,
		.drops = 17,
		.freezes = 2,
		.drops_noted = 17,
	};
	pcapng_chunk_begin(&chunk, buffer, BUFFER_BYTES);
}

static void teardown(void)
{
	free(buffer);
}

static uint32_t word(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return v;
}

struct epb {
	uint64_t ns;
	uint32_t captured, length;
	const uint8_t *data;
};

/* The packets of a finished chunk; checks every length word and that the options are well formed
 * and end. */
static unsigned walk(uint32_t bytes, struct epb *epbs)
{
	unsigned n = 0;

	ck_assert_uint_eq(word(buffer), CHUNK_TYPE);
	for (uint32_t at = 0; at < bytes;) {
		const uint8_t *b = buffer + at;
		uint32_t total = word(b + 4);

		ck_assert_uint_ge(total, 12);
		ck_assert_uint_eq(total % 4, 0);
		ck_assert_uint_le(at + total, bytes);
		ck_assert_uint_eq(word(b + total - 4), total);
		if (at) {
			uint32_t captured = word(b + 20), end = 28 + (captured + 3) / 4 * 4;

			ck_assert_uint_eq(word(b), 6);
			epbs[n++] = (struct epb){ (uint64_t)word(b + 12) << 32 | word(b + 16),
						  captured, word(b + 24), b + 28 };
			for (uint32_t i = 28 + captured; i < end; i++)
				ck_assert_uint_eq(b[i], 0);
			while (end < total - 4) {
				uint32_t code = word(b + end) & 0xffff,
					 length = word(b + end) >> 16;

				if (code == 0) {
					ck_assert_uint_eq(end, total - 8);
					break;
				}
				end += 4 + (length + 3) / 4 * 4;
				ck_assert_uint_le(end, total - 8);
			}
		}
		at += total;
	}
	return n;
}

START_TEST(packets_come_out_as_they_went_in)
{
	struct handblock b = handblock_new(BLOCK_BYTES, 9);
	struct afcap_block view;
	struct epb epbs[100];
	uint32_t bytes;

	for (uint32_t i = 0; i < 50; i++)
		handblock_add(&b, i * 13, 82, (uint8_t)i)->tp_len = i * 13 + i % 3;
	view = handblock_view(&b);
	pcapng_chunk_add(&chunk, &view, &context);
	bytes = pcapng_chunk_end(&chunk, &context);
	ck_assert_uint_eq(bytes % 4, 0);
	ck_assert_uint_eq(buffer[bytes], 0xaa);
	ck_assert_uint_eq(walk(bytes, epbs), 50);
	for (uint32_t i = 0; i < 50; i++) {
		ck_assert_uint_eq(epbs[i].captured, i * 13);
		ck_assert_uint_eq(epbs[i].length, i * 13 + i % 3);
		ck_assert_uint_eq(epbs[i].ns, UINT64_C(1700000000) * 1000000000 + 5 + i);
		for (uint32_t k = 0; k < epbs[i].captured; k++)
			ck_assert_uint_eq(epbs[i].data[k], (uint8_t)(i + k));
	}
	ck_assert_uint_eq(chunk.packets, 50);
	ck_assert_uint_eq(chunk.unreadable, 0);
	ck_assert_uint_eq(chunk.received_bytes, 13 * 49 * 50 / 2);
	ck_assert_uint_eq(chunk.truncated, 33);
	free(b.desc);
}
END_TEST

START_TEST(the_chunk_header_says_what_is_in_it)
{
	struct handblock a = handblock_new(BLOCK_BYTES, 41), b = handblock_new(BLOCK_BYTES, 42);
	struct afcap_block views[2];
	uint32_t bytes;
	uint64_t v[6];

	handblock_add(&a, 60, 82, 0);
	handblock_add(&b, 60, 82, 0);
	handblock_add(&b, 61, 82, 0)->tp_len++;
	views[0] = handblock_view(&a);
	views[1] = handblock_view(&b);
	pcapng_chunk_add(&chunk, &views[0], &context);
	pcapng_chunk_add(&chunk, &views[1], &context);
	bytes = pcapng_chunk_end(&chunk, &context);
	ck_assert_uint_eq(word(buffer + 4), CHUNK_HEADER_BYTES);
	ck_assert_uint_eq(word(buffer + 8), CHUNK_MAGIC);
	ck_assert_uint_eq(word(buffer + 12), 3);
	ck_assert_uint_eq(word(buffer + 16), bytes);
	ck_assert_uint_eq(word(buffer + 20), 3 | 2 << 16);
	memcpy(v, buffer + 24, sizeof(v));
	ck_assert_uint_eq(v[0], 41);
	ck_assert_uint_eq(v[1], UINT64_C(1700000000000000005));
	ck_assert_uint_eq(v[2], 181 | UINT64_C(1) << 32); /* captured, truncated */
	ck_assert_uint_eq(v[3], 17);
	ck_assert_uint_eq(v[4], 2);
	ck_assert_uint_eq(v[5], UINT64_C(1700000000000000006));
	free(a.desc);
	free(b.desc);
}
END_TEST

START_TEST(a_pad_ends_at_the_alignment_and_is_a_block)
{
	static const uint32_t aligns[] = { 4, 16, 512, 4096, 65536 };
	static const uint8_t zeros[65536 + 16];
	uint32_t align = aligns[_i];

	for (uint64_t end = UINT64_C(1) << 33; end < (UINT64_C(1) << 33) + 2 * align; end += 4) {
		uint32_t n = pcapng_pad_bytes(end, align);

		memset(buffer, 0xaa, n + 1);
		pcapng_pad(buffer, n);
		ck_assert_uint_eq((end + n) % align, 0);
		ck_assert_uint_lt(n, align + 16);
		ck_assert_uint_eq(buffer[n], 0xaa);
		if (!n)
			continue;
		ck_assert_uint_ge(n, 16);
		ck_assert_uint_eq(word(buffer), CHUNK_PAD_TYPE);
		ck_assert_uint_eq(word(buffer + 4), n);
		ck_assert_uint_eq(word(buffer + n - 4), n);
		ck_assert_mem_eq(buffer + 8, zeros, n - 12);
	}
}
END_TEST

/* tci, TPID valid?, expected tag */
static const struct {
	uint16_t tci, tpid, expected_tpid;
	uint32_t status;
} tags[] = {
	{ 100, 0x8100, 0x8100, TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID },
	{ 0xe000 | 5, 0x88a8, 0x88a8, TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID },
	{ 0, 0x8100, 0x8100,
	  TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID }, /* priority tag 0 */
	{ 7, 0, 0x8100, TP_STATUS_VLAN_VALID },
};

START_TEST(a_stripped_tag_is_put_back)
{
	struct handblock b = handblock_new(BLOCK_BYTES, 1);
	struct tpacket3_hdr *h = handblock_add(&b, 60, 82, 1);
	struct afcap_block view;
	struct epb epbs[2];
	uint16_t tag[2];

	h->tp_status |= tags[_i].status;
	h->hv1.tp_vlan_tci = tags[_i].tci;
	h->hv1.tp_vlan_tpid = tags[_i].tpid;
	view = handblock_view(&b);
	pcapng_chunk_add(&chunk, &view, &context);
	walk(pcapng_chunk_end(&chunk, &context), epbs);
	ck_assert_uint_eq(epbs[0].captured, 64);
	ck_assert_uint_eq(epbs[0].length, 64);
	memcpy(tag, epbs[0].data + 12, 4);
	ck_assert_uint_eq(ntohs(tag[0]), tags[_i].expected_tpid);
	ck_assert_uint_eq(ntohs(tag[1]), tags[_i].tci);
	for (uint32_t i = 0; i < 12; i++)
		ck_assert_uint_eq(epbs[0].data[i], i + 1);
	for (uint32_t i = 12; i < 60; i++)
		ck_assert_uint_eq(epbs[0].data[i + 4], i + 1);
	ck_assert_uint_eq(chunk.received_bytes, 60);
	free(b.desc);
}
END_TEST

START_TEST(a_tag_stays_away_when_told_so_or_where_it_does_not_fit)
{
	struct handblock b = handblock_new(BLOCK_BYTES, 1);
	struct afcap_block view;
	struct epb epbs[3];

	handblock_add(&b, 60, 82, 1)->tp_status |= TP_STATUS_VLAN_VALID;
	handblock_add(&b, 11, 82, 1)->tp_status |= TP_STATUS_VLAN_VALID; /* a runt */
	view = handblock_view(&b);
	context.snaplen = 62;
	pcapng_chunk_add(&chunk, &view, &context);
	walk(pcapng_chunk_end(&chunk, &context), epbs);
	ck_assert_uint_eq(epbs[0].captured, 62);
	ck_assert_uint_eq(epbs[0].length, 64);
	ck_assert_uint_eq(epbs[1].captured, 11);
	ck_assert_uint_eq(chunk.truncated, 1); /* by the tag */
	pcapng_chunk_begin(&chunk, buffer, BUFFER_BYTES);
	context.vlan_keep = false;
	pcapng_chunk_add(&chunk, &view, &context);
	walk(pcapng_chunk_end(&chunk, &context), epbs);
	ck_assert_uint_eq(epbs[0].captured, 60);
	free(b.desc);
}
END_TEST

/* The value of epb_dropcount, or 0. */
static uint64_t dropcount(const struct epb *e)
{
	const uint8_t *options = e->data + (e->captured + 3) / 4 * 4;
	uint64_t v = 0;

	if (word(e->data - 24) > 32 + (e->captured + 3) / 4 * 4 && word(options) == (4 | 8 << 16))
		memcpy(&v, options + 4, sizeof(v));
	return v;
}

/* On the first packet of each block that comes after a loss, and counted once */
START_TEST(a_loss_is_told_by_the_first_packet_behind_it)
{
	struct handblock b = handblock_new(BLOCK_BYTES, 1);
	struct afcap_block views[4];
	struct epb epbs[8];
	uint32_t bytes;

	handblock_add(&b, 61, 82, 1);
	handblock_add(&b, 60, 82, 1);
	context.drops_noted = 10;
	for (unsigned i = 0; i < 4; i++) {
		views[i] = handblock_view(&b);
		if (i == 2)
			context.drops = 117;
		pcapng_chunk_add(&chunk, &views[i], &context);
	}
	bytes = pcapng_chunk_end(&chunk, &context);
	ck_assert_uint_eq(walk(bytes, epbs), 8);
	for (unsigned i = 0; i < 8; i++) {
		ck_assert_uint_eq(dropcount(&epbs[i]), i == 0 ? 7 : i == 4 ? 100 : 0);
		ck_assert_uint_eq(word(epbs[i].data - 24), (i % 2 ? 92u : 96u) + (i % 4 ? 0 : 16));
	}
	ck_assert_uint_eq(chunk.drops_noted, 107);
	free(b.desc);
}
END_TEST

START_TEST(an_empty_block_makes_no_chunk)
{
	struct handblock b = handblock_new(BLOCK_BYTES, 1);
	struct afcap_block view = handblock_view(&b);

	pcapng_chunk_add(&chunk, &view, &context);
	ck_assert_uint_eq(pcapng_chunk_end(&chunk, &context), 0);
	ck_assert_uint_eq(chunk.blocks, 1);
	free(b.desc);
}
END_TEST

/* What a slot may lie about; the packets before it are kept, the rest counted as unreadable. */
START_TEST(a_slot_outside_its_block_ends_the_walk)
{
	struct handblock b = handblock_new(BLOCK_BYTES, 1);
	struct tpacket3_hdr *first = handblock_add(&b, 60, 82, 1),
			    *second = handblock_add(&b, 60, 82, 1);
	struct afcap_block view;
	struct epb epbs[4];

	handblock_add(&b, 60, 82, 1);
	if (_i == 0)
		first->tp_next_offset = 1u << 31;
	else if (_i == 1)
		first->tp_next_offset = 3;
	else if (_i == 2)
		second->tp_snaplen = BLOCK_BYTES;
	else if (_i == 3)
		second->tp_mac = 4;
	else
		second->tp_snaplen = UINT32_MAX;
	view = handblock_view(&b);
	pcapng_chunk_add(&chunk, &view, &context);
	ck_assert_uint_eq(walk(pcapng_chunk_end(&chunk, &context), epbs), 1);
	ck_assert_uint_eq(chunk.packets, 1);
	ck_assert_uint_eq(chunk.unreadable, 2);
	free(b.desc);
}
END_TEST

START_TEST(a_slot_that_the_kernel_left_unfilled_is_passed_over)
{
	struct handblock b = handblock_new(BLOCK_BYTES, 1);
	struct afcap_block view;
	struct epb epbs[3];

	handblock_add(&b, 60, 82, 1);
	handblock_add(&b, 60, 82, 2)->tp_status = 0;
	handblock_add(&b, 60, 82, 3);
	view = handblock_view(&b);
	pcapng_chunk_add(&chunk, &view, &context);
	ck_assert_uint_eq(walk(pcapng_chunk_end(&chunk, &context), epbs), 2);
	ck_assert_uint_eq(epbs[1].data[0], 3);
	ck_assert_uint_eq(chunk.unreadable, 1);
	free(b.desc);
}
END_TEST

/* Its bytes as they are, in a chunk without packets, in pieces that every reader passes over. */
START_TEST(a_block_in_quarantine_is_kept_as_it_is)
{
	struct handblock b = handblock_new(BLOCK_BYTES, 77);
	uint8_t *kept = malloc(BLOCK_BYTES);
	uint32_t at = CHUNK_HEADER_BYTES, count = 0;
	struct afcap_block view;

	handblock_add(&b, 60, 82, 0);
	handblock_add(&b, 61, 82, 0);
	for (uint32_t i = b.used; i < BLOCK_BYTES; i++)
		((uint8_t *)b.desc)[i] = (uint8_t)(i * 7);
	view = handblock_view(&b);
	context.now_ns = 1234;
	pcapng_quarantine(&chunk, &view, BLOCK_BYTES, &context);
	ck_assert_uint_eq(chunk.packets, 0);
	ck_assert_uint_eq(chunk.unreadable, 2);
	ck_assert_uint_eq(word(buffer), CHUNK_TYPE);
	ck_assert_uint_eq(word(buffer + 12), 0);
	ck_assert_uint_eq(word(buffer + 16), chunk.used);
	ck_assert_uint_eq(word(buffer + 24), 77);
	ck_assert_uint_eq(word(buffer + 32), 1234);
	while (at < chunk.used) {
		uint32_t total = word(buffer + at + 4);

		ck_assert_uint_eq(word(buffer + at), CHUNK_RING_TYPE);
		ck_assert_uint_le(total, 60000);
		ck_assert_uint_le(count + total - 12, BLOCK_BYTES);
		memcpy(kept + count, buffer + at + 8, total - 12);
		ck_assert_uint_eq(word(buffer + at + total - 4), total);
		count += total - 12;
		at += total;
	}
	ck_assert_uint_eq(at, chunk.used);
	ck_assert_uint_eq(count, BLOCK_BYTES);
	ck_assert_mem_eq(kept, view.desc, BLOCK_BYTES);
	free(kept);
	free(b.desc);
}
END_TEST

START_TEST(a_full_block_fits_the_promised_room)
{
	struct handblock b = handblock_new(BLOCK_BYTES, 1);
	struct afcap_block view;

	while (b.used + 82 + 8 < BLOCK_BYTES)
		handblock_add(&b, _i, 82, 1)->tp_status |= TP_STATUS_VLAN_VALID;
	view = handblock_view(&b);
	context.drops_noted = 0;
	pcapng_chunk_begin(&chunk, buffer, pcapng_chunk_bytes_max(BLOCK_BYTES));
	pcapng_chunk_add(&chunk, &view, &context);
	ck_assert_uint_eq(chunk.unreadable, 0);
	ck_assert_uint_le(pcapng_chunk_end(&chunk, &context), pcapng_chunk_bytes_max(BLOCK_BYTES));
	free(b.desc);
}
END_TEST

Suite *suite_pcapng(void)
{
	Suite *s = suite_create("pcapng");
	TCase *t = tcase_create("pcapng");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, packets_come_out_as_they_went_in);
	tcase_add_test(t, the_chunk_header_says_what_is_in_it);
	tcase_add_loop_test(t, a_pad_ends_at_the_alignment_and_is_a_block, 0, 5);
	tcase_add_loop_test(t, a_stripped_tag_is_put_back, 0, sizeof(tags) / sizeof(*tags));
	tcase_add_test(t, a_tag_stays_away_when_told_so_or_where_it_does_not_fit);
	tcase_add_test(t, a_loss_is_told_by_the_first_packet_behind_it);
	tcase_add_test(t, an_empty_block_makes_no_chunk);
	tcase_add_loop_test(t, a_slot_outside_its_block_ends_the_walk, 0, 5);
	tcase_add_test(t, a_slot_that_the_kernel_left_unfilled_is_passed_over);
	tcase_add_test(t, a_block_in_quarantine_is_kept_as_it_is);
	tcase_add_loop_test(t, a_full_block_fits_the_promised_room, 12, 20);
	suite_add_tcase(s, t);
	return s;
}
