/* daemon/supervisor/limits.c: memory, the sizes of files, descriptors. (What a control group
 * leaves: check_memory.c.) Of a machine whose /proc/meminfo is the test's; files may be as large as
 * the test says, but for what it writes itself. */
#include "place.h"
#include "settings.h"
#include "suites.h"

#include "../../daemon/base/clock.h"
#include "../../daemon/supervisor/limits.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)

/* ---- memory ---- */

static void file_put(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

static void available(uint64_t mib)
{
	char text[128];

	snprintf(text, sizeof(text), "MemTotal:       99999999 kB\nMemAvailable:   %llu kB\n",
		 (unsigned long long)(mib << 10));
	file_put(PLACE_DIRECTORY "/meminfo", text);
}

static void machine_setup(void)
{
	place_setup();
	available(1000);
	ck_assert_int_eq(mount(PLACE_DIRECTORY "/meminfo", "/proc/meminfo", NULL, MS_BIND, NULL),
			 0);
	file_put(PLACE_DIRECTORY "/cgroup", "");
	ck_assert_int_eq(mount(PLACE_DIRECTORY "/cgroup", "/proc/self/cgroup", NULL, MS_BIND, NULL),
			 0);
	place_log();
}

/* So many blocks of 1 MiB a worker: a worker's buffer is 2 MiB, and it has 2 MiB of its own. */
static struct limits_need need(uint32_t blocks, unsigned workers)
{
	return (struct limits_need){
		.capture = "a",
		.ring = { .version = AFCAP_TPACKET_V3, .block_bytes = MIB, .blocks = blocks },
		.workers = workers
	};
}

START_TEST(rings_and_buffers_have_room_to_the_last_mebibyte)
{
	struct limits_need needs[] = { need(96, 8), need(46, 4) }; /* 8 * 100 + 4 * 50 */

	ck_assert_int_eq(limits_memory(needs, 2, false), 0);
	ck_assert_uint_eq(place_logged("<"), 0);
	available(999);
	ck_assert_int_eq(limits_memory(needs, 2, false), EX_CONFIG);
	ck_assert_uint_eq(place_logged("<3>capture a: 8 workers, each a ring_size of 96 MiB in "
				       "memory, a block_size of 1024 KiB"),
			  1);
	ck_assert_uint_eq(place_logged("<3>capture a: 4 workers, each a ring_size of 46 MiB"), 1);
	ck_assert_uint_eq(place_logged("<3>the rings need 952 MiB and the workers' buffers 48 MiB, "
				       "but 999 MiB of memory are available"),
			  1);
}
END_TEST

/* What is not available now may be by the start: an afcapd that runs has it. */
START_TEST(memory_is_foreseen_by_what_the_machine_has)
{
	struct limits_need one = need(996, 1);

	file_put(PLACE_DIRECTORY "/meminfo", "MemTotal: 1024000 kB\nMemAvailable: 1024000 kB\n");
	ck_assert_int_eq(limits_foresee(&one, 1), 0);
	ck_assert_uint_eq(place_logged("<"), 0);
	file_put(PLACE_DIRECTORY "/meminfo", "MemTotal: 1024000 kB\nMemAvailable: 1022976 kB\n");
	ck_assert_int_eq(limits_foresee(&one, 1), 0);
	ck_assert_uint_eq(place_logged("<4>the rings need 996 MiB and the workers' buffers 4 MiB, "
				       "but only 999 MiB of memory are available now"),
			  1);
	file_put(PLACE_DIRECTORY "/meminfo", "MemTotal: 1022976 kB\nMemAvailable: 1022976 kB\n");
	ck_assert_int_eq(limits_foresee(&one, 1), EX_CONFIG);
	ck_assert_uint_eq(place_logged("<3>capture a: 1 workers, each a ring_size of 996 MiB"), 1);
	ck_assert_uint_eq(place_logged("but this machine has 999 MiB of memory (MemTotal): use "
				       "smaller rings"),
			  1);
}
END_TEST

START_TEST(rings_that_are_there_need_no_room)
{
	struct limits_need one = need(2000, 1);

	ck_assert_int_eq(limits_memory(&one, 1, false), EX_CONFIG);
	one.resumed = true;
	ck_assert_int_eq(limits_memory(&one, 1, false), 0);
	available(3); /* but its worker does */
	ck_assert_int_eq(limits_memory(&one, 1, false), EX_CONFIG);
}
END_TEST

START_TEST(a_machine_that_does_not_say_what_it_has_is_no_reason)
{
	struct limits_need one = need(2000, 1);

	file_put(PLACE_DIRECTORY "/meminfo", "MemTotal: 1 kB\nMemAvailable: none\n");
	ck_assert_int_eq(limits_memory(&one, 1, false), 0);
}
END_TEST

static void *freed_later(void *nothing)
{
	poll(NULL, 0, 300);
	available(1000);
	return nothing;
}

/* The kernel takes a moment to free rings that were closed just now. */
START_TEST(what_was_given_up_is_waited_for)
{
	struct limits_need one = need(996, 1);
	uint64_t begin = clock_mono_ns();
	pthread_t thread;

	available(999);
	ck_assert_int_eq(limits_memory(&one, 1, false), EX_CONFIG); /* nothing was given up */
	ck_assert_uint_lt(clock_mono_ns() - begin, UINT64_C(4000000000));
	ck_assert_int_eq(pthread_create(&thread, NULL, freed_later, NULL), 0);
	ck_assert_int_eq(limits_memory(&one, 1, true), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

START_TEST(it_is_waited_for_five_seconds_at_most)
{
	struct limits_need one = need(996, 1);
	uint64_t begin = clock_mono_ns();

	available(999);
	ck_assert_int_eq(limits_memory(&one, 1, true), EX_CONFIG);
	ck_assert_uint_ge(clock_mono_ns() - begin, UINT64_C(5000000000));
	ck_assert_uint_lt(clock_mono_ns() - begin, UINT64_C(9000000000));
}
END_TEST

/* Rings are not charged to it, workers are. */
START_TEST(a_control_group_must_have_room_for_the_workers)
{
	struct limits_need one = need(900, 2);

	available(10000);
	ck_assert_int_eq(mount("none", "/sys/fs/cgroup", "tmpfs", 0, NULL), 0);
	ck_assert_int_eq(mkdir("/sys/fs/cgroup/g", 0755), 0);
	file_put(PLACE_DIRECTORY "/cgroup", "0::/g\n");
	file_put("/sys/fs/cgroup/g/memory.max", "18874368\n"); /* 18 MiB */
	file_put("/sys/fs/cgroup/g/memory.current", "10485760\n");
	ck_assert_int_eq(limits_memory(&one, 1, false), 0); /* 2 * 4 MiB in 8 */
	file_put("/sys/fs/cgroup/g/memory.current", "10485761\n");
	ck_assert_int_eq(limits_memory(&one, 1, false), EX_CONFIG);
	ck_assert_uint_eq(place_logged("<3>the workers' buffers need 8 MiB beside the rings"), 1);
	ck_assert_uint_eq(place_logged("leaves 7 MiB"), 1);
}
END_TEST

/* An eighth, divided, as a power of two. */
static const struct {
	uint64_t mib;
	unsigned workers;
	uint64_t ring_mib;
} shares[] = {
	{ 8192, 1, 1024 },     { 8191, 1, 512 }, { 1 << 20, 1, 1024 }, { 4096, 2, 256 },
	{ 24000, 16, 128 },    { 1024, 1, 128 }, { 1023, 1, 64 },      { 1, 1, 64 },
	{ 1 << 20, 64, 1024 }, { 4096, 0, 64 },
};

START_TEST(auto_is_a_share_of_the_memory)
{
	available(shares[_i].mib);
	ck_assert_uint_eq(limits_ring_auto(shares[_i].workers), shares[_i].ring_mib * MIB);
}
END_TEST

START_TEST(auto_is_the_default_where_the_memory_is_unknown)
{
	file_put(PLACE_DIRECTORY "/meminfo", "MemTotal: 1 kB\n");
	ck_assert_uint_eq(limits_ring_auto(1), 64 * MIB);
}
END_TEST

/* Rings are not charged to it, but it says how much memory is meant for this. */
START_TEST(auto_is_a_share_of_what_a_control_group_leaves)
{
	available(1 << 20);
	ck_assert_int_eq(mount("none", "/sys/fs/cgroup", "tmpfs", 0, NULL), 0);
	ck_assert_int_eq(mkdir("/sys/fs/cgroup/g", 0755), 0);
	ck_assert_int_eq(mkdir("/sys/fs/cgroup/memory", 0755), 0);
	file_put(PLACE_DIRECTORY "/cgroup", _i ? "4:memory:/\n" : "0::/g\n");
	file_put(_i ? "/sys/fs/cgroup/memory/memory.limit_in_bytes" : "/sys/fs/cgroup/g/memory.max",
		 "4294967296\n");
	file_put(_i ? "/sys/fs/cgroup/memory/memory.usage_in_bytes"
		    : "/sys/fs/cgroup/g/memory.current",
		 "2147483648\n");
	ck_assert_uint_eq(limits_ring_auto(1), 256 * MIB);
	available(1024);
	ck_assert_uint_eq(limits_ring_auto(1), 128 * MIB);
}
END_TEST

/* ---- files ---- */

static struct config config;
static struct config_capture *a;
static struct capture_error error;

static void configure(const char *settings)
{
	settings_begin(&config);
	a = settings_capture(&config, "a", settings);
	settings_finish(&config);
	error = (struct capture_error){ 0 };
	place_log();
}

static void file_limit(rlim_t now, rlim_t most)
{
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ now, most }), 0);
}

