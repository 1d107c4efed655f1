/* Waiting: for packets, for stop and wake, for the link to leave. */
#include "internal.h"

#include <errno.h>
#include <linux/time_types.h>
#include <net/if.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define NS_MS	     INT64_C(1000000)
#define NS_S	     INT64_C(1000000000)
#define DOWN_LOOK_NS (500 * NS_MS)
#define HOLD_MAX_NS  (700 * NS_MS) /* a link that left is reported within a second */
#define HOLD_MORE_NS (20 * NS_MS)  /* for the lateness of the kernel's timers */

static int epoll_add(struct afcap *h, int fd)
{
	/* Edge-triggered: the kernel's POLLIN checks only the block before the active one, so that
	 * a held block would make a level-triggered wait spin. afcap_wait() checks the ring itself
	 * first. */
	struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.fd = fd };

	return epoll_ctl(h->epoll, EPOLL_CTL_ADD, fd, &event);
}

int wait_init(struct afcap *h, struct afcap_error *error)
{
	h->epoll = epoll_create1(EPOLL_CLOEXEC);
	h->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	h->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (h->epoll < 0 || h->event < 0 || h->timer < 0 || epoll_add(h, h->fd) ||
	    epoll_add(h, h->event) || epoll_add(h, h->timer))
		return error_set(error, errno, "epoll: %s", strerror(errno));
	return 0;
}

