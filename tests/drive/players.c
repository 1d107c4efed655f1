/* The protocols, played. */
#include "players.h"

#include "../../daemon/base/channel.h"
#include "../../lib/afcap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PLAYERS 64

/* What a worker process knows. */
static struct player {
	pid_t pid;
	bool wild; /* it has sent what it may not: what it is sent need not fit */
	bool tasked, resumed, socket, ring, join, joined, drain, leave, rotate, suspended;
	struct message_group group;
	unsigned moved;	    /* rotations that it has not reported */
	unsigned files;	    /* that it has: the current one, the spare one */
	uint64_t serial[2]; /* their numbers */
} players[PLAYERS];

static struct {
	pid_t pid;
	bool asked;
	struct message request;
	uint64_t inode;
	unsigned lost, missing; /* files that it has said are lost, are not there any more */
} archive;

void players_reset(void)
{
	memset(players, 0, sizeof(players));
	memset(&archive, 0, sizeof(archive));
}

static struct player *player_of(pid_t pid)
{
	struct player *empty = NULL;

	for (unsigned i = 0; i < PLAYERS; i++) {
		if (players[i].pid == pid)
			return &players[i];
		if (!empty && (!players[i].pid || !world_process(players[i].pid)))
			empty = &players[i];
	}
	if (!empty)
		abort();
	*empty = (struct player){ .pid = pid };
	return empty;
}

static void say(int channel, struct message *message, int fd)
{
	int rc = channel >= 0 ? channel_send(channel, message, fd) : 0;

	if (rc && rc != -EPIPE && rc != -EAGAIN)
		abort();
}

static void file_take(struct player *p, const struct message_file *file)
{
	if (!p->joined && !p->wild)
		abort();
	if (p->files == 2)
		abort(); /* a third file was offered */
	if (p->files && file->serial != p->serial[p->files - 1] + 1)
		abort();
	p->serial[p->files++] = file->serial;
}

static void order_take(struct player *p, const struct message *m)
{
	switch (m->type) {
	case MESSAGE_WORKER:
		p->tasked = true;
		p->resumed = m->worker.resume;
		p->joined = p->resumed;
		break;
	case MESSAGE_SOCKET:
		if ((p->joined || p->socket) && !p->wild)
			abort();
		p->socket = true;
		break;
	case MESSAGE_JOIN:
		if ((!p->ring || p->joined || p->join) && !p->wild)
			abort();
		p->join = true;
		p->group = m->group;
		break;
	case MESSAGE_FILE:
		file_take(p, &m->file);
		break;
	case MESSAGE_DRAIN:
		if (p->drain)
			abort();
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
		abort();
	}
}

static void orders_take(struct player *p, int channel)
{
	static struct message m;
	int fd;

	while (channel >= 0 && channel_recv(channel, CHANNEL_SUPERVISOR, &m, &fd) == 1) {
		order_take(p, &m);
		if (fd >= 0)
			close(fd);
	}
}

static uint64_t unread(const struct ledger *l, const struct ledger_totals *t)
{
	struct ledger_kernel k = ledger_kernel(l);

	return k.packets - k.drops - t->received;
}

/* Its ring thread: into the next file, and what is in the ring into that. */
static void ring_play(struct slot *slot, struct player *p)
{
	struct ledger *l = slot->ring.ledger;
	struct ledger_totals t = ledger_totals(l);
	uint64_t n;

	if (slot->ring.fd < 0)
		return;
	ledger_take(l, afcap_stats_take, slot->ring.fd);
	if (p->files == 2 && t.current.since_ns && (p->rotate || world_random(8) == 0)) {
		struct ledger_kernel k = ledger_kernel(l);

		t.previous = t.current;
		t.previous.finish =
			(struct ledger_mark){ t.received + k.drops, k.drops, t.written };
		t.current = (struct ledger_file){ .serial = p->serial[1],
						  .end = LEDGER_FILE_BEGIN,
						  .begin = t.previous.finish };
		p->serial[0] = p->serial[1];
		p->files = 1;
		p->moved++;
		p->rotate = false;
		ledger_commit(l, &t);
	}
	n = unread(l, &t);
	if (n && !p->drain)
		n = world_random((unsigned)(n < 1000 ? n : 1000)) + 1;
	if (!n || (slot_writes(slot) && !p->files))
		return;
	t.received += n;
	t.next_sequence++;
	t.next_block = (t.next_block + 1) % slot->task.blocks;
	if (p->suspended || world_random(16) == 0) {
		t.discarded_no_space += n;
	} else {
		t.written += n;
		t.current.end += 100 * n;
		t.current.until_ns = world_ns();
		if (!t.current.since_ns)
			t.current.since_ns = t.current.first_ns = world_ns();
	}
	ledger_commit(l, &t);
}

static void report(struct slot *slot, int channel, bool wild)
{
	static struct message m;
	struct ledger_totals t = ledger_totals(slot->ring.ledger);

	m = (struct message){ .type = MESSAGE_REPORT };
	if (slot->ring.fd >= 0)
		ledger_take(slot->ring.ledger, afcap_stats_take, slot->ring.fd);
	ledger_counters(slot->ring.ledger, &t, &m.report.counters);
	m.report.current = t.current;
	m.report.previous = t.previous;
	m.report.gone = !world_link.there;
	if (!wild)
		player_of(slot->worker.process.pid)->moved = 0;
	if (wild && world_random(2))
		m.report.counters.received += 1 + world_random(100);
	else if (wild)
		m.report.current.serial += 5;
	else if (world_random(16) == 0)
		m.report.refused = ENOSPC;
	say(channel, &m, -1);
}

