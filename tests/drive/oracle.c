/* Invariants, the store, the counters. */
#include "oracle.h"
#include "admin.h"
#include "kernel.h"
#include "manager.h"
#include "players.h"

#include "../../daemon/supervisor/account.h"
#include "../../daemon/supervisor/capture_view.h"
#include "../../daemon/supervisor/supervisor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Of the captures of one name, from the first that records to the end of the last that continues
 * with its rings. */
static struct account {
	struct counters shown;
	uint64_t packets, drops; /* that came, as the kernel knows */
	bool doubtful; /* what came of a ledger, or of what was to be stored, is not known */
	bool over;     /* its account was looked at */
	bool recorded; /* when the last instance ended */
	struct numbers {
		ino_t ledger;
		uint64_t generation, last; /* the greatest number of a file */
	} numbers[ADMIN_WORKERS];
} accounts[ADMIN_CAPTURES];

static struct supervisor *supervisor;
static struct counters played;
static unsigned failed;

const struct counters *oracle_played(void)
{
	return &played;
}

unsigned oracle_failed(void)
{
	return failed;
}

const struct capture *oracle_capture(unsigned i)
{
	return supervisor ? supervisor_capture(supervisor, i) : NULL;
}

static struct account *account_named(const char *name)
{
	return &accounts[*name - 'a'];
}

static struct account *account_of(const struct capture *capture)
{
	return account_named(capture->config->name);
}

void oracle_doubt(const struct capture *capture)
{
	account_of(capture)->doubtful = true;
}

void oracle_traffic(const struct capture *capture, uint32_t packets, uint32_t drops)
{
	account_of(capture)->packets += packets;
	account_of(capture)->drops += drops;
}

/* ---- a life after the other ---- */

void oracle_begin(void)
{
	memset(accounts, 0, sizeof(accounts));
}

bool oracle_left(void)
{
	for (unsigned i = 0; i < ADMIN_CAPTURES; i++)
		if (accounts[i].recorded && !accounts[i].doubtful)
			return true;
	return false;
}

void oracle_instance(void)
{
	for (unsigned i = 0; i < ADMIN_CAPTURES; i++) {
		struct account *a = &accounts[i];

		demand(a->recorded || a->over || a->doubtful || !a->packets,
		       "capture %u has packets and no record", i);
		if (a->doubtful)
			a->shown = (struct counters){ 0 };
		else if (!a->recorded)
			*a = (struct account){ 0 };
	}
}

void oracle_made(struct supervisor *made)
{
	supervisor = made;
}

void oracle_gone(bool queue_lost)
{
	const struct capture *c;

	for (unsigned i = 0; i < ADMIN_CAPTURES; i++) {
		accounts[i].recorded = false;
	}
	for (unsigned i = 0; (c = oracle_capture(i)); i++) {
		struct account *a = account_of(c);

		a->recorded = manager_present() && !a->over && c->saved->since_ns;
		if (!manager_present() || a->over)
			*a = (struct account){ 0 };
		a->doubtful |= queue_lost;
	}
	supervisor = NULL;
}

/* ---- rings, groups, the store ---- */

static bool is_ring_of_other(void *context, const char *name, int fd)
{
	const struct slot *slot = context;
	size_t n = strlen(slot->task.capture);

	return strncmp(name, "ring.", 5) == 0 &&
	       (strncmp(name + 5, slot->task.capture, n) != 0 || name[5 + n] != '.') &&
	       kernel_ring_read(fd).group == slot->group.id;
}

/* Whose rings are in a group get its packets: no other ring may be. */
void oracle_joins(const struct slot *slot, uint32_t group)
{
	struct slot joining = *slot;
	const struct capture *c;

	joining.group.id = group;
	for (unsigned i = 0; (c = oracle_capture(i)); i++)
		for (unsigned k = 0; k < c->slots.count; k++)
			demand(c->slots.index == slot->slots->index ||
				       c->slots.list[k].ring.fd < 0 ||
				       kernel_ring_read(c->slots.list[k].ring.fd).group != group,
			       "%s joins the group of %s", slot->task.capture, c->config->name);
	demand(!manager_any(is_ring_of_other, &joining),
	       "%s joins a group in which a stored ring is", slot->task.capture);
}

static void stored(const char *name, int fd, unsigned *expected)
{
	demand(manager_has(name, fd), "%s is not stored", name);
	++*expected;
}

static void slot_store_check(const struct slot *slot, unsigned *expected)
{
	char name[MANAGER_NAME];

	snprintf(name, sizeof(name), "ledger.%s.%u", slot->task.capture, slot->index);
	stored(name, slot->ring.ledger_fd, expected);
	if (slot->ring.fd < 0)
		return;
	snprintf(name, sizeof(name), "ring.%s.%u.%" PRIu64, slot->task.capture, slot->index,
		 slot->ring.generation);
	stored(name, slot->ring.fd, expected);
}

/* (6): of each capture its record, of each slot its ledger, and its ring, if it has one; nothing
 * else. */
