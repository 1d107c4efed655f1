/* daemon/base/confine.c, privileges.c, trace.c */
#include "suites.h"

#include "../../daemon/base/channel.h"
#include "../../daemon/base/config_reader.h"
#include "../../daemon/base/confine.h"
#include "../../daemon/base/privileges.h"
#include "../../daemon/base/trace.h"
#include "../../daemon/supervisor/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a child came to */
static int child_status(void (*child)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		child();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static const char all_but_getppid[] =
	"write close exit exit_group rt_sigreturn rt_sigprocmask rt_sigaction getpid gettid tgkill "
	"sendmsg mmap munmap mprotect madvise brk futex clone clone3 set_robust_list rseq "
	"getrandom";

static void confined(enum confine_otherwise otherwise, const struct confine_call *calls,
		     size_t count)
{
	struct confine *list = confine_new(otherwise);

	if (confine_allow_names(list, all_but_getppid) || confine_allow(list, calls, count) ||
	    confine_missing(list, "getpgrp") || confine_apply(list))
		_exit(99);
}

static void call_allowed(void)
{
	confined(CONFINE_DIES, NULL, 0);
	_exit(getpid() > 0 ? 7 : 8);
}

static void call_denied(void)
{
	confined(CONFINE_DIES, NULL, 0);
	getppid();
}

static void *thread_denied(void *go)
{
	char byte;

	while (read(*(int *)go, &byte, 1) != 1)
		;
	getppid();
	return NULL;
}

/* A thread that was there before */
static void call_denied_in_thread(void)
{
	const struct confine_call reads = { .name = "read" };
	pthread_t thread;
	int ends[2];

	if (pipe(ends) || pthread_create(&thread, NULL, thread_denied, &ends[0]))
		_exit(98);
	confined(CONFINE_DIES, &reads, 1);
	if (write(ends[1], "", 1) != 1)
		_exit(97);
	pthread_join(thread, NULL);
}

START_TEST(other_calls_end_the_process)
{
	int status = child_status(call_allowed);

	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	status = child_status(call_denied);
	ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "status %x", status);
	status = child_status(call_denied_in_thread);
	ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "status %x", status);
}
END_TEST

static void call_refused(void)
{
	confined(CONFINE_REFUSED, NULL, 0);
	if (syscall(SYS_getppid) != -1 || errno != EPERM)
		_exit(1);
	if (syscall(SYS_getpgrp) != -1 || errno != ENOSYS)
		_exit(2);
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != -1) /* not in the list */
		_exit(3);
}

START_TEST(or_they_are_refused)
{
	ck_assert_int_eq(child_status(call_refused), 0);
}
END_TEST

/* The kernel looks at the low half of a descriptor: garbage above it hides nothing, and allows
 * nothing */
static void by_descriptor(void)
{
	const struct confine_call rules[] = { { "fsync", { { 1, CONFINE_FD, 7 } } },
					      { "dup", { { 1, CONFINE_FD & ~UINT64_C(7), 8 } } } };

	close_range(3, ~0U, 0);
	confined(CONFINE_REFUSED, rules, 2);
	if (syscall(SYS_fsync, 6L) != -1 || errno != EPERM)
		_exit(1);
	if (syscall(SYS_fsync, 7L) != -1 || errno != EBADF)
		_exit(2);
	if (syscall(SYS_fsync, (5L << 32) | 7) != -1 || errno != EBADF)
		_exit(3);
	if (syscall(SYS_fsync, (7L << 32) | 6) != -1 || errno != EPERM)
		_exit(4);
	for (long fd = 0; fd < 32; fd++)
		if (syscall(SYS_dup, 0x100000000L + fd) != -1)
			_exit(5);
		else if ((errno == EPERM) == (fd >= 8 && fd < 16))
			_exit(6);
}

START_TEST(rules_look_at_what_the_kernel_looks_at)
{
	ck_assert_int_eq(child_status(by_descriptor), 0);
}
END_TEST

static void without_files(void)
{
	int fd;

	if (confine_files(NULL, 0) < 1)
		_exit(77);
	fd = open("/etc/passwd", O_RDONLY);
	if (fd >= 0 || errno != EACCES)
		_exit(1);
	if (open("/tmp/afcap-confined", O_CREAT | O_WRONLY, 0600) >= 0 || errno != EACCES)
		_exit(2);
	if (open("/", O_RDONLY | O_DIRECTORY) >= 0)
		_exit(3);
	if (execl("/bin/true", "true", NULL) != -1 || errno != EACCES)
		_exit(4);
	if (kill(getppid(), 0) == 0) /* scoped, where Landlock goes that far */
		_exit(errno == EPERM ? 5 : 0);
}

START_TEST(no_file_can_be_had)
{
	int status = child_status(without_files);

	ck_assert(WIFEXITED(status));
	ck_assert_msg(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77, "step %d",
		      WEXITSTATUS(status));
}
END_TEST

static char place[] = "/tmp/afcap-confine-XXXXXX";

