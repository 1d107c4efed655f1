/* The descriptors that systemd kept, checked. */
#include "resume.h"
#include "capture_filter.h"
#include "preflight.h"
#include "earlier.h"
#include "fdstore.h"
#include "link.h"
#include "unread.h"

#include "../base/clock.h"
#include "../base/failure.h"
#include "../base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define AGAIN_NS    UINT64_C(1000000000)
#define NOTHING_YET "it did not record yet" /* then there is nothing to be told */

static const char another_version[] = "its ledgers are of another version";

/* Of one worker, until its slot has them. */
struct left {
	int ledger_fd, ring_fd;
	struct ledger *ledger;
	const char *problem; /* of the ledger; NULL: it is usable */
};

static struct fdstore_key key_of(const struct capture *capture, enum fdstore_kind kind,
				 unsigned worker, uint64_t generation)
{
	return (struct fdstore_key){ kind, capture->config->name, worker, generation };
}

static void left_close(struct left *l)
{
	ledger_unmap(l->ledger);
	if (l->ledger_fd >= 0)
		close(l->ledger_fd);
	if (l->ring_fd >= 0)
		close(l->ring_fd);
}

/* Ledger and ring of one worker; NULL, or why the ledger is of no use. */
static const char *left_open(const struct capture *capture, unsigned worker, struct left *l)
{
	static const struct counters none;
	struct ledger_bounds bounds = {
		.blocks = capture->plan.ring.blocks,
		.serial_most = UINT64_MAX,
		.taken = true,
		.writes = capture->config->group.output == OUTPUT_PCAPNG,
		.reported = &none,
	};
	struct fdstore_key key = key_of(capture, FDSTORE_LEDGER, worker, 0);

	*l = (struct left){ .ring_fd = -1 };
	l->ledger_fd = fdstore_take(capture->slots.store, &key);
	if (l->ledger_fd < 0)
		return "a worker's ledger is missing";
	l->ledger = ledger_map(l->ledger_fd);
	if (!l->ledger)
		return errno == EPROTO ? another_version : failure_text(errno);
	bounds.generation = ledger_totals(l->ledger).generation;
	key = key_of(capture, FDSTORE_RING, worker, bounds.generation);
	l->ring_fd = fdstore_take(capture->slots.store,
				  &key); /* -1: it was closed, its interface being away */
	if (l->ring_fd >= 0)
		ledger_take(l->ledger, afcap_stats_take, l->ring_fd);
	return ledger_problem(l->ledger, &bounds);
}

/* Adds what a worker's ring holds, of which nobody will know more. False: that is not known. */
static bool left_unread(const struct left *l, const uint32_t ring[2], uint64_t *packets)
{
	struct ledger_kernel k;
	uint64_t received;

	if (l->ring_fd < 0)
		return true;
	if (l->problem)
		return unread_count(l->ring_fd, ring[0], ring[1], packets);
	k = ledger_kernel(l->ledger);
	received = ledger_totals(l->ledger).received;
	if (k.packets - k.drops > received)
		*packets += k.packets - k.drops - received;
	return true;
}

/* All rings of a capture, those that were taken out of the store and those that were not. */
static bool unread_sum(const struct capture *capture, struct left *list, unsigned count,
		       uint64_t *packets)
{
	uint32_t ring[2] = { 0, 0 };
	bool known = checkpoint_ring(capture->saved_fd, &ring[0], &ring[1]);
	int fd;

	for (unsigned i = 0; i < count; i++)
		known &= left_unread(&list[i], ring, packets);
	while ((fd = fdstore_take_ring(capture->slots.store, capture->config->name, FDSTORE_ANY)) >=
	       0) {
		known &= unread_count(fd, ring[0], ring[1], packets);
		close(fd);
	}
	return known;
}

