/* Plays workers, archive process, interfaces, name service, service manager and administrator
 * against the supervisor, by chance, without any process, and looks after each step whether what
 * must always hold does:
 *
 * - the numbered invariants of slot.h, output.h, tally.h (this program is built with -DINVARIANTS);
 * - (6) the service manager stores what the next instance needs, and nothing else; (7) all rings of
 * a capture that records are armed, with the same filter; (8) what is dropped was counted;
 * - no slot has two processes, no process is without a slot; no ring is in another one's group;
 * - counters: none falls, also over instances; received = written + discarded, drops + received <=
 *   packets; at a capture's end its account is what came, to the packet;
 * - no file has the number of an earlier one;
 * - ready is only who may be; who ends by itself has a reason;
 * - where everybody does what they should each capture records, as it is configured, and one that
 * is stopped comes to its end, and nothing stays open.
 *
 *   drive [STEPS [SEED]]     prints the seed of the scenario that fails, and aborts
 *   DRIVE_LOG=1              prints what the supervisor logs, too */
#include "admin.h"
#include "compiler.h"
#include "kernel.h"
#include "manager.h"
#include "oracle.h"
#include "players.h"

#include "../../daemon/base/log.h"
#include "../../daemon/supervisor/capture_view.h"
#include "../../daemon/supervisor/captures.h"
#include "../../daemon/supervisor/supervisor.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define INSTANCE_MOST 600
#define END_MOST      20000 /* steps until a stopped daemon has come to its end */
#define MS	      UINT64_C(1000000)

static struct event_base *base;
static struct supervisor *supervisor;
static uint64_t steps;

/* How an instance is to end. */
enum ending { HAND_OVER, STOP, DIE };

/* What is played with the instance that there is. */
static struct {
	enum ending ending;
	enum { PLAY, RECOVER, LEAVE } phase;
	unsigned left;	/* steps of chance in this phase */
	unsigned steps; /* of this phase */
	bool died;
	bool unavailable; /* the archive process was, once */
} part;

static bool calm; /* nothing goes wrong, beside interfaces */

/* ---- who acts ---- */

static const struct capture *capture_any(void)
{
	unsigned count = 0;

	while (oracle_capture(count))
		count++;
	return count ? oracle_capture(world_random(count)) : NULL;
}

static struct slot *slot_any(void)
{
	const struct capture *c = capture_any();

	return c && c->slots.count ? &c->slots.list[world_random(c->slots.count)] : NULL;
}

static struct world_process *archive_process(void)
{
	const struct capture *c = oracle_capture(0);
	pid_t pid = c ? archive_client_pid(files_client(c->context->files)) : 0;

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
	struct slot *slot = slot_any();

	if (slot)
		player_worker(slot, wild, oracle_joins);
}

static void ends(struct world_process *process, int status)
{
	if (process->channel < 0)
		return;
	world_exit(process, status);
	if (world_random(4)) /* else later */
		world_signal(SIGCHLD);
}

/* Those that were killed die, those that have done what they had to end. */
static void deaths(void)
{
	const struct capture *c;

	for (unsigned i = 0; i < WORLD_PROCESSES; i++)
		if (world_processes()[i].pid && world_processes()[i].killed)
			ends(&world_processes()[i], SIGKILL);
	for (unsigned i = 0; (c = oracle_capture(i)); i++)
		for (unsigned k = 0; k < c->slots.count; k++)
			if (player_worker_done(&c->slots.list[k]))
				ends(world_process(c->slots.list[k].worker.process.pid), 0);
	world_signal(SIGCHLD);
}

static void traffic(void)
{
	const struct capture *c = capture_any();
	const struct slot *slot;
	uint32_t n = world_random(500), drops = world_random(4) ? 0 : world_random(n + 1);

	if (!c || !c->slots.count)
		return;
	slot = &c->slots.list[world_random(c->slots.count)];
	if (slot->ring.fd >= 0 && kernel_traffic(slot->ring.fd, n, drops))
		oracle_traffic(c, n, drops);
}

static void workers_act(void)
{
	const struct capture *c;

	for (unsigned i = 0; (c = oracle_capture(i)); i++)
		for (unsigned k = 0; k < c->slots.count; k++)
			player_worker(&c->slots.list[k], false, oracle_joins);
}

/* The workers may hear of it first. */
static void link_change(void)
{
	kernel_link_change();
	if (world_chance(2)) {
		workers_act();
		world_signal(SIGCHLD);
	}
	if (world_random(4))
		kernel_links_tell();
}

