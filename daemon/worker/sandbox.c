/* The list of a worker's system calls, by descriptor and option. */
#include "sandbox.h"

#include "../base/confine.h"
#include "../base/inflight.h"
#include "../base/log.h"
#include "../base/privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define DESCRIPTORS 64
#define FILES_FROM  8
#define LATE_FILES  4
#define SLACK_BYTES (UINT64_C(1) << 30)
#define NOT_EXEC    (~(uint64_t)(PROT_READ | PROT_WRITE))

/* Kinds of descriptors, by their names in /proc/self/fd. */
enum kind { EVENT, TIMER, EPOLL };
static const char *const kinds[] = { [EVENT] = "anon_inode:[eventfd]",
				     [TIMER] = "anon_inode:[timerfd]",
				     [EPOLL] = "anon_inode:[eventpoll]" };

/* The only calls on a descriptor of each kind. */
static const struct {
	enum kind kind;
	const char *call;
} by_kind[] = {
	{ EVENT, "read" },
	{ EVENT, "write" },
	{ TIMER, "read" },
	{ TIMER, "timerfd_settime" },
	{ TIMER, "timerfd_settime64" },
	{ EPOLL, "epoll_wait" },
	{ EPOLL, "epoll_pwait" },
	{ EPOLL, "epoll_pwait2" },
	{ EPOLL, "epoll_ctl" },
};

#define FD(number)                                                                                 \
	{                                                                                          \
		1, CONFINE_FD, number                                                              \
	}
#define IS(n, number)                                                                              \
	{                                                                                          \
		n, CONFINE_FD, number                                                              \
	}

static const char names[] =
	/* Memory */
	"brk mremap munmap madvise "
	/* Time, threads, exit */
	"clock_gettime clock_gettime64 gettimeofday nanosleep clock_nanosleep "
	"clock_nanosleep_time64 futex futex_time64 sched_yield getrandom getpid gettid alarm "
	"setitimer rt_sigprocmask rt_sigreturn sigreturn restart_syscall exit exit_group "
	/* Whether standard error is writable */
	"poll ppoll ppoll_time64 "
#ifdef CRASH_STEPS /* reports the step it died after */
	"write "
#endif
	"close";

static const struct confine_call bound[] = {
	/* The channel, stderr */
	{ "recvmsg", { FD(CHANNEL_FD) } },
	{ "sendmsg", { FD(CHANNEL_FD) } },
	{ "write", { FD(STDERR_FILENO) } },
	{ "writev", { FD(STDERR_FILENO) } }, /* for libc, before it aborts */
	/* ... if it is a socket: non-blocking, and only to its peer */
	{ "sendto",
	  { FD(STDERR_FILENO), IS(4, MSG_DONTWAIT | MSG_NOSIGNAL), { 5, ~UINT64_C(0), 0 } } },
	{ "send", { FD(STDERR_FILENO), IS(4, MSG_DONTWAIT | MSG_NOSIGNAL) } },
	/* ... and the journal, for lines with their subject in fields */
	{ "sendto",
	  { FD(LOG_JOURNAL_FD), IS(4, MSG_DONTWAIT | MSG_NOSIGNAL), { 5, ~UINT64_C(0), 0 } } },
	{ "send", { FD(LOG_JOURNAL_FD), IS(4, MSG_DONTWAIT | MSG_NOSIGNAL) } },
	/* The ring: its statistics, its link, the reason of a wake-up. No call that sends on it or
	 * changes it. */
	{ "getsockopt", { FD(RING_FD), IS(2, SOL_PACKET), IS(3, PACKET_STATISTICS) } },
	{ "getsockname", { FD(RING_FD) } },
	{ "ioctl", { FD(RING_FD), IS(2, SIOCGIFNAME) } },
	{ "ioctl", { FD(RING_FD), IS(2, SIOCGIFFLAGS) } },
	{ "recvfrom", { FD(RING_FD), { 3, ~UINT64_C(0), 0 }, IS(4, MSG_PEEK | MSG_DONTWAIT) } },
	/* Anonymous memory, never executable */
	{ "mmap", { { 3, NOT_EXEC, 0 }, { 4, MAP_ANONYMOUS, MAP_ANONYMOUS } } },
	{ "mmap2", { { 3, NOT_EXEC, 0 }, { 4, MAP_ANONYMOUS, MAP_ANONYMOUS } } },
	{ "mprotect", { { 3, NOT_EXEC, 0 } } },
};

