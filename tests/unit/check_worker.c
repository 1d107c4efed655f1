/* daemon/worker/worker.c, spoken to over its channel as the supervisor does: which message may come
 * when. Needs root: it makes real rings, in a network namespace of its own. */
#include "suites.h"

#include "../../daemon/base/channel.h"
#include "../../daemon/base/inflight.h"
#include "../../daemon/base/log.h"
#include "../../daemon/worker/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ABOVE 64 /* out of the way of the fixed numbers */

/* What the worker has: nothing, its orders, a ring, a ring in its group. */
enum phase { NEW, SET, BOUND, JOINED, PHASES };

/* Written down once more. */
static const bool listed[MESSAGE_TYPES][PHASES] = {
	[MESSAGE_WORKER] = { [NEW] = true },
	[MESSAGE_SOCKET] = { [SET] = true },
	[MESSAGE_JOIN] = { [BOUND] = true },
	[MESSAGE_FILE] = { [JOINED] = true },
	[MESSAGE_SUSPEND] = { [JOINED] = true },
	[MESSAGE_ROTATE] = { [SET] = true, [BOUND] = true, [JOINED] = true },
	[MESSAGE_DRAIN] = { [SET] = true, [BOUND] = true, [JOINED] = true },
	[MESSAGE_HANDOVER] = { [SET] = true, [BOUND] = true, [JOINED] = true },
};

static struct message told;
static int channel;
static pid_t worker;

static void setup(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd;

	ck_assert_msg(unshare(CLONE_NEWNET) == 0, "a network namespace needs root: %s",
		      strerror(errno));
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &lo), 0);
	close(fd);
	log_open(LOG_EMERG, "");
}

static void worker_start(void)
{
	int ends[2], ledger = ledger_create();

	ck_assert_int_ge(ledger, 0);
	ck_assert_int_eq(channel_pair(ends), 0);
	worker = fork();
	if (worker == 0) {
		int above[2] = { fcntl(ends[1], F_DUPFD, ABOVE), fcntl(ledger, F_DUPFD, ABOVE) };

		dup2(above[0], CHANNEL_FD);
		dup2(above[1], LEDGER_FD);
		close_range(RING_FD, ~0U, 0);
		_exit(worker_main());
	}
	close(ends[1]);
	close(ledger);
	channel = ends[0];
}

/* Of its answers the next one; false: it hung up. */
static bool hear(void)
{
	struct pollfd p = { channel, POLLIN, 0 };
	int passed, rc;

	ck_assert_int_eq(poll(&p, 1, 60000), 1);
	rc = channel_recv(channel, CHANNEL_WORKER, &told, &passed);
	ck_assert_int_ge(rc, 0);
	if (passed >= 0)
		close(passed);
	return rc == 1;
}

static void await(uint32_t type)
{
	do
		ck_assert_msg(hear() && told.type != MESSAGE_FAILED, "%s never came: %s",
			      message_name(type), told.failed.text);
	while (told.type != type);
}

static void say(uint32_t type)
{
	struct message message = { .type = type };
	int memory = -1, socket = -1;

	if (type == MESSAGE_WORKER)
		message.worker = (struct message_worker){ .capture = "eth0",
							  .group.interface = "lo",
							  .group.block_bytes = 65536,
							  .blocks = 4,
							  .group.block_timeout_ns = 10000000,
							  .group.snaplen = 128,
							  .link_type = 1,
							  .cpu = -1,
							  .ifindex = 1,
							  .config.timeout_ns = 10000000000,
							  .config.write_delay_ns = 1000000,
							  .config.file_bytes = 1 << 20 };
	if (type == MESSAGE_JOIN)
		message.group.id = 1;
	if (type == MESSAGE_FILE) {
		message.file = (struct message_file){ .serial = 1, .align = 4 };
		memory = memfd_create("file", MFD_CLOEXEC);
	}
	if (type == MESSAGE_FILE || type == MESSAGE_JOINED)
		socket = inflight_put(memory < 0 ? STDIN_FILENO : memory);
	ck_assert_int_eq(channel_send(channel, &message, socket), 0);
	if (memory >= 0)
		close(memory);
	if (socket >= 0)
		close(socket);
}

static void enter(enum phase phase)
{
	if (phase >= SET)
		say(MESSAGE_WORKER);
	if (phase >= BOUND) {
		say(MESSAGE_SOCKET);
		await(MESSAGE_RING_MADE);
	}
	if (phase >= JOINED) {
		say(MESSAGE_JOIN);
		await(MESSAGE_JOINED);
	}
}

/* It goes on as if the supervisor had died after the message. Returns whether it was refused. */
static bool refused(uint32_t type)
{
	bool violation = false;
	int status;

	shutdown(channel, SHUT_WR);
	while (hear())
		if (told.type == MESSAGE_FAILED &&
		    strstr(told.failed.text, "protocol violation: ")) {
			violation = true;
			ck_assert_ptr_nonnull(strstr(told.failed.text, message_name(type)));
		}
	close(channel);
	ck_assert_int_eq(waitpid(worker, &status, 0), worker);
	ck_assert_msg(WIFEXITED(status), "status %x", status);
	if (violation)
		ck_assert_int_eq(WEXITSTATUS(status), EXIT_FAILURE);
	return violation;
}

START_TEST(a_message_comes_when_it_may)
{
	uint32_t type = (uint32_t)_i;

	for (unsigned phase = NEW; phase < PHASES; phase++) {
		worker_start();
		enter(phase);
		say(type);
		ck_assert_msg(refused(type) == !listed[type][phase], "%s in phase %u: %s",
			      message_name(type), phase, told.failed.text);
	}
}
END_TEST

Suite *suite_worker(void)
{
	Suite *s = suite_create("worker");
	TCase *t = tcase_create("worker");

	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_loop_test(t, a_message_comes_when_it_may, 1, MESSAGE_TYPES);
	suite_add_tcase(s, t);
	return s;
}
