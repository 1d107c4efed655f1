/* Checks the descriptors that the service manager has stored. */
#include "inherited.h"
#include "preflight.h"
#include "tally.h"
#include "unread.h"

#include "../base/clock.h"
#include "../base/failure.h"
#include "../base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char another_version[] = "its ledgers have another version";
static const char no_link_type[] = "its link type cannot be recorded";
static const char nothing_yet[] = "it did not record yet"; /* nothing is lost then, or logged */

static void ring_close(struct inherited_ring *l)
{
	ledger_unmap(l->ledger);
	if (l->ledger_fd >= 0)
		close(l->ledger_fd);
	if (l->ring_fd >= 0)
		close(l->ring_fd);
}

/* It was closed, its interface being away, and its ledger is settled; or the previous instance died
 * before the manager had stored it: then what it held is abandoned. */
static void ring_missing(const char *capture, unsigned worker, struct ledger *ledger)
{
	static const struct tally judged; /* the ledger is usable */
	const struct ledger_kernel kernel = ledger_kernel(ledger);
	struct ledger_totals totals = ledger_totals(ledger);
	uint64_t left = kernel.packets - kernel.drops - totals.received;

	if (!left || !tally_settle(&judged, ledger, -1, &totals, &left))
		return;
	log_about(LOG_ERR, &(struct log_subject){ capture, (int)worker, NULL },
		  "its ring was not stored: the %" PRIu64 " packets that it held are abandoned",
		  left);
}

/* Takes ledger and ring of one worker; NULL, or why the ledger is unusable. */
static const char *ring_open(const struct inherited *in, struct fdstore *store, const char *capture,
			     unsigned worker, struct inherited_ring *l)
{
	static const struct counters none;
	struct ledger_bounds bounds = {
		.blocks = in->saved->fingerprint.blocks,
		.serial_max = UINT64_MAX,
		.taken = true,
		.writes = in->saved->fingerprint.output == OUTPUT_PCAPNG,
		.reported = &none,
	};
	struct fdstore_key key = { FDSTORE_LEDGER, capture, worker, 0 };
	const char *problem;

	*l = (struct inherited_ring){ .ring_fd = -1 };
	l->ledger_fd = fdstore_take(store, &key);
	if (l->ledger_fd < 0)
		return "a worker's ledger is missing";
	l->ledger = ledger_map(l->ledger_fd);
	if (!l->ledger)
		return errno == EPROTO ? another_version : failure_text(errno);
	bounds.generation = ledger_totals(l->ledger).generation;
	key = (struct fdstore_key){ FDSTORE_RING, capture, worker, bounds.generation };
	l->ring_fd = fdstore_take(store, &key);
	if (l->ring_fd >= 0)
		ledger_take(l->ledger, afcap_stats_take, l->ring_fd);
	problem = ledger_problem(l->ledger, &bounds);
	if (!problem && l->ring_fd < 0)
		ring_missing(capture, worker, l->ledger);
	return problem;
}

/* Adds the packets in a worker's ring, which no process will read. False: their number is
 * unknown. */
static bool ring_unread(const struct inherited_ring *l, const uint32_t ring[2], uint64_t *packets)
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

/* Adds up all rings, those taken from the store and those still in it. */
static bool unread_sum(const struct inherited *in, struct fdstore *store, const char *capture,
		       uint64_t *packets)
{
	uint32_t ring[2] = { 0, 0 };
	bool known = checkpoint_ring(in->saved_fd, &ring[0], &ring[1]);
	int fd;

	for (unsigned i = 0; i < in->workers; i++)
		known &= ring_unread(&in->rings[i], ring, packets);
	while ((fd = fdstore_take_ring(store, capture, FDSTORE_ANY)) >= 0) {
		known &= unread_count(fd, ring[0], ring[1], packets);
		close(fd);
	}
	return known;
}

/* The configuration that made rings with this fingerprint. NULL without memory. */
static struct config_capture *earlier_make(const struct config_capture *config,
					   const struct checkpoint_fingerprint *fingerprint)
{
	struct config_capture *earlier = malloc(sizeof(*earlier));

	if (!earlier)
		return NULL;
	*earlier = *config;
	plan_configure(earlier, fingerprint);
	return earlier;
}