static void store_check(void)
{
	const struct capture *c;
	unsigned expected = 0;
	char name[MANAGER_NAME];

	for (unsigned i = 0; (c = oracle_capture(i)); i++) {
		if (capture_over(c))
			continue;
		snprintf(name, sizeof(name), "capture.%s", c->config->name);
		stored(name, c->saved_fd, &expected);
		for (unsigned k = 0; k < c->slots.count; k++)
			slot_store_check(&c->slots.list[k], &expected);
	}
	demand(manager_count() == expected, "%u descriptors are stored, %u are expected",
	       manager_count(), expected);
}

/* (8): what the kernel has seen is in the ledger, and what was in the ring is written or discarded.
 */
static void ring_counted(const struct slot *slot)
{
	const struct kernel_ring r = kernel_ring_read(slot->ring.fd);
	const struct ledger_kernel k = ledger_kernel(slot->ring.ledger);
	const struct ledger_totals t = ledger_totals(slot->ring.ledger);

	demand(!r.packets && !r.drops, "a ring is dropped with %u packets that are not counted",
	       r.packets);
	demand(k.packets == k.drops + t.received,
	       "a ring is dropped: %" PRIu64 " packets, %" PRIu64 " drops, %" PRIu64 " received",
	       k.packets, k.drops, t.received);
}

static void dropped(const char *name)
{
	const struct capture *c;
	char capture[CAPTURE_NAME_BYTES];
	unsigned worker;
	uint64_t generation;

	if (sscanf(name, "ring.%32[^.].%u.%" SCNu64, capture, &worker, &generation) != 3)
		return;
	for (unsigned i = 0; (c = oracle_capture(i)); i++)
		for (unsigned k = 0; k < c->slots.count; k++) {
			const struct slot *slot = &c->slots.list[k];

			if (strcmp(c->config->name, capture) || slot->index != worker ||
			    slot->ring.generation != generation || slot->ring.fd < 0)
				continue;
			ring_counted(slot);
			return;
		}
	demand(!supervisor, "%s is dropped, and no slot has it", name);
	demand(!account_named(capture)->recorded || account_named(capture)->doubtful,
	       "%s is dropped, and its packets are lost", name);
}

/* ---- readiness ---- */

static void ready_check(const struct capture *c)
{
	bool writes = c->config->group.output == OUTPUT_PCAPNG;

	demand(!c->earlier, "ready, and %s is not as it is configured", c->config->name);
	demand(c->state != CAPTURE_STARTING, "ready, and %s starts", c->config->name);
	demand(c->state == CAPTURE_RUNNING || c->since_real_ns || !writes ||
		       player_placed(c->config->name, c->config->group.directory),
	       "ready, and %s has no directory", c->config->name);
	for (unsigned k = 0; k < c->slots.count && c->state == CAPTURE_RUNNING; k++)
		demand(c->slots.list[k].ring.fd < 0 || c->slots.list[k].state == SLOT_SETTLED ||
			       kernel_ring_read(c->slots.list[k].ring.fd).program,
		       "ready, and worker %u of %s is not armed", k, c->config->name);
}

static void ready(void)
{
	const struct capture *c;
	unsigned recording = 0;

	for (unsigned i = 0; (c = oracle_capture(i)); i++) {
		if (capture_ending(c))
			continue;
		ready_check(c);
		recording++;
	}
	demand(recording || !oracle_capture(0), "ready, and no capture is left");
}

const struct manager_events oracle_events = { ready, dropped };

/* ---- a capture ---- */

static void slot_play_check(const struct capture *c, const struct slot *slot)
{
	const struct slot_output *o = &slot->output;
	uint32_t program = slot->ring.fd < 0 ? 0 : kernel_ring_read(slot->ring.fd).program;

	if (c->state == CAPTURE_RUNNING && slot->ring.fd >= 0 && slot->state != SLOT_SETTLED)
		demand(program, "worker %u is not armed", slot->index);
	if (c->state == CAPTURE_DRAINING && slot->ring.fd >= 0)
		demand(!program, "worker %u drains and is armed", slot->index);
	if (slot->state == SLOT_RUNNING && worker_process_takes(&slot->worker)) {
		demand(o->offered > 0 || !o->current || o->current->fd < 0, "worker %u has no file",
		       slot->index);
		demand(o->offered != 1 || !o->spare || o->spare->fd < 0,
		       "worker %u has no spare file", slot->index);
	}
}

/* No file has the number of another one of the same ledger. */
static void numbers_check(struct account *a, const struct slot *slot)
{
	const struct output_file *const files[] = { slot->output.current, slot->output.spare };
	const struct ledger_totals t = ledger_totals(slot->ring.ledger);
	struct numbers *n = &a->numbers[slot->index];
	struct stat ledger;

	demand(fstat(slot->ring.ledger_fd, &ledger) == 0, "worker %u has no ledger", slot->index);
	if (n->ledger != ledger.st_ino)
		*n = (struct numbers){ ledger.st_ino, t.generation, 0 };
	demand(t.generation == n->generation || a->doubtful || t.current.serial > n->last,
	       "file %" PRIu64 " of worker %u after file %" PRIu64, t.current.serial, slot->index,
	       n->last);
	n->generation = t.generation;
	if (t.current.serial > n->last)
		n->last = t.current.serial;
	for (unsigned i = 0; i < 2; i++)
		if (files[i] && files[i]->serial > n->last)
			n->last = files[i]->serial;
}

