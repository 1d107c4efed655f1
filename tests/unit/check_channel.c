/* daemon/base/channel.c */
#include "suites.h"

#include "../../daemon/base/channel.h"
#include "../../daemon/base/inflight.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int ends[2];
static struct message out, in;
static int fd;

static void setup(void)
{
	ck_assert_int_eq(channel_pair(ends), 0);
	memset(&out, 0, sizeof(out));
}

static void teardown(void)
{
	close(ends[0]);
	close(ends[1]);
}

/* The linker puts it in the place of socketpair(): as with this net.core.wmem_default; 0: with the
 * machine's */
static int wmem_default;
int __real_socketpair(int domain, int type, int protocol, int pair[2]);
int __wrap_socketpair(int domain, int type, int protocol, int pair[2]);
int __wrap_socketpair(int domain, int type, int protocol, int pair[2])
{
	const int half = wmem_default / 2;
	int rc = __real_socketpair(domain, type, protocol, pair);

	for (int i = 0; i < 2 && rc == 0 && half; i++)
		rc = setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &half, sizeof(half));
	return rc;
}

/* Whatever the machine is tuned to: the longest message, and some more that wait */
START_TEST(a_small_default_of_buffers_refuses_no_message)
{
	unsigned sent = 0;

	teardown();
	wmem_default = 8192;
	setup();
	out.type = MESSAGE_CAPTURE;
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(channel_send(ends[i], &out, -1), 0);
	while (channel_send(ends[0], &out, -1) == 0)
		sent++;
	ck_assert_uint_gt(sent, 3);
}
END_TEST

START_TEST(every_type_arrives_as_it_was_sent)
{
	if (message_bytes((uint32_t)_i) < 0)
		return;
	out.type = (uint32_t)_i;
	memset(&out.worker, _i, (size_t)message_bytes(out.type));
	ck_assert_int_eq(channel_send(ends[0], &out, -1), 0);
	ck_assert_int_eq(channel_recv(ends[1], &in, &fd), 1);
	ck_assert_int_eq(fd, -1);
	ck_assert_uint_eq(in.type, out.type);
	ck_assert_mem_eq(&in.worker, &out.worker, (size_t)message_bytes(out.type));
	ck_assert_int_eq(channel_recv(ends[1], &in, &fd), -EAGAIN);
}
END_TEST

START_TEST(a_descriptor_comes_along_close_on_exec)
{
	int pipe_ends[2];
	char c = 0;

	ck_assert_int_eq(pipe(pipe_ends), 0);
	out.type = MESSAGE_FILE;
	ck_assert_int_eq(channel_send(ends[0], &out, pipe_ends[1]), 0);
	ck_assert_int_eq(channel_recv(ends[1], &in, &fd), 1);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(write(fd, "x", 1), 1);
	ck_assert_int_eq(read(pipe_ends[0], &c, 1), 1);
	ck_assert_int_eq(c, 'x');
}
END_TEST

/* What is in flight is there for each who looks, and is closed by who takes it. */
START_TEST(a_descriptor_in_flight_is_found_again)
{
	int pipe_ends[2], socket, found;
	char c = 0;

	ck_assert_int_eq(pipe2(pipe_ends, O_NONBLOCK), 0);
	socket = inflight_put(pipe_ends[1]);
	ck_assert_int_ge(socket, 0);
	ck_assert_int_eq(fcntl(socket, F_GETFD), FD_CLOEXEC);
	close(pipe_ends[1]);
	for (int i = 0; i < 2; i++) {
		found = inflight_get(socket);
		ck_assert_int_ge(found, 0);
		ck_assert_int_eq(fcntl(found, F_GETFD), FD_CLOEXEC);
		ck_assert_int_eq(write(found, "x", 1), 1);
		ck_assert_int_eq(read(pipe_ends[0], &c, 1), 1);
		close(found);
	}
	ck_assert_int_eq(read(pipe_ends[0], &c, 1), -1); /* it is open still */
	ck_assert_int_eq(errno, EAGAIN);
	inflight_drop(socket);
	ck_assert_int_eq(read(pipe_ends[0], &c, 1), 0);
	ck_assert_int_lt(inflight_get(socket), 0);
	close(socket);
	ck_assert_int_eq(inflight_get(pipe_ends[0]), -ENOTSOCK);
	close(pipe_ends[0]);
}
END_TEST