/* The capture is what the record says it was. Returns NULL, or why it cannot be. */
static const char *record_check(struct inherited *in, const struct config_capture *config)
{
	const struct checkpoint *saved = in->saved;

	if (!saved->since_ns)
		return nothing_yet;
	if (!plan_fingerprint_valid(&saved->fingerprint) || !checkpoint_valid(saved))
		return "its record is damaged";
	in->workers = saved->fingerprint.workers;
	if (!plan_resumable(&saved->fingerprint, config)) {
		in->earlier = earlier_make(config, &saved->fingerprint);
		if (!in->earlier)
			return "no memory";
		config = in->earlier;
	}
	if (saved->fingerprint.link_type &&
	    !plan_link_type_known(config, saved->fingerprint.link_type))
		return no_link_type;
	return NULL;
}

/* For a worker whose ledger is unusable: it is unknown which packets of its ring were written. */
static void ring_give_up(struct inherited *in, struct fdstore *store, const char *capture,
			 unsigned worker)
{
	const struct checkpoint_fingerprint *fingerprint = &in->saved->fingerprint;
	struct inherited_ring *l = &in->rings[worker];
	uint64_t unread = 0;
	bool known;

	if (l->ring_fd < 0) /* the ledger has its generation */
		l->ring_fd = fdstore_take_ring(store, capture, (int)worker);
	known = l->ring_fd < 0 ||
		unread_count(l->ring_fd, fingerprint->blocks, fingerprint->block_bytes, &unread);
	log_about(LOG_ERR, &(struct log_subject){ capture, (int)worker, NULL },
		  "the ledger is unusable (%s): counting starts from scratch, the ring is given "
		  "up, the %" PRIu64 "%s packets in it are lost",
		  l->problem == another_version ? "its header is overwritten" : l->problem, unread,
		  known ? "" : " or more");
	ring_close(l);
	fdstore_discard_worker(store, capture, worker);
	checkpoint_reset(&in->saved->slots[worker]);
	*l = (struct inherited_ring){ .ledger_fd = -1, .ring_fd = -1 };
	in->given_up_ns = clock_real_ns();
}

/* Rings with usable ledgers continue without the others. NULL, or why there are none. */
static const char *rings_judge(struct inherited *in, struct fdstore *store, const char *capture)
{
	const char *why = NULL;
	bool any = false;

	for (unsigned i = 0; i < in->workers; i++) {
		any |= !in->rings[i].problem && in->rings[i].ring_fd >= 0;
		why = why ? why : in->rings[i].problem;
	}
	if (any && !in->saved->fingerprint.link_type)
		return no_link_type;
	if (!why || !any)
		return why;
	for (unsigned i = 0; i < in->workers; i++)
		if (in->rings[i].problem)
			ring_give_up(in, store, capture, i);
	return NULL;
}

/* Since when nothing is recorded, and what that costs. */
static void refusal_log(struct inherited *in, struct fdstore *store, const char *capture,
			const char *why)
{
	const struct log_subject about = { capture, -1, NULL };
	char when[CLOCK_TEXT_BYTES];
	uint64_t unread = 0;
	bool known = unread_sum(in, store, capture, &unread);

	if (why == nothing_yet) { /* the gap that it knew of itself continues */
		gap_restore(&in->gap, in->saved->gap_ns, in->saved->gap_why);
		in->gap.refused = in->gap.since_ns != 0;
		return;
	}
	gap_refuse(&in->gap, why);
	if (in->gap.since_ns)
		log_about(LOG_WARNING, &about,
			  "the previous instance, last alive at %s, cannot be resumed: %s",
			  clock_text(when, in->gap.since_ns), why);
	else
		log_about(LOG_WARNING, &about, "the previous instance cannot be resumed: %s", why);
	log_about(known && !unread ? LOG_NOTICE : LOG_ERR, &about,
		  "its rings held %" PRIu64 " packets%s, which are lost", unread,
		  known ? "" : " or more");
}

static void rings_free(struct inherited *in)
{
	for (unsigned i = 0; i < in->workers && in->rings; i++)
		ring_close(&in->rings[i]);
	free(in->rings);
	in->rings = NULL;
	in->workers = 0;
}