void wait_free(struct afcap *h)
{
	int fds[] = { h->epoll, h->event, h->timer };

	for (unsigned i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

AFCAP_PUBLIC int afcap_poll_fd(const struct afcap *handle)
{
	return handle->epoll;
}

static bool ring_ready(const struct afcap *h)
{
	if (!h->rx.geometry.blocks)
		return false;
	return h->rx.geometry.version == AFCAP_TPACKET_V3 ? block_ready(h) : frame_ready(h);
}

/* Wakes the epoll after `first_ns`, then every `interval_ns` (0: never again; both 0: never). */
static void timer_arm(const struct afcap *h, int64_t first_ns, int64_t interval_ns)
{
	struct itimerspec t = {
		.it_value = { .tv_sec = (time_t)(first_ns / NS_S),
			      .tv_nsec = (long)(first_ns % NS_S) },
		.it_interval = { .tv_sec = (time_t)(interval_ns / NS_S),
				 .tv_nsec = (long)(interval_ns % NS_S) },
	};

	timerfd_settime(h->timer, 0, &t, NULL);
}

/* The interface that the socket is bound to: 0: all, -1: it was deleted or moved away. */
static int device_index(const struct afcap *h)
{
	struct sockaddr_ll address = { 0 };
	socklen_t length = sizeof(address);

	return getsockname(h->fd, (struct sockaddr *)&address, &length) ? 0 : address.sll_ifindex;
}

static bool device_up(const struct afcap *h, int ifindex)
{
	struct ifreq request = { .ifr_ifindex = ifindex };

	return ioctl(h->fd, SIOCGIFNAME, &request) == 0 &&
	       ioctl(h->fd, SIOCGIFFLAGS, &request) == 0 && request.ifr_flags & IFF_UP;
}

/* A link that left is not reported at once: the block that was being filled is handed over by its
 * timer, and is delivered first. A link that goes up and down continuously is reported
 * nevertheless. */
void wait_link_error(struct afcap *h)
{
	int64_t now = now_ns(), hold = 1;

	if (h->link != LINK_LEAVING)
		h->link_left_ns = now;
	if (h->rx.geometry.version == AFCAP_TPACKET_V3)
		hold = h->rx.geometry.block_timeout_ms * NS_MS + HOLD_MORE_NS;
	if (hold > h->link_left_ns + HOLD_MAX_NS - now)
		hold = h->link_left_ns + HOLD_MAX_NS - now;
	h->link = LINK_LEAVING;
	h->link_due_ns = now + hold;
	timer_arm(h, hold > 0 ? hold : 1, 0);
}

void wait_link_begin(struct afcap *h)
{
	int ifindex = device_index(h);

	if (ifindex < 0 || (ifindex > 0 && !device_up(h, ifindex)))
		wait_link_error(h);
}

/* The error that made epoll report the socket. A peek at the receive queue takes it, as SO_ERROR
 * would (net/core/datagram.c: errors come first): a sandbox then need not allow getsockopt(), which
 * can also reset the statistics. */
static int error_take(struct afcap *h)
{
	int error = recv(h->fd, NULL, 0, MSG_PEEK | MSG_DONTWAIT) < 0 ? errno : 0;

	if (error == EAGAIN || error == EINTR)
		error = 0;
	if (error && error != ENETDOWN)
		return -error;
	if (error)
		wait_link_error(h);
	return AFCAP_TIMEOUT;
}

/* The link's event that is due to be reported; AFCAP_TIMEOUT: none. The kernel reports a deletion
 * once, as going down, so that a link that is down is checked again until it is up. */
static int link_look(struct afcap *h)
{
	int ifindex;

	if (atomic_load_explicit(&h->sender_error, memory_order_relaxed) &&
	    atomic_exchange(&h->sender_error, false) && h->link == LINK_FINE)
		wait_link_error(h);
	if (h->link == LINK_FINE || (h->link == LINK_LEAVING && now_ns() < h->link_due_ns))
		return AFCAP_TIMEOUT;
	ifindex = device_index(h);
	if (ifindex < 0 || (h->link == LINK_DOWN && device_up(h, ifindex))) {
		h->link = LINK_FINE;
		timer_arm(h, 0, 0);
		return ifindex < 0 ? AFCAP_GONE : AFCAP_TIMEOUT;
	}
	if (h->link == LINK_DOWN)
		return AFCAP_TIMEOUT;
	h->link = LINK_DOWN;
	timer_arm(h, DOWN_LOOK_NS, DOWN_LOOK_NS);
	return AFCAP_DOWN;
}

/* epoll_wait() to the nanosecond; by whole milliseconds before Linux 5.11. left_ns negative: for
 * ever. */
static int epoll_sleep(int epoll, struct epoll_event *events, int count, int64_t left_ns)
{
	struct __kernel_timespec t = { left_ns / NS_S, left_ns % NS_S };
	int64_t ms = (left_ns + NS_MS - 1) / NS_MS;
	int n = -1;

	errno = ENOSYS;
#ifdef SYS_epoll_pwait2
	n = (int)syscall(SYS_epoll_pwait2, epoll, events, count, left_ns < 0 ? NULL : &t, NULL, 0);
#endif
	if (n < 0 && (errno == ENOSYS || errno == EPERM)) /* unknown, or forbidden */
		n = epoll_wait(epoll, events, count,
			       left_ns < 0 ? -1 : (int)(ms < INT32_MAX ? ms : INT32_MAX));
	return n;
}

/* Sleeps once. AFCAP_TIMEOUT: no event yet, check again. */
static int wait_once(struct afcap *h, int64_t left_ns)
{
	struct epoll_event events[3];
	int n = epoll_sleep(h->epoll, events, 3, left_ns), rc = AFCAP_TIMEOUT;
	uint64_t ticks;
	ssize_t got = 0;

	if (left_ns)
		count_add(&h->counts.polls, 1);
	if (left_ns && n == 0)
		count_add(&h->counts.poll_timeouts, 1);
	if (n < 0)
		return errno == EINTR ? AFCAP_TIMEOUT : -errno;
	for (int i = 0; i < n; i++)
		if (events[i].data.fd == h->fd && events[i].events & (EPOLLERR | EPOLLHUP))
			rc = error_take(h);
		else if (events[i].data.fd == h->timer) /* reading restarts a periodic timer */
			got = read(h->timer, &ticks, sizeof(ticks));
	(void)got;
	return rc;
}

int signals_take(struct afcap *h)
{
	if (!atomic_load_explicit(&h->signals, memory_order_acquire))
		return AFCAP_READY;
	if (atomic_load(&h->signals) & SIGNAL_STOP)
		return AFCAP_STOPPED;
	atomic_fetch_and(&h->signals, ~(unsigned)SIGNAL_WAKE);
	return AFCAP_WOKEN;
}

/* The result without sleeping; AFCAP_TIMEOUT: none yet */
static int wait_look(struct afcap *h)
{
	int rc = signals_take(h);

	if (rc != AFCAP_READY)
		return rc;
	if (ring_ready(h))
		return AFCAP_READY;
	return link_look(h);
}

int64_t deadline_of(int64_t timeout_ns)
{
	int64_t now;

	if (timeout_ns <= 0)
		return timeout_ns;
	now = now_ns();
	return timeout_ns < INT64_MAX - now ? now + timeout_ns : -1;
}

int wait_until(struct afcap *h, int64_t deadline)
{
	int rc = wait_look(h);

	while (rc == AFCAP_TIMEOUT) {
		int64_t left = deadline > 0 ? deadline - now_ns() : deadline;

		/* Even with no time left epoll is asked once: that is what makes afcap_poll_fd()
		 * quiet */
		if (deadline > 0 && left < 0)
			left = 0;
		rc = wait_once(h, left);
		if (rc == AFCAP_TIMEOUT)
			rc = wait_look(h);
		if (rc == AFCAP_TIMEOUT && left == 0)
			break;
	}
	return rc;
}

void handle_signal(struct afcap *h)
{
	uint64_t one = 1;
	int saved = errno; /* for signal handlers */
	ssize_t n = write(h->event, &one, sizeof(one));

	(void)n; /* fails only when the counter is full, and then the event is pending anyway */
	errno = saved;
}

AFCAP_PUBLIC void afcap_stop(struct afcap *handle)
{
	atomic_fetch_or(&handle->signals, SIGNAL_STOP);
	handle_signal(handle);
}

AFCAP_PUBLIC void afcap_wake(struct afcap *handle)
{
	atomic_fetch_or(&handle->signals, SIGNAL_WAKE);
	handle_signal(handle);
}
