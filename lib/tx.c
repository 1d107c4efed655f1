/* Sending: by system call, one or many, and by a sending ring. */
#include "internal.h"

#include <errno.h>
#include <limits.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#define BATCH	  64u
#define TAG_BYTES 4u
#define TYPE_AT	  12 /* of an Ethernet header */
#define PAUSE_NS  500000

/* The maximum length that the interface accepts now. Where it is not known (all interfaces; link
 * types with headers of their own; a vnet header, whose packet the card segments) only the slot
 * limits it. */
void tx_init(struct afcap *h, const struct afcap_options *o)
{
	struct ifreq request = { 0 };
	unsigned short type;

	h->tx_header = o->vnet_header_bytes;
	h->tx_max = UINT32_MAX;
	if (!o->ifindex || !if_indextoname((unsigned)o->ifindex, request.ifr_name) ||
	    ioctl(h->fd, SIOCGIFHWADDR, &request))
		return;
	type = request.ifr_hwaddr.sa_family;
	if (o->socket_type == AFCAP_RAW && type != ARPHRD_ETHER && type != ARPHRD_LOOPBACK)
		return;
	if (o->socket_type == AFCAP_RAW)
		h->tx_header += ETH_HLEN;
	if (!o->vnet_header_bytes && ioctl(h->fd, SIOCGIFMTU, &request) == 0)
		h->tx_max = (uint32_t)request.ifr_mtu + h->tx_header;
	h->tx_tagged = type == ARPHRD_ETHER && o->socket_type == AFCAP_RAW;
}

/* The kernel reports the loss of the link once, to the first caller: if that is a sender, the
 * reader is notified, and the sender tries again, as the link may be up by now. */
static bool send_again(struct afcap *h, int error, unsigned *tries)
{
	if (error == EINTR)
		return true;
	if (error != ENETDOWN || (*tries)++)
		return false;
	atomic_store(&h->sender_error, true);
	handle_signal(h);
	return true;
}

static void message_fill(struct msghdr *message, struct iovec *piece,
			 const struct afcap_frame *frame)
{
	*piece = (struct iovec){ (void *)(uintptr_t)frame->data, frame->length };
	*message = (struct msghdr){ .msg_name = (void *)(uintptr_t)frame->to,
				    .msg_namelen = frame->to ? sizeof(*frame->to) : 0,
				    .msg_iov = piece,
				    .msg_iovlen = 1 };
}

AFCAP_PUBLIC int afcap_write(struct afcap *h, const struct afcap_frame *frame)
{
	struct msghdr message;
	struct iovec piece;
	unsigned tries = 0;
	ssize_t n;

	if (h->tx.geometry.blocks)
		return -EOPNOTSUPP;
	message_fill(&message, &piece, frame);
	do {
		n = sendmsg(h->fd, &message, 0);
	} while (n < 0 && send_again(h, errno, &tries));
	if (n < 0)
		return -errno;
	count_add(&h->counts.sent, 1);
	count_add(&h->counts.sent_bytes, frame->length);
	return 0;
}

AFCAP_PUBLIC int afcap_write_batch(struct afcap *h, const struct afcap_frame *frames,
				   unsigned count)
{
	struct mmsghdr messages[BATCH];
	struct iovec pieces[BATCH];
	unsigned done = 0, tries = 0;

	if (h->tx.geometry.blocks)
		return -EOPNOTSUPP;
	if (count > INT_MAX)
		count = INT_MAX; /* the result is an int */
	while (done < count) {
		unsigned ask = count - done < BATCH ? count - done : BATCH;
		int n;

		memset(messages, 0, ask * sizeof(*messages));
		for (unsigned i = 0; i < ask; i++)
			message_fill(&messages[i].msg_hdr, &pieces[i], &frames[done + i]);
		do {
			n = sendmmsg(h->fd, messages, ask, 0);
		} while (n < 0 && send_again(h, errno, &tries));
		if (n < 0)
			return done ? (int)done : -errno;
		for (int i = 0; i < n; i++)
			count_add(&h->counts.sent_bytes, frames[done++].length);
		count_add(&h->counts.sent, (uint64_t)n);
	}
	return (int)done;
}

/* Where the data of a slot begin; only received frames have an address after the header. */
static uint32_t slot_header(const struct afcap *h)
{
	switch (h->tx.geometry.version) {
	case AFCAP_TPACKET_V1:
		return HEADER_BYTES(struct tpacket_hdr);
	case AFCAP_TPACKET_V2:
		return HEADER_BYTES(struct tpacket2_hdr);
	case AFCAP_TPACKET_V3:
	case AFCAP_TPACKET_HIGHEST:
		break;
	}
	return HEADER_BYTES(struct tpacket3_hdr);
}

static uint32_t slot_count(const struct afcap *h)
{
	return afcap_geometry_frames(&h->tx.geometry) * h->tx.geometry.blocks;
}

/* The status last: the kernel reads the other fields as soon as it sees it. */
static void slot_queue(const struct afcap *h, uint32_t index, uint32_t length)
{
	struct tpacket_hdr *v1 = frame_at(&h->tx, index);
	struct tpacket2_hdr *v2 = (void *)v1;
	struct tpacket3_hdr *v3 = (void *)v1;

	if (h->tx.geometry.version == AFCAP_TPACKET_V1) {
		v1->tp_len = v1->tp_snaplen = length;
		__atomic_store_n(&v1->tp_status, TP_STATUS_SEND_REQUEST, __ATOMIC_RELEASE);
	} else if (h->tx.geometry.version == AFCAP_TPACKET_V2) {
		v2->tp_len = v2->tp_snaplen = length;
		__atomic_store_n(&v2->tp_status, TP_STATUS_SEND_REQUEST, __ATOMIC_RELEASE);
	} else {
		v3->tp_next_offset = 0;
		v3->tp_len = v3->tp_snaplen = length;
		__atomic_store_n(&v3->tp_status, TP_STATUS_SEND_REQUEST, __ATOMIC_RELEASE);
	}
}

