/* Structs that begin with their size: programs of older and newer versions than the library. */
#include "lab.h"
#include "suites.h"

#include "../../lib/internal.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define WORD  sizeof(size_t) /* every size is a multiple of it */
#define LARGE 64u	     /* bytes that a newer version has more */

/* Memory of a program that has a struct of `size` bytes: the byte behind it cannot be touched. It
 * stays until the test's process ends. */
static void *memory_of(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *map =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(map, MAP_FAILED);
	ck_assert_int_eq(mprotect(map + page, page, PROT_NONE), 0);
	return memset(map + page - size, 0xa5, size);
}

static struct afcap_options *options_of(size_t size)
{
	struct afcap_options *o = memory_of(size);

	afcap_options_init(o, size);
	return o;
}

static struct afcap_fanout *group_of(size_t size)
{
	struct afcap_fanout *group = memory_of(size);

	afcap_fanout_init(group, size);
	return group;
}

/* The last version that did not have it */
#define BEFORE(type, field) (offsetof(type, field) / WORD * WORD)

/* ---- without the kernel ---- */

START_TEST(what_an_older_program_does_not_have_keeps_its_default)
{
	struct afcap_options whole, read;

	afcap_options_init(&whole, sizeof(whole));
	ck_assert_int_eq(whole.filter_fd, -1);
	ck_assert_int_eq(whole.socket, -1);
	for (size_t size = WORD; size <= sizeof(whole); size += WORD) {
		struct afcap_options *o = options_of(size);

		ck_assert_uint_eq(o->size, size);
		ck_assert_int_eq(options_read(&read, o, &error), 0);
		ck_assert_mem_eq(&read, &whole, sizeof(whole));
		ck_assert_msg(afcap_options_check(o, &error) == 0, "%zu: %s", size, error.text);
	}
}
END_TEST

START_TEST(what_an_older_program_has_is_taken)
{
	struct afcap_options *o = options_of(BEFORE(struct afcap_options, filter_fd)), read;
	struct sock_filter none[] = { BPF_STMT(BPF_RET | BPF_K, 0) };
	struct sock_fprog program = { 1, none };

	o->ring.blocks = 3;
	o->filter = &program; /* with a filter_fd of 0 there would be two */
	ck_assert_int_eq(options_read(&read, o, &error), 0);
	ck_assert_uint_eq(read.size, sizeof(read));
	ck_assert_uint_eq(read.ring.blocks, 3);
	ck_assert_ptr_eq(read.filter, &program);
	ck_assert_int_eq(read.filter_fd, -1);
	ck_assert_int_eq(afcap_options_check(o, &error), 0);
}
END_TEST

START_TEST(what_a_newer_program_has_more_must_not_be_set)
{
	size_t size = sizeof(struct afcap_options) + LARGE;
	struct afcap_options *o = options_of(size);
	struct afcap *none = NULL;

	ck_assert_int_eq(afcap_options_check(o, &error), 0);
	for (size_t at = sizeof(*o); at < size; at++) {
		((uint8_t *)o)[at] = 1;
		ck_assert_int_eq(afcap_options_check(o, &error), -E2BIG);
		ck_assert_int_eq(error.code, E2BIG);
		ck_assert_ptr_nonnull(strstr(error.text, "is set"));
		ck_assert_int_eq(afcap_open(&none, o, &error), -E2BIG);
		((uint8_t *)o)[at] = 0;
	}
	ck_assert_ptr_null(none);
	ck_assert_int_eq(afcap_options_check(o, &error), 0);
}
END_TEST

START_TEST(a_size_that_no_version_has_is_refused)
{
	static const size_t sizes[] = {
		0, 1, WORD - 1, WORD + 1, sizeof(options) - 1, sizeof(options) + 1
	};
	struct afcap_options *o = options_of(sizeof(*o));

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		o->size = sizes[i];
		ck_assert_int_eq(afcap_options_check(o, &error), -EINVAL);
		ck_assert_ptr_nonnull(strstr(error.text, "call afcap_options_init()"));
	}
	for (o->size = 4096 + WORD; o->size < SIZE_MAX / 2; o->size *= 2) /* none of it is read */
		ck_assert_int_eq(afcap_options_check(o, &error), -E2BIG);
}
END_TEST

