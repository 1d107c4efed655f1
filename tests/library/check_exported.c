/* libafcap: the inline functions and the symbols of the same names do the same. */
#include "handblock.h"
#include "suites.h"

#include <check.h>

#define BLOCK_BYTES 4096u
#define BLOCKS	    20000u

bool exported_packet_next(struct afcap_block *block, struct afcap_packet *packet); /* exported.c */

/* Good ones, and ones with up to four bytes changed anywhere in what is used */
static struct handblock block_make(unsigned seed)
{
	struct handblock b = handblock_new(BLOCK_BYTES, seed);
	unsigned packets = (unsigned)rand() % 12;

	for (unsigned i = 0; i < packets; i++)
		handblock_add(&b, (unsigned)rand() % 200, 82, (uint8_t)i)->tp_len += i % 2;
	for (unsigned i = 0; i < seed % 5; i++)
		((uint8_t *)b.desc)[(unsigned)rand() % b.used] = (uint8_t)rand();
	return b;
}

static void packets_equal(const struct afcap_packet *a, const struct afcap_packet *b)
{
	ck_assert_ptr_eq(a->data, b->data);
	ck_assert_uint_eq(a->capture_length, b->capture_length);
	ck_assert_uint_eq(a->length, b->length);
	ck_assert_uint_eq(a->seconds, b->seconds);
	ck_assert_uint_eq(a->nanoseconds, b->nanoseconds);
	ck_assert_uint_eq(a->status, b->status);
	ck_assert_uint_eq(a->vlan_tci, b->vlan_tci);
	ck_assert_uint_eq(a->vlan_tpid, b->vlan_tpid);
	ck_assert_int_eq(a->vlan_restored, b->vlan_restored);
	ck_assert_ptr_eq(a->vnet_header, b->vnet_header);
	ck_assert_ptr_eq(a->link, b->link);
	ck_assert_ptr_eq(a->slot, b->slot);
	ck_assert_uint_eq(a->next, b->next);
	ck_assert_uint_eq(a->seen, b->seen);
	ck_assert_uint_eq(a->rxhash, b->rxhash);
}

START_TEST(a_symbol_walks_a_block_as_the_inline_function_does)
{
	unsigned walked = 0;

	srand(1);
	for (unsigned i = 0; i < BLOCKS; i++) {
		struct handblock b = block_make(i);
		struct afcap_block here = handblock_view(&b), there = here;
		struct afcap_packet mine = { 0 }, other = { 0 };
		bool more;

		here.vnet_header_bytes = there.vnet_header_bytes = i % 3 == 0 ? 10 : 0;
		if (here.bytes > BLOCK_BYTES)
			here.bytes = there.bytes = BLOCK_BYTES;
		do {
			more = afcap_packet_next(&here, &mine);
			ck_assert_int_eq(exported_packet_next(&there, &other), more);
			packets_equal(&mine, &other);
			walked += more;
		} while (more);
		ck_assert_uint_eq(here.walked_packets, there.walked_packets);
		ck_assert_uint_eq(here.walked_bytes, there.walked_bytes);
		ck_assert_uint_eq(here.walked_truncated, there.walked_truncated);
		free(b.desc);
	}
	ck_assert_uint_gt(walked, BLOCKS);
}
END_TEST

Suite *suite_exported(void)
{
	Suite *s = suite_create("exported");
	TCase *t = tcase_create("inline functions");

	tcase_add_test(t, a_symbol_walks_a_block_as_the_inline_function_does);
	suite_add_tcase(s, t);
	return s;
}
