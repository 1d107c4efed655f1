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

static bool packets_equal(const struct afcap_packet *a, const struct afcap_packet *b)
{
	return a->data == b->data && a->capture_length == b->capture_length &&
	       a->length == b->length && a->seconds == b->seconds &&
	       a->nanoseconds == b->nanoseconds && a->status == b->status &&
	       a->vlan_tci == b->vlan_tci && a->vlan_tpid == b->vlan_tpid &&
	       a->vlan_restored == b->vlan_restored && a->vnet_header == b->vnet_header &&
	       a->link == b->link && a->slot == b->slot && a->next == b->next &&
	       a->seen == b->seen && a->rxhash == b->rxhash;
}

/* One assertion a block: each is a message to the process that waits for the test. */
START_TEST(a_symbol_walks_a_block_as_the_inline_function_does)
{
	unsigned walked = 0;

	srand(1);
	for (unsigned i = 0; i < BLOCKS; i++) {
		struct handblock b = block_make(i);
		struct afcap_block here = handblock_view(&b), there = here;
		struct afcap_packet mine = { 0 }, other = { 0 };
		bool more, same = true;

		here.vnet_header_bytes = there.vnet_header_bytes = i % 3 == 0 ? 10 : 0;
		if (here.bytes > BLOCK_BYTES)
			here.bytes = there.bytes = BLOCK_BYTES;
		do {
			more = afcap_packet_next(&here, &mine);
			same &= exported_packet_next(&there, &other) == more &&
				packets_equal(&mine, &other);
			walked += more;
		} while (more && same);
		same &= here.walked_packets == there.walked_packets &&
			here.walked_bytes == there.walked_bytes &&
			here.walked_truncated == there.walked_truncated;
		ck_assert_msg(same, "block %u is walked otherwise", i);
		free(b.desc);
	}
	ck_assert_uint_gt(walked, BLOCKS);
}
END_TEST

Suite *suite_exported(void)
{
	Suite *s = suite_create("exported");
	TCase *t = tcase_create("inline functions");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, a_symbol_walks_a_block_as_the_inline_function_does);
	suite_add_tcase(s, t);
	return s;
}