static void send_raw(const void *bytes, size_t length)
{
	ck_assert_int_eq(send(ends[0], bytes, length, 0), (ssize_t)length);
	ck_assert_int_eq(channel_recv(ends[1], &in, &fd), -EBADMSG);
	ck_assert_int_eq(fd, -1);
}

START_TEST(wrong_lengths_and_types_are_refused)
{
	uint32_t head[2] = { MESSAGE_REPORT, sizeof(struct message_report) };
	static char large[sizeof(struct message) + 8];

	send_raw("x", 1);
	send_raw(head, sizeof(head)); /* a body is missing */
	head[0] = MESSAGE_TYPES;
	head[1] = 0;
	send_raw(head, sizeof(head));
	head[0] = 0;
	send_raw(head, sizeof(head));
	head[0] = MESSAGE_READY;
	head[1] = 4; /* says another length than it has */
	send_raw(head, sizeof(head));
	memcpy(large, head, sizeof(head));
	send_raw(large, sizeof(large));
	out.type = MESSAGE_TYPES;
	ck_assert_int_eq(channel_send(ends[0], &out, -1), -EBADMSG);
}
END_TEST

/* Two descriptors where one may be: the message is refused, and neither stays open here. */
START_TEST(a_descriptor_too_many_is_refused_and_closed)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control = { 0 };
	static const int two[2] = { 0, 1 };
	uint32_t head[2] = { MESSAGE_READY, 0 };
	struct iovec io = { head, sizeof(head) };
	struct msghdr m = { .msg_iov = &io,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = CMSG_LEN(2 * sizeof(int)) };
	int before = dup(0), after;

	close(before);
	control.head = (struct cmsghdr){ CMSG_LEN(sizeof(two)), SOL_SOCKET, SCM_RIGHTS };
	memcpy(CMSG_DATA(&control.head), two, sizeof(two));
	ck_assert_int_eq(sendmsg(ends[0], &m, 0), sizeof(head));
	ck_assert_int_eq(channel_recv(ends[1], &in, &fd), -EBADMSG);
	after = dup(0);
	ck_assert_int_eq(before, after);
}
END_TEST

START_TEST(a_closed_end_is_told)
{
	close(ends[0]);
	ck_assert_int_eq(channel_recv(ends[1], &in, &fd), 0);
	out.type = MESSAGE_READY;
	ck_assert_int_eq(channel_send(ends[1], &out, -1), -EPIPE);
	ends[0] = dup(ends[1]);
}
END_TEST

START_TEST(a_peer_that_does_not_read_blocks_nobody)
{
	int rc = 0;

	out.type = MESSAGE_REPORT;
	for (int i = 0; i < 100000 && rc == 0; i++)
		rc = channel_send(ends[0], &out, -1);
	ck_assert_int_eq(rc, -EAGAIN);
}
END_TEST

Suite *suite_channel(void)
{
	Suite *s = suite_create("channel");
	TCase *t = tcase_create("channel");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_small_default_of_buffers_refuses_no_message);
	tcase_add_loop_test(t, every_type_arrives_as_it_was_sent, 0, MESSAGE_TYPES + 1);
	tcase_add_test(t, a_descriptor_comes_along_close_on_exec);
	tcase_add_test(t, a_descriptor_in_flight_is_found_again);
	tcase_add_test(t, wrong_lengths_and_types_are_refused);
	tcase_add_test(t, a_descriptor_too_many_is_refused_and_closed);
	tcase_add_test(t, a_closed_end_is_told);
	tcase_add_test(t, a_peer_that_does_not_read_blocks_nobody);
	suite_add_tcase(s, t);
	return s;
}
