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

/* Written down once more: who may send what, and what comes along: nothing, '?' perhaps a
 * descriptor,
 * '+' always one. */
#define S CHANNEL_SUPERVISOR
#define W CHANNEL_WORKER
#define A CHANNEL_ARCHIVE
static const struct {
	unsigned from;
	char along;
} listed[MESSAGE_TYPES + 1] = {
	[MESSAGE_WORKER] = { S, 0 },	  [MESSAGE_SOCKET] = { S, 0 },
	[MESSAGE_JOIN] = { S, 0 },	  [MESSAGE_FILE] = { S, '+' },
	[MESSAGE_DRAIN] = { S, 0 },	  [MESSAGE_ROTATE] = { S, 0 },
	[MESSAGE_SUSPEND] = { S, 0 },	  [MESSAGE_HANDOVER] = { S, 0 },
	[MESSAGE_SOCKET_MADE] = { W, 0 }, [MESSAGE_RING_MADE] = { W, 0 },
	[MESSAGE_JOINED] = { W, '+' },	  [MESSAGE_READY] = { W, 0 },
	[MESSAGE_REPORT] = { W, 0 },	  [MESSAGE_FAILED] = { W, 0 },
	[MESSAGE_CAPTURE] = { S, '?' },	  [MESSAGE_OPEN] = { S, 0 },
	[MESSAGE_REOPEN] = { S, 0 },	  [MESSAGE_NAME] = { S, '?' },
	[MESSAGE_FINISH] = { S, '?' },	  [MESSAGE_DISCARD] = { S, '?' },
	[MESSAGE_MAINTAIN] = { S, 0 },	  [MESSAGE_SYNC] = { S, '?' },
	[MESSAGE_LOOK] = { S, '?' },	  [MESSAGE_CAPTURE_OK] = { A, '?' },
	[MESSAGE_OPENED] = { A, '?' },	  [MESSAGE_NAMED] = { A, 0 },
	[MESSAGE_FINISHED] = { A, 0 },	  [MESSAGE_DISCARDED] = { A, 0 },
	[MESSAGE_MAINTAINED] = { A, 0 },  [MESSAGE_SYNCED] = { A, 0 },
	[MESSAGE_LOOKED] = { A, 0 },	  [MESSAGE_CRASHED] = { W | A, 0 },
};
#undef S
#undef W
#undef A

static bool along_allowed(char along, bool with)
{
	return along == '?' || with == (along == '+');
}

static int lowest(void)
{
	int unused = dup(0);

	close(unused);
	return unused;
}

static void pair(enum channel_end from, bool with)
{
	char text[CHANNEL_TEXT_BYTES];
	bool sender = listed[out.type].from & from,
	     along = along_allowed(listed[out.type].along, with);
	int before = lowest(), rc;

	ck_assert_int_eq(channel_send(ends[0], &out, with ? 0 : -1), 0);
	rc = channel_recv(ends[1], from, &in, &fd);
	ck_assert_msg(rc == (sender && along ? 1 : -EPROTO), "from %u, %s a descriptor: %d",
		      (unsigned)from, with ? "with" : "without", rc);
	ck_assert_int_eq(channel_allows(from, out.type, with), rc == 1);
	ck_assert_uint_eq(in.type, out.type);
	ck_assert_int_eq(fd >= 0, rc == 1 && with);
	if (fd >= 0)
		close(fd);
	ck_assert_int_eq(lowest(), before);
	if (rc == 1) {
		ck_assert_mem_eq(&in.worker, &out.worker, (size_t)message_bytes(out.type));
	} else {
		channel_failure(text, &in, from, rc);
		ck_assert_ptr_nonnull(strstr(text, message_name(out.type)));
		ck_assert_ptr_nonnull(strstr(text, !sender ? "may not be sent by this process"
						   : with  ? "with a descriptor"
							   : "without its descriptor"));
	}
	ck_assert_int_eq(channel_recv(ends[1], from, &in, &fd), -EAGAIN);
}

START_TEST(every_type_arrives_as_it_was_sent_from_who_may_send_it_and_from_nobody_else)
{
	static const enum channel_end all[] = { CHANNEL_SUPERVISOR, CHANNEL_WORKER,
						CHANNEL_ARCHIVE };

	ck_assert_int_eq(message_bytes((uint32_t)_i) >= 0, listed[_i].from != 0);
	if (message_bytes((uint32_t)_i) < 0)
		return;
	out.type = (uint32_t)_i;
	memset(&out.worker, _i, (size_t)message_bytes(out.type));
	for (unsigned i = 0; i < 3; i++) {
		pair(all[i], false);
		pair(all[i], true);
	}
}
END_TEST

START_TEST(a_descriptor_comes_along_close_on_exec)
{
	int pipe_ends[2];
	char c = 0;

	ck_assert_int_eq(pipe(pipe_ends), 0);
	out.type = MESSAGE_FILE;
	ck_assert_int_eq(channel_send(ends[0], &out, pipe_ends[1]), 0);
	ck_assert_int_eq(channel_recv(ends[1], CHANNEL_SUPERVISOR, &in, &fd), 1);
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
	char text[CHANNEL_TEXT_BYTES];

	ck_assert_int_eq(send(ends[0], bytes, length, 0), (ssize_t)length);
	ck_assert_int_eq(channel_recv(ends[1], CHANNEL_WORKER, &in, &fd), -EBADMSG);
	ck_assert_int_eq(fd, -1);
	channel_failure(text, &in, CHANNEL_WORKER, -EBADMSG);
	ck_assert_ptr_nonnull(strstr(text, "protocol violation"));
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
	ck_assert_int_eq(channel_recv(ends[1], CHANNEL_WORKER, &in, &fd), -EBADMSG);
	after = dup(0);
	ck_assert_int_eq(before, after);
}
END_TEST

START_TEST(a_closed_end_is_told)
{
	close(ends[0]);
	ck_assert_int_eq(channel_recv(ends[1], CHANNEL_WORKER, &in, &fd), 0);
	out.type = MESSAGE_READY;
	ck_assert_int_eq(channel_send(ends[1], &out, -1), -EPIPE);
	ends[0] = dup(ends[1]);
}
END_TEST

/* A worker that was killed, and the first message after that: the kernel has another errno for it
 */
START_TEST(a_peer_that_ended_with_messages_unread_is_gone_as_any_other)
{
	out.type = MESSAGE_DRAIN;
	ck_assert_int_eq(channel_send(ends[0], &out, -1), 0);
	close(ends[1]);
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(channel_send(ends[0], &out, -1), -EPIPE);
	ends[1] = dup(ends[0]);
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
	tcase_add_loop_test(
		t, every_type_arrives_as_it_was_sent_from_who_may_send_it_and_from_nobody_else, 0,
		MESSAGE_TYPES + 1);
	tcase_add_test(t, a_descriptor_comes_along_close_on_exec);
	tcase_add_test(t, a_descriptor_in_flight_is_found_again);
	tcase_add_test(t, wrong_lengths_and_types_are_refused);
	tcase_add_test(t, a_descriptor_too_many_is_refused_and_closed);
	tcase_add_test(t, a_closed_end_is_told);
	tcase_add_test(t, a_peer_that_ended_with_messages_unread_is_gone_as_any_other);
	tcase_add_test(t, a_peer_that_does_not_read_blocks_nobody);
	suite_add_tcase(s, t);
	return s;
}
