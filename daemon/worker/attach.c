/* Making, joining, adopting a ring. */
#include "attach.h"

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

bool attach_reserve(void)
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

static struct afcap_geometry attach_geometry(const struct attach *a)
{
	return (struct afcap_geometry){
		.version = AFCAP_TPACKET_V3,
		.block_bytes = (uint32_t)a->what->group.block_bytes,
		.blocks = a->what->blocks,
		.block_timeout_ms = (uint32_t)(a->what->group.block_timeout_ns / 1000000)
	};
}

static bool attach_thread(struct attach *a)
{
	int rc;

	a->ledger->in_progress = 0; /* left by the previous worker, if it died in that block */
	rc = ringthread_new(&a->thread, a->ring, a->ledger, a->what, a->notify);

	if (rc)
		uplink_fail(a->uplink, EXIT_FAILURE, "no memory for the staging buffer");
	return rc == 0;
}

bool attach_adopt(struct attach *a)
{
	struct afcap_geometry geometry = attach_geometry(a);
	struct ledger_totals totals = ledger_totals(a->ledger);
	struct afcap_error error;
	int rc;

	if (totals.generation != a->what->generation) {
		uplink_fail(a->uplink, EXIT_FAILURE, "the ledger belongs to another ring");
		return false;
	}
	rc = afcap_adopt(&a->ring, RING_FD, &geometry, &error);
	if (rc) {
		uplink_fail(a->uplink, EXIT_FAILURE, "adopting the ring: %s", error.text);
		return false;
	}
	crash_step(CRASH_ADOPTED);
	rc = ledger_take(a->ledger, afcap_stats_take,
			 RING_FD); /* includes what the dead worker had pending */
	if (rc == 0)
		rc = afcap_resume(a->ring, (uint32_t)totals.next_block, totals.next_sequence);
	if (rc < 0) {
		uplink_fail(a->uplink, EXIT_FAILURE,
			    "resuming the ring at block %llu, sequence %llu: %s",
			    (unsigned long long)totals.next_block,
			    (unsigned long long)totals.next_sequence, failure_text(-rc));
		return false;
	}
	log_debug("resuming at sequence %llu: %d blocks were written but not released",
		  (unsigned long long)totals.next_sequence, rc);
	a->joined = true;
	return attach_thread(a);
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

/* The ring has the same descriptor number in all workers, so that the system call list can name
 * it. */
static int ring_fd_reserve(struct attach *a)
{
	int fd = dup3(a->socket, RING_FD, O_CLOEXEC) < 0 ? -errno : RING_FD;

	close(a->socket);
	a->socket = fd < 0 ? -1 : fd;
	return fd < 0 ? fd : 0;
}

void attach_make(struct attach *a)
{
	bool cooked = IS_COOKED(a->what->link_type);
	struct afcap_options options;
	struct afcap_error error;
	int rc;

	a->socket = afcap_socket(cooked ? AFCAP_DGRAM : AFCAP_RAW);
	if (a->socket < 0) {
		uplink_fail(a->uplink, open_exit_code(a->socket), "packet socket: %s%s",
			    failure_text(-a->socket),
			    a->socket == -EPERM ? ": CAP_NET_RAW is missing" : "");
		return;
	}
	rc = ring_fd_reserve(a);
	if (rc) {
		uplink_fail(a->uplink, EXIT_FAILURE, "packet socket: %s", failure_text(-rc));
		return;
	}
	uplink_notify(a->uplink, MESSAGE_SOCKET_MADE); /* the next slot may make its own while this
					       ring is allocated */
	afcap_options_init(&options, sizeof(options));
	options.ifindex = (int)a->what->ifindex; /* names can be moved to another interface */
	options.socket = a->socket;
	options.ring = attach_geometry(a);
	options.promiscuous =
		a->what->group.promiscuous && !cooked; /* applies to a single interface */
	options.ring.reserve_bytes = RESERVE_BYTES;
	options.paused = true;
	rc = afcap_open(&a->ring, &options, &error);
	if (rc) {
		uplink_fail(a->uplink, open_exit_code(rc), "%s", error.text);
		return;
	}
	if (attach_thread(a))
		uplink_notify(a->uplink, MESSAGE_RING_MADE);
}

bool attach_join(struct attach *a, struct message *message)
{
	struct afcap_fanout fanout;
	struct afcap_error error;
	struct afcap_kernel_stats before;
	int rc;

	afcap_fanout_init(&fanout, sizeof(fanout));
	fanout.id = (uint16_t)message->group.id;
	fanout.flags = (uint16_t)message->group.flags;
	fanout.mode = message->group.mode;
	rc = afcap_fanout_join(a->ring, &fanout, &error);
	if (rc) {
		uplink_fail(a->uplink, EXIT_FAILURE, "%s", error.text);
		return false;
	}
	afcap_stats_take(afcap_fd(a->ring),
			 &before); /* packets counted before this are not the worker's */
	a->joined = true;
	message->type = MESSAGE_JOINED;
	message->group = (struct message_group){ fanout.id, fanout.mode, fanout.flags };
	uplink_send(a->uplink, message, afcap_fd(a->ring));
	return true;
}
