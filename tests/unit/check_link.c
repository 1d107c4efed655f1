/* daemon/supervisor/link.c: changes that were missed are read again until that has gone well. */
#include "suites.h"

#include "../../daemon/supervisor/link.h"

#include <errno.h>
#include <event2/event.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* The linker puts these in the places of send() and recvfrom(). */
static int send_errors, send_error; /* so many more calls fail */
static bool lose;		    /* the next message, as where the buffer is full */
ssize_t __real_send(int fd, const void *data, size_t bytes, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t bytes, int flags);
ssize_t __real_recvfrom(int fd, void *data, size_t bytes, int flags, struct sockaddr *from,
			socklen_t *from_bytes);
ssize_t __wrap_recvfrom(int fd, void *data, size_t bytes, int flags, struct sockaddr *from,
			socklen_t *from_bytes);

ssize_t __wrap_send(int fd, const void *data, size_t bytes, int flags)
{
	if (send_errors == 0)
		return __real_send(fd, data, bytes, flags);
	send_errors--;
	errno = send_error;
	return -1;
}

ssize_t __wrap_recvfrom(int fd, void *data, size_t bytes, int flags, struct sockaddr *from,
			socklen_t *from_bytes)
{
	ssize_t n = __real_recvfrom(fd, data, bytes, flags, from, from_bytes);

	if (!lose || n < 0)
		return n;
	while (__real_recvfrom(fd, data, bytes, flags, from, from_bytes) > 0)
		;
	lose = false;
	errno = ENOBUFS;
	return -1;
}

static struct event_base *base;
static unsigned changes;

static void changed(void *context)
{
	ck_assert_ptr_eq(context, &changes);
	changes++;
}

static bool is_up(const struct links *links)
{
	struct link link;

	ck_assert(links_by_name(links, "lo", &link));
	return link.up;
}

static void up(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &request), 0);
	close(fd);
}

static void give_up(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
}

/* Runs the event loop until the interface is known to be up. False: it never is. */
static bool seen_up(const struct links *links)
{
	bool late = false;
	struct event *end = event_new(base, -1, 0, give_up, &late);

	event_add(end, &(struct timeval){ 20, 0 });
	while (!is_up(links) && !late)
		event_base_loop(base, EVLOOP_ONCE);
	event_free(end);
	return is_up(links);
}

static void missed(int error, int times)
{
	struct links *links;

	if (unshare(CLONE_NEWNET)) /* not root */
		return;
	base = event_base_new();
	ck_assert_int_eq(links_new(&links, base, changed, &changes), 0);
	ck_assert(!is_up(links));
	lose = true;
	send_error = error;
	send_errors = times;
	up();
	ck_assert(seen_up(links));
	ck_assert(!lose);
	ck_assert_int_eq(send_errors, 0);
	ck_assert_uint_gt(changes, 0);
	links_free(links);
	event_base_free(base);
}

START_TEST(what_was_missed_is_read_anew)
{
	missed(0, 0);
}
END_TEST

START_TEST(that_is_tried_again_until_it_goes_well)
{
	missed(ENOBUFS, 3);
}
END_TEST

Suite *suite_link(void)
{
	Suite *s = suite_create("link");
	TCase *t = tcase_create("link");

	tcase_add_test(t, what_was_missed_is_read_anew);
	tcase_add_test(t, that_is_tried_again_until_it_goes_well);
	tcase_set_timeout(t, 30);
	suite_add_tcase(s, t);
	return s;
}
