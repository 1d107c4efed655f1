/* The protocols of workers and archive process, followed. */
#include "instance.h"
#include "children.h"
#include "manager.h"
#include "packetring.h"
#include "place.h"
#include "settings.h"
#include "suites.h"

#include "../../daemon/base/channel.h"
#include "../../daemon/supervisor/capture_state.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define SECONDS	     20 /* until a step must be done */
#define PLAY_MS	     1
#define FIRST_USE_NS (UINT64_C(1790000000) * 1000000000)

struct instance instance;

static instance_step *const *step;
static unsigned turns; /* of the present step */

void instance_setup(void)
{
	const struct ifreq up = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	ck_assert_msg(unshare(CLONE_NEWNET) == 0, "a network namespace needs root");
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &up), 0);
	close(fd);
	memset(&instance, 0, sizeof(instance));
	settings_begin(&instance.config);
	place_log();
	manager_begin();
	children_begin();
	instance.base = event_base_new();
	ck_assert_ptr_nonnull(instance.base);
}

void instance_teardown(void)
{
	supervisor_free(instance.supervisor);
	event_base_free(instance.base);
	manager_end();
}

void instance_configure(const char *name, const char *settings)
{
	settings_capture(&instance.config, name, settings);
}

int instance_begin(void)
{
	int rc;

	if (instance.config.captures)
		settings_finish(&instance.config);
	rc = supervisor_new(&instance.supervisor, instance.base, &instance.config);
	if (rc)
		instance.supervisor = NULL;
	return rc;
}

/* ---- the archive process ---- */

static void archive_answer(struct child_double *child, const struct message *request)
{
	static struct message m;
	static uint64_t inode;
	bool opens = request->type == MESSAGE_OPEN || request->type == MESSAGE_REOPEN;
	int fd = -1, rc;

	m = (struct message){ .type = message_answer(request->type) };
	m.result.available = UINT64_C(1) << 30;
	if (request->type == MESSAGE_CAPTURE) {
		m.result.capture = request->capture.capture;
		m.result.error = instance.directory_error;
	} else {
		m.result.capture = request->archive.capture;
		m.result.worker = request->archive.worker;
		m.result.serial = request->archive.file.serial;
		m.result.full = request->type == MESSAGE_MAINTAIN && instance.reserve_gone;
	}
	if (opens)
		m.result.error = instance.open_error;
	if (m.result.error)
		strcpy(m.result.text, "refused by the test");
	else if (opens)
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		m.result.align = 4096;
		m.result.device = 1;
		m.result.inode = ++inode;
	}
	snprintf(m.result.name, sizeof(m.result.name), "%sfile-%llu", opens ? "." : "",
		 (unsigned long long)m.result.serial);
	rc = channel_send(child->channel, &m, fd);
	ck_assert(rc == 0 || rc == -EPIPE); /* its instance is gone */
	if (fd >= 0)
		close(fd);
}

/* ---- a worker ---- */

static void say(struct child_double *child, uint32_t type, int fd)
{
	struct message m = { .type = type };

	if (type == MESSAGE_JOINED)
		m.group = (struct message_group){ .id = 77 };
	ck_assert_int_eq(channel_send(child->channel, &m, fd), 0);
	if (fd >= 0)
		close(fd);
}

/* It reads when it has its ring and a file. */
static void worker_obey(struct child_double *child, const struct message *order)
{
	switch (order->type) {
	case MESSAGE_FILE:
		if (!child->reads)
			say(child, MESSAGE_READY, -1);
		child->reads = true;
		break;
	case MESSAGE_SOCKET:
		say(child, MESSAGE_SOCKET_MADE, -1);
		say(child, MESSAGE_RING_MADE, -1);
		break;
	case MESSAGE_JOIN:
		say(child, MESSAGE_JOINED, packetring_open(0));
		break;
	case MESSAGE_DRAIN:
	case MESSAGE_HANDOVER:
		if (!instance.worker_stubborn)
			child_dies(child, 0);
		break;
	default:
		break; /* what it does then is the test's */
	}
}

static void child_play(struct child_double *child)
{
	static struct message m;
	int fd, rc = 1;

	while (child->channel >= 0 && rc == 1) {
		rc = channel_recv(child->channel, CHANNEL_SUPERVISOR, &m, &fd);
		if (rc != 1)
			break;
		if (fd >= 0)
			close(fd);
		if (m.type < MESSAGE_CAPTURE)
			worker_obey(child, &m);
		else if (instance.archive_dies)
			child_dies(child, SIGKILL);
		else if (!instance.archive_deaf)
			archive_answer(child, &m);
	}
	if (child->channel >= 0 && (rc == 0 || child->killed))
		child_dies(child, child->killed ? SIGKILL : 0);
}

