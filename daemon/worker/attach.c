/* A worker's ring: made and joined to its group, or taken over from the worker before. */
#include "worker_state.h"

#include "../base/crash.h"
#include "../base/failure.h"
#include "../base/linktype.h"
#include "../base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define RESERVE_BYTES 2 /* of every slot: an Ethernet packet begins at a multiple of 4 then */

/* Nothing else takes the number of a ring that is not there yet. */
bool worker_ring_reserve(void)
{
	int fd;

	if (fcntl(RING_FD, F_GETFD) >= 0)
		return true;
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fd == RING_FD)
		return fd >= 0;
	if (dup3(fd, RING_FD, O_CLOEXEC) < 0)
		return false;
	close(fd);
	return true;
}

static struct afcap_geometry worker_geometry(const struct worker *w)
{
	return (struct afcap_geometry){ .version = AFCAP_TPACKET_V3,
					.block_bytes = w->what.block_bytes,
					.blocks = w->what.blocks,
					.block_timeout_ms = w->what.block_timeout_ms };
}

static bool loop_make(struct worker *w)
{
	int rc;

	w->ledger->in_hand = 0; /* of the worker before, if it died of that */
	rc = ringloop_new(&w->loop, w->ring, w->ledger, &w->what, w->notify);

	if (rc)
		uplink_fail(&w->uplink, EXIT_FAILURE, "no memory for the staging buffer");
	return rc == 0;
}

bool worker_ring_adopt(struct worker *w)
{
	struct afcap_geometry geometry = worker_geometry(w);
	struct ledger_totals totals = ledger_totals(w->ledger);
	struct afcap_error error;
	int rc;

	if (totals.generation != w->what.generation) {
		uplink_fail(&w->uplink, EXIT_FAILURE, "the ledger is of another ring");
		return false;
	}
	rc = afcap_adopt(&w->ring, RING_FD, &geometry, &error);
	if (rc) {
		uplink_fail(&w->uplink, EXIT_FAILURE, "taking over the ring: %s", error.text);
		return false;
	}
	crash_step(CRASH_ADOPTED);
	rc = ledger_take(w->ledger, afcap_stats_take,
			 RING_FD); /* folds what the dead worker had pending */
	if (rc == 0)
		rc = afcap_resume(w->ring, (uint32_t)totals.next_block, totals.next_sequence);
	if (rc < 0) {
		uplink_fail(&w->uplink, EXIT_FAILURE,
			    "going on in the ring at block %llu, sequence %llu: %s",
			    (unsigned long long)totals.next_block,
			    (unsigned long long)totals.next_sequence, failure_text(-rc));
		return false;
	}
	log_debug("going on at sequence %llu, %d blocks were written and not released",
		  (unsigned long long)totals.next_sequence, rc);
	w->joined = true;
	return loop_make(w);
}

static int open_exit_code(int rc)
{
	switch (-rc) {
	case EPERM:
	case EACCES:
		return EX_NOPERM;
	case EINVAL:
	case ENOMEM:
	case ENODEV:
		return EX_CONFIG;
	default:
		return EXIT_FAILURE;
	}
}

/* A ring has one number in all workers, so that a rule may name it. */
static int ring_place(struct worker *w)
{
	int fd = dup3(w->socket, RING_FD, O_CLOEXEC) < 0 ? -errno : RING_FD;

	close(w->socket);
	w->socket = fd < 0 ? -1 : fd;
	return fd < 0 ? fd : 0;
}

void worker_ring_make(struct worker *w)
{
	bool cooked = IS_COOKED(w->what.link_type);
	struct afcap_options options;
	struct afcap_error error;
	int rc;

	w->socket = afcap_socket(cooked ? AFCAP_DGRAM : AFCAP_RAW);
	if (w->socket < 0) {
		uplink_fail(&w->uplink, open_exit_code(w->socket), "packet socket: %s%s",
			    failure_text(-w->socket),
			    w->socket == -EPERM ? ": CAP_NET_RAW is missing" : "");
		return;
	}
	rc = ring_place(w);
	if (rc) {
		uplink_fail(&w->uplink, EXIT_FAILURE, "packet socket: %s", failure_text(-rc));
		return;
	}
	uplink_say(&w->uplink, MESSAGE_SOCKET_MADE); /* the next slot may make its own while this
					       ring is allocated */
	afcap_options_init(&options, sizeof(options));
	options.ifindex = (int)w->what.ifindex; /* its names may go, come and mean another */
	options.socket = w->socket;
	options.ring = worker_geometry(w);
	options.promiscuous = w->what.promiscuous && !cooked; /* is of one interface */
	options.ring.reserve_bytes = RESERVE_BYTES;
	options.paused = true;
	rc = afcap_open(&w->ring, &options, &error);
	if (rc) {
		uplink_fail(&w->uplink, open_exit_code(rc), "%s", error.text);
		return;
	}
	if (loop_make(w))
		uplink_say(&w->uplink, MESSAGE_RING_MADE);
}

bool worker_ring_join(struct worker *w, struct message *message)
{
	struct afcap_fanout fanout;
	struct afcap_error error;
	struct afcap_kernel_stats before;
	int rc;

	if (!w->ring || w->joined) {
		uplink_fail(&w->uplink, EXIT_FAILURE, "told to join out of turn");
		return false;
	}
	afcap_fanout_init(&fanout, sizeof(fanout));
	fanout.id = (uint16_t)message->group.id;
	fanout.flags = (uint16_t)message->group.flags;
	fanout.mode = message->group.mode;
	rc = afcap_fanout_join(w->ring, &fanout, &error);
	if (rc) {
		uplink_fail(&w->uplink, EXIT_FAILURE, "%s", error.text);
		return false;
	}
	afcap_stats_take(afcap_fd(w->ring), &before); /* none of it is ours */
	w->joined = true;
	message->type = MESSAGE_JOINED;
	message->group = (struct message_group){ fanout.id, fanout.mode, fanout.flags };
	uplink_send(&w->uplink, message, afcap_fd(w->ring));
	return true;
}