/* The capture is what the record says it was. Returns NULL, or why it cannot be. */
static const char *shape_take(struct capture *capture, const struct checkpoint *saved)
{
	if (!saved->since_ns)
		return NOTHING_YET;
	if (!plan_shape_valid(&saved->shape) || !checkpoint_valid(saved))
		return "its record is damaged";
	capture->slots.count = saved->shape.workers;
	if (!plan_resumable(&saved->shape, capture->config) && earlier_make(capture, &saved->shape))
		return "no memory";
	if (!plan_link_type_known(capture->config, saved->shape.link_type))
		return "its link type is none that is recorded";
	return NULL;
}

/* Of a worker whose ledger is of no use: nobody knows what was written of its ring. */
static void left_give_up(struct capture *capture, unsigned worker, struct left *l)
{
	const struct checkpoint_shape *shape = &capture->saved->shape;
	uint64_t unread = 0;
	bool known;

	if (l->ring_fd < 0) /* the ledger says which it is */
		l->ring_fd =
			fdstore_take_ring(capture->slots.store, capture->config->name, (int)worker);
	known = l->ring_fd < 0 ||
		unread_count(l->ring_fd, shape->blocks, shape->block_bytes, &unread);
	log_about(LOG_ERR, &(struct log_subject){ capture->config->name, (int)worker, NULL },
		  "the ledger is of no use (%s): counting begins again, the ring is given up, the "
		  "%" PRIu64 "%s packets in it are lost",
		  l->problem == another_version ? "its head is overwritten" : l->problem, unread,
		  known ? "" : " or more");
	left_close(l);
	fdstore_discard_worker(capture->slots.store, capture->config->name, worker);
	checkpoint_reset(&capture->saved->slots[worker]);
	*l = (struct left){ .ledger_fd = -1, .ring_fd = -1 };
	capture->given_up_ns = clock_real_ns();
}

/* Rings with ledgers that can be believed go on without the others. NULL, or why there are none. */
static const char *lefts_judge(struct capture *capture, struct left *list, unsigned count)
{
	const char *why = NULL;
	bool any = false;

	for (unsigned i = 0; i < count; i++) {
		any |= !list[i].problem && list[i].ring_fd >= 0;
		why = why ? why : list[i].problem;
	}
	if (!why || !any)
		return why;
	for (unsigned i = 0; i < count; i++)
		if (list[i].problem)
			left_give_up(capture, i, &list[i]);
	return NULL;
}

/* A clean start: nothing is misread, and what it costs is told. */
static void resume_refuse(struct capture *capture, struct left *list, unsigned count,
			  const char *why)
{
	char when[CLOCK_TEXT_BYTES];
	uint64_t unread = 0;
	bool known = unread_sum(capture, list, count, &unread);

	for (unsigned i = 0; i < count; i++)
		left_close(&list[i]);
	fdstore_discard(capture->slots.store, capture->config->name);
	capture->left = true;
	if (strcmp(why, NOTHING_YET) == 0) { /* what it found itself goes on */
		gap_restore(&capture->gap, capture->saved->gap_ns, capture->saved->gap_why);
		capture->gap.refused = capture->gap.since_ns != 0;
		return;
	}
	gap_refuse(&capture->gap, why);
	if (capture->gap.since_ns)
		capture_log(capture, LOG_WARNING,
			    "what a daemon left that was last there at %s cannot be gone on "
			    "with: %s",
			    clock_text(when, capture->gap.since_ns), why);
	else
		capture_log(capture, LOG_WARNING,
			    "what a daemon before left cannot be gone on with: %s", why);
	capture_log(capture, known && !unread ? LOG_NOTICE : LOG_ERR,
		    "its rings held %" PRIu64 " packets%s, which are lost", unread,
		    known ? "" : " or more");
}