START_TEST(without_a_limit_files_are_as_large_as_they_should_be)
{
	struct rlimit limit;

	configure("interface=va file_size=1G");
	file_limit(MIB, RLIM_INFINITY); /* the soft one goes as far as the hard one */
	ck_assert_int_eq(limits_file_size(&config, a, &error), 0);
	ck_assert_uint_eq(limits_file_bytes(1 << 30), 1 << 30);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_uint_eq(limit.rlim_cur, RLIM_INFINITY);
	ck_assert_uint_eq(place_logged("<"), 0);
}
END_TEST

/* Their statistics come behind what is written: 4096 bytes. */
START_TEST(files_that_end_early_are_logged)
{
	configure("interface=va file_size=1G block_size=1M");
	file_limit(8 * MIB, 8 * MIB);
	ck_assert_int_eq(limits_file_size(&config, a, &error), 0);
	ck_assert_uint_eq(place_logged("<4>a: files end at 8188 KiB, below file_size"), 1);
	ck_assert_uint_eq(limits_file_bytes(1 << 30), 8 * MIB - 4096);
	ck_assert_uint_eq(limits_file_bytes(4 * MIB), 4 * MIB);
	a->worker.file_bytes = 8 * MIB - 4096;
	ck_assert_int_eq(limits_file_size(&config, a, &error), 0);
	ck_assert_uint_eq(place_logged("files end at"), 1); /* no more lines */
}
END_TEST