static void beneath(void)
{
	int directory = open(place, O_RDONLY | O_DIRECTORY), fd;

	if (confine_files(&directory, 1) < 1)
		_exit(77);
	fd = openat(directory, "file", O_CREAT | O_RDWR, 0600);
	if (fd < 0 || write(fd, "x", 1) != 1 || ftruncate(fd, 0))
		_exit(1);
	if (renameat(directory, "file", directory, "other") || open(place, O_RDONLY) < 0)
		_exit(2);
	if (symlinkat("/etc/passwd", directory, "link") == 0 || errno != EACCES)
		_exit(3);
	if (openat(directory, "../../etc/passwd", O_RDONLY) >= 0 || errno != EACCES)
		_exit(4);
	if (renameat(directory, "other", AT_FDCWD, "/tmp/afcap-confined") == 0)
		_exit(5);
	if (unlinkat(directory, "other", 0))
		_exit(6);
}

START_TEST(or_none_beyond_a_directory)
{
	int status;

	ck_assert_ptr_nonnull(mkdtemp(place));
	status = child_status(beneath);
	ck_assert_int_eq(rmdir(place), 0);
	ck_assert_msg(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77),
		      "step %d", WEXITSTATUS(status));
}
END_TEST

START_TEST(names_of_calls)
{
	char text[64];

	confine_call_name(SYS_setsockopt, text, sizeof(text));
	ck_assert_str_eq(text, "setsockopt");
	confine_call_name(99999, text, sizeof(text));
	ck_assert_str_eq(text, "system call 99999");
	confine_call_name(-7, text, sizeof(text));
	ck_assert_str_eq(text, "system call -7");
	ck_assert_ptr_null(strchr(text, '\n'));
	ck_assert_int_eq(confine_apply(NULL), -ENOMEM);
	ck_assert_int_eq(confine_allow(NULL, NULL, 0), -ENOMEM);
	ck_assert_int_eq(confine_allow_names(NULL, "read"), -ENOMEM);
	ck_assert_int_eq(confine_missing(NULL, "read"), -ENOMEM);
}
END_TEST

static void drops(void)
{
	char line[256];
	unsigned long long set;
	FILE *file;

	if (privileges_drop() || prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) ||
	    prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		_exit(1);
	file = fopen("/proc/self/status", "r");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "CapPrm: %llx", &set) == 1 ||
		    sscanf(line, "CapEff: %llx", &set) == 1 ||
		    sscanf(line, "CapInh: %llx", &set) == 1 ||
		    sscanf(line, "CapAmb: %llx", &set) == 1)
			if (set)
				_exit(2);
	if (!file || socket(AF_PACKET, SOCK_RAW, 0) >= 0 || errno != EPERM)
		_exit(3);
}

static void enters(void)
{
	const struct privileges p = {
		.root = true, .uid = 65534, .gid = 65534, .count = 1, .groups = { 60 }
	};
	gid_t group;
	int fd;

	if (privileges_enter(&p) || geteuid() != 65534 || getegid() != 65534)
		_exit(1);
	if (getgroups(1, &group) != 1 || group != 60)
		_exit(2);
	if (socket(AF_PACKET, SOCK_RAW, 0) >= 0 || setuid(0) == 0 || chown("/tmp", 0, 0) == 0)
		_exit(3);
	privileges_raise();
	fd = socket(AF_PACKET, SOCK_RAW, 0);
	privileges_lower();
	if (fd < 0 || socket(AF_PACKET, SOCK_RAW, 0) >= 0)
		_exit(4);
	if (privileges_pass(true) || (fd = socket(AF_PACKET, SOCK_RAW, 0)) >= 0)
		_exit(5);
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 13L, 0, 0) != 1)
		_exit(6);
	if (privileges_pass(false) || prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 13L, 0, 0) != 0)
		_exit(7);
	privileges_raise(); /* it is gone */
	if (socket(AF_PACKET, SOCK_RAW, 0) >= 0)
		_exit(8);
}

START_TEST(privileges_only_become_less)
{
	int status = child_status(drops);

	ck_assert_msg(status == 0, "drops: step %d", WEXITSTATUS(status));
	status = child_status(enters);
	ck_assert_msg(status == 0, "enters: step %d", WEXITSTATUS(status));
}
END_TEST

START_TEST(users_are_found)
{
	static struct config config;
	struct config_error error;
	struct privileges p;

	config_init(&config);
	strcpy(config.daemon.user, "nobody");
	ck_assert_int_eq(privileges_find(&p, &config, &error), 0);
	ck_assert_uint_eq(p.uid, 65534);
	ck_assert_uint_eq(p.gid, 65534);
	strcpy(config.daemon.group, "games");
	ck_assert_int_eq(privileges_find(&p, &config, &error), 0);
	ck_assert_uint_eq(p.gid, 60);
	strcpy(config.daemon.group, "no-such-group");
	ck_assert_int_eq(privileges_find(&p, &config, &error), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error.text, "group = no-such-group: no such group"));
	strcpy(config.daemon.user, "no-such-user");
	ck_assert_int_eq(privileges_find(&p, &config, &error), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error.text, "user = no-such-user: no such user"));
}
END_TEST