bool resume_take(struct capture *capture)
{
	struct fdstore_key key = key_of(capture, FDSTORE_CAPTURE, 0, 0);
	struct left *list = NULL;
	unsigned count = 0;
	const char *why;

	capture->saved_fd = fdstore_take(capture->slots.store, &key);
	if (capture->saved_fd < 0)
		return false;
	capture->saved = checkpoint_map(capture->saved_fd, &capture->gap.since_ns);
	why = capture->saved	? shape_take(capture, capture->saved)
	      : errno == EPROTO ? "it was of another version"
				: failure_text(errno);
	if (capture->slots.count) {
		list = calloc(capture->slots.count, sizeof(*list));
		if (!list)
			why = "no memory";
	}
	for (; list && count < capture->slots.count; count++)
		list[count].problem = left_open(capture, count, &list[count]);
	if (!why)
		why = lefts_judge(capture, list, count);
	if (!why) {
		capture->left = true;
		capture->resume = list;
		return true;
	}
	resume_refuse(capture, list, count, why);
	earlier_forget(capture);
	capture->slots.count = 0;
	checkpoint_unmap(capture->saved);
	close(capture->saved_fd);
	capture->saved = NULL;
	capture->saved_fd = -1;
	free(list);
	return false;
}

int resume_ledger(struct capture *capture, unsigned worker)
{
	struct left *l = &capture->resume[worker];
	int fd = l->ledger_fd;

	ledger_unmap(l->ledger);
	l->ledger = NULL;
	l->ledger_fd = -1;
	return fd;
}

void resume_forget(struct capture *capture)
{
	if (!capture->resume)
		return;
	capture_log(capture, LOG_ERR, "its rings are given up: what they hold is lost");
	for (unsigned i = 0; i < capture->slots.count; i++)
		left_close(&capture->resume[i]);
	free(capture->resume);
	capture->resume = NULL;
	fdstore_discard(capture->slots.store, capture->config->name);
}

/* The device that the rings are bound to, if the capture may go on with it: it is called as
 * configured, or nothing is, since it was renamed. NULL, or what became of it. */
static const char *device_problem(const struct capture *capture, struct link *link)
{
	struct sockaddr_ll address = { 0 };
	socklen_t length = sizeof(address);
	struct capture_error ignored;
	struct link named;
	uint32_t type;

	if (getsockname(capture->resume[0].ring_fd, (struct sockaddr *)&address, &length) ||
	    !links_by_index(capture->links, address.sll_ifindex, link) ||
	    (links_by_name(capture->links, capture->config->group.interface, &named) &&
	     named.id != link->id))
		return "its interface went while there was no daemon";
	if (preflight_link_type(capture->config, link, &type, &ignored) ||
	    type != capture->plan.link_type)
		return "its interface's link type changed while there was no daemon";
	if (plan_packets_missed(capture->config, link->type, capture->saved->group.flags))
		return "its configuration has changed (fanout_flags)";
	return NULL;
}

static void rings_go_on(struct capture *capture)
{
	for (unsigned i = 0; i < capture->slots.count; i++)
		slot_resume(&capture->slots.list[i], capture->resume[i].ring_fd);
	free(capture->resume);
	capture->resume = NULL;
	for (unsigned i = 0; i < capture->slots.count; i++)
		slot_resumed(&capture->slots.list[i]);
}

static bool rings_whole(const struct capture *capture)
{
	for (unsigned i = 0; i < capture->slots.count; i++)
		if (capture->resume[i].ring_fd < 0)
			return false;
	return capture->saved->armed && !capture->saved->gap_ns;
}

/* A file names the filter of its packets: another filter begins another one. */
static void filter_compare(struct capture *capture)
{
	char *before = capture->saved->filter;

	if (strncmp(before, capture->config->filter, sizeof(capture->saved->filter)) == 0)
		return;
	capture_log(capture, LOG_NOTICE, "another filter than before: the next files begin");
	for (unsigned i = 0; i < capture->slots.count; i++)
		output_rotate(&capture->slots.list[i].output);
	capture->slots.due = true;
	memcpy(before, capture->config->filter, sizeof(capture->saved->filter));
}

