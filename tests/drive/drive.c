/* Plays workers, archive process, interface and administrator against a capture of the supervisor,
 * by chance, without any process, and looks after each step whether what must always hold does:
 *
 * - the numbered invariants of slot.h, output.h, tally.h (this program is built with -DINVARIANTS);
 * - (7) all rings of a capture that records are armed;
 * - no slot has two processes, no process is without a slot;
 * - counters: none falls, received = written + discarded, drops + received <= packets;
 * - where everybody does what they should a capture that is stopped comes to its end, its account
 *   balances exactly, and nothing stays open.
 *
 *   drive [STEPS [SEED]]     prints the seed of the scenario that fails, and aborts
 *   DRIVE_LOG=1              prints what the supervisor logs, too */
#include "players.h"

#include "../../daemon/base/config_reader.h"
#include "../../daemon/base/config_rules.h"
#include "../../daemon/base/log.h"
#include "../../daemon/supervisor/account.h"
#include "../../daemon/supervisor/capture.h"
#include "../../daemon/supervisor/capture_state.h"
#include "../../daemon/supervisor/capture_view.h"
#include "../../daemon/supervisor/captures.h"
#include "../../daemon/supervisor/fdstore.h"
#include "../../daemon/supervisor/notify.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCENARIO_MOST 600
#define END_MOST      20000 /* steps until a stopped capture has come to its end */
#define MS	      UINT64_C(1000000)

static uint64_t seed;
static struct config config;
static struct capture *capture;
static struct capture_context context;
static struct event_base *base;
static struct counters shown;
static uint64_t steps;
static struct counters played; /* by all captures that have ended */
static unsigned failed;
static bool unbelievable; /* a ledger was written to that cannot be believed */

