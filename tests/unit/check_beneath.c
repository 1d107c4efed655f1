/* daemon/archive/beneath.c: nothing but what the name says is opened. */
#include "place.h"
#include "suites.h"

#include "../../daemon/archive/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As a kernel or a sandbox older than openat2(2). */
static void openat2_deny(void)
{
	struct sock_filter list[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(list) / sizeof(*list), list };
	struct {
		uint64_t flags, mode, resolve;
	} how = { 0 };

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
	ck_assert_int_eq(syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof(how)), -1);
	ck_assert_int_eq(errno, ENOSYS);
}

/* With openat2(2), and without. */
START_TEST(links_and_paths_are_not_opened)
{
	static const struct {
		const char *name;
		int error;
	} samples[] = {
		{ "", -EINVAL },
		{ ".", -EINVAL },
		{ "..", -EINVAL },
		{ "/etc/passwd", -EINVAL },
		{ "../etc/passwd", -EINVAL },
		{ "sub/file", -EINVAL },
		{ "link", -ELOOP },
		{ "dangling", -ELOOP },
		{ "magic", -ELOOP },
		{ "outside", -ELOOP },
		{ "none", -ENOENT },
	};

	if (_i)
		openat2_deny();
	place_file("file", "x", 1);
	ck_assert_int_eq(mkdirat(place.fd, "sub", 0700), 0);
	place_file("sub/file", "x", 1);
	ck_assert_int_eq(symlinkat("file", place.fd, "link"), 0);
	ck_assert_int_eq(symlinkat("nothing", place.fd, "dangling"), 0);
	ck_assert_int_eq(symlinkat("/proc/self/exe", place.fd, "magic"), 0);
	ck_assert_int_eq(symlinkat("../etc", place.fd, "outside"), 0);
	for (size_t i = 0; i < sizeof(samples) / sizeof(*samples); i++)
		ck_assert_msg(beneath_open(place.fd, samples[i].name, O_RDONLY, 0) ==
				      samples[i].error,
			      "%s", samples[i].name);
	ck_assert_int_eq(beneath_open(place.fd, "dangling", O_WRONLY | O_CREAT, 0600), -ELOOP);
	ck_assert_int_lt(place_size("nothing"), 0);
}
END_TEST

START_TEST(files_are_opened_and_made_as_asked)
{
	struct stat st;
	DIR *list;
	unsigned entries = 0;
	int fd;

	if (_i)
		openat2_deny();
	umask(0);
	fd = beneath_open(place.fd, "new", O_RDWR | O_CREAT | O_EXCL, 0640);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(write(fd, "x", 1), 1);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0640);
	close(fd);
	ck_assert_int_eq(beneath_open(place.fd, "new", O_RDWR | O_CREAT | O_EXCL, 0640), -EEXIST);
	fd = beneath_open(place.fd, "new", O_RDONLY, 0640); /* the mode is not for this */
	ck_assert_int_ge(fd, 0);
	close(fd);
	for (unsigned i = 0; i < 2; i++) { /* from its beginning each time */
		list = beneath_list(place.fd);
		ck_assert_ptr_nonnull(list);
		while (readdir(list))
			entries++;
		closedir(list);
	}
	ck_assert_uint_eq(entries, 2 * 3);
	ck_assert_ptr_null(beneath_list(-1));
	ck_assert_int_eq(errno, EBADF);
}
END_TEST

/* The configured path is trusted. */
START_TEST(a_directory_may_be_a_link_at_the_start)
{
	struct stat st, direct;
	int fd;

	if (_i)
		openat2_deny();
	ck_assert_int_eq(mkdirat(place.fd, "real", 0700), 0);
	ck_assert_int_eq(symlinkat("real", place.fd, "link"), 0);
	place_file("file", "x", 1);
	fd = beneath_start(PLACE_DIRECTORY "/link");
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(fstatat(place.fd, "real", &direct, 0), 0);
	ck_assert_uint_eq(st.st_ino, direct.st_ino);
	close(fd);
	ck_assert_int_eq(beneath_start(PLACE_DIRECTORY "/file"), -ENOTDIR);
	ck_assert_int_eq(beneath_start(PLACE_DIRECTORY "/none"), -ENOENT);
}
END_TEST

Suite *suite_beneath(void)
{
	Suite *s = suite_create("beneath");
	TCase *t = tcase_create("beneath");

	tcase_add_checked_fixture(t, place_setup, place_teardown);
	tcase_add_loop_test(t, links_and_paths_are_not_opened, 0, 2);
	tcase_add_loop_test(t, files_are_opened_and_made_as_asked, 0, 2);
	tcase_add_loop_test(t, a_directory_may_be_a_link_at_the_start, 0, 2);
	suite_add_tcase(s, t);
	return s;
}
