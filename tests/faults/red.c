/* For sandbox.sh, to be preloaded: code of an attacker's choice in a real worker, once it is ready.
 * Each worker that starts takes the next attack of the table from $RED_FILE (a counter), runs it in
 * the thread $RED_THREAD (main or ring), and says on stderr what it came to, should it come back.
 */
#include "../../daemon/base/message.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/io_uring.h>
#include <net/if.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define FILE_FD	   14 /* some file or event; whatever it is, it is none to be executed or mapped */
#define LONGS(...) ((long[6]){ __VA_ARGS__ })

static char buffer[4096];
static struct iovec io = { buffer, 64 };
static struct msghdr message = { .msg_iov = &io, .msg_iovlen = 1 };
static struct mmsghdr messages;
static struct ifreq request;
static struct rlimit limits = { RLIM_INFINITY, RLIM_INFINITY };
static struct sockaddr_un unix_address = { AF_UNIX, "/run/x" };
static char *no_arguments[] = { NULL };
static struct sigaction action;
static uint32_t how[6];

static pid_t parent;
#define A(x)	((long)(uintptr_t)(x))
#define NOWHERE "/afcap-red/nowhere" /* none of these does harm, should it come through */
#define PARENT	-99		     /* the supervisor's pid, once it is known */

/* What it is called in the log; the arguments. */
static const struct attack {
	const char *name;
	long number, arguments[6];
} attacks[] = {
	/* Files */
	{ "openat", SYS_openat, { AT_FDCWD, A("/etc/passwd"), O_RDONLY } },
	{ "openat", SYS_openat, { AT_FDCWD, A("/proc/self/mem"), O_RDWR } },
	{ "openat2", SYS_openat2, { AT_FDCWD, A("/etc/passwd"), A(how), 24 } },
	{ "unlinkat", SYS_unlinkat, { AT_FDCWD, A(NOWHERE), 0 } },
	{ "renameat2", SYS_renameat2, { AT_FDCWD, A(NOWHERE), AT_FDCWD, A(NOWHERE), 0 } },
	{ "mkdirat", SYS_mkdirat, { AT_FDCWD, A("/"), 0777 } },
	{ "memfd_create", SYS_memfd_create, { A("x"), 0 } },
	{ "getdents64", SYS_getdents64, { FILE_FD, A(buffer), sizeof(buffer) } },
	{ "mount", SYS_mount, { A("a"), A(NOWHERE), A("tmpfs"), 0, 0 } },
	{ "chroot", SYS_chroot, { A("/") } },
	/* Sockets */
	{ "socket", SYS_socket, { AF_INET, SOCK_STREAM, 0 } },
	{ "socket", SYS_socket, { AF_UNIX, SOCK_STREAM, 0 } },
	{ "socket", SYS_socket, { AF_PACKET, SOCK_RAW, 0 } },
	{ "socketpair", SYS_socketpair, { AF_UNIX, SOCK_STREAM, 0, A(buffer) } },
	{ "connect", SYS_connect, { RING_FD, A(&unix_address), sizeof(unix_address) } },
	{ "bind", SYS_bind, { RING_FD, A(&unix_address), sizeof(unix_address) } },
	{ "accept4", SYS_accept4, { CHANNEL_FD, 0, 0, 0 } },
	/* The ring: what would transmit, and what would change it */
	{ "write", SYS_write, { RING_FD, A(buffer), 64 } },
	{ "writev", SYS_writev, { RING_FD, A(&io), 1 } },
	{ "pwrite64", SYS_pwrite64, { RING_FD, A(buffer), 64, 0 } },
	{ "pwritev", SYS_pwritev, { RING_FD, A(&io), 1, 0, 0 } },
	{ "sendto", SYS_sendto, { RING_FD, A(buffer), 64, 0, 0, 0 } },
	{ "sendmsg", SYS_sendmsg, { RING_FD, A(&message), 0 } },
	{ "sendmmsg", SYS_sendmmsg, { RING_FD, A(&messages), 1, 0 } },
	{ "recvmsg", SYS_recvmsg, { RING_FD, A(&message), 0 } },
	{ "setsockopt", SYS_setsockopt, { RING_FD, SOL_SOCKET, 26, A(buffer), 16 } },
	{ "setsockopt",
	  SYS_setsockopt,
	  { RING_FD, SOL_PACKET, PACKET_ADD_MEMBERSHIP, A(buffer), 16 } },
	{ "getsockopt",
	  SYS_getsockopt,
	  { RING_FD, SOL_PACKET, PACKET_VERSION, A(buffer), A(buffer) } },
	{ "getsockopt", SYS_getsockopt, { RING_FD, SOL_SOCKET, SO_ERROR, A(buffer), A(buffer) } },
	{ "getsockopt",
	  SYS_getsockopt,
	  { CHANNEL_FD, SOL_SOCKET, SO_PEERCRED, A(buffer), A(buffer) } },
	{ "ioctl", SYS_ioctl, { RING_FD, SIOCSIFFLAGS, A(&request) } },
	{ "ioctl", SYS_ioctl, { STDERR_FILENO, SIOCGIFFLAGS, A(&request) } },
	{ "dup", SYS_dup, { RING_FD } },
	{ "dup3", SYS_dup3, { RING_FD, 40, 0 } },
	{ "fcntl", SYS_fcntl, { RING_FD, F_DUPFD, 20 } },
	{ "splice", SYS_splice, { FILE_FD, 0, RING_FD, 0, 64, 0 } },
	/* The other streams */
	{ "write", SYS_write, { STDOUT_FILENO, A(buffer), 64 } },
	{ "read", SYS_read, { STDIN_FILENO, A(buffer), 64 } },
	{ "write", SYS_write, { LEDGER_FD, A(buffer), 64 } },
	{ "ftruncate", SYS_ftruncate, { LEDGER_FD, 0 } },
	/* Programs and processes */
	{ "execve", SYS_execve, { A(NOWHERE), A(no_arguments), A(no_arguments) } },
	{ "execveat", SYS_execveat, { FILE_FD, A(""), A(no_arguments), A(no_arguments), 0 } },
	{ "clone", SYS_clone, { SIGCHLD, 0, 0, 0, 0 } },
	{ "kill", SYS_kill, { PARENT, 0 } },
	{ "kill", SYS_kill, { 0, 0 } },
	{ "tgkill", SYS_tgkill, { PARENT, PARENT, 0 } },
	{ "ptrace", SYS_ptrace, { PTRACE_ATTACH, PARENT, 0, 0 } },
	{ "process_vm_readv", SYS_process_vm_readv, { PARENT, A(&io), 1, A(&io), 1, 0 } },
	{ "pidfd_open", SYS_pidfd_open, { PARENT, 0 } },
	{ "rt_sigaction", SYS_rt_sigaction, { SIGSYS, A(&action), 0, 8 } },
	{ "prctl", SYS_prctl, { PR_SET_DUMPABLE, 1, 0, 0, 0 } },
	{ "prlimit64", SYS_prlimit64, { 0, RLIMIT_FSIZE, A(&limits), 0 } },
	{ "sched_setaffinity", SYS_sched_setaffinity, { 0, 8, A(buffer) } },
	{ "setresuid", SYS_setresuid, { 0, 0, 0 } },
	{ "capset", SYS_capset, { A(buffer), A(buffer) } },
	{ "unshare", SYS_unshare, { 0x10000000 } },
	{ "setns", SYS_setns, { FILE_FD, 0 } },
	/* Memory that could be executed, or is a file's */
	{ "mmap",
	  SYS_mmap,
	  { 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0 } },
	{ "mmap", SYS_mmap, { 0, 4096, PROT_READ, MAP_SHARED, FILE_FD, 0 } },
	{ "mmap", SYS_mmap, { 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, RING_FD, 0 } },
	{ "mprotect", SYS_mprotect, { A(buffer), 4096, PROT_READ | PROT_EXEC } },
	/* The kernel's large doors */
	{ "bpf", SYS_bpf, { 0, A(buffer), 64 } },
	{ "perf_event_open", SYS_perf_event_open, { A(buffer), 0, -1, -1, 0 } },
	{ "userfaultfd", SYS_userfaultfd, { 0 } },
	{ "io_uring_setup", SYS_io_uring_setup, { 4, A(buffer) } },
	{ "keyctl", SYS_keyctl, { 0, 0 } },
	{ "seccomp", SYS_seccomp, { 0, 0, 0 } },
};
#define ATTACKS (sizeof(attacks) / sizeof(*attacks))