/* A clean start: no old state remains. */
static void refuse(struct inherited *in, struct fdstore *store, const char *capture,
		   const char *why)
{
	refusal_log(in, store, capture, why);
	rings_free(in);
	fdstore_discard(store, capture);
	free(in->earlier);
	checkpoint_unmap(in->saved);
	close(in->saved_fd);
	in->earlier = NULL;
	in->saved = NULL;
	in->saved_fd = -1;
}

/* NULL, or why none of it can be used. */
static const char *rings_take(struct inherited *in, struct fdstore *store,
			      const struct config_capture *config)
{
	const char *why = record_check(in, config);
	unsigned workers = in->workers;

	in->workers = 0; /* the number of open rings */
	in->rings = workers ? calloc(workers, sizeof(*in->rings)) : NULL;
	if (workers && !in->rings)
		return "no memory";
	for (; in->workers < workers; in->workers++) {
		struct inherited_ring *l = &in->rings[in->workers];

		l->problem = ring_open(in, store, config->name, in->workers, l);
	}
	return why ? why : rings_judge(in, store, config->name);
}

bool inherited_take(struct inherited *in, struct fdstore *store,
		    const struct config_capture *config)
{
	const struct fdstore_key key = { FDSTORE_CAPTURE, config->name, 0, 0 };
	const char *why;

	*in = (struct inherited){ .saved_fd = fdstore_take(store, &key) };
	in->found = in->saved_fd >= 0;
	if (!in->found)
		return false;
	in->saved = checkpoint_map(in->saved_fd, &in->gap.since_ns);
	if (in->saved)
		why = rings_take(in, store, config);
	else
		why = errno == EPROTO ? "it had another version" : failure_text(errno);
	if (why)
		refuse(in, store, config->name, why);
	else
		in->gap.since_ns = 0; /* the capture may be resumed */
	return !why;
}

int inherited_ledger(struct inherited *in, unsigned worker)
{
	struct inherited_ring *l = &in->rings[worker];
	int fd = l->ledger_fd;

	ledger_unmap(l->ledger);
	l->ledger = NULL;
	l->ledger_fd = -1;
	return fd;
}

void inherited_taken(struct inherited *in)
{
	free(in->rings);
	in->rings = NULL;
}

void inherited_forget(struct inherited *in, struct fdstore *store, const char *capture)
{
	if (!in->rings)
		return;
	log_about(LOG_ERR, &(struct log_subject){ capture, -1, NULL },
		  "its rings are given up: the packets in them are lost");
	rings_free(in);
	fdstore_discard(store, capture);
}

bool inherited_whole(const struct inherited *in)
{
	for (unsigned i = 0; i < in->workers; i++)
		if (in->rings[i].ring_fd < 0)
			return false;
	return in->saved->armed && !in->saved->gap_ns;
}

const char *inherited_gap(const struct inherited *in, uint64_t *since_ns)
{
	if (in->saved->gap_ns) {
		*since_ns = in->saved->gap_ns;
		return in->saved->gap_why;
	}
	if (in->saved->armed && in->given_up_ns) {
		*since_ns = in->given_up_ns;
		return "a worker's ledger was unusable";
	}
	*since_ns = in->saved->alive_ns;
	return "the daemon died while the capture was starting again";
}

const char *inherited_device(const struct inherited *in, const struct config_capture *config,
			     struct links *links, struct link *link)
{
	struct sockaddr_ll address = { 0 };
	socklen_t length = sizeof(address);
	struct capture_error ignored;
	struct link named;
	uint32_t type;

	if (getsockname(in->rings[0].ring_fd, (struct sockaddr *)&address, &length) ||
	    !links_by_index(links, address.sll_ifindex, link) ||
	    (links_by_name(links, config->group.interface, &named) && named.id != link->id))
		return "its interface disappeared while no daemon ran";
	if (preflight_link_type(config, link, &type, &ignored) ||
	    type != in->saved->fingerprint.link_type)
		return "its interface's link type changed while no daemon ran";
	if (plan_packets_missed(config, link->type, in->saved->group.flags))
		return "its configuration has changed (fanout_flags)";
	return NULL;
}