/* (7) */
static void filters_check(const struct capture *c)
{
	uint32_t first = 0;

	if (c->state != CAPTURE_RUNNING)
		return;
	for (unsigned k = 0; k < c->slots.count; k++) {
		const struct slot *slot = &c->slots.list[k];
		uint32_t program;

		if (slot->ring.fd < 0 || slot->state == SLOT_SETTLED)
			continue;
		program = kernel_ring_read(slot->ring.fd).program;
		demand(!first || program == first, "worker %u has another filter", k);
		first = program;
	}
}

static bool writes(const struct capture *c)
{
	return c->config->group.output == OUTPUT_PCAPNG;
}

static void counters_check(const struct capture *c)
{
	struct account *a = account_of(c);
	struct counters now;

	capture_counters(c, &now);
	demand(!counters_fell(&now, &a->shown), "%s: a counter fell", c->config->name);
	demand(!writes(c) || now.received == now.written + counters_discarded(&now),
	       "received %" PRIu64 ", written %" PRIu64 ", discarded %" PRIu64, now.received,
	       now.written, counters_discarded(&now));
	demand(now.drops + now.received <= now.packets, "more received than seen");
	demand(a->doubtful || (now.packets <= a->packets && now.drops <= a->drops),
	       "%s: more is counted than came", c->config->name);
	a->shown = now;
}

/* Its account is exact. */
static void over_check(const struct capture *c)
{
	const struct player_losses *losses = player_losses(c->config->name);
	struct account *a = account_of(c);
	struct counters sum;

	capture_account(c, &sum);
	counters_add(&played, &sum);
	failed += c->state == CAPTURE_FAILED;
	demand(account_balanced(&sum, (enum output)c->config->group.output),
	       "the account of %s does not balance", c->config->name);
	demand(a->doubtful || (sum.packets == a->packets && sum.drops == a->drops),
	       "%s: %" PRIu64 " packets and %" PRIu64 " drops came, counted are %" PRIu64
	       " and %" PRIu64,
	       c->config->name, a->packets, a->drops, sum.packets, sum.drops);
	for (unsigned k = 0; k < c->slots.count; k++)
		demand(c->slots.list[k].ring.fd < 0, "ring %u is open", k);
	demand(a->doubtful || sum.files_lost <= losses->lost + losses->missing,
	       "%s: %" PRIu64 " files lost, of which %u were told", c->config->name, sum.files_lost,
	       losses->lost + losses->missing);
	a->over = true;
}

static void play_check(const struct capture *c)
{
	if (account_of(c)->over)
		return;
	for (unsigned k = 0; k < c->slots.count; k++) {
		slot_play_check(c, &c->slots.list[k]);
		numbers_check(account_of(c), &c->slots.list[k]);
	}
	filters_check(c);
	if (capture_over(c))
		over_check(c);
	else
		counters_check(c);
}

/* ---- all ---- */

static void processes_check(void)
{
	const struct capture *c = oracle_capture(0);
	unsigned living = 0, known = 0;

	if (!c)
		return;
	for (unsigned i = 0; i < WORLD_PROCESSES; i++)
		living += world_processes()[i].pid != 0;
	known += archive_client_pid(files_client(c->context->files)) > 0;
	for (unsigned i = 0; (c = oracle_capture(i)); i++)
		for (unsigned k = 0; k < c->slots.count; k++)
			known += c->slots.list[k].worker.process.pid > 0;
	demand(living == known, "%u processes, %u known", living, known);
}

void oracle_check(void)
{
	const struct capture *c;

	processes_check();
	for (unsigned i = 0; (c = oracle_capture(i)); i++)
		play_check(c);
	if (manager_present())
		store_check();
}

static bool recovered(const struct capture *c)
{
	uint32_t expression = kernel_expression(c->config->filter);

	if (c->goal != CAPTURE_RECORD)
		return true;
	if (c->state != CAPTURE_RUNNING)
		return false;
	demand(!c->earlier, "%s runs as it was configured before", c->config->name);
	demand(c->slots.count == c->config->group.workers, "%s has %u workers", c->config->name,
	       c->slots.count);
	for (unsigned k = 0; k < c->slots.count; k++)
		if (c->slots.list[k].ring.fd < 0 ||
		    kernel_ring_read(c->slots.list[k].ring.fd).expression != expression)
			return false;
	return true;
}

bool oracle_recovered(void)
{
	const struct capture *c;
	unsigned recording = 0;

	for (unsigned i = 0; (c = oracle_capture(i)); i++) {
		if (!recovered(c))
			return false;
		recording += c->goal == CAPTURE_RECORD;
	}
	return recording;
}