/* ---- what a worker may do, and should not ---- */

static ssize_t (*real_sendmsg)(int, const struct msghdr *, int);
static struct message body;

static uint64_t random_next(void)
{
	static uint64_t state = 88172645463325252;

	state ^= state << 13;
	state ^= state >> 7;
	return state ^= state << 17;
}

static void body_random(void)
{
	unsigned char *bytes = (unsigned char *)&body;

	for (size_t i = 0; i < sizeof(body); i++)
		bytes[i] = (unsigned char)random_next();
}

static void say(size_t bytes, const int *fds, unsigned count)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * 16)];
	} control = { 0 };
	struct iovec part = { &body, bytes };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };

	if (count) {
		header.msg_control = &control;
		header.msg_controllen = CMSG_SPACE(sizeof(int) * count);
		*CMSG_FIRSTHDR(&header) =
			(struct cmsghdr){ CMSG_LEN(sizeof(int) * count), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&header)), fds, sizeof(int) * count);
	}
	for (int i = 0; i < 1000; i++) /* it may be busy, or have hung up */
		if (real_sendmsg(CHANNEL_FD, &header, MSG_NOSIGNAL) >= 0 || errno != EAGAIN)
			return;
}

static void say_random(void)
{
	for (int i = 0; i < 200; i++) {
		body_random();
		say(random_next() % sizeof(body), NULL, 0);
	}
}