START_TEST(a_group_of_another_size_is_read_alike)
{
	struct afcap_fanout *smaller = group_of(BEFORE(struct afcap_fanout, program_fd));
	struct afcap_fanout *larger = group_of(sizeof(*larger) + LARGE), read;

	smaller->id = larger->id = 7;
	ck_assert_int_eq(fanout_read(&read, smaller, &error), 0);
	ck_assert_uint_eq(read.id, 7);
	ck_assert_int_eq(read.program_fd, -1);
	ck_assert_int_eq(fanout_read(&read, larger, &error), 0);
	ck_assert_int_eq(read.program_fd, -1);
	((uint8_t *)larger)[larger->size - 1] = 1;
	ck_assert_int_eq(fanout_read(&read, larger, &error), -E2BIG);
	afcap_options_init(&options, sizeof(options));
	options.fanout = larger;
	ck_assert_int_eq(afcap_options_check(&options, &error), -E2BIG);
	smaller->size = 0;
	ck_assert_int_eq(fanout_read(&read, smaller, &error), -EINVAL);
	ck_assert_str_eq(error.text, "fanout of 0 bytes: call afcap_fanout_init()");
}
END_TEST

/* ---- with it ---- */

/* All of them, as the default says: a filter_fd of 0 would be standard input */
START_TEST(older_and_newer_programs_capture)
{
	static const size_t sizes[] = { BEFORE(struct afcap_options, socket),
					BEFORE(struct afcap_options, tx_ring),
					BEFORE(struct afcap_options, filter_fd),
					sizeof(struct afcap_options) + LARGE };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct afcap_options *o = options_of(sizes[i]);

		o->interface = "va";
		ck_assert_msg(afcap_open(&handle, o, &error) == 0, "%s", error.text);
		lab_send(10, TEST_TYPE);
		ck_assert_uint_eq(lab_read(10), 10);
		afcap_close(handle);
	}
}
END_TEST

START_TEST(no_more_of_a_group_is_written_than_the_program_has)
{
	size_t size = BEFORE(struct afcap_fanout, program_fd);
	struct afcap_fanout *group = group_of(size);

	lab_open();
	group->flags = AFCAP_FANOUT_FLAG_UNIQUEID;
	ck_assert_int_eq(afcap_fanout_join(handle, group, &error), 0);
	ck_assert_uint_eq(group->size, size);
	ck_assert_uint_eq(group->flags, 0);
	group->mode = AFCAP_FANOUT_LB;
	ck_assert_int_eq(afcap_fanout_get(handle, group), 0);
	ck_assert_uint_eq(group->size, size);
	ck_assert_int_eq(group->mode, AFCAP_FANOUT_HASH);
	group->size = 1;
	ck_assert_int_eq(afcap_fanout_get(handle, group), -EINVAL);
	afcap_close(handle);
}
END_TEST

START_TEST(zero_is_a_descriptor)
{
	options.filter_fd = 0;
	ck_assert_int_lt(afcap_open(&handle, &options, &error), 0);
	ck_assert_ptr_nonnull(strstr(error.text, "attaching the filter"));
	close(0);
	ck_assert_int_eq(lab_ebpf(40, 0), 0);
	lab_open();
	lab_send(10, TEST_TYPE);
	ck_assert_uint_eq(lab_stats().packets, 0); /* the program that lets nothing in */
	afcap_close(handle);
}
END_TEST

/* A later library may say more there to later programs; to those of today it says nothing. */
START_TEST(what_is_reserved_is_zero)
{
	static const uint8_t zeros[256];
	struct afcap_packet_meta meta;
	struct afcap_stats stats;

	memset(&meta, 0xa5, sizeof(meta));
	memset(&stats, 0xa5, sizeof(stats));
	lab_open();
	lab_send(1, TEST_TYPE);
	afcap_packet_meta(lab_next(), &meta);
	ck_assert_mem_eq(meta.reserved, zeros, sizeof(meta.reserved));
	ck_assert_int_eq(afcap_stats(handle, &stats), 0);
	ck_assert_mem_eq(stats.reserved, zeros, sizeof(stats.reserved));
	afcap_close(handle);
}
END_TEST

Suite *suite_size(void)
{
	Suite *s = suite_create("size");
	TCase *t = tcase_create("sizes"), *live = lab_case(s, "sizes, live", lab_setup, 30);

	tcase_add_test(t, what_an_older_program_does_not_have_keeps_its_default);
	tcase_add_test(t, what_an_older_program_has_is_taken);
	tcase_add_test(t, what_a_newer_program_has_more_must_not_be_set);
	tcase_add_test(t, a_size_that_no_version_has_is_refused);
	tcase_add_test(t, a_group_of_another_size_is_read_alike);
	suite_add_tcase(s, t);
	tcase_add_test(live, older_and_newer_programs_capture);
	tcase_add_test(live, no_more_of_a_group_is_written_than_the_program_has);
	tcase_add_test(live, zero_is_a_descriptor);
	tcase_add_test(live, what_is_reserved_is_zero);
	return s;
}
