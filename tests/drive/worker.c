/* A worker's protocol, played. */
#include "kernel.h"
#include "players.h"

#include "../../daemon/base/channel.h"
#include "../../lib/afcap.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PLAYERS 64

/* What a worker process knows. */
static struct player {
	pid_t pid;
	bool wild; /* it has sent what it may not: what it is sent need not fit */
	bool tasked, socket, ring, join, joined, drain, leave, rotate, suspended;
	int ifindex;
	struct message_group group;
	unsigned moved;	    /* rotations that it has not reported */
	unsigned reported;  /* ... that it has, of which nothing was read yet */
	unsigned files;	    /* that it has: the current one, the spare one */
	unsigned taken;	    /* files that it was ever sent */
	uint64_t serial[2]; /* their numbers */
} players[PLAYERS];

static struct player *player_of(pid_t pid)
{
	struct player *empty = NULL;

	for (unsigned i = 0; i < PLAYERS; i++) {
		if (players[i].pid == pid)
			return &players[i];
		if (!empty && (!players[i].pid || !world_process(players[i].pid)))
			empty = &players[i];
	}
	demand(empty, "too many workers");
	*empty = (struct player){ .pid = pid };
	return empty;
}

static void say(int channel, struct message *message, int fd)
{
	int rc = channel >= 0 ? channel_send(channel, message, fd) : 0;

	demand(rc == 0 || rc == -EPIPE || rc == -EAGAIN, "%s is not sent: %d",
	       message_name(message->type), rc);
}

/* The first one is that which the ledger tells of: there the worker continues. */
static void file_take(struct player *p, const struct slot *slot, const struct message_file *file)
{
	demand(p->joined || p->wild, "a file for a worker that has no ring");
	demand(p->files < 2, "a third file");
	demand(!p->files || file->serial == p->serial[p->files - 1] + 1,
	       "file %llu after file %llu", (unsigned long long)file->serial,
	       (unsigned long long)p->serial[p->files - 1]);
	demand(p->taken || p->wild ||
		       file->serial == ledger_totals(slot->ring.ledger).current.serial,
	       "the ledger is not in file %llu", (unsigned long long)file->serial);
	p->serial[p->files++] = file->serial;
	p->taken++;
}

static void order_take(struct player *p, const struct slot *slot, const struct message *m)
{
	switch (m->type) {
	case MESSAGE_WORKER:
		p->tasked = true;
		p->joined = m->worker.resume;
		p->ifindex = (int)m->worker.ifindex;
		break;
	case MESSAGE_SOCKET:
		demand((!p->joined && !p->socket) || p->wild, "asked for a second socket");
		p->socket = true;
		break;
	case MESSAGE_JOIN:
		demand((p->ring && !p->joined && !p->join) || p->wild, "asked to join too early");
		p->join = true;
		p->group = m->group;
		break;
	case MESSAGE_FILE:
		file_take(p, slot, &m->file);
		break;
	case MESSAGE_DRAIN:
		demand(!p->drain, "drained twice");
		p->drain = true;
		break;
	case MESSAGE_ROTATE:
		p->rotate = true;
		break;
	case MESSAGE_SUSPEND:
		p->suspended = m->suspend.suspended;
		break;
	case MESSAGE_HANDOVER:
		p->leave = true;
		break;
	default:
		demand(false, "%s is for no worker", message_name(m->type));
	}
}

static void orders_take(struct player *p, const struct slot *slot, int channel)
{
	static struct message m;
	int fd;

	while (channel_recv(channel, CHANNEL_SUPERVISOR, &m, &fd) == 1) {
		order_take(p, slot, &m);
		if (fd >= 0)
			close(fd);
	}
}

/* Into the next file. */
static void file_next(struct slot *slot, struct player *p, struct ledger_totals *t)
{
	struct ledger_kernel k = ledger_kernel(slot->ring.ledger);

	if (p->files < 2 || !t->current.since_ns || !(p->rotate || world_chance(8)))
		return;
	t->previous = t->current;
	t->previous.finish = (struct ledger_mark){ t->received + k.drops, k.drops, t->written };
	t->current = (struct ledger_file){ .serial = p->serial[1],
					   .end = LEDGER_FILE_BEGIN,
					   .begin = t->previous.finish };
	p->serial[0] = p->serial[1];
	p->files = 1;
	p->moved++;
	p->rotate = false;
	ledger_commit(slot->ring.ledger, t);
}

static void block_write(const struct slot *slot, const struct player *p, struct ledger_totals *t,
			uint64_t n)
{
	t->received += n;
	t->next_sequence++;
	t->next_block = (t->next_block + 1) % slot->task.blocks;
	if (!slot_writes(slot))
		return;
	if (p->suspended || world_chance(16)) {
		t->discarded_no_space += n;
		return;
	}
	t->written += n;
	t->current.end += 100 * n;
	t->current.until_ns = world_ns();
	if (!t->current.since_ns)
		t->current.since_ns = t->current.first_ns = world_ns();
}

/* Its ring thread: into the next file, and what is in the ring into that. */
static void ring_play(struct slot *slot, struct player *p)
{
	struct ledger *l = slot->ring.ledger;
	struct ledger_totals t = ledger_totals(l);
	uint64_t n;

	if (slot->ring.fd < 0)
		return;
	demand(p->wild || t.next_sequence == kernel_ring_read(slot->ring.fd).sequence + 1,
	       "the ledger is at another block than the ring");
	ledger_take(l, afcap_stats_take, slot->ring.fd);
	file_next(slot, p, &t);
	n = kernel_ring_read(slot->ring.fd).held;
	if (n && !p->drain)
		n = world_random((unsigned)(n < 1000 ? n : 1000)) + 1;
	if (!n || (slot_writes(slot) && !p->files))
		return;
	block_write(slot, p, &t, n);
	ledger_commit(l, &t);
	kernel_release(slot->ring.fd, n);
}