/* The next step of its start; false: it has come to its end. */
static bool start_play(struct player *p, int channel)
{
	struct message m = { 0 };
	int fd = -1;

	if (p->joined) {
		m.type = MESSAGE_READY;
	} else if (p->ring && p->join) {
		m.type = MESSAGE_JOINED;
		m.group = p->group;
		m.group.id = m.group.id ? m.group.id : 17;
		fd = world_ring();
		p->joined = true;
	} else if (p->socket && p->ring == false) {
		m.type = MESSAGE_SOCKET_MADE;
		say(channel, &m, -1);
		m.type = MESSAGE_RING_MADE;
		p->ring = true;
	} else {
		return false;
	}
	say(channel, &m, fd);
	if (fd >= 0)
		close(fd);
	return true;
}

static void wild_play(struct slot *slot, int channel)
{
	static const uint32_t types[] = { MESSAGE_SOCKET_MADE, MESSAGE_RING_MADE, MESSAGE_JOINED,
					  MESSAGE_READY, MESSAGE_FAILED };
	unsigned i = world_random(6);
	static struct message m;
	int fd = -1;

	if (i == 5) {
		report(slot, channel, true);
		return;
	}
	m = (struct message){ .type = types[i] };
	if (m.type == MESSAGE_FAILED) {
		m.failed.exit_code = world_random(100);
		snprintf(m.failed.text, sizeof(m.failed.text), "no");
	}
	if (m.type == MESSAGE_JOINED)
		fd = world_ring();
	say(channel, &m, fd);
	if (fd >= 0)
		close(fd);
}

void player_worker(struct slot *slot, bool wild)
{
	pid_t pid = slot->worker.process.pid;
	struct world_process *process = pid > 0 ? world_process(pid) : NULL;
	struct player *p = process ? player_of(pid) : NULL;

	if (!process || process->channel < 0)
		return;
	orders_take(p, process->channel);
	if (!p->tasked || process->killed)
		return;
	if (worker_process_takes(&slot->worker) && p->files + p->moved != slot->output.offered)
		abort(); /* it was not sent what is offered to it */
	p->wild |= wild;
	if (wild)
		wild_play(slot, process->channel);
	else if (slot->worker.progress < PROGRESS_READY)
		start_play(p, process->channel);
	else if (world_random(3))
		ring_play(slot, p);
	else
		report(slot, process->channel, false);
}

bool player_worker_done(const struct slot *slot)
{
	pid_t pid = slot->worker.process.pid;
	const struct player *p = pid > 0 ? player_of(pid) : NULL;
	struct ledger_totals t;

	if (!p || (!p->drain && !p->leave))
		return false;
	t = ledger_totals(slot->ring.ledger);
	return p->leave || (unread(slot->ring.ledger, &t) == 0 && !p->rotate);
}

/* ---- the archive ---- */

static const int errors[] = { ENOSPC, EDQUOT, EACCES, EIO, ENOENT };

static void fault_play(const struct message *request, struct message_result *r)
{
	r->error = errors[world_random(5)];
	snprintf(r->text, sizeof(r->text), "no");
	if (request->type == MESSAGE_FINISH || request->type == MESSAGE_NAME)
		r->later = world_random(2);
	if ((request->type == MESSAGE_FINISH || request->type == MESSAGE_LOOK) && world_random(2)) {
		r->lost = 1;
		r->error = request->type == MESSAGE_FINISH ? ENOENT : 0;
		r->later = 0;
	}
}

unsigned players_lost(void)
{
	return archive.lost;
}

unsigned players_missing(void)
{
	return archive.missing;
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

void player_archive(struct world_process *process, bool wild)
{
	static struct message m;
	struct message *request = &archive.request;
	bool opens;
	int fd = -1;

	if (archive.pid != process->pid) {
		archive.pid = process->pid;
		archive.asked = false;
	}
	if (process->channel < 0 || process->killed)
		return;
	if (!archive.asked) {
		archive.asked =
			channel_recv(process->channel, CHANNEL_SUPERVISOR, request, &fd) == 1;
		if (fd >= 0)
			close(fd);
		return;
	}
	archive.asked = false;
	m = (struct message){ .type = message_answer(request->type) };
	opens = request->type == MESSAGE_OPEN || request->type == MESSAGE_REOPEN;
	if (request->type == MESSAGE_CAPTURE) {
		m.result.capture = request->capture.capture;
	} else {
		m.result.capture = request->archive.capture;
		m.result.worker = request->archive.worker;
		m.result.serial = request->archive.file.serial;
	}
	if (wild)
		fault_play(request, &m.result);
	archive.missing += request->type == MESSAGE_REOPEN && m.result.error == ENOENT;
	archive.lost += request->type == MESSAGE_FINISH && m.result.lost;
	if (opens && !m.result.error) {
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		m.result.align = 4096;
		m.result.device = 1;
		m.result.inode = ++archive.inode;
	} else {
		fd = -1;
	}
	snprintf(m.result.name, sizeof(m.result.name), "%sfile-%llu", opens ? "." : "",
		 (unsigned long long)m.result.serial);
	if (request->type == MESSAGE_MAINTAIN && world_random(8) == 0)
		m.result.again = 1;
	if (request->type == MESSAGE_MAINTAIN && world_random(16) == 0)
		m.result.full = 1;
	m.result.available = 1 << 30;
	say(process->channel, &m, fd);
	if (fd >= 0)
		close(fd);
}