/* Of a type that it may be, its length said rightly or not */
static void say_type(uint32_t type, uint32_t bytes, size_t sent, const int *fds, unsigned count)
{
	body_random();
	body.type = type;
	body.bytes = bytes;
	say(sent, fds, count);
}

static void say_wrong_lengths(void)
{
	for (uint32_t type = 0; type < MESSAGE_TYPES + 3; type++)
		for (size_t sent = 0; sent < 64; sent += 7)
			say_type(type, (uint32_t)random_next(), sent, NULL, 0);
}

static void say_bodies(void)
{
	for (uint32_t type = MESSAGE_SOCKET_MADE; type <= MESSAGE_FAILED; type++)
		for (uint32_t bytes = 0; bytes <= 1024; bytes += 4)
			say_type(type, bytes, 8 + bytes, NULL, 0);
}

static void say_descriptors(void)
{
	const int fds[16] = { RING_FD, LEDGER_FD, CHANNEL_FD, 0, 1, 2, RING_FD, RING_FD,
			      RING_FD, RING_FD,	  RING_FD,    0, 0, 0, 0,	0 };

	for (unsigned count = 1; count <= 16; count++)
		for (int i = 0; i < 64; i++)
			say_type(MESSAGE_JOINED, sizeof(struct message_group),
				 8 + sizeof(struct message_group), fds, count);
}

static void say_flood(void)
{
	memset(&body, 0, sizeof(body));
	body.type = MESSAGE_READY;
	for (int i = 0; i < 100000; i++)
		say(8, NULL, 0);
}

static void say_text(void)
{
	memset(&body, 0, sizeof(body));
	body.type = MESSAGE_FAILED;
	body.bytes = sizeof(struct message_failed);
	for (size_t i = 0; i < sizeof(body.failed.text); i++)
		body.failed.text[i] = "\n<0>\033[31m%s%n"[i % 14];
	say(8 + sizeof(struct message_failed), NULL, 0);
	body.type = MESSAGE_CRASHED;
	body.bytes = sizeof(struct message_crashed);
	memset(&body.crashed, 0x0a, sizeof(body.crashed));
	say(8 + sizeof(struct message_crashed), NULL, 0);
}

static void say_lies(void)
{
	memset(&body, 0xff, sizeof(body));
	body.type = MESSAGE_REPORT;
	body.bytes = sizeof(struct message_report);
	say(8 + sizeof(struct message_report), NULL, 0);
	memset(&body.report, 0, sizeof(body.report));
	body.report.current.serial = 77; /* no such file */
	say(8 + sizeof(struct message_report), NULL, 0);
}

static void (*const hostile[])(void) = { say_random, say_wrong_lengths, say_bodies, say_descriptors,
					 say_flood,  say_text,		say_lies };
#define HOSTILE (sizeof(hostile) / sizeof(*hostile))

/* ---- who runs what ---- */

#define SLOTS	   64
#define DEATHS_MAX 4 /* the fifth in a row would end the capture */

static int number = -1;
static bool in_ring_thread, in_channel, in_archive;
static atomic_bool ready, done;

