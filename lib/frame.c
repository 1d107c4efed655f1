/* Frames of TPACKET_V1 and V2: one packet in each, at fixed places. */
#include "internal.h"

#include <errno.h>

/* Where the fields of a frame's header are, which differ between the versions */
struct header {
	uint32_t status, length, capture_length, seconds, nanoseconds;
	uint16_t mac, vlan_tci, vlan_tpid;
	uint32_t bytes; /* of the header: the address follows */
};

void *frame_at(const struct ring *ring, uint32_t index)
{
	uint32_t frames = afcap_geometry_frames(&ring->geometry);

	return ring->map + (size_t)(index / frames) * ring->geometry.block_bytes +
	       (size_t)(index % frames) * ring->geometry.frame_bytes;
}

/* Pairs with the kernel's barriers in tpacket_rcv() and __packet_set_status(): all else in the
 * frame is read or written only after this says that user space owns it. V1's status is a long, of
 * which 32 bits are used; only sending rings have frames of V3. */
uint32_t frame_status(const struct ring *ring, uint32_t index)
{
	const void *frame = frame_at(ring, index);

	if (ring->geometry.version == AFCAP_TPACKET_V1)
		return (uint32_t)__atomic_load_n(&((const struct tpacket_hdr *)frame)->tp_status,
						 __ATOMIC_ACQUIRE);
	if (ring->geometry.version == AFCAP_TPACKET_V2)
		return __atomic_load_n(&((const struct tpacket2_hdr *)frame)->tp_status,
				       __ATOMIC_ACQUIRE);
	return __atomic_load_n(&((const struct tpacket3_hdr *)frame)->tp_status, __ATOMIC_ACQUIRE);
}

static uint32_t frame_count(const struct ring *ring)
{
	return afcap_geometry_frames(&ring->geometry) * ring->geometry.blocks;
}

/* A reader that holds the ring's only frame would otherwise take it again. */
bool frame_ready(const struct afcap *h)
{
	return h->held < frame_count(&h->rx) && frame_status(&h->rx, h->rx.next) & TP_STATUS_USER;
}

/* Exactly 0, and last: the kernel writes into the frame as soon as it sees it. */
void frame_release(const struct ring *ring, uint32_t index)
{
	void *frame = frame_at(ring, index);

	if (ring->geometry.version == AFCAP_TPACKET_V1)
		__atomic_store_n(&((struct tpacket_hdr *)frame)->tp_status, TP_STATUS_KERNEL,
				 __ATOMIC_RELEASE);
	else
		__atomic_store_n(&((struct tpacket2_hdr *)frame)->tp_status, TP_STATUS_KERNEL,
				 __ATOMIC_RELEASE);
}

uint32_t frame_acquire(struct ring *ring)
{
	uint32_t index = ring->next;

	ring->next = index + 1 == frame_count(ring) ? 0 : index + 1;
	return index;
}

static struct header header_v1(const void *frame)
{
	const struct tpacket_hdr *h = frame;

	return (struct header){
		.status = (uint32_t)h->tp_status & ~(uint32_t)TP_STATUS_VLAN_VALID,
		.length = h->tp_len,
		.capture_length = h->tp_snaplen,
		.seconds = h->tp_sec,
		.nanoseconds = h->tp_usec * 1000,
		.mac = h->tp_mac,
		.vlan_tpid = 0x8100,
		.bytes = HEADER_BYTES(*h),
	};
}

static struct header header_v2(const void *frame)
{
	const struct tpacket2_hdr *h = frame;

	return (struct header){
		.status = h->tp_status,
		.length = h->tp_len,
		.capture_length = h->tp_snaplen,
		.seconds = h->tp_sec,
		.nanoseconds = h->tp_nsec,
		.mac = h->tp_mac,
		.vlan_tci = h->tp_vlan_tci,
		.vlan_tpid = h->tp_status & TP_STATUS_VLAN_TPID_VALID ? h->tp_vlan_tpid : 0x8100,
		.bytes = HEADER_BYTES(*h),
	};
}

/* False: the packet does not lie within the frame, which is to be skipped. */
bool frame_packet(const struct ring *ring, uint32_t index, uint32_t vnet_header_bytes,
		  struct afcap_packet *packet)
{
	uint8_t *frame = frame_at(ring, index);
	struct header h =
		ring->geometry.version == AFCAP_TPACKET_V1 ? header_v1(frame) : header_v2(frame);

	/* A frame that ends before the packet would begin holds none of it. */
	if (h.capture_length == 0 && h.mac > ring->geometry.frame_bytes)
		h.mac = (uint16_t)ring->geometry.frame_bytes;
	if (h.mac < h.bytes + sizeof(struct sockaddr_ll) + vnet_header_bytes ||
	    (uint64_t)h.mac + h.capture_length > ring->geometry.frame_bytes)
		return false;
	*packet = (struct afcap_packet){
		.data = frame + h.mac,
		.capture_length = h.capture_length,
		.length = h.length,
		.seconds = h.seconds,
		.nanoseconds = h.nanoseconds,
		.status = h.status,
		.vlan_tci = h.vlan_tci,
		.vlan_tpid = h.vlan_tpid,
		.vnet_header = vnet_header_bytes ? frame + h.mac - AFCAP_VNET_HEADER_BYTES : NULL,
		.link = (const struct sockaddr_ll *)(const void *)(frame + h.bytes),
		.slot = frame,
		.next = index + 1 == frame_count(ring) ? 0 : index + 1,
	};
	return true;
}

int frame_resume(struct afcap *h, uint32_t index)
{
	if (!h->rx.geometry.blocks)
		return -EOPNOTSUPP;
	if (index >= frame_count(&h->rx))
		return -ESTALE;
	h->rx.next = index;
	return 0;
}
