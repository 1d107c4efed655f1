/* Slots, their files and their store; what workers say. */
#include "slotside.h"
#include "archiveside.h"
#include "children.h"
#include "handring.h"
#include "place.h"
#include "suites.h"

#include "../../daemon/supervisor/notify.h"

#include <linux/filter.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct slotside slotside;

static void slots_make(unsigned count, bool writes)
{
	struct slotside *s = &slotside;
	struct message_worker task = { .blocks = SLOTSIDE_BLOCKS, .cpu = -1, .capture = "a" };

	task.config.timeout_ns = UINT64_C(3000000000);
	task.group.output = writes ? OUTPUT_PCAPNG : OUTPUT_NONE;
	s->slots = (struct slots){ .base = s->base,
				   .files = s->files,
				   .store = s->store,
				   .storage = &s->storage,
				   .count = count,
				   .list = s->list };
	storage_init(&s->storage, &s->slots, &s->gap);
	for (unsigned i = 0; i < count; i++) {
		task.worker = i;
		ck_assert_int_eq(slot_init(&s->list[i], &s->slots, &s->saved[i], &task, -1), 0);
	}
}

void slotside_begin(unsigned count, bool writes)
{
	static const struct message_capture capture = { .name = "a", .directory = "/d" };
	struct slotside *s = &slotside;

	memset(s, 0, sizeof(*s));
	s->passed = -1;
	children_begin();
	place_log();
	unsetenv("NOTIFY_SOCKET");
	unsetenv("LISTEN_FDS");
	s->base = event_base_new();
	ck_assert_int_eq(notify_new(&s->notify), 0);
	ck_assert_int_eq(fdstore_new(&s->store, s->notify), 0);
	ck_assert_int_eq(files_new(&s->files, s->base, &storage_events), 0);
	archiveside_begin(s->base, files_client(s->files));
	slots_make(count, writes);
	archive_client_announce(files_client(s->files), &capture, &s->list[0]);
	archiveside_expect(MESSAGE_CAPTURE, NULL);
	ck_assert(storage_placed(&s->storage));
	storage_news(&s->storage);
}

void slotside_end(void)
{
	struct slotside *s = &slotside;
	struct archive_client *client = files_client(s->files);

	for (unsigned i = 0; i < s->slots.count; i++)
		slot_free(&s->list[i]);
	archive_client_reaped(client, archive_client_pid(client), 0);
	files_free(s->files);
	fdstore_free(s->store);
	notify_free(s->notify);
	event_base_free(s->base);
	handring_counters = (struct handring_counters){ .socket = -1 };
	if (s->passed >= 0)
		close(s->passed);
	children_begin();
}

/* (1) to (4) of slot.h; the rest is output_check()'s and tally.h's. */
static void invariants_hold(const struct slot *slot)
{
	bool process = slot->state == SLOT_STARTING || slot->state == SLOT_RUNNING;

	ck_assert_int_eq(slot->worker.process.pid > 0, process);
	if (slot->state == SLOT_EMPTY) {
		ck_assert_int_eq(slot->ring.fd, -1);
		ck_assert_ptr_null(slot->output.current);
		ck_assert_uint_eq(slot->deaths.quarantine, 0);
	}
	if (slot->state == SLOT_VACANT)
		ck_assert_int_ge(slot->ring.fd, 0);
	ck_assert_int_eq(slotside_stored(slot, FDSTORE_RING), slot->ring.fd >= 0);
	ck_assert(!slot->tally.unjudged);
	ck_assert(slot->output.offered < 2 || slot->output.spare);
}

void slotside_turn(void)
{
	struct slots *slots = &slotside.slots;

	event_base_loop(slotside.base, EVLOOP_NONBLOCK);
	slots->due = false;
	for (unsigned i = 0; i < slots->count; i++)
		slot_step(&slots->list[i]);
	for (unsigned i = 0; i < slots->count; i++)
		invariants_hold(&slots->list[i]);
}

void slotside_run(struct slot *slot)
{
	slot_begin(slot);
	ck_assert_int_eq(slot_start(slot), 0);
	if (slot_writes(slot)) {
		archiveside_expect(MESSAGE_OPEN, NULL);
		archiveside_expect(MESSAGE_OPEN, NULL);
	}
	slotside_hears(slot, MESSAGE_WORKER);
	worker_process_ask(&slot->worker, PROGRESS_SOCKET, NULL);
	slotside_hears(slot, MESSAGE_SOCKET);
	slotside_say(slot, MESSAGE_SOCKET_MADE);
	slotside_say(slot, MESSAGE_RING_MADE);
	slotside_turn();
	worker_process_ask(&slot->worker, PROGRESS_JOINED, &slot->group);
	slotside_hears(slot, MESSAGE_JOIN);
	slotside_join(slot);
	slotside_say(slot, MESSAGE_READY);
	slotside_turn();
	for (unsigned i = 0; i < 2 && slot_writes(slot); i++)
		slotside_hears(slot, MESSAGE_FILE);
	ck_assert_uint_eq(slot->state, SLOT_RUNNING);
	handring_counters = (struct handring_counters){ .socket = slot->ring.fd };
}

