/* The supervisor's list of system calls. Its children inherit it, including the programs that they
 * execute: so it has the calls that a dynamic loader, a worker and an archive process need before
 * they confine themselves further. */
#include "sandbox.h"

#include "../base/confine.h"
#include "../base/failure.h"
#include "../base/log.h"

#include <errno.h>
#include <linux/sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define NAMESPACES                                                                                 \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |             \
	 CLONE_NEWPID | CLONE_NEWNET)

static const char plain[] =
	/* Files: configuration, names of users and services, /proc, the output, sockets' paths */
	"open openat openat2 close close_range read readv pread64 write writev pwrite64 pwritev "
	"lseek _llseek stat stat64 fstat fstat64 lstat lstat64 newfstatat fstatat64 statx "
	"access faccessat faccessat2 readlink readlinkat getdents64 fcntl fcntl64 flock dup "
	"dup2 dup3 pipe pipe2 ioctl unlink unlinkat rename renameat renameat2 link linkat "
	"mkdir mkdirat chmod fchmod fchmodat chown fchown fchown32 fchownat umask fsync fdatasync "
	"sync_file_range sync_file_range2 syncfs ftruncate ftruncate64 fallocate utimensat "
	"utimensat_time64 statfs statfs64 fstatfs fstatfs64 getcwd "
	"memfd_create fadvise64 fadvise64_64 arm_fadvise64_64 "
	/* Memory */
	"brk mmap mmap2 munmap mprotect mremap madvise mlock mlock2 munlock "
	/* Processes and their privileges */
	"fork vfork execve exit exit_group wait4 waitid kill tgkill getpid gettid getppid "
	"getpgrp getuid geteuid getgid getegid getuid32 geteuid32 getgid32 getegid32 "
	"getgroups getgroups32 getresuid getresgid prctl arch_prctl capget capset seccomp "
	"landlock_create_ruleset landlock_add_rule landlock_restrict_self prlimit64 getrlimit "
	"ugetrlimit "
	"setrlimit getrusage sched_getaffinity sched_setaffinity sched_yield getcpu "
	"set_tid_address set_robust_list rseq set_tls futex futex_time64 membarrier "
	/* Signals */
	"rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait "
	"rt_sigsuspend sigaltstack sigreturn restart_syscall pause alarm setitimer "
	/* Sockets, waiting, time */
	"socketpair bind listen accept accept4 connect getsockname getpeername getsockopt "
	"setsockopt send sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg shutdown epoll_create1 "
	"epoll_ctl epoll_wait epoll_pwait epoll_pwait2 poll ppoll ppoll_time64 select "
	"pselect6 eventfd2 timerfd_create timerfd_settime timerfd_settime64 timerfd_gettime "
	"signalfd4 "
	"nanosleep clock_nanosleep clock_nanosleep_time64 clock_gettime clock_gettime64 "
	"clock_getres gettimeofday "
	"time times uname sysinfo getrandom ";

static const struct confine_call bound[] = {
	{ "socket", { { 1, CONFINE_FD, AF_UNIX } } },
	{ "socket", { { 1, CONFINE_FD, AF_INET } } }, /* for host names in filters */
	{ "socket", { { 1, CONFINE_FD, AF_INET6 } } },
	{ "socket", { { 1, CONFINE_FD, AF_NETLINK } } },
	{ "socket", { { 1, CONFINE_FD, AF_PACKET } } },
	{ "clone", { { 1, NAMESPACES, 0 } } },
};

static int list_apply(void)
{
	struct confine *list = confine_new(CONFINE_REFUSED);
	int rc = confine_allow_names(list, plain);

	if (rc == 0)
		rc = confine_allow(list, bound, sizeof(bound) / sizeof(*bound));
	if (rc == 0) /* its flags cannot be checked: libc uses clone instead */
		rc = confine_missing(list, "clone3");
	return rc ? rc : confine_apply(list);
}

int supervisor_sandbox(const struct privileges *privileges)
{
	int rc = privileges_enter(privileges);

	if (rc) {
		log_error("giving up privileges (user %u, group %u): %s", (unsigned)privileges->uid,
			  (unsigned)privileges->gid, failure_text(-rc));
		return EXIT_FAILURE;
	}
	rc = list_apply();
	if (rc)
		log_warning("seccomp: %s: this process may make every system call, its workers "
			    "will not start where that is so for them",
			    failure_text(-rc));
	return 0;
}