static const struct slot *slot_of(unsigned worker)
{
	return &supervisor_capture(instance.supervisor, 0)->slots.list[worker];
}

static struct child_double *process_of(unsigned worker)
{
	struct child_double *child = children_find(instance_worker(0, worker).pid);

	ck_assert_ptr_nonnull(child);
	return child;
}

void instance_record(unsigned worker, uint64_t packets)
{
	struct ledger *ledger = slot_of(worker)->ring.ledger;
	struct ledger_totals t = ledger_totals(ledger);
	struct message m = { .type = MESSAGE_REPORT };

	ledger_add(ledger, &(struct ledger_kernel){ .packets = packets });
	t.received += packets;
	t.written += packets;
	t.next_sequence++;
	t.next_block = (t.next_block + 1) % slot_of(worker)->task.blocks;
	t.current.end += 100 * packets;
	t.current.until_ns = FIRST_USE_NS + t.next_sequence;
	if (!t.current.since_ns)
		t.current.since_ns = t.current.first_ns = FIRST_USE_NS;
	ledger_commit(ledger, &t);
	ledger_counters(ledger, &t, &m.report.counters);
	m.report.current = t.current;
	m.report.previous = t.previous;
	ck_assert_int_eq(channel_send(process_of(worker)->channel, &m, -1), 0);
}

void instance_kill(unsigned worker, int signal)
{
	child_dies(process_of(worker), signal);
}

/* ---- its life ---- */

static pthread_t manager_thread;
static bool manager_wakes;
static atomic_bool manager_sleeps;

static void *manager_run(void *nothing)
{
	while (!manager_sleeps) {
		manager_read();
		poll(NULL, 0, PLAY_MS);
	}
	return nothing;
}

bool instance_manager_wakes(void)
{
	manager_wakes = true;
	manager_sleeps = false;
	ck_assert_int_eq(pthread_create(&manager_thread, NULL, manager_run, NULL), 0);
	return true;
}

static void manager_sleep(void)
{
	manager_sleeps = true;
	if (manager_wakes)
		ck_assert_int_eq(pthread_join(manager_thread, NULL), 0);
	manager_wakes = false;
}

static void play_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	for (unsigned i = 0; i < children_count(); i++)
		child_play(children_at(i));
	while (*step && (*step)()) {
		step++;
		turns = 0;
	}
	ck_assert_msg(!*step || ++turns < SECONDS * 1000 / PLAY_MS,
		      "a step does not come to its end");
}

int instance_run(instance_step *const *steps)
{
	struct event *play = event_new(instance.base, -1, EV_PERSIST, play_cb, NULL);
	int file = memfd_create("account", MFD_CLOEXEC), stdout_before = dup(STDOUT_FILENO), rc;

	step = steps;
	turns = 0;
	event_add(play, &(struct timeval){ 0, PLAY_MS * 1000 });
	dup2(file, STDOUT_FILENO);
	supervisor_run(instance.supervisor);
	manager_sleep();
	ck_assert_msg(!*step, "it ended before all steps were done");
	rc = supervisor_account(instance.supervisor);
	dup2(stdout_before, STDOUT_FILENO);
	close(stdout_before);
	memset(instance.account, 0, sizeof(instance.account));
	ck_assert_int_ge(pread(file, instance.account, sizeof(instance.account) - 1, 0), 0);
	close(file);
	event_free(play);
	manager_read();
	return rc;
}

struct capture_view instance_view(unsigned capture)
{
	struct capture_view view;

	view_capture(instance.supervisor, capture, &view);
	return view;
}

struct worker_view instance_worker(unsigned capture, unsigned worker)
{
	struct worker_view view;

	view_worker(instance.supervisor, capture, worker, &view);
	return view;
}

bool instance_is(unsigned capture, const char *state)
{
	return strcmp(instance_view(capture).state, state) == 0;
}

/* ---- steps ---- */

bool instance_records(void)
{
	return instance_is(0, "running");
}

bool instance_stops(void)
{
	raise(SIGTERM);
	return true;
}

bool instance_is_ready(void)
{
	manager_read();
	return strstr(manager.texts, "READY=1") != NULL;
}

bool instance_packets_come(void)
{
	instance_record(0, 20);
	instance_record(1, 10);
	return true;
}

bool instance_packets_shown(void)
{
	return instance_view(0).total.packets == 30;
}

bool instance_files_named(void)
{
	return instance_worker(0, 0).file && instance_worker(0, 1).file;
}

bool instance_hand_over(void)
{
	raise(SIGUSR2);
	return true;
}