/* ---- the worker ---- */

static int channel(const struct slot *slot)
{
	const struct child_double *process = children_find(slot->worker.process.pid);

	ck_assert_ptr_nonnull(process);
	return process->channel;
}

uint32_t slotside_hear(const struct slot *slot)
{
	int rc;

	if (slotside.passed >= 0)
		close(slotside.passed);
	slotside.passed = -1;
	rc = channel_recv(channel(slot), CHANNEL_SUPERVISOR, &slotside.heard, &slotside.passed);
	return rc == 1 ? slotside.heard.type : 0;
}

void slotside_hears(const struct slot *slot, uint32_t type)
{
	ck_assert_str_eq(message_name(slotside_hear(slot)), message_name(type));
}

static void send_message(const struct slot *slot, struct message *message, int fd)
{
	ck_assert_int_eq(channel_send(channel(slot), message, fd), 0);
}

void slotside_say(const struct slot *slot, uint32_t type)
{
	struct message message = { .type = type };

	send_message(slot, &message, -1);
}

void slotside_join(const struct slot *slot)
{
	struct message message = { .type = MESSAGE_JOINED, .group = { .id = 77, .mode = 1 } };
	int ring = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(ring, 0);
	send_message(slot, &message, ring);
	close(ring);
}

void slotside_fail(const struct slot *slot, uint32_t exit_code, const char *text)
{
	struct message message = { .type = MESSAGE_FAILED, .failed = { .exit_code = exit_code } };

	strcpy(message.failed.text, text);
	send_message(slot, &message, -1);
}

void slotside_arrive(uint64_t packets)
{
	handring_counters.counts.packets += (uint32_t)packets;
}

static void statistics_take(const struct slot *slot)
{
	ledger_take(slot->ring.ledger, afcap_stats_take, slot->ring.fd);
}

void slotside_write(const struct slot *slot, uint64_t packets)
{
	struct ledger_totals t = ledger_totals(slot->ring.ledger);

	statistics_take(slot);
	t.received += packets;
	t.next_sequence++;
	t.next_block = (t.next_block + 1) % SLOTSIDE_BLOCKS;
	if (slot_writes(slot)) {
		t.written += packets;
		t.current.end += 100 * packets;
		if (!t.current.since_ns)
			t.current.since_ns = t.current.first_ns = 1700000000000000000;
		t.current.until_ns = 1700000000000000001;
	}
	ledger_commit(slot->ring.ledger, &t);
}

struct message_report slotside_report(const struct slot *slot)
{
	struct ledger_totals t = ledger_totals(slot->ring.ledger);
	struct message_report report = { .current = t.current, .previous = t.previous };

	statistics_take(slot);
	ledger_counters(slot->ring.ledger, &t, &report.counters);
	return report;
}

void slotside_send(const struct slot *slot, const struct message_report *report)
{
	struct message message = { .type = MESSAGE_REPORT, .report = *report };

	send_message(slot, &message, -1);
	slotside_turn();
}

void slotside_die(struct slot *slot, int status)
{
	pid_t pid = slot->worker.process.pid;

	child_close(children_find(pid));
	ck_assert(slot_reaped(slot, pid, status));
	ck_assert(slotside.slots.due);
}

void slotside_spoil(const struct slot *slot)
{
	struct ledger_totals totals = ledger_totals(slot->ring.ledger);

	totals.received += 1000;
	totals.written += 1000;
	ledger_commit(slot->ring.ledger, &totals);
}

void slotside_next(struct slot *slot)
{
	unsigned before = children_count();

	while (children_count() == before) {
		if (event_pending(slot->respawn, EV_TIMEOUT, NULL))
			event_base_loop(slotside.base, EVLOOP_ONCE);
		slotside_turn();
	}
	ck_assert_uint_eq(slot->state, SLOT_RUNNING);
}

/* ---- the ring ---- */

bool slotside_dropping(const struct slot *slot)
{
	struct sock_filter program[16];
	socklen_t count = 16; /* SO_GET_FILTER's unit is an instruction, net/core/filter.c */

	if (getsockopt(slot->ring.fd, SOL_SOCKET, SO_GET_FILTER, program, &count))
		return false;
	return count == 1 && program[0].code == (BPF_RET | BPF_K) && program[0].k == 0;
}

bool slotside_stored(const struct slot *slot, enum fdstore_kind kind)
{
	const struct fdstore_key key = { kind, "a", slot->index,
					 kind == FDSTORE_RING ? slot->ring.generation : 0 };

	return fdstore_has(slotside.store, &key);
}
