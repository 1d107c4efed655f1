/* The kernel's counters of a socket. PACKET_STATISTICS resets on read, whoever reads. */
#include "internal.h"

#include <errno.h>
#include <sys/socket.h>

_Static_assert(sizeof(struct tpacket_stats_v3) == 3 * sizeof(uint32_t),
	       "counts[3] is tpacket_stats_v3");

AFCAP_PUBLIC int afcap_stats_take(int fd, uint32_t counts[3])
{
	socklen_t length = sizeof(struct tpacket_stats_v3);

	return getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, counts, &length) ? -errno : 0;
}

AFCAP_PUBLIC int afcap_stats(struct afcap *handle, struct afcap_stats *stats)
{
	uint32_t counts[3];
	int rc;

	pthread_mutex_lock(&handle->stats_lock);
	rc = afcap_stats_take(handle->fd, counts);
	if (rc == 0) {
		handle->stats.packets += counts[0];
		handle->stats.drops += counts[1];
		handle->stats.freezes += counts[2];
		*stats = handle->stats;
	}
	pthread_mutex_unlock(&handle->stats_lock);
	return rc;
}