/* The constructor runs before the sandbox. */
__attribute__((constructor)) static void begin(int argc, char **argv)
{
	const char *file = getenv("RED_FILE"), *thread = getenv("RED_THREAD");
	struct {
		unsigned next, deaths[SLOTS];
	} book = { 0 };
	size_t count;
	unsigned slot;
	int fd;

	if (!file || !thread || argc < 2)
		return;
	in_archive = strcmp(thread, "archive") == 0 && strcmp(argv[0], "afcapd: archive") == 0;
	if (in_archive || strcmp(thread, "archive") == 0 || strcmp(argv[0], "afcapd: worker") != 0)
		return;
	in_ring_thread = strcmp(thread, "ring") == 0;
	in_channel = strcmp(thread, "channel") == 0;
	count = in_channel ? HOSTILE : ATTACKS;
	slot = (unsigned)strtoul(strchr(argv[1], '/') + 1, NULL, 10) % SLOTS;
	fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX) || pread(fd, &book, sizeof(book), 0) < 0)
		abort();
	if (book.next < count && book.deaths[slot] < DEATHS_MAX) {
		number = (int)book.next++;
		book.deaths[slot]++;
		fprintf(stderr, "attack %d of %zu: %s\n", number, count,
			in_channel ? "channel" : attacks[number].name);
	}
	if (pwrite(fd, &book, sizeof(book), 0) != sizeof(book))
		abort();
	close(fd);
	parent = getppid();
}

static void attack(void)
{
	const struct attack *a = attacks;
	long args[6], rc;
	char text[160];
	int n;

	if (number < 0 || atomic_exchange(&done, true))
		return;
	if (in_channel) {
		hostile[number]();
		return;
	}
	a += number;
	for (int i = 0; i < 6; i++)
		args[i] = a->arguments[i] == PARENT ? parent : a->arguments[i];
	rc = syscall(a->number, args[0], args[1], args[2], args[3], args[4], args[5]);
	n = snprintf(text, sizeof(text), "attack %d survived: %s gave %ld, %s\n", number, a->name,
		     rc, strerror(errno));
	if (write(STDERR_FILENO, text, (size_t)n) != n)
		abort();
}

/* Files outside of its directory; then a socket, which it dies of. */
static void archive_attack(void)
{
	const struct {
		const char *path;
		int flags;
	} tries[] = { { "/etc/passwd", O_RDONLY },
		      { "/proc/self/mem", O_RDWR },
		      { "/tmp/afcap-red", O_CREAT | O_WRONLY },
		      { "/", O_RDONLY | O_DIRECTORY } };

	for (size_t i = 0; i < sizeof(tries) / sizeof(*tries); i++) {
		int fd = open(tries[i].path, tries[i].flags, 0600);

		dprintf(STDERR_FILENO, "archive: %s: %s\n", tries[i].path,
			fd >= 0 ? "opened" : strerror(errno));
	}
	dprintf(STDERR_FILENO, "archive: removing /tmp/afcap-canary: %s\n",
		unlinkat(AT_FDCWD, "/tmp/afcap-canary", 0) ? strerror(errno) : "done");
	syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
	dprintf(STDERR_FILENO, "archive: survived\n");
}

/* The worker says that it is ready, then reports: the sandbox is complete. */
ssize_t sendmsg(int fd, const struct msghdr *header, int flags)
{
	uint32_t type = 0;

	if (!real_sendmsg)
		*(void **)&real_sendmsg = dlsym(RTLD_NEXT, "sendmsg");
	if (fd == CHANNEL_FD && header->msg_iovlen)
		memcpy(&type, header->msg_iov[0].iov_base, sizeof(type));
	if (in_archive && type == MESSAGE_OPENED && !atomic_exchange(&done, true))
		archive_attack();
	if (atomic_load(&ready) && !in_ring_thread && type == MESSAGE_REPORT)
		attack();
	if (type == MESSAGE_READY) {
		ssize_t rc = real_sendmsg(fd, header, flags);

		atomic_store(&ready, true);
		return rc;
	}
	return real_sendmsg(fd, header, flags);
}

/* What the ring thread waits with before it reads. */
int sem_wait(sem_t *semaphore)
{
	static int (*real)(sem_t *);
	int rc;

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "sem_wait");
	rc = real(semaphore);
	if (in_ring_thread && gettid() != getpid()) {
		while (!atomic_load(&ready))
			;
		attack();
	}
	return rc;
}