static void one_dies(void)
{
	static const int statuses[] = { SIGKILL, SIGSEGV, SIGABRT, 1 << 8, 0 };
	const struct capture *c = capture_any();
	struct world_process *process = archive_process();
	struct slot *slot = NULL;

	if (c && c->slots.count && world_random(6)) {
		slot = &c->slots.list[world_random(c->slots.count)];
		process = slot->worker.process.pid > 0 ? world_process(slot->worker.process.pid)
						       : NULL;
	}
	if (!process || process->channel < 0)
		return;
	if (slot && world_chance(16)) {
		player_ledger(slot);
		oracle_doubt(c);
	}
	ends(process, statuses[world_random(5)]);
}

static void wrong(void)
{
	switch (world_random(8)) {
	case 0:
	case 1:
	case 2:
		archive_act(true);
		break;
	case 3:
		worker_act(true);
		break;
	case 4:
		compiler_play(true);
		break;
	case 5:
		world_refuse(world_chance(4));
		break;
	default:
		one_dies();
	}
}

static void act(void)
{
	unsigned what = world_random(100);

	if (what < 40)
		worker_act(false);
	else if (what < 62)
		archive_act(false);
	else if (what < 74)
		traffic();
	else if (what < 84)
		world_pass(world_random(calm ? 100 : 500) * MS);
	else if (what < 86)
		link_change();
	else if (what < 87)
		world_signal(SIGUSR1);
	else if (what < 89)
		compiler_play(false);
	else if (what < 91)
		manager_hear();
	else if (what < 96 && !calm)
		wrong();
	else
		deaths();
}

/* An answer of the same turn may follow. */
static void archive_look(void)
{
	const struct capture *c = oracle_capture(0);

	part.unavailable |= c && archive_client_unavailable(files_client(c->context->files));
}

/* What comes before the next step: often more than one thing. */
static void turn(void)
{
	unsigned more = world_chance(4) ? 1 + world_random(5) : 0;

	for (unsigned i = 0; i <= more; i++) {
		act();
		archive_look();
	}
}

/* Everybody does what they should. */
static void obey(void)
{
	workers_act();
	archive_act(false);
	archive_act(false);
	compiler_play(false);
	manager_hear();
	deaths();
	world_pass(100 * MS);
	archive_look();
}

/* ---- an instance ---- */

static void phase_begin(int phase, unsigned left)
{
	part.phase = phase;
	part.left = left;
	part.steps = 0;
}

/* What comes after the steps of chance. */
static void phase_end(void)
{
	if (part.ending == DIE) {
		part.died = true;
	} else if (part.ending == HAND_OVER) {
		world_signal(SIGUSR2);
		phase_begin(LEAVE, world_random(20));
	} else {
		world_refuse(false);
		kernel_links_restore();
		kernel_links_tell();
		phase_begin(RECOVER, 0);
	}
}

static void phase_play(void)
{
	if (part.left > 0) {
		part.left--;
		turn();
		return;
	}
	switch (part.phase) {
	case PLAY:
		phase_end();
		return;
	case RECOVER:
		if (!oracle_recovered())
			break;
		demand(manager_ready() || !manager_present() || !oracle_capture(0),
		       "it is not ready");
		world_signal(SIGTERM);
		phase_begin(LEAVE, world_random(20));
		return;
	case LEAVE:
		world_refuse(false);
		break;
	}
	demand(part.steps++ < END_MOST, "it comes to no end");
	obey();
}

int __wrap_event_base_loop(struct event_base *of, int flags);
int __real_event_base_loop(struct event_base *of, int flags);
bool __wrap_captures_due(struct capture *const *captures, unsigned count);
bool __real_captures_due(struct capture *const *captures, unsigned count);

static unsigned turns; /* since anything happened */

/* The supervisor waits: a step has come to its end. */
int __wrap_event_base_loop(struct event_base *of, int flags)
{
	(void)flags;
	turns = 0;
	players_heard();
	oracle_check();
	steps++;
	phase_play();
	if (part.died)
		return -1;
	__real_event_base_loop(of, EVLOOP_NONBLOCK);
	return 0;
}

bool __wrap_captures_due(struct capture *const *captures, unsigned count)
{
	demand(turns++ < 100, "its steps come to no end");
	return __real_captures_due(captures, count);
}

static bool all_failed(void)
{
	const struct capture *c;

	for (unsigned i = 0; (c = oracle_capture(i)); i++)
		if (c->state != CAPTURE_FAILED &&
		    !(capture_former(c) && c->state == CAPTURE_STOPPED))
			return false;
	return true;
}