/* On output files. F_SETFL sets or clears O_DIRECT, and nothing else. */
static const struct confine_call by_file[] = {
	{ .name = "pwrite64" },
	{ .name = "pwritev" },
	{ .name = "ftruncate" },
	{ .name = "ftruncate64" },
	{ .name = "fallocate" },
	{ .name = "sync_file_range" },
	{ .name = "sync_file_range2" },
	{ .name = "fadvise64" },
	{ .name = "fadvise64_64" },
	{ .name = "arm_fadvise64_64" },
	/* On the socket that a file is received in */
	{ "recvmsg", { { 0 }, IS(3, INFLIGHT_PEEK) } },
	{ "fcntl", { { 0 }, IS(2, F_SETFL), IS(3, 0) } },
	{ "fcntl", { { 0 }, IS(2, F_SETFL), IS(3, O_DIRECT) } },
	{ "fcntl64", { { 0 }, IS(2, F_SETFL), IS(3, 0) } },
	{ "fcntl64", { { 0 }, IS(2, F_SETFL), IS(3, O_DIRECT) } },
};

/* One of the kinds, or -1. */
static int kind_of(int fd)
{
	char path[32], target[32];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -1;
	target[n] = '\0';
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strcmp(target, kinds[i]) == 0)
			return (int)i;
	return -1;
}

static int kind_allow(struct confine *list, int fd, int kind)
{
	int rc = 0;

	for (size_t i = 0; i < sizeof(by_kind) / sizeof(*by_kind) && rc == 0; i++) {
		const struct confine_call call = { by_kind[i].call, { FD((unsigned)fd) } };

		if ((int)by_kind[i].kind == kind)
			rc = confine_allow(list, &call, 1);
	}
	return rc;
}

/* Event, timer and epoll descriptors are looked up while /proc is still accessible. */
static int list_fill(struct confine *list)
{
	const struct confine_call own = { "tgkill", { IS(1, (uint64_t)getpid()) } };
	int rc = confine_allow_names(list, names);

	if (rc == 0)
		rc = confine_allow(list, bound, sizeof(bound) / sizeof(*bound));
	if (rc == 0)
		rc = confine_allow(list, &own, 1);
	if (rc == 0)
		rc = confine_allow_from(list, FILES_FROM, DESCRIPTORS, by_file,
					sizeof(by_file) / sizeof(*by_file));
	for (int fd = RING_FD + 1; fd < DESCRIPTORS && rc == 0; fd++)
		rc = kind_allow(list, fd, kind_of(fd));
	return rc;
}

int sandbox_begin(const struct message_worker *what, struct confine **list)
{
	/* If the next file is late, packets continue into this one: the limit bounds a compromised
	 * worker, but is not reached when the archive process is slow. */
	uint64_t maximum =
		LATE_FILES * (what->config.file_bytes + what->config.burst_bytes) + SLACK_BYTES;
	int rc;

	*list = confine_new(CONFINE_DIES);
	rc = list_fill(*list);
	log_confined();
	if (rc == 0)
		rc = privileges_limit(RLIMIT_FSIZE, maximum);
	if (rc == 0)
		rc = privileges_limit(RLIMIT_NOFILE, DESCRIPTORS);
	if (rc == 0)
		rc = privileges_drop();
	if (rc)
		return rc;
	rc = confine_files(NULL, 0);
	if (rc < 0)
		log_debug("Landlock is not available: %s", strerror(-rc));
	return 0;
}

int sandbox_close(struct confine *list)
{
	return confine_apply(list);
}