/* The supervisor's own list, as root without a user */
static void supervises(void)
{
	static const long numbers[] = {
		SYS_unshare,   SYS_setns,	SYS_mount,	     SYS_ptrace,
		SYS_bpf,       SYS_keyctl,	SYS_io_uring_setup,  SYS_chroot,
		SYS_setresuid, SYS_init_module, SYS_perf_event_open, SYS_process_vm_readv
	};
	const struct privileges p = { .root = true };

	if (supervisor_sandbox(&p))
		_exit(99);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		if (syscall(numbers[i], -1L, -1L, -1L, -1L, -1L) != -1 || errno != EPERM)
			_exit((int)i + 1);
	if (syscall(SYS_clone, 0x10000000L | SIGCHLD, 0, 0, 0, 0) != -1 || errno != EPERM)
		_exit(50); /* CLONE_NEWUSER */
	if (syscall(SYS_clone3, 0, 0) != -1 || errno != ENOSYS)
		_exit(51);
	if (socket(AF_ALG, SOCK_SEQPACKET, 0) != -1 || errno != EPERM)
		_exit(52);
	if (child_status(call_allowed) != 7 << 8) /* its children can still be */
		_exit(53);
}

START_TEST(the_supervisor_has_a_list_too)
{
	int status = child_status(supervises);

	ck_assert_msg(status == 0, "step %d", WEXITSTATUS(status));
}
END_TEST

static struct message told;
static uintptr_t nowhere = 0x123;

/* A child of which the channel is descriptor 3, as of a real one */
static void faults(int fault)
{
	int ends[2], passed, status;
	pid_t pid;

	ck_assert_int_eq(channel_pair(ends), 0);
	pid = fork();
	if (pid == 0) {
		if (dup2(ends[1], CHANNEL_FD) < 0)
			_exit(98);
		trace_begin();
		if (fault == SIGSYS)
			call_denied();
		else if (fault == SIGSEGV)
			**(volatile int *volatile *)&nowhere = 1;
		else
			abort();
		_exit(97);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == fault, "status %x", status);
	/* Where it was, then how it came there */
	for (unsigned frames = 1; frames <= 2; frames++) {
		ck_assert_int_eq(channel_recv(ends[0], CHANNEL_WORKER, &told, &passed), 1);
		ck_assert_uint_eq(told.type, MESSAGE_CRASHED);
		ck_assert_int_eq(told.crashed.signal, fault);
		ck_assert_uint_ge(told.crashed.frames, frames);
	}
	close(ends[0]);
	close(ends[1]);
}

START_TEST(a_fault_is_told_and_ends_the_process)
{
	char text[1024];

	if (!confine_possible())
		return; /* a sanitizer has these signals */
	faults(SIGSEGV);
	trace_text(&told.crashed, text, sizeof(text));
	ck_assert_msg(
		strncmp(text, "SIGSEGV (address 0x123), in its main thread, at afcapd+0x", 57) == 0,
		"%s", text);
	faults(SIGABRT);
	trace_text(&told.crashed, text, sizeof(text));
	ck_assert_msg(strncmp(text, "SIGABRT, in its main thread, at ", 32) == 0, "%s", text);
	ck_assert_ptr_nonnull(strstr(text, " < afcapd+0x"));
	faults(SIGSYS);
	trace_text(&told.crashed, text, sizeof(text));
	ck_assert_msg(strncmp(text, "SIGSYS: it called getppid, which is not allowed", 42) == 0,
		      "%s", text);
}
END_TEST

/* A worker may say anything */
START_TEST(what_a_liar_says_stays_a_line)
{
	struct message_crashed crashed;
	char text[1024], small[8];

	for (int fill = 0; fill < 256; fill++) {
		memset(&crashed, fill, sizeof(crashed));
		memset(text, 1, sizeof(text));
		trace_text(&crashed, text, sizeof(text));
		ck_assert_ptr_nonnull(memchr(text, '\0', sizeof(text)));
		ck_assert_uint_gt(strlen(text), 10);
		for (const char *c = text; *c; c++)
			ck_assert(*c >= ' ' && *c < 0x7f);
		trace_text(&crashed, small, sizeof(small));
		ck_assert_ptr_nonnull(memchr(small, '\0', sizeof(small)));
	}
}
END_TEST

Suite *suite_confine(void)
{
	Suite *s = suite_create("confine");
	TCase *t = tcase_create("confine");

	if (confine_possible()) {
		tcase_add_test(t, other_calls_end_the_process);
		tcase_add_test(t, or_they_are_refused);
		tcase_add_test(t, the_supervisor_has_a_list_too);
		tcase_add_test(t, rules_look_at_what_the_kernel_looks_at);
	}
	tcase_add_test(t, no_file_can_be_had);
	tcase_add_test(t, or_none_beyond_a_directory);
	tcase_add_test(t, names_of_calls);
	tcase_add_test(t, privileges_only_become_less);
	tcase_add_test(t, users_are_found);
	tcase_add_test(t, a_fault_is_told_and_ends_the_process);
	tcase_add_test(t, what_a_liar_says_stays_a_line);
	suite_add_tcase(s, t);
	return s;
}