static void report(struct slot *slot, struct player *p, int channel, bool wild)
{
	static struct message m;
	struct ledger_totals t = ledger_totals(slot->ring.ledger);

	m = (struct message){ .type = MESSAGE_REPORT };
	if (slot->ring.fd >= 0)
		ledger_take(slot->ring.ledger, afcap_stats_take, slot->ring.fd);
	ledger_counters(slot->ring.ledger, &t, &m.report.counters);
	m.report.current = t.current;
	m.report.previous = t.previous;
	m.report.gone = !kernel_bound((int)slot->task.ifindex);
	if (!wild) {
		p->reported += p->moved;
		p->moved = 0;
	}
	if (wild && slot_writes(slot) && world_random(2)) /* else that can be true */
		m.report.counters.received += 1 + world_random(100);
	else if (wild)
		m.report.current.serial += 5;
	else if (world_chance(16) && slot_writes(slot))
		m.report.refused = ENOSPC;
	say(channel, &m, -1);
}

/* There is no interface to make a ring for. */
static void start_fail(struct world_process *process)
{
	struct message m = { .type = MESSAGE_FAILED };

	m.failed.exit_code = 1;
	snprintf(m.failed.text, sizeof(m.failed.text), "no such device");
	say(process->channel, &m, -1);
	world_exit(process, 1 << 8);
}

/* The next step of its start. */
static void start_play(struct player *p, const struct slot *slot, int channel,
		       void (*joins)(const struct slot *slot, uint32_t group))
{
	struct message m = { 0 };
	int fd = -1;

	if (p->joined) {
		m.type = MESSAGE_READY;
	} else if (p->ring && p->join) {
		m.type = MESSAGE_JOINED;
		m.group = p->group;
		if (m.group.flags & AFCAP_FANOUT_FLAG_UNIQUEID)
			m.group.id = kernel_group();
		else if (slot->index == 0)
			joins(slot, m.group.id);
		m.group.flags &= ~(uint32_t)AFCAP_FANOUT_FLAG_UNIQUEID;
		fd = kernel_ring(m.group.id, p->ifindex);
		p->joined = true;
	} else if (p->socket && !p->ring) {
		m.type = MESSAGE_SOCKET_MADE;
		say(channel, &m, -1);
		m.type = MESSAGE_RING_MADE;
		p->ring = true;
	} else {
		return;
	}
	say(channel, &m, fd);
	if (fd >= 0)
		close(fd);
}

static void wild_play(struct slot *slot, struct player *p, int channel)
{
	static const uint32_t types[] = { MESSAGE_SOCKET_MADE, MESSAGE_RING_MADE, MESSAGE_JOINED,
					  MESSAGE_READY, MESSAGE_FAILED };
	unsigned i = world_random(6);
	static struct message m;
	int fd = -1;

	if (i == 5) {
		report(slot, p, channel, true);
		return;
	}
	m = (struct message){ .type = types[i] };
	if (m.type == MESSAGE_FAILED) {
		m.failed.exit_code = world_random(100);
		snprintf(m.failed.text, sizeof(m.failed.text), "no");
	}
	if (m.type == MESSAGE_JOINED)
		fd = kernel_ring(m.group.id, (int)slot->task.ifindex);
	say(channel, &m, fd);
	if (fd >= 0)
		close(fd);
}

void player_worker(struct slot *slot, bool wild,
		   void (*joins)(const struct slot *slot, uint32_t group))
{
	pid_t pid = slot->worker.process.pid;
	struct world_process *process = pid > 0 ? world_process(pid) : NULL;
	struct player *p = process ? player_of(pid) : NULL;

	if (!process || process->channel < 0)
		return;
	orders_take(p, slot, process->channel);
	if (!p->tasked || process->killed)
		return;
	demand(!worker_process_takes(&slot->worker) ||
		       p->files + p->moved + p->reported == slot->output.offered,
	       "worker %u was not sent what is offered to it", slot->index);
	p->wild |= wild;
	if (wild)
		wild_play(slot, p, process->channel);
	else if (!p->joined && !kernel_bound(p->ifindex))
		start_fail(process);
	else if (slot->worker.progress < PROGRESS_READY)
		start_play(p, slot, process->channel, joins);
	else if (world_random(3))
		ring_play(slot, p);
	else
		report(slot, p, process->channel, false);
}

bool player_worker_done(const struct slot *slot)
{
	pid_t pid = slot->worker.process.pid;
	const struct player *p = pid > 0 && world_process(pid) ? player_of(pid) : NULL;

	if (!p || (!p->drain && !p->leave))
		return false;
	return p->leave || slot->ring.fd < 0 ||
	       (kernel_ring_read(slot->ring.fd).held == 0 && !p->rotate);
}

void player_ledger(struct slot *slot)
{
	struct ledger *l = slot->ring.ledger;

	switch (world_random(4)) {
	case 0:
		l->magic++;
		break;
	case 1:
		l->totals[l->totals_version & 1].received += 1000000;
		break;
	case 2:
		l->totals[l->totals_version & 1].current.serial += 7;
		break;
	default:
		l->kernel[l->kernel_version & 1].drops = ~UINT64_C(0);
	}
}

void players_heard(void)
{
	for (unsigned i = 0; i < PLAYERS; i++)
		players[i].reported = 0;
}

void players_forget(void)
{
	memset(players, 0, sizeof(players));
}