START_TEST(files_must_have_room_for_four_blocks)
{
	configure("interface=va file_size=1G block_size=1M");
	file_limit(4 * MIB + 4096, 4 * MIB + 4096);
	ck_assert_int_eq(limits_file_size(&config, a, &error), 0);
	file_limit(4 * MIB + 4095, 4 * MIB + 4095);
	ck_assert_int_eq(limits_file_size(&config, a, &error), -1);
	ck_assert_int_eq(error.exit_code, EX_CONFIG);
	ck_assert_str_eq(error.text,
			 "test.conf:7: file_size: files of this process may be no larger than "
			 "4099 KiB, 4100 KiB are needed: raise the limit (LimitFSIZE=, ulimit -f), "
			 "or use a smaller block_size");
	a->group.output = OUTPUT_NONE; /* then its record alone is a file */
	ck_assert_int_eq(limits_file_size(&config, a, &error), 0);
	ck_assert_uint_eq(place_logged("files end at"), 1);
}
END_TEST

START_TEST(a_record_must_have_room_where_nothing_is_written)
{
	rlim_t least = sizeof(struct checkpoint) + 4096;

	configure("interface=va output=none");
	file_limit(least, least);
	ck_assert_int_eq(limits_file_size(&config, a, &error), 0);
	file_limit(least - 1, least - 1);
	ck_assert_int_eq(limits_file_size(&config, a, &error), -1);
}
END_TEST

/* Below what comes behind: nothing can be written. In a process that writes nothing itself. */
START_TEST(a_limit_below_the_statistics_leaves_nothing)
{
	static const rlim_t limits[] = { 4096, 100, 0 };

	for (unsigned i = 0; i < 3; i++) {
		int status;
		pid_t pid = fork();

		ck_assert_int_ge(pid, 0);
		if (pid == 0)
			_exit(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ limits[i], limits[i] }) ||
			      limits_file_bytes(100) != 0);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_int_eq(status, 0);
	}
}
END_TEST

START_TEST(as_many_descriptors_are_allowed_as_may_be)
{
	struct rlimit limit;
	rlim_t most;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	most = limit.rlim_max;
	limit.rlim_cur = 64;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	limits_descriptors();
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_uint_eq(limit.rlim_cur, most);
	ck_assert_uint_eq(limit.rlim_max, most);
}
END_TEST

Suite *suite_limits(void)
{
	Suite *s = suite_create("limits");
	TCase *t = tcase_create("memory"), *files = tcase_create("files");

	tcase_add_checked_fixture(t, machine_setup, place_teardown);
	tcase_set_timeout(t, 20);
	tcase_add_test(t, rings_and_buffers_have_room_to_the_last_mebibyte);
	tcase_add_test(t, memory_is_foreseen_by_what_the_machine_has);
	tcase_add_loop_test(t, auto_is_a_share_of_the_memory, 0, sizeof(shares) / sizeof(*shares));
	tcase_add_test(t, auto_is_the_default_where_the_memory_is_unknown);
	tcase_add_loop_test(t, auto_is_a_share_of_what_a_control_group_leaves, 0, 2);
	tcase_add_test(t, rings_that_are_there_need_no_room);
	tcase_add_test(t, a_machine_that_does_not_say_what_it_has_is_no_reason);
	tcase_add_test(t, what_was_given_up_is_waited_for);
	tcase_add_test(t, it_is_waited_for_five_seconds_at_most);
	tcase_add_test(t, a_control_group_must_have_room_for_the_workers);
	suite_add_tcase(s, t);
	tcase_add_test(files, without_a_limit_files_are_as_large_as_they_should_be);
	tcase_add_test(files, files_that_end_early_are_logged);
	tcase_add_test(files, files_must_have_room_for_four_blocks);
	tcase_add_test(files, a_record_must_have_room_where_nothing_is_written);
	tcase_add_test(files, a_limit_below_the_statistics_leaves_nothing);
	tcase_add_test(files, as_many_descriptors_are_allowed_as_may_be);
	suite_add_tcase(s, files);
	return s;
}