static uint32_t slot_length(const struct afcap *h, uint32_t index)
{
	const struct tpacket_hdr *v1 = frame_at(&h->tx, index);
	const struct tpacket2_hdr *v2 = (const void *)v1;
	const struct tpacket3_hdr *v3 = (const void *)v1;

	if (h->tx.geometry.version == AFCAP_TPACKET_V1)
		return v1->tp_len;
	return h->tx.geometry.version == AFCAP_TPACKET_V2 ? v2->tp_len : v3->tp_len;
}

AFCAP_PUBLIC int afcap_tx_acquire(struct afcap *h, struct afcap_tx_slot *slot)
{
	uint32_t header = slot_header(h);

	if (!h->tx.geometry.blocks)
		return -ENODEV;
	/* Beside TP_STATUS_AVAILABLE there may be bits for a timestamp, or for a bad previous
	 * frame: the kernel has finished with the slot then, too. */
	if (h->tx_queued == slot_count(h) ||
	    frame_status(&h->tx, h->tx.next) & (TP_STATUS_SEND_REQUEST | TP_STATUS_SENDING))
		return -EAGAIN;
	*slot = (struct afcap_tx_slot){ .data = (uint8_t *)frame_at(&h->tx, h->tx.next) + header,
					.capacity = h->tx.geometry.frame_bytes - header,
					.index = h->tx.next };
	return 0;
}

AFCAP_PUBLIC int afcap_tx_commit(struct afcap *h, const struct afcap_tx_slot *slot, uint32_t length)
{
	uint64_t maximum = h->tx_max;

	if (!h->tx.geometry.blocks)
		return -ENODEV;
	if (slot->index != h->tx.next || length < h->tx_header || length <= h->vnet_header_bytes)
		return -EINVAL;
	if (h->tx_tagged && slot->data[TYPE_AT] == ETH_P_8021Q >> 8 &&
	    slot->data[TYPE_AT + 1] == (ETH_P_8021Q & 0xff))
		maximum += TAG_BYTES;
	if (length > slot->capacity || length > maximum)
		return -EMSGSIZE;
	slot_queue(h, slot->index, length);
	h->tx.next = h->tx.next + 1 == slot_count(h) ? 0 : h->tx.next + 1;
	h->tx_queued++;
	return 0;
}

/* Removes from the queue the slots that the kernel took, always from its front. `bytes` is what the
 * kernel reports as sent, negative: no report. Returns 0, or -EIO if it skipped some. */
static int queue_update(struct afcap *h, ssize_t bytes)
{
	uint32_t count = slot_count(h), taken = 0;
	uint64_t sum = 0;

	while (h->tx_queued) {
		uint32_t first = (h->tx.next + count - h->tx_queued) % count;

		if (frame_status(&h->tx, first) & TP_STATUS_SEND_REQUEST)
			break;
		sum += slot_length(h, first) - h->vnet_header_bytes;
		taken++;
		h->tx_queued--;
	}
	count_add(&h->counts.sent, taken);
	count_add(&h->counts.sent_bytes, bytes < 0 ? sum : (uint64_t)bytes);
	return bytes >= 0 && (uint64_t)bytes != sum ? -EIO : 0;
}

static int send_timeout(const struct afcap *h, int64_t ns)
{
	struct timeval t = { .tv_sec = (time_t)(ns / 1000000000),
			     .tv_usec = (suseconds_t)(ns % 1000000000 / 1000) };

	return setsockopt(h->fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t)) ? -errno : 0;
}

/* Sends what is queued, and waits until `deadline` (0: not at all, negative: for ever). Returns the
 * bytes that the kernel sent, or -errno. */
static ssize_t queue_send(const struct afcap *h, const struct sockaddr_ll *to, int64_t deadline)
{
	int64_t left = deadline > 0 ? deadline - now_ns() : 0;
	ssize_t n;

	if (deadline > 0 && send_timeout(h, left > 1000 ? left : 1000))
		return -errno;
	n = sendto(h->fd, NULL, 0, deadline ? 0 : MSG_DONTWAIT, (const struct sockaddr *)to,
		   to ? sizeof(*to) : 0);
	n = n < 0 ? -errno : n;
	if (deadline > 0)
		send_timeout(h, 0); /* afcap_write() waits for ever */
	return n;
}

/* The driver's queue is full, or the socket's buffer: both get space as packets leave. */
static void queue_pause(int64_t deadline)
{
	struct timespec t = { .tv_nsec = PAUSE_NS };

	if (deadline)
		nanosleep(&t, NULL);
}

AFCAP_PUBLIC int afcap_tx_flush(struct afcap *h, const struct sockaddr_ll *to, int64_t timeout_ns)
{
	int64_t deadline = deadline_of(timeout_ns);
	unsigned tries = 0;
	int result = 0;

	if (!h->tx.geometry.blocks)
		return -ENODEV;
	for (;;) {
		ssize_t n = queue_send(h, to, deadline);

		if (queue_update(h, n))
			result = -EIO;
		if (n >= 0 && h->tx_queued == 0)
			return result;
		if (n == -ENOBUFS || n == -EAGAIN)
			queue_pause(deadline);
		else if (n < 0 && n != -ETIMEDOUT && !send_again(h, (int)-n, &tries))
			return (int)n;
		if (deadline == 0 || (deadline > 0 && now_ns() >= deadline))
			return result ? result : AFCAP_TIMEOUT;
	}
}
