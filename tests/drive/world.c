/* Doubles, by the linker's --wrap. */
#include "world.h"

#include "../../daemon/base/channel.h"
#include "../../lib/afcap.h"

#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FIRST_PID 4194305 /* above what any kernel gives (PID_MAX_LIMIT) */
#define TIMERS	  64
#define BEGIN_NS  (UINT64_C(1790000000) * 1000000000)

/* ---- chance ---- */

static uint64_t state;

void world_seed(uint64_t seed)
{
	state = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
}

unsigned world_random(unsigned below)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(state >> 33) % below;
}

/* ---- time ---- */

static uint64_t now_ns = BEGIN_NS;
static struct {
	struct event *event;
	uint64_t due_ns;
} timers[TIMERS];

int __wrap_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_event_add(struct event *event, const struct timeval *delay);
int __wrap_event_del(struct event *event);
int __wrap_event_pending(const struct event *event, short what, struct timeval *when);
void __wrap_event_free(struct event *event);
int __real_event_add(struct event *event, const struct timeval *delay);
int __real_event_del(struct event *event);
int __real_event_pending(const struct event *event, short what, struct timeval *when);
void __real_event_free(struct event *event);

int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
	(void)id; /* no clock is ever set here */
	*t = (struct timespec){ (time_t)(now_ns / 1000000000), (long)(now_ns % 1000000000) };
	return 0;
}

uint64_t world_ns(void)
{
	return now_ns;
}

static int timer_of(const struct event *event)
{
	for (int i = 0; i < TIMERS; i++)
		if (timers[i].event == event)
			return i;
	return -1;
}

int __wrap_event_add(struct event *event, const struct timeval *delay)
{
	int i = timer_of(event);

	if (event_get_fd(event) >= 0 || !delay)
		return __real_event_add(event, delay);
	if (i < 0)
		i = timer_of(NULL);
	if (i < 0)
		abort();
	timers[i].event = event;
	timers[i].due_ns =
		now_ns + (uint64_t)delay->tv_sec * 1000000000 + (uint64_t)delay->tv_usec * 1000;
	return 0;
}

int __wrap_event_del(struct event *event)
{
	int i = event ? timer_of(event) : -1;

	if (i >= 0)
		timers[i].event = NULL;
	return __real_event_del(event);
}

int __wrap_event_pending(const struct event *event, short what, struct timeval *when)
{
	return (what & EV_TIMEOUT && timer_of(event) >= 0) ||
	       __real_event_pending(event, what, when);
}

void __wrap_event_free(struct event *event)
{
	int i = event ? timer_of(event) : -1;

	if (i >= 0)
		timers[i].event = NULL;
	__real_event_free(event);
}

void world_pass(uint64_t ns)
{
	now_ns += ns;
	for (int i = 0; i < TIMERS; i++) {
		struct event *event = timers[i].event;

		if (!event || timers[i].due_ns > now_ns)
			continue;
		timers[i].event = NULL;
		event_get_callback(event)(-1, EV_TIMEOUT, event_get_callback_arg(event));
	}
}

/* ---- processes ---- */

static struct world_process processes[WORLD_PROCESSES];
static pid_t next_pid = FIRST_PID;
static int child_end = -1;
static bool refused;

pid_t __wrap_fork(void);
int __wrap_kill(pid_t pid, int number);
int __real_kill(pid_t pid, int number);
int __real_channel_pair(int ends[2]);
int __wrap_channel_pair(int ends[2]);

struct world_process *world_processes(void)
{
	return processes;
}

struct world_process *world_process(pid_t pid)
{
	for (unsigned i = 0; i < WORLD_PROCESSES; i++)
		if (processes[i].pid == pid)
			return &processes[i];
	return NULL;
}

void world_bury(struct world_process *process)
{
	if (process->channel >= 0)
		close(process->channel);
	*process = (struct world_process){ .channel = -1 };
}

void world_end(void)
{
	for (unsigned i = 0; i < WORLD_PROCESSES; i++)
		if (processes[i].pid)
			world_bury(&processes[i]);
	if (child_end >= 0)
		close(child_end); /* of one that could not be started */
	child_end = -1;
}

void world_refuse(bool refuse)
{
	refused = refuse;
}

int __wrap_channel_pair(int ends[2])
{
	int rc = __real_channel_pair(ends);

	if (child_end >= 0)
		close(child_end); /* of one that could not be started */
	child_end = rc ? -1 : fcntl(ends[1], F_DUPFD_CLOEXEC, 0);
	return rc;
}

