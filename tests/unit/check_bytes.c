/* daemon/base/bytes.h */
#include "suites.h"

#include "../../daemon/base/bytes.h"

static uint8_t bytes[24];

START_TEST(words_of_this_machine_are_as_it_has_them_in_memory)
{
	for (size_t at = 0; at < 8; at++) { /* at any alignment */
		uint16_t small = 0x0102;
		uint32_t middle = 0x03040506;
		uint64_t large = UINT64_C(0x0708090a0b0c0d0e);

		memset(bytes, 0xff, sizeof(bytes));
		put16(bytes + at, small);
		ck_assert_mem_eq(bytes + at, &small, sizeof(small));
		ck_assert_uint_eq(bytes[at + 2], 0xff);
		put32(bytes + at, middle);
		ck_assert_mem_eq(bytes + at, &middle, sizeof(middle));
		ck_assert_uint_eq(bytes[at + 4], 0xff);
		ck_assert_uint_eq(get32(bytes + at), middle);
		put64(bytes + at, large);
		ck_assert_mem_eq(bytes + at, &large, sizeof(large));
		ck_assert_uint_eq(bytes[at + 8], 0xff);
		ck_assert_uint_eq(get64(bytes + at), large);
	}
}
END_TEST

START_TEST(words_of_the_network_have_their_high_byte_first)
{
	for (size_t at = 0; at < 4; at++) {
		memset(bytes, 0xff, sizeof(bytes));
		put16_net(bytes + at, 0x0102);
		ck_assert_mem_eq(bytes + at, "\x01\x02\xff", 3);
		ck_assert_uint_eq(get16_net(bytes + at), 0x0102);
		put16_net(bytes + at, 0xfeff);
		ck_assert_uint_eq(get16_net(bytes + at), 0xfeff);
		put32_net(bytes + at, 0x03040506);
		ck_assert_mem_eq(bytes + at, "\x03\x04\x05\x06\xff", 5);
	}
}
END_TEST

Suite *suite_bytes(void)
{
	Suite *s = suite_create("bytes");
	TCase *t = tcase_create("bytes");

	tcase_add_test(t, words_of_this_machine_are_as_it_has_them_in_memory);
	tcase_add_test(t, words_of_the_network_have_their_high_byte_first);
	suite_add_tcase(s, t);
	return s;
}