static void filter_late(struct capture *capture, const char *why)
{
	if (!capture->filter_due)
		capture_log(capture, LOG_WARNING, "the filter is not set yet, tried again: %s",
			    why);
	capture->filter_due = true;
	capture->retry_ns = clock_mono_ns() + AGAIN_NS;
}

/* The filter may be another one by now, or drop all, since a stop had begun. It cannot be compiled
 * while the link is down, or its names are not known: tried again then. */
void resume_filter(struct capture *capture)
{
	struct capture_error error;
	int rc = capture_filter(capture, capture_incoming_only(capture), &error), set = 0;

	if (rc > 0) /* resume_filtered() goes on */
		return;
	for (unsigned i = 0; i < capture->slots.count && rc == 0 && set == 0; i++)
		if (capture->slots.list[i].ring.fd >= 0)
			set = afcap_filter_set(capture->slots.list[i].ring.fd, &capture->filter);
	if (rc || set) {
		filter_late(capture, rc ? error.text : failure_text(-set));
		return;
	}
	capture->filter_due = false;
	filter_compare(capture);
}

void resume_filtered(struct capture *capture, const struct capture_error *error)
{
	if (error)
		filter_late(capture, error->text);
	else
		resume_filter(capture);
}

/* Some of its rings were closed already or given up, or not yet armed, or nothing came into them
 * any more: what they hold is written. The gap goes on. */
static void resume_rest(struct capture *capture)
{
	const struct checkpoint *saved = capture->saved;
	uint64_t since_ns = saved->alive_ns;
	const char *why = "its daemon died while it began anew";

	if (saved->gap_ns) {
		since_ns = saved->gap_ns;
		why = saved->gap_why;
	} else if (saved->armed && capture->given_up_ns) {
		since_ns = capture->given_up_ns;
		why = "a worker's ledger was of no use";
	}
	gap_restore(&capture->gap, since_ns, why);
	checkpoint_gap(capture->saved, since_ns, capture->gap.why);
	capture_leave(capture, false, capture->gap.why);
}

/* Its rings are those of an earlier configuration. */
static void resume_changed(struct capture *capture)
{
	char keys[96], why[REASON_BYTES];

	plan_differences(&capture->saved->shape, capture->wanted, keys, sizeof(keys));
	snprintf(why, sizeof(why), "its configuration has changed (%s)", keys);
	capture_leave(capture, false, why);
}

void resume_start(struct capture *capture)
{
	const struct checkpoint *saved = capture->saved;
	char when[CLOCK_TEXT_BYTES];
	struct link link = { 0 };
	bool whole = rings_whole(capture), ours = !capture->earlier && !capture->former;
	const char *problem = NULL;

	capture->plan.link_type = saved->shape.link_type;
	capture->group = saved->group;
	capture->group_known = true;
	capture->since_real_ns = saved->since_ns;
	capture->gap.since_ns = 0;
	capture_enter(capture, CAPTURE_RUNNING);
	capture->link_up = true;
	if (whole && ours && !plan_any(capture->config))
		problem = device_problem(capture, &link);
	if (whole && ours && !problem)
		capture_bind(capture, plan_any(capture->config) ? NULL : &link);
	capture_plan(capture);
	capture_tell(capture);
	rings_go_on(capture);
	capture_log(capture, LOG_NOTICE, "%s the rings of a daemon that was last there at %s",
		    capture->former    ? "is not configured any more, writes out"
		    : capture->earlier ? "first writes out"
				       : "goes on with",
		    clock_text(when, saved->alive_ns));
	if (capture->former)
		capture_stop(capture, false);
	else if (!whole)
		resume_rest(capture);
	else if (capture->earlier)
		resume_changed(capture);
	else if (problem)
		capture_leave(capture, false, problem);
	else
		resume_filter(capture);
	capture_link(capture);
}
