/* Statistics. The kernel's, PACKET_STATISTICS, are reset by every read. */
#include "internal.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>

#define SAME_OFFSET(field, theirs)                                                                 \
	(offsetof(struct afcap_kernel_stats, field) == offsetof(struct tpacket_stats_v3, theirs))

_Static_assert(sizeof(struct afcap_kernel_stats) == sizeof(struct tpacket_stats_v3) &&
		       SAME_OFFSET(packets, tp_packets) && SAME_OFFSET(drops, tp_drops) &&
		       SAME_OFFSET(freezes, tp_freeze_q_cnt),
	       "the kernel writes one as the other");

AFCAP_PUBLIC int afcap_stats_take(int fd, struct afcap_kernel_stats *stats)
{
	socklen_t length = sizeof(*stats);

	return getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, stats, &length) ? -errno : 0;
}

static uint64_t get(const atomic_uint_fast64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* The reader's counters are taken before the kernel's, which counts a packet before it can be
 * read. */
AFCAP_PUBLIC int afcap_stats(struct afcap *handle, struct afcap_stats *stats)
{
	const struct reader_stats *counts = &handle->counts;
	struct afcap_kernel_stats taken = { 0 };
	struct afcap_stats s = {
		.received = get(&counts->received),
		.received_bytes = get(&counts->received_bytes),
		.truncated = get(&counts->truncated),
		.polls = get(&counts->polls),
		.poll_timeouts = get(&counts->poll_timeouts),
		.blocks_full = get(&counts->blocks_full),
		.blocks_timeout = get(&counts->blocks_timeout),
		.sent = get(&counts->sent),
		.sent_bytes = get(&counts->sent_bytes),
	};
	int rc;

	pthread_mutex_lock(&handle->stats_lock);
	rc = afcap_stats_take(handle->fd, &taken);
	if (rc == 0) {
		s.packets = handle->packets += taken.packets;
		s.drops = handle->drops += taken.drops;
		s.freezes = handle->freezes += taken.freezes;
		*stats = s;
	}
	pthread_mutex_unlock(&handle->stats_lock);
	return rc;
}

AFCAP_PUBLIC int afcap_rollover_stats(int fd, struct afcap_rollover_stats *stats)
{
	struct tpacket_rollover_stats taken = { 0 };
	socklen_t length = sizeof(taken);

	if (getsockopt(fd, SOL_PACKET, PACKET_ROLLOVER_STATS, &taken, &length))
		return -errno;
	*stats = (struct afcap_rollover_stats){ .all = taken.tp_all,
						.huge = taken.tp_huge,
						.failed = taken.tp_failed };
	return 0;
}