static void stopped_check(int code)
{
	const struct capture *c;
	bool good = true;
	struct counters sum;

	for (unsigned i = 0; (c = oracle_capture(i)); i++) {
		capture_account(c, &sum);
		good &= c->state == CAPTURE_STOPPED && !sum.files_lost;
		demand(capture_over(c), "%s has not come to its end", c->config->name);
		demand(!calm || good, "something is wrong with %s", c->config->name);
	}
	c = oracle_capture(0);
	if (part.unavailable)
		return;
	good &= !c || !files_unfinished(c->context->files);
	demand(good == (code == 0), "exit code %d, and %s", code,
	       good ? "all is well" : "it is not");
}

/* Who ends by itself has never been ready, or has nothing to do any more. */
static void alone_check(bool left, int code)
{
	const struct capture *c = oracle_capture(0);
	bool configured = c && !capture_former(c);

	demand(!calm || !configured, "it ends by itself, though nothing is wrong");
	demand(all_failed() || archive_client_unavailable(files_client(c->context->files)) ||
		       !(left || manager_ready()),
	       "it ends by itself, and captures could go on");
	demand(code || !configured, "it has failed with code 0");
}

static void end_check(bool left, int code)
{
	if (strcmp(supervisor_phase(supervisor), "handing over: ") == 0)
		demand(code == EX_TEMPFAIL, "it has handed over with code %d", code);
	else if (part.phase == LEAVE && part.ending == STOP)
		stopped_check(code);
	else
		alone_check(left, code);
}

/* Returns whether there is to be another one. */
static bool instance(enum ending ending)
{
	static struct config config;
	bool left;
	int code;

	admin_config(&config);
	memset(&part, 0, sizeof(part));
	part.ending = ending;
	phase_begin(PLAY, world_random(INSTANCE_MOST));
	base = event_base_new();
	demand(base, "no memory");
	oracle_instance();
	left = oracle_left();
	demand(supervisor_new(&supervisor, base, &config) == 0, "there is no supervisor");
	oracle_made(supervisor);
	supervisor_run(supervisor);
	if (!part.died)
		oracle_check();
	code = part.died ? 0 : supervisor_account(supervisor);
	if (!part.died)
		end_check(left, code);
	if (!part.died)
		manager_hear();
	oracle_gone(manager_lose());
	supervisor_free(supervisor);
	compiler_end();
	world_end();
	players_forget();
	world_refuse(false);
	event_base_free(base);
	return part.died || code == EX_TEMPFAIL;
}

static void scenario(void)
{
	world_seed(world_seeded());
	calm = world_chance(4);
	players_reset();
	world_refuse(false);
	manager_begin(world_random(8));
	manager_watch(&oracle_events);
	kernel_links_make();
	oracle_begin();
	admin_begin();
	while (world_chance(2)) {
		if (calm)
			kernel_links_restore();
		if (!instance(manager_present() && world_random(4) ? HAND_OVER : DIE))
			oracle_begin();
		if (world_chance(2))
			admin_change(manager_count());
	}
	if (calm)
		kernel_links_restore();
	instance(STOP);
	demand(!manager_count(), "%u descriptors are stored at the end", manager_count());
	manager_end();
}

static void aborted(int number)
{
	signal(number, SIG_DFL);
	fprintf(stderr, "seed %llu, step %llu: aborted\n", (unsigned long long)world_seeded(),
		(unsigned long long)steps);
}

int main(int argc, char **argv)
{
	uint64_t most = argc > 1 ? strtoull(argv[1], NULL, 0) : 20000;
	uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 0) : 1, seed = first;
	const struct counters *c = oracle_played();
	unsigned open = 0;

	signal(SIGABRT, aborted);
	setenv("FDSTORE", "4096", 1); /* as systemd 254 says it: nothing is tried */
	log_open(getenv("DRIVE_LOG") ? 7 : -1, "");
	for (; steps < most; seed++) {
		world_seed(seed);
		scenario();
		if (seed == first)
			open = world_descriptors();
		demand(world_descriptors() == open, "%u descriptors, %u after the first",
		       world_descriptors(), open);
	}
	printf("ok     drive: %llu steps, seeds up to %llu: %llu packets, %llu written, %llu "
	       "abandoned, %llu lost with %llu files, %llu files, %llu restarts, %u captures "
	       "failed\n1 passed, 0 failed, 0 skipped\n",
	       (unsigned long long)steps, (unsigned long long)seed - 1,
	       (unsigned long long)c->packets, (unsigned long long)c->written,
	       (unsigned long long)c->discarded_abandoned,
	       (unsigned long long)c->discarded_file_lost, (unsigned long long)c->files_lost,
	       (unsigned long long)c->files_opened, (unsigned long long)c->restarts,
	       oracle_failed());
	return 0;
}
