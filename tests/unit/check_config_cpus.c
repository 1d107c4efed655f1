/* daemon/base/config_cpus.c: how many workers there are, and where each runs. */
#include "suites.h"

#include "../../daemon/base/config_cpus.h"

#include <sched.h>
#include <string.h>

static struct config_capture c;

static void setup(void)
{
	c = (struct config_capture){ .group.workers = CONFIG_AUTO };
}

static const struct {
	const char *list;
	int cpus[5]; /* of five workers; -1 in the first: no list */
} lists[] = {
	{ "4,6-7", { 4, 6, 7, 4, 6 } },
	{ "3", { 3, 3, 3, 3, 3 } },
	{ "1,0,1", { 1, 0, 1, 1, 0 } },
	{ "1023", { 1023, 1023, 1023, 1023, 1023 } },
	{ "0-1000", { 0, 1, 2, 3, 4 } },
	{ "1024", { -1 } },
	{ "", { -1 } },
	{ "3-1", { -1 } },
	{ "1-", { -1 } },
	{ "-1", { -1 } },
	{ "1,,2", { -1 } },
	{ "1 2", { -1 } },
	{ "a", { -1 } },
};

START_TEST(worker_i_runs_on_the_ith_cpu_of_the_list)
{
	strcpy(c.cpus, lists[_i].list);
	ck_assert_int_eq(config_cpus_valid(c.cpus), lists[_i].cpus[0] >= 0);
	for (unsigned i = 0; i < 5; i++)
		ck_assert_int_eq(config_cpu(&c, 5, i),
				 lists[_i].cpus[0] < 0 ? -1 : lists[_i].cpus[i]);
}
END_TEST

/* This process may run on these alone. Returns how many there are: the machine may have less. */
static int allow(int from, int count)
{
	cpu_set_t set, all;
	int n = 0;

	ck_assert_int_eq(sched_getaffinity(0, sizeof(all), &all), 0);
	CPU_ZERO(&set);
	for (int i = 0; i < CPU_SETSIZE && n < from + count; i++)
		if (CPU_ISSET(i, &all) && n++ >= from)
			CPU_SET(i, &set);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(set), &set), 0);
	return CPU_COUNT(&set);
}

START_TEST(auto_is_a_worker_a_cpu_that_this_process_may_use)
{
	int n = allow(0, 8);

	strcpy(c.cpus, "auto");
	ck_assert_int_eq((int)config_workers(&c), n);
	c.group.workers = 3;
	ck_assert_uint_eq(config_workers(&c), 3);
	for (int i = 0; i < n && n > 1; i++) { /* each its own */
		cpu_set_t set;

		ck_assert_int_eq(sched_getaffinity(0, sizeof(set), &set), 0);
		ck_assert(CPU_ISSET(config_cpu(&c, (unsigned)n, (unsigned)i), &set));
		ck_assert(i == 0 || config_cpu(&c, (unsigned)n, (unsigned)i) >
					    config_cpu(&c, (unsigned)n, (unsigned)i - 1));
	}
	c.group.workers = CONFIG_AUTO;
	ck_assert_int_eq(allow(0, 1), 1);
	ck_assert_uint_eq(config_workers(&c), 1);
}
END_TEST

START_TEST(a_worker_is_bound_to_no_cpu_where_that_is_of_no_use)
{
	strcpy(c.cpus, "none");
	ck_assert_int_eq(config_cpu(&c, 4, 0), -1);
	strcpy(c.cpus, "auto");
	ck_assert_int_eq(config_cpu(&c, 1, 0), -1); /* alone */
	allow(0, 1);
	ck_assert_int_eq(config_cpu(&c, 2, 0), -1); /* more workers than CPUs */
}
END_TEST

Suite *suite_config_cpus(void)
{
	Suite *s = suite_create("config_cpus");
	TCase *t = tcase_create("config_cpus");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_loop_test(t, worker_i_runs_on_the_ith_cpu_of_the_list, 0,
			    sizeof(lists) / sizeof(*lists));
	tcase_add_test(t, auto_is_a_worker_a_cpu_that_this_process_may_use);
	tcase_add_test(t, a_worker_is_bound_to_no_cpu_where_that_is_of_no_use);
	suite_add_tcase(s, t);
	return s;
}
