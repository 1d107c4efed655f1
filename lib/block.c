/* Blocks: wait, acquire, release, resume. */
#include "internal.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DOWN_LOOK_MS 500
#define WAIT_MS_MAX  3600000

static struct tpacket_block_desc *block_at(const struct afcap *h, uint32_t index)
{
	return (struct tpacket_block_desc *)(void *)(h->map + (size_t)index * h->ring.block_bytes);
}

/* Pairs with the kernel's barrier before it stores the status in prb_close_block(): all else in the
 * block is read after this. */
static uint32_t block_status(const struct tpacket_block_desc *desc)
{
	return __atomic_load_n(&desc->hdr.bh1.block_status, __ATOMIC_ACQUIRE);
}

/* Exactly 0, and last: the kernel writes into the block as soon as it sees it. */
static void block_free(struct tpacket_block_desc *desc)
{
	__atomic_store_n(&desc->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
}

/* A reader that holds the whole ring would otherwise meet its own blocks again. */
static bool block_ready(const struct afcap *h)
{
	return h->held < h->ring.blocks && block_status(block_at(h, h->next)) & TP_STATUS_USER;
}

AFCAP_PUBLIC int afcap_block_acquire(struct afcap *h, struct afcap_block *block)
{
	const struct tpacket_block_desc *desc = block_at(h, h->next);
	uint32_t bytes;

	if (!block_ready(h))
		return -EAGAIN;
	bytes = desc->hdr.bh1.blk_len;
	*block = (struct afcap_block){
		.desc = desc,
		.sequence = desc->hdr.bh1.seq_num,
		.index = h->next,
		.packets = desc->hdr.bh1.num_pkts,
		.bytes = bytes < h->ring.block_bytes ? bytes : h->ring.block_bytes,
		.status = desc->hdr.bh1.block_status,
	};
	h->held++;
	h->next = h->next + 1 == h->ring.blocks ? 0 : h->next + 1;
	return 0;
}

AFCAP_PUBLIC void afcap_block_release(struct afcap *h, const struct afcap_block *block)
{
	block_free(block_at(h, block->index));
	h->held--;
}

AFCAP_PUBLIC int afcap_resume(struct afcap *h, uint32_t index, uint64_t sequence)
{
	uint32_t n = h->ring.blocks, done = 0;
	const struct tpacket_block_desc *next;

	if (index >= n)
		return -ESTALE;
	next = block_at(h, index);
	while (done < n) {
		const struct tpacket_block_desc *desc = block_at(h, (index + n - 1 - done) % n);
		uint64_t seen = desc->hdr.bh1.seq_num;

		if (!(block_status(desc) & TP_STATUS_USER) || seen >= sequence)
			break;
		if (seen + 1 + done != sequence) /* sequences never gap: another ring's numbers */
			return -ESTALE;
		done++;
	}
	/* With every block dealt with, the one at `index` is the oldest of them; else it is the
	 * next. */
	if (done < n && block_status(next) & TP_STATUS_USER && next->hdr.bh1.seq_num != sequence)
		return -ESTALE;
	for (uint32_t i = done; i > 0; i--)
		block_free(block_at(h, (index + n - i) % n));
	h->next = index;
	return (int)done;
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* A socket whose device was deleted or moved away is bound to -1. */
static bool device_gone(const struct afcap *h)
{
	struct sockaddr_ll address = { 0 };
	socklen_t length = sizeof(address);

	return getsockname(h->fd, (struct sockaddr *)&address, &length) == 0 &&
	       address.sll_ifindex < 0;
}

/* The error that made epoll report the socket. Reading SO_ERROR clears it. */
static int wait_error(struct afcap *h)
{
	int error = 0;
	socklen_t length = sizeof(error);

	if (getsockopt(h->fd, SOL_SOCKET, SO_ERROR, &error, &length))
		return -errno;
	if (error == 0)
		return AFCAP_TIMEOUT;
	if (error != ENETDOWN)
		return -error;
	h->down = !device_gone(h);
	return h->down ? AFCAP_DOWN : AFCAP_GONE;
}

/* One epoll_wait. AFCAP_TIMEOUT: nothing decided yet, look again. */
static int wait_once(struct afcap *h, int timeout_ms)
{
	struct epoll_event events[2];
	int n = epoll_wait(h->epoll, events, 2, timeout_ms), rc = AFCAP_TIMEOUT;

	if (n < 0)
		return errno == EINTR ? AFCAP_TIMEOUT : -errno;
	for (int i = 0; i < n; i++)
		if (events[i].data.fd == h->fd && events[i].events & EPOLLERR)
			rc = wait_error(h);
	return rc;
}

/* How long one epoll_wait may take, of `left` ms (negative: for ever). */
static int wait_slice(const struct afcap *h, int64_t left)
{
	int64_t most = h->down ? DOWN_LOOK_MS : WAIT_MS_MAX;

	if (left < 0 && !h->down)
		return -1;
	return (int)(left < 0 || left > most ? most : left);
}

AFCAP_PUBLIC int afcap_wait(struct afcap *h, int64_t timeout_ns)
{
	int64_t deadline = timeout_ns < 0 ? -1 : now_ns() + timeout_ns;

	for (;;) {
		int64_t left = -1;
		int rc;

		if (block_ready(h)) {
			h->down = false;
			return AFCAP_READY;
		}
		if (atomic_load(&h->stopped))
			return AFCAP_STOPPED;
		if (atomic_exchange(&h->woken, false))
			return AFCAP_WOKEN;
		if (h->down &&
		    device_gone(h)) { /* the kernel tells a deletion once, as going down */
			h->down = false;
			return AFCAP_GONE;
		}
		if (deadline >= 0) {
			left = deadline - now_ns();
			if (left <= 0)
				return AFCAP_TIMEOUT;
			left = (left + 999999) / 1000000;
		}
		rc = wait_once(h, wait_slice(h, left));
		if (rc != AFCAP_TIMEOUT)
			return rc;
	}
}

static void handle_signal(struct afcap *h)
{
	uint64_t one = 1;
	int saved = errno; /* for signal handlers */
	ssize_t n = write(h->event, &one, sizeof(one));

	(void)n; /* fails only when the counter is full, and then the event is pending anyway */
	errno = saved;
}

AFCAP_PUBLIC void afcap_stop(struct afcap *handle)
{
	atomic_store(&handle->stopped, true);
	handle_signal(handle);
}

AFCAP_PUBLIC void afcap_wake(struct afcap *handle)
{
	atomic_store(&handle->woken, true);
	handle_signal(handle);
}