#define demand(held, ...)                                                                          \
	do {                                                                                       \
		if (!(held)) {                                                                     \
			fprintf(stderr, "seed %llu, %s:%d: ", (unsigned long long)seed, __FILE__,  \
				__LINE__);                                                         \
			fprintf(stderr, __VA_ARGS__);                                              \
			fprintf(stderr, "\n");                                                     \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static void config_make(void)
{
	static const char *const keys[] = { "interface=va", "directory=/d", "on_missing=wait",
					    "sync=5s", "control=/c" };
	struct config_error error;
	char workers[32];

	config_init(&config);
	demand(config_add(&config, "a", 1, "test", &error), "%s", error.text);
	for (unsigned i = 0; i < 4; i++)
		demand(config_option(&config, "test", keys[i], &error) == 0, "%s", error.text);
	snprintf(workers, sizeof(workers), "workers=%u", 1 + world_random(3));
	demand(config_option(&config, "test", workers, &error) == 0, "%s", error.text);
	demand(config_finish(&config, &error) == 0, "%s", error.text);
}

static bool held(void *nothing, int64_t fanout_id)
{
	(void)nothing;
	(void)fanout_id;
	return false;
}

/* ---- the oracle ---- */

static void processes_check(void)
{
	unsigned living = 0, known = 0;

	for (unsigned i = 0; i < WORLD_PROCESSES; i++)
		living += world_processes()[i].pid != 0;
	for (unsigned i = 0; i < capture->slots.count; i++)
		known += capture->slots.list[i].worker.process.pid > 0;
	known += archive_client_pid(files_client(context.files)) > 0;
	demand(living == known, "%u processes, %u known", living, known);
}

static void counters_check(void)
{
	struct counters now;

	capture_counters(capture, &now);
	demand(!counters_fell(&now, &shown), "a counter fell");
	demand(now.received == now.written + counters_discarded(&now),
	       "received %llu, written %llu, discarded %llu", (unsigned long long)now.received,
	       (unsigned long long)now.written, (unsigned long long)counters_discarded(&now));
	demand(now.drops + now.received <= now.packets, "more received than seen");
	shown = now;
}

static void recorded_check(void)
{
	captures_check(&capture, 1);
	for (unsigned i = 0; i < capture->slots.count; i++) {
		const struct slot *slot = &capture->slots.list[i];

		if (capture->state == CAPTURE_RUNNING && slot->ring.fd >= 0 &&
		    slot->state != SLOT_SETTLED)
			demand(world_armed(slot->ring.fd), "worker %u is not armed", i);
		if (slot->state == SLOT_RUNNING && worker_process_takes(&slot->worker)) {
			const struct slot_output *o = &slot->output;

			demand(o->offered > 0 || !o->current || o->current->fd < 0,
			       "worker %u has no file", i);
			demand(o->offered != 1 || !o->spare || o->spare->fd < 0,
			       "worker %u has no spare file", i);
		}
		if (capture->state == CAPTURE_DRAINING && slot->ring.fd >= 0)
			demand(!world_armed(slot->ring.fd), "worker %u drains and is armed", i);
	}
}

static void settle(void)
{
	event_base_loop(base, EVLOOP_NONBLOCK);
	for (unsigned i = 0; capture->slots.due; i++) {
		demand(i < 100, "its steps come to no end");
		capture_step(capture);
	}
	processes_check();
	recorded_check();
	counters_check();
	steps++;
}

/* ---- what happens ---- */

static void bury(struct world_process *process, int status)
{
	pid_t pid = process->pid;

	world_bury(process);
	if (!archive_client_reaped(files_client(context.files), pid, status))
		demand(capture_reaped(capture, pid, status), "nobody's process");
}

/* Those that were killed die, those that have done what they had to end. */
static void deaths(void)
{
	for (unsigned i = 0; i < WORLD_PROCESSES; i++)
		if (world_processes()[i].pid && world_processes()[i].killed)
			bury(&world_processes()[i], SIGKILL);
	for (unsigned i = 0; i < capture->slots.count; i++) {
		const struct slot *slot = &capture->slots.list[i];
		struct world_process *process = world_process(slot->worker.process.pid);

		if (slot->worker.process.pid > 0 && process && player_worker_done(slot))
			bury(process, 0);
	}
}

static struct world_process *archive_process(void)
{
	pid_t pid = archive_client_pid(files_client(context.files));

	return pid > 0 ? world_process(pid) : NULL;
}

static void archive_act(bool wild)
{
	struct world_process *process = archive_process();

	if (process)
		player_archive(process, wild);
}

static void worker_act(bool wild)
{
	player_worker(&capture->slots.list[world_random(capture->slots.count)], wild);
}

static void traffic(void)
{
	const struct slot *slot = &capture->slots.list[world_random(capture->slots.count)];
	uint32_t n = world_random(500);

	if (slot->ring.fd >= 0)
		world_traffic(slot->ring.fd, n, world_random(4) ? 0 : world_random(n + 1));
}

static void link_change(void)
{
	struct link *link = &world_link.link;

	switch (world_random(6)) {
	case 0:
		world_link.there = false;
		break;
	case 1:
		link->type = world_random(4) ? 1 : 65534; /* ARPHRD_ETHER, ARPHRD_NONE */
		break;
	case 2:
		link->running = link->up = !link->up;
		break;
	default:
		if (!world_link.there)
			*link = (struct link){ .ifindex = link->ifindex + 1,
					       .id = link->id + 1,
					       .type = 1,
					       .name = "va" };
		world_link.there = link->up = link->running = true;
	}
	capture_wake(capture);
}

static void one_dies(void)
{
	static const int statuses[] = { SIGKILL, SIGSEGV, SIGABRT, 1 << 8, 0 };
	struct slot *slot = &capture->slots.list[world_random(capture->slots.count)];
	struct world_process *process =
		world_random(6) ? world_process(slot->worker.process.pid) : archive_process();

	if (!process || !process->pid)
		return;
	if (process->pid == slot->worker.process.pid && world_random(16) == 0)
		player_ledger(slot), unbelievable = true;
	bury(process, statuses[world_random(5)]);
}

static void time_passes(uint64_t ns)
{
	world_pass(ns);
	capture_tick(capture);
	archive_client_tick(files_client(context.files));
}

static void act(void)
{
	unsigned what = world_random(100);

	if (what < 40)
		worker_act(false);
	else if (what < 62)
		archive_act(false);
	else if (what < 66)
		archive_act(true);
	else if (what < 67)
		worker_act(true);
	else if (what < 80)
		traffic();
	else if (what < 91)
		time_passes(world_random(500) * MS);
	else if (what < 93)
		one_dies();
	else if (what < 95)
		link_change();
	else if (what < 96)
		capture_rotate(capture);
	else if (what < 97)
		world_refuse(world_random(4) == 0);
	else
		deaths();
	settle();
}

/* Everybody does what they should. */
static void obey(void)
{
	for (unsigned i = 0; i < capture->slots.count; i++)
		player_worker(&capture->slots.list[i], false);
	archive_act(false);
	deaths();
	time_passes(100 * MS);
	settle();
}

/* What the service manager stores of an instance that has handed over. */
static struct {
	unsigned count;
	struct {
		char name[80];
		int fd;
	} list[1 + 2 * WORKERS_MAX];
} stored;

static bool recorded; /* the one that handed over */

static void store_add(const char *name, int fd)
{
	snprintf(stored.list[stored.count].name, sizeof(stored.list[0].name), "%s", name);
	stored.list[stored.count++].fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

static void store_take(void)
{
	char name[80];

	store_add("capture.a", capture->saved_fd);
	for (unsigned i = 0; i < capture->slots.count; i++) {
		const struct stored_ring *ring = &capture->slots.list[i].ring;

		snprintf(name, sizeof(name), "ledger.a.%u", i);
		store_add(name, ring->ledger_fd);
		snprintf(name, sizeof(name), "ring.a.%u.%llu", i,
			 (unsigned long long)ring->generation);
		if (ring->fd >= 0)
			store_add(name, ring->fd);
	}
}

static void instance_begin(void)
{
	struct notify *notify = NULL;
	struct capture_error error;

	base = event_base_new();
	demand(base && notify_new(&notify) == 0, "no memory");
	context = (struct capture_context){ .group_held = held,
					    .group_context = notify,
					    .base = base,
					    .links = (struct links *)&world_link,
					    .token = 1,
					    .configured = 1,
					    .together = 1 };
	demand(fdstore_new(&context.store, notify) == 0, "no memory");
	for (unsigned i = 0; i < stored.count; i++)
		fdstore_inherit(context.store, stored.list[i].name, stored.list[i].fd);
	demand(files_new(&context.files, base, &storage_events) == 0, "no archive process");
	demand(capture_new(&capture, &context, &config, 0, &error) == 0, "%s", error.text);
	demand(!stored.count || capture->inherited.rings || !recorded || unbelievable,
	       "what was handed over is refused");
	stored.count = 0;
	fdstore_end(context.store);
	demand(capture_start(capture, &error) == 0, "%s", error.text);
	capture->on_fault = world_random(4) ? FAULT_IS_RETRIED : FAULT_FAILS_IT;
	settle();
}

static void instance_end(void)
{
	struct notify *notify = context.group_context;

	capture_free(capture);
	files_free(context.files);
	world_end();
	fdstore_free(context.store);
	notify_free(notify);
	event_base_free(base);
}

static void begin(void)
{
	world_seed(seed);
	players_reset();
	world_refuse(false);
	config_make();
	shown = (struct counters){ 0 };
	unbelievable = false;
	world_link = (struct world_link){
		true,
		{ .ifindex = 3, .id = 1, .type = 1, .up = true, .running = true, .name = "va" }
	};
	instance_begin();
}

/* The next instance continues with the rings: no counter falls, none is lost. */
static void hand_over(void)
{
	if (world_random(5) == 0) { /* what a former section does */
		capture_stop(capture, false);
		for (unsigned i = world_random(8); i; i--)
			act();
	}
	if (capture_over(capture))
		return; /* nothing of it is stored */
	world_refuse(false);
	capture_hand_over(capture, world_random(2));
	for (unsigned i = 0; !capture_handed_over(capture); i++) {
		demand(i < END_MOST, "a hand-over comes to no end");
		obey();
	}
	recorded = capture->saved->since_ns != 0;
	if (!recorded || unbelievable) /* it may begin from scratch */
		shown = (struct counters){ 0 };
	store_take();
	instance_end();
	instance_begin();
}

/* Where nothing is in its way a capture records again, whatever has been. */
static void recovers(void)
{
	world_link.there = world_link.link.up = world_link.link.running = true;
	world_link.link.type = 1;
	capture_wake(capture);
	for (unsigned i = 0; capture->goal == CAPTURE_RECORD && capture->state != CAPTURE_RUNNING;
	     i++) {
		demand(i < END_MOST, "it does not record again");
		obey();
	}
}

static void end(void)
{
	struct counters sum;

	world_refuse(false);
	recovers();
	capture_stop(capture, false);
	for (unsigned i = 0; !capture_over(capture) || !files_settled(context.files); i++) {
		demand(i < END_MOST, "a stopped capture comes to no end");
		obey();
	}
	capture_account(capture, &sum);
	counters_add(&played, &sum);
	failed += capture->state == CAPTURE_FAILED;
	demand(account_balanced(&sum, OUTPUT_PCAPNG), "the account does not balance");
	demand(sum.files_lost >= players_lost() &&
		       sum.files_lost <= players_lost() + players_missing(),
	       "%llu files lost, %u and %u of which are told", (unsigned long long)sum.files_lost,
	       players_lost(), players_missing());
	demand(!counters_fell(&sum, &shown) || sum.files_lost, "a counter fell at the end");
	for (unsigned i = 0; i < capture->slots.count; i++)
		demand(capture->slots.list[i].ring.fd < 0, "ring %u is open", i);
	instance_end();
}

static void aborted(int number)
{
	signal(number, SIG_DFL);
	fprintf(stderr, "seed %llu, step %llu: aborted\n", (unsigned long long)seed,
		(unsigned long long)steps);
}

int main(int argc, char **argv)
{
	uint64_t most = argc > 1 ? strtoull(argv[1], NULL, 0) : 20000;
	unsigned open = 0;

	seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	signal(SIGABRT, aborted);
	log_open(getenv("DRIVE_LOG") ? 7 : -1, "");
	for (uint64_t first = seed; steps < most; seed++) {
		begin();
		for (unsigned i = world_random(SCENARIO_MOST); i; i--)
			act();
		if (world_random(3) == 0) {
			hand_over();
			for (unsigned i = world_random(SCENARIO_MOST); i; i--)
				act();
		}
		end();
		if (seed == first)
			open = world_descriptors();
		demand(world_descriptors() == open, "%u descriptors, %u after the first",
		       world_descriptors(), open);
	}
	printf("ok     drive: %llu steps, seeds up to %llu: %llu packets, %llu written, %llu "
	       "abandoned, "
	       "%llu "
	       "lost with %llu files, %llu files, %llu restarts, %u captures failed\n1 passed, 0 "
	       "failed, 0 skipped\n",
	       (unsigned long long)steps, (unsigned long long)seed - 1,
	       (unsigned long long)played.packets, (unsigned long long)played.written,
	       (unsigned long long)played.discarded_abandoned,
	       (unsigned long long)played.discarded_file_lost,
	       (unsigned long long)played.files_lost, (unsigned long long)played.files_opened,
	       (unsigned long long)played.restarts, failed);
	return 0;
}
