/* daemon/supervisor/limits.c: what a control group leaves of its memory. */
#include "suites.h"

#include "../../daemon/supervisor/limits.h"

#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOT "/tmp/afcap-unit-XXXXXX"

static char root[sizeof(ROOT)], groups[sizeof(ROOT) + 16];

/* A file of the tree, its directories made. */
static void put(const char *name, const char *text)
{
	char path[256];
	FILE *file;

	ck_assert_int_lt(snprintf(path, sizeof(path), "%s/%s", root, name), (int)sizeof(path));
	for (char *at = path + sizeof(ROOT); *at; at++)
		if (*at == '/') {
			*at = '\0';
			mkdir(path, 0755);
			*at = '/';
		}
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

static void tree_make(void)
{
	snprintf(root, sizeof(root), "%s", ROOT);
	ck_assert_ptr_nonnull(mkdtemp(root));
	snprintf(groups, sizeof(groups), "%s/cgroup", root);
}

static int entry_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void tree_remove(void)
{
	nftw(root, entry_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static uint64_t room(void)
{
	return limits_group_room(groups, root);
}

START_TEST(without_a_limit_there_is_none)
{
	ck_assert_uint_eq(room(), UINT64_MAX); /* no such file */
	put("cgroup", "0::/a/b\n");
	ck_assert_uint_eq(room(), UINT64_MAX); /* nothing mounted */
	put("a/b/memory.max", "max\n");
	put("a/b/memory.current", "1000\n");
	ck_assert_uint_eq(room(), UINT64_MAX);
}
END_TEST

/* A group's limit holds for all below it; page cache is given up for what is needed. */
START_TEST(the_tightest_limit_up_the_tree_counts)
{
	put("cgroup", "0::/a/b\n");
	put("a/b/memory.max", "max\n");
	put("a/b/memory.current", "1000\n");
	put("a/memory.max", "50000\n");
	put("a/memory.current", "20000\n");
	ck_assert_uint_eq(room(), 30000);
	put("a/memory.stat", "anon 100\ninactive_file 4000\nactive_file 6000\nfile 12000\n");
	ck_assert_uint_eq(room(), 40000);
	put("memory.max", "9000\n"); /* of a container, which sees its own group as the root */
	put("memory.current", "10000\n");
	ck_assert_uint_eq(room(), 0);
	put("memory.current", "2000\n");
	ck_assert_uint_eq(room(), 7000);
	put("cgroup", "0::/not/there\n");
	ck_assert_uint_eq(room(), 7000);
}
END_TEST

START_TEST(version_1_is_read_as_well)
{
	put("cgroup", "9:name=systemd:/x\n4:memory:/x/y\n3:cpuset:/\n0::/\n");
	put("memory/x/y/memory.limit_in_bytes", "9223372036854771712\n");
	put("memory/x/y/memory.usage_in_bytes", "100\n");
	put("memory/x/memory.limit_in_bytes", "5000\n");
	put("memory/x/memory.usage_in_bytes", "3000\n");
	put("memory/x/memory.stat",
	    "inactive_file 1\nactive_file 2\ntotal_inactive_file 400\ntotal_active_file 600\n");
	ck_assert_uint_eq(room(), 3000);
}
END_TEST

Suite *suite_memory(void)
{
	Suite *s = suite_create("memory");
	TCase *t = tcase_create("memory");

	tcase_add_checked_fixture(t, tree_make, tree_remove);
	tcase_add_test(t, without_a_limit_there_is_none);
	tcase_add_test(t, the_tightest_limit_up_the_tree_counts);
	tcase_add_test(t, version_1_is_read_as_well);
	suite_add_tcase(s, t);
	return s;
}
