/* The archive process's list of system calls. openat2(2) confines paths to the announced
 * directories, whose flags are in memory, where the list cannot check them. */
#include "sandbox.h"

#include "../base/confine.h"
#include "../base/inflight.h"
#include "../base/log.h"
#include "../base/message.h"
#include "../base/privileges.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DESCRIPTORS 256 /* its directories, and the file in progress */
#define NOT_EXEC    (~(uint64_t)(PROT_READ | PROT_WRITE))

static const char names[] =
	/* Names, in the directories that are open */
	"open openat openat2 close stat lstat fstat fstat64 newfstatat fstatat64 statx faccessat "
	"faccessat2 getdents64 unlinkat renameat renameat2 linkat "
	/* Files */
	"lseek _llseek fcntl64 flock fsync fdatasync syncfs fstatfs fstatfs64 "
	/* Memory, time, exit; sysinfo is for qsort(3) */
	"brk mremap munmap madvise futex futex_time64 getrandom sysinfo uname clock_gettime "
	"clock_gettime64 gettimeofday poll ppoll ppoll_time64 getpid gettid geteuid geteuid32 "
	"rt_sigprocmask rt_sigreturn sigreturn restart_syscall exit exit_group "
	/* To restrict itself further */
	"landlock_create_ruleset landlock_add_rule landlock_restrict_self";

/* Not on the standard streams */
static const struct confine_call by_file[] = {
	{ .name = "pread64" },
	{ .name = "pwrite64" },
	{ .name = "ftruncate" },
	{ .name = "ftruncate64" },
	{ .name = "fallocate" },
	{ .name = "fchmod" },
	{ .name = "fchown" },
	{ .name = "fchown32" },
	/* On the socket that a file is received in */
	{ "recvmsg", { { 0 }, { 3, CONFINE_FD, INFLIGHT_PEEK } } },
	{ "recvmsg", { { 0 }, { 3, CONFINE_FD, INFLIGHT_TAKE } } },
};

/* On the socket that a file is sent in; never on the journal's, which would send to any address */
static const struct confine_call sending[] = {
	{ "sendmsg", { { 0 }, { 3, CONFINE_FD, MSG_NOSIGNAL } } },
};

static const struct confine_call bound[] = {
	/* futimens(3): the order in which files were finished */
	{ "utimensat", { { 2, ~(uint64_t)0, 0 } } },
	{ "utimensat_time64", { { 2, ~(uint64_t)0, 0 } } },
	{ "recvmsg", { { 1, CONFINE_FD, CHANNEL_FD } } },
	{ "sendmsg", { { 1, CONFINE_FD, CHANNEL_FD } } },
	/* A socket of this type can send only to its peer */
	{ "socketpair",
	  { { 1, CONFINE_FD, AF_UNIX },
	    { 2, CONFINE_FD, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK } } },
	{ "write", { { 1, CONFINE_FD, STDERR_FILENO } } },
	{ "writev", { { 1, CONFINE_FD, STDERR_FILENO } } }, /* for libc, before it aborts */
	/* ... if it is a socket: non-blocking, and only to its peer */
	{ "sendto",
	  { { 1, CONFINE_FD, STDERR_FILENO },
	    { 4, CONFINE_FD, MSG_DONTWAIT | MSG_NOSIGNAL },
	    { 5, ~UINT64_C(0), 0 } } },
	{ "send",
	  { { 1, CONFINE_FD, STDERR_FILENO }, { 4, CONFINE_FD, MSG_DONTWAIT | MSG_NOSIGNAL } } },
	/* ... and the journal, for lines with their subject in fields */
	{ "sendto",
	  { { 1, CONFINE_FD, LOG_JOURNAL_FD },
	    { 4, CONFINE_FD, MSG_DONTWAIT | MSG_NOSIGNAL },
	    { 5, ~UINT64_C(0), 0 } } },
	{ "send",
	  { { 1, CONFINE_FD, LOG_JOURNAL_FD }, { 4, CONFINE_FD, MSG_DONTWAIT | MSG_NOSIGNAL } } },
	/* Not the commands that send signals */
	{ "fcntl", { { 2, CONFINE_FD, F_DUPFD_CLOEXEC } } },
	{ "fcntl", { { 2, CONFINE_FD, F_GETFL } } },
	{ "fcntl", { { 2, CONFINE_FD, F_SETFL } } },
	{ "fcntl", { { 2, CONFINE_FD, F_GETFD } } },
	{ "fcntl", { { 2, CONFINE_FD, F_SETFD } } },
	/* Anonymous memory, never executable */
	{ "mmap", { { 3, NOT_EXEC, 0 }, { 4, MAP_ANONYMOUS, MAP_ANONYMOUS } } },
	{ "mmap2", { { 3, NOT_EXEC, 0 }, { 4, MAP_ANONYMOUS, MAP_ANONYMOUS } } },
	{ "mprotect", { { 3, NOT_EXEC, 0 } } },
};

int archive_sandbox(void)
{
	const struct confine_call own = { "tgkill", { { 1, CONFINE_FD, (uint64_t)getpid() } } };
	struct confine *list = confine_new(CONFINE_DIES);
	int rc = confine_allow_names(list, names);

	if (rc == 0)
		rc = confine_allow(list, bound, sizeof(bound) / sizeof(*bound));
	if (rc == 0)
		rc = confine_allow(list, &own, 1);
	if (rc == 0)
		rc = confine_allow_from(list, CHANNEL_FD + 1, DESCRIPTORS, by_file,
					sizeof(by_file) / sizeof(*by_file));
	if (rc == 0)
		rc = confine_allow_from(list, INFLIGHT_FROM, DESCRIPTORS, sending, 1);
	if (rc == 0)
		rc = privileges_limit(RLIMIT_NOFILE, INFLIGHT_MAX);
	tzset(); /* gmtime_r(3) would look for /etc/localtime */
	log_confined();
	if (rc == 0)
		rc = privileges_drop();
	return rc ? rc : confine_apply(list);
}

void archive_sandbox_beneath(const int *directories, unsigned count)
{
	int rc = confine_files(directories, count);

	if (rc < 0)
		log_debug("Landlock is not available: %s", strerror(-rc));
	else if (rc > 0)
		log_debug("confined to %u directories", count);
}
