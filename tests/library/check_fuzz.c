/* The fuzz target (tests/fuzz/walk.c) on the kept corpus, and on valid blocks with bytes changed.
 */
#include "handblock.h"
#include "suites.h"

#include "../fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>

#define INPUT_MOST  (2 + 4096)
#define MUTATIONS   200000
#define DEFAULT_DIR "tests/fuzz/corpus/walk"

START_TEST(the_corpus_is_walked_without_leaving_the_ring)
{
	const char *path = getenv("AFCAP_CORPUS");
	struct dirent *entry;
	unsigned replayed = 0;
	DIR *dir = opendir(path ? path : DEFAULT_DIR);

	ck_assert_msg(dir != NULL, "no corpus at %s", path ? path : DEFAULT_DIR);
	while ((entry = readdir(dir))) {
		char name[1024];
		uint8_t input[INPUT_MOST];
		size_t bytes;
		FILE *f;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path ? path : DEFAULT_DIR, entry->d_name);
		f = fopen(name, "rb");
		ck_assert_ptr_nonnull(f);
		bytes = fread(input, 1, sizeof(input), f);
		fclose(f);
		ck_assert_int_eq(LLVMFuzzerTestOneInput(input, bytes), 0);
		replayed++;
	}
	closedir(dir);
	ck_assert_uint_gt(replayed, 20);
}
END_TEST

START_TEST(changed_blocks_are_walked_without_leaving_the_ring)
{
	uint8_t input[INPUT_MOST];
	struct handblock b = handblock_new(4096, 1);
	unsigned random = 1;

	for (unsigned i = 0; i < 8; i++)
		handblock_add(&b, 60 + 50 * i, 82, (uint8_t)i)->tp_status |= TP_STATUS_VLAN_VALID;
	for (unsigned i = 0; i < MUTATIONS; i++) {
		memcpy(input + 2, b.desc, 4096);
		input[0] = (uint8_t)i;
		input[1] = (uint8_t)(i >> 8);
		for (unsigned k = 0; k < 1 + i % 4; k++) {
			random = random * 1103515245 + 12345;
			input[2 + (random >> 16) % 300] = (uint8_t)(random >> 8);
		}
		ck_assert_int_eq(LLVMFuzzerTestOneInput(input, sizeof(input)), 0);
	}
	free(b.desc);
}
END_TEST

Suite *suite_fuzz(void)
{
	Suite *s = suite_create("fuzz");
	TCase *t = tcase_create("fuzz");

	tcase_set_timeout(t, 120);
	tcase_add_test(t, the_corpus_is_walked_without_leaving_the_ring);
	tcase_add_test(t, changed_blocks_are_walked_without_leaving_the_ring);
	suite_add_tcase(s, t);
	return s;
}
