/* Doubles, by the linker's --wrap. */
#include "world.h"

#include "../../daemon/base/channel.h"

#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define FIRST_PID 4194305 /* above what any kernel gives (PID_MAX_LIMIT) */
#define EVENTS	  128
#define BEGIN_NS  (UINT64_C(1790000000) * 1000000000)

/* ---- chance ---- */

static uint64_t seeded, state;

void world_failed(const char *file, int line, const char *format, ...)
{
	va_list ap;

	fprintf(stderr, "seed %llu, %s:%d: ", (unsigned long long)seeded, file, line);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	abort();
}

void world_seed(uint64_t seed)
{
	seeded = seed;
	state = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
}

uint64_t world_seeded(void)
{
	return seeded;
}

unsigned world_random(unsigned below)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(state >> 33) % below;
}

bool world_chance(unsigned times)
{
	return world_random(times) == 0;
}

/* ---- time ---- */

static uint64_t now_ns = BEGIN_NS;
/* Timers and signals of the event loop, of which libevent knows nothing. */
static struct {
	struct event *event; /* NULL: free */
	int signal;	     /* 0: a timer */
	uint64_t due_ns, period_ns;
} events[EVENTS];

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

static int place_of(const struct event *event)
{
	for (int i = 0; i < EVENTS; i++)
		if (events[i].event == event)
			return i;
	return -1;
}

int __wrap_event_add(struct event *event, const struct timeval *delay)
{
	bool signal = event_get_events(event) & EV_SIGNAL;
	uint64_t ns =
		delay ? (uint64_t)delay->tv_sec * 1000000000 + (uint64_t)delay->tv_usec * 1000 : 0;
	int i;

	if (!signal && (event_get_fd(event) >= 0 || !delay))
		return __real_event_add(event, delay);
	i = place_of(event);
	if (i < 0)
		i = place_of(NULL);
	demand(i >= 0, "too many events");
	events[i].event = event;
	events[i].signal = signal ? event_get_signal(event) : 0;
	events[i].due_ns = now_ns + ns;
	events[i].period_ns = event_get_events(event) & EV_PERSIST ? ns : 0;
	return 0;
}

static void forget(const struct event *event)
{
	int i = event ? place_of(event) : -1;

	if (i >= 0)
		events[i].event = NULL;
}

int __wrap_event_del(struct event *event)
{
	forget(event);
	return __real_event_del(event);
}

int __wrap_event_pending(const struct event *event, short what, struct timeval *when)
{
	return (what & EV_TIMEOUT && place_of(event) >= 0) ||
	       __real_event_pending(event, what, when);
}

void __wrap_event_free(struct event *event)
{
	forget(event);
	__real_event_free(event);
}

static void call(struct event *event, int fd, short what)
{
	event_get_callback(event)(fd, what, event_get_callback_arg(event));
}

void world_pass(uint64_t ns)
{
	now_ns += ns;
	for (int i = 0; i < EVENTS; i++) {
		struct event *event = events[i].event;

		if (!event || events[i].signal || events[i].due_ns > now_ns)
			continue;
		if (events[i].period_ns)
			events[i].due_ns = now_ns + events[i].period_ns;
		else
			events[i].event = NULL;
		call(event, -1, EV_TIMEOUT);
	}
}

void world_signal(int number)
{
	for (int i = 0; i < EVENTS; i++)
		if (events[i].event && events[i].signal == number)
			call(events[i].event, number, EV_SIGNAL);
}

/* ---- processes ---- */

static struct world_process processes[WORLD_PROCESSES];
static pid_t next_pid = FIRST_PID;
static int child_end = -1;
static bool refused;

pid_t __wrap_fork(void);
int __wrap_kill(pid_t pid, int number);
int __real_kill(pid_t pid, int number);
pid_t __wrap_waitpid(pid_t pid, int *status, int options);
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

void world_exit(struct world_process *process, int status)
{
	if (process->channel >= 0)
		close(process->channel);
	process->channel = -1;
	process->status = status;
}

static void bury(struct world_process *process)
{
	world_exit(process, 0);
	*process = (struct world_process){ .channel = -1 };
}

void world_end(void)
{
	for (unsigned i = 0; i < WORLD_PROCESSES; i++)
		if (processes[i].pid)
			bury(&processes[i]);
	if (child_end >= 0)
		close(child_end); /* of one that could not be started */
	child_end = -1;
}

void world_refuse(bool refuse)
{
	refused = refuse;
}

bool world_refuses(void)
{
	return refused;
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

	demand(process, "too many processes");
	if (refused) {
		errno = EAGAIN;
		return -1;
	}
	*process = (struct world_process){ .pid = next_pid++, .channel = child_end };
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

/* One whose channel the supervisor has closed ends when it is waited for by its number. */
pid_t __wrap_waitpid(pid_t pid, int *status, int options)
{
	(void)options;
	for (unsigned i = 0; i < WORLD_PROCESSES; i++) {
		pid_t found = processes[i].pid;

		if (!found || (pid > 0 ? pid != found : processes[i].channel >= 0))
			continue;
		if (status)
			*status = processes[i].status;
		bury(&processes[i]);
		return found;
	}
	errno = ECHILD;
	return -1;
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
