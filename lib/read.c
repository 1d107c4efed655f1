/* Reading one packet at a time, whatever the ring's version; and waiting, which first releases what
 * was read. */
#include "vlan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void block_done(struct afcap *h)
{
	h->block.walked_packets = h->block.walked_bytes = 0; /* counted one by one */
	h->block.walked_truncated = 0;
	afcap_block_release(h, &h->block);
}

/* The next packet of the block that is being read, if it has one. */
static bool block_next(struct afcap *h)
{
	if (afcap_packet_next(&h->block, &h->packet))
		return true;
	h->reading = false;
	block_done(h);
	return false;
}

static bool read_v3(struct afcap *h)
{
	for (;;) {
		if (h->reading && block_next(h))
			return true;
		if (afcap_block_acquire(h, &h->block))
			return false;
		h->reading = true;
		h->packet = (struct afcap_packet){ 0 };
	}
}

static bool read_frame(struct afcap *h)
{
	for (;;) {
		if (h->reading)
			frame_release(&h->rx, h->frame);
		h->held = 0;
		h->reading = frame_ready(h);
		if (!h->reading)
			return false;
		h->frame = frame_acquire(&h->rx);
		h->held = 1;
		if (frame_packet(&h->rx, h->frame, h->vnet_header_bytes, &h->packet))
			return true;
	}
}

/* Releases what afcap_read() has finished with. Returns whether its block has packets left. */
static bool read_finish(struct afcap *h)
{
	if (!h->reading)
		return false;
	if (h->rx.geometry.version != AFCAP_TPACKET_V3) {
		frame_release(&h->rx, h->frame);
		h->held = 0;
	} else if (h->packet.seen < h->block.packets) {
		return true;
	} else {
		block_done(h);
	}
	h->reading = false;
	return false;
}

static int read_next(struct afcap *h, int64_t timeout_ns)
{
	bool v3 = h->rx.geometry.version == AFCAP_TPACKET_V3, waited = false;
	int64_t deadline = 0;
	int rc;

	if (!h->rx.geometry.blocks)
		return -ENODEV;
	for (;;) {
		if (atomic_load_explicit(&h->signals, memory_order_relaxed)) {
			rc = signals_take(h);
			if (rc != AFCAP_READY)
				return rc;
		}
		if (v3 ? read_v3(h) : read_frame(h))
			break;
		if (!waited) /* one for all waits: there are blocks without packets */
			deadline = deadline_of(timeout_ns);
		waited = true;
		rc = wait_until(h, deadline);
		if (rc != AFCAP_READY)
			return rc;
	}
	if (h->vlan_restore && v3)
		vlan_restore(&h->packet, VLAN_LAYOUT(struct tpacket3_hdr));
	else if (h->vlan_restore)
		vlan_restore(&h->packet, VLAN_LAYOUT(struct tpacket2_hdr));
	count_add(&h->counts.received, 1);
	count_add(&h->counts.received_bytes, h->packet.capture_length);
	if (h->packet.capture_length < h->packet.length)
		count_add(&h->counts.truncated, 1);
	return AFCAP_READY;
}

/* A signal precedes packets, as in wait_until(); nothing but a read makes read_finish() true again.
 */
AFCAP_PUBLIC int afcap_wait(struct afcap *h, int64_t timeout_ns)
{
	int rc = signals_take(h);

	if (rc != AFCAP_READY || read_finish(h))
		return rc;
	return wait_until(h, deadline_of(timeout_ns));
}

AFCAP_PUBLIC int afcap_read(struct afcap *h, const struct afcap_packet **packet, int64_t timeout_ns)
{
	int rc = read_next(h, timeout_ns);

	if (rc == AFCAP_READY)
		*packet = &h->packet;
	return rc;
}

AFCAP_PUBLIC int afcap_read_into(struct afcap *h, void *buffer, size_t bytes,
				 const struct afcap_packet **packet, int64_t timeout_ns)
{
	int rc = read_next(h, timeout_ns);

	if (rc != AFCAP_READY)
		return rc;
	h->copy = h->packet;
	if (h->copy.capture_length > bytes)
		h->copy.capture_length = (uint32_t)bytes;
	if (h->copy.capture_length)
		memcpy(buffer, h->packet.data, h->copy.capture_length);
	h->copy.data = buffer;
	*packet = &h->copy;
	return rc;
}

AFCAP_PUBLIC int afcap_read_copy(struct afcap *h, uint8_t **copy,
				 const struct afcap_packet **packet, int64_t timeout_ns)
{
	int rc = read_next(h, timeout_ns);
	uint8_t *data;

	if (rc != AFCAP_READY)
		return rc;
	data = malloc(h->packet.capture_length ? h->packet.capture_length : 1);
	if (!data)
		return -ENOMEM;
	memcpy(data, h->packet.data, h->packet.capture_length);
	h->copy = h->packet;
	h->copy.data = *copy = data;
	*packet = &h->copy;
	return rc;
}