pid_t __wrap_fork(void)
{
	struct world_process *process = world_process(0);

	if (refused || !process) {
		errno = EAGAIN;
		return -1;
	}
	*process = (struct world_process){ next_pid++, child_end, false };
	child_end = -1;
	return process->pid;
}

int __wrap_kill(pid_t pid, int number)
{
	struct world_process *process = pid >= FIRST_PID ? world_process(pid) : NULL;

	if (!process)
		return __real_kill(pid, number);
	process->killed |= number == SIGKILL;
	return 0;
}

/* ---- the interface ---- */

struct world_link world_link;

bool __wrap_links_by_name(const struct links *links, const char *name, struct link *link);
bool __wrap_links_by_id(const struct links *links, uint64_t id, struct link *link);
bool __wrap_links_by_index(const struct links *links, int ifindex, struct link *link);

static bool found(bool is, struct link *link)
{
	if (is)
		*link = world_link.link;
	return is;
}

bool __wrap_links_by_name(const struct links *links, const char *name, struct link *link)
{
	(void)links;
	return found(world_link.there && strcmp(name, world_link.link.name) == 0, link);
}

bool __wrap_links_by_id(const struct links *links, uint64_t id, struct link *link)
{
	(void)links;
	return found(world_link.there && id == world_link.link.id, link);
}

bool __wrap_links_by_index(const struct links *links, int ifindex, struct link *link)
{
	(void)links;
	return found(world_link.there && ifindex == world_link.link.ifindex, link);
}

int __wrap_getsockname(int socket, struct sockaddr *address, socklen_t *length);

/* Every ring is bound to the interface that there was first. */
int __wrap_getsockname(int socket, struct sockaddr *address, socklen_t *length)
{
	const struct sockaddr_ll va = { .sll_family = AF_PACKET,
					.sll_ifindex = world_link.link.ifindex };

	(void)socket;
	memcpy(address, &va, sizeof(va));
	*length = sizeof(va);
	return 0;
}

/* ---- rings: a file that is the kernel's memory of the socket ---- */

struct kernel_ring {
	uint32_t armed, packets, drops, freezes;
};

int __wrap_afcap_filter_set(int socket, const struct sock_fprog *program);
int __wrap_afcap_filter_drop_all(int socket);
int __wrap_afcap_stats_take(int socket, struct afcap_kernel_stats *stats);

static struct kernel_ring ring_read(int fd)
{
	struct kernel_ring r;

	if (pread(fd, &r, sizeof(r), 0) != sizeof(r))
		abort();
	return r;
}

static void ring_write(int fd, const struct kernel_ring *r)
{
	if (pwrite(fd, r, sizeof(*r), 0) != sizeof(*r))
		abort();
}

int world_ring(void)
{
	const struct kernel_ring r = { 0 };
	int fd = memfd_create("ring", MFD_CLOEXEC);

	ring_write(fd, &r);
	return fd;
}

bool world_armed(int ring)
{
	return ring_read(ring).armed;
}

void world_traffic(int ring, uint32_t packets, uint32_t drops)
{
	struct kernel_ring r = ring_read(ring);

	if (!r.armed)
		return;
	r.packets += packets;
	r.drops += drops;
	ring_write(ring, &r);
}

int __wrap_afcap_filter_set(int socket, const struct sock_fprog *program)
{
	struct kernel_ring r = ring_read(socket);

	r.armed = program->len;
	ring_write(socket, &r);
	return 0;
}

int __wrap_afcap_filter_drop_all(int socket)
{
	struct kernel_ring r = ring_read(socket);

	r.armed = 0;
	ring_write(socket, &r);
	return 0;
}

int __wrap_afcap_stats_take(int socket, struct afcap_kernel_stats *stats)
{
	struct kernel_ring r = ring_read(socket);

	*stats = (struct afcap_kernel_stats){ r.packets, r.drops, r.freezes };
	r.packets = r.drops = r.freezes = 0;
	ring_write(socket, &r);
	return 0;
}

bool __wrap_unread_count(int ring, uint32_t blocks, uint32_t block_bytes, uint64_t *packets);

bool __wrap_unread_count(int ring, uint32_t blocks, uint32_t block_bytes, uint64_t *packets)
{
	struct kernel_ring r = ring_read(ring);

	(void)blocks;
	(void)block_bytes;
	*packets += r.packets - r.drops;
	return true;
}

unsigned world_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	unsigned n = 0;

	while (directory && readdir(directory))
		n++;
	closedir(directory);
	return n;
}
