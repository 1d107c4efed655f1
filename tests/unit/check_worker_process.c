/* daemon/supervisor/worker_process.c: a worker's steps in their order, what it is sent, how it
 * ends. */
#include "suites.h"
#include "children.h"
#include "place.h"

#include "../../daemon/supervisor/worker_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static struct event_base *base;
static struct worker_process worker;
static struct message_worker task;
static struct seen {
	unsigned joined, ready, reports, failed, changed;
	uint32_t id, exit_code;
	bool refuse;
	char text[MESSAGE_TEXT];
} seen;

static void event_joined(void *owner, const struct message_group *group, int ring)
{
	ck_assert_ptr_eq(owner, &seen);
	ck_assert_int_ge(ring, 0);
	close(ring);
	seen.joined++;
	seen.id = group->id;
}

static void event_ready(void *owner)
{
	ck_assert_ptr_eq(owner, &seen);
	seen.ready++;
}

static bool event_report(void *owner, const struct message_report *report)
{
	ck_assert_ptr_eq(owner, &seen);
	ck_assert_uint_eq(report->counters.packets, 12);
	seen.reports++;
	return !seen.refuse;
}

static void event_failed(void *owner, uint32_t exit_code, const char *text)
{
	ck_assert_ptr_eq(owner, &seen);
	seen.failed++;
	seen.exit_code = exit_code;
	strcpy(seen.text, text);
}

static void event_changed(void *owner)
{
	ck_assert_ptr_eq(owner, &seen);
	seen.changed++;
}

static const struct worker_process_events events = { event_joined, event_ready, event_report,
						     event_failed, event_changed };

static void start(int ring_fd)
{
	int ledger_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	const struct worker_process_plan plan = {
		.ledger_fd = ledger_fd, .ring_fd = ring_fd, .generation = 7, .quarantine = 8
	};

	ck_assert_int_eq(worker_process_start(&worker, &plan), 0);
	ck_assert_int_ge(fcntl(ledger_fd, F_GETFD), 0); /* borrowed */
	close(ledger_fd);
}

static void setup(void)
{
	memset(&seen, 0, sizeof(seen));
	task = (struct message_worker){ .worker = 3, .blocks = 8, .capture = "a" };
	task.config.timeout_ns = 1000000000;
	children_begin();
	place_log();
	base = event_base_new();
	worker_process_init(&worker, base, &events, &seen, &task);
}

static void teardown(void)
{
	process_close(&worker.process);
	event_base_free(base);
	children_begin();
}

static struct message heard;

static uint32_t hear(void)
{
	int fd, rc = channel_recv(children_last()->channel, CHANNEL_SUPERVISOR, &heard, &fd);

	return rc == 1 ? heard.type : 0;
}

static void turn(void)
{
	event_base_loop(base, EVLOOP_NONBLOCK);
}

static void say(uint32_t type)
{
	struct message message = { .type = type };
	int fd = -1;

	if (type == MESSAGE_JOINED) {
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		message.group.id = 77;
	}
	if (type == MESSAGE_REPORT)
		message.report.counters.packets = 12;
	ck_assert_int_eq(channel_send(children_last()->channel, &message, fd), 0);
	if (fd >= 0)
		close(fd);
	turn();
}

/* ---- its start ---- */

START_TEST(a_worker_gets_its_task_with_what_is_its_own)
{
	start(_i ? STDIN_FILENO : -1);
	ck_assert_uint_eq(hear(), MESSAGE_WORKER);
	ck_assert_uint_eq(heard.worker.worker, 3);
	ck_assert_uint_eq(heard.worker.blocks, 8);
	ck_assert_str_eq(heard.worker.capture, "a");
	ck_assert_uint_eq(heard.worker.generation, 7);
	ck_assert_uint_eq(heard.worker.quarantine, 8);
	ck_assert_uint_eq(heard.worker.resume, (uint32_t)_i);
	ck_assert_uint_eq(worker.progress, _i ? PROGRESS_JOINED : PROGRESS_NONE);
	ck_assert_int_eq(worker_process_takes(&worker), _i);
	ck_assert_uint_eq(hear(), 0);
}
END_TEST

START_TEST(one_that_cannot_be_started_leaves_none)
{
	const struct worker_process_plan plan = { .ledger_fd = -1, .ring_fd = -1 };

	children_refuse(EAGAIN);
	ck_assert_int_eq(worker_process_start(&worker, &plan), -EAGAIN);
	ck_assert_int_eq(worker.process.pid, -1);
}
END_TEST

START_TEST(a_worker_is_asked_step_by_step_and_says_what_it_did)
{
	start(-1);
	ck_assert_uint_eq(hear(), MESSAGE_WORKER);
	worker_process_ask(&worker, PROGRESS_SOCKET, NULL);
	ck_assert_uint_eq(hear(), MESSAGE_SOCKET);
	say(MESSAGE_SOCKET_MADE);
	ck_assert_uint_eq(worker.progress, PROGRESS_SOCKET);
	say(MESSAGE_RING_MADE);
	ck_assert_uint_eq(worker.progress, PROGRESS_RING);
	ck_assert(!worker_process_takes(&worker));
	worker_process_ask(&worker, PROGRESS_JOINED, &(struct message_group){ 5, 6, 7 });
	ck_assert_uint_eq(hear(), MESSAGE_JOIN);
	ck_assert_uint_eq(heard.group.id, 5);
	ck_assert_uint_eq(heard.group.mode, 6);
	ck_assert_uint_eq(heard.group.flags, 7);
	say(MESSAGE_JOINED);
	ck_assert_uint_eq(worker.progress, PROGRESS_JOINED);
	ck_assert_uint_eq(seen.joined, 1);
	ck_assert_uint_eq(seen.id, 77);
	ck_assert(worker_process_takes(&worker));
	say(MESSAGE_READY);
	ck_assert_uint_eq(worker.progress, PROGRESS_READY);
	ck_assert_uint_eq(seen.ready, 1);
	ck_assert_uint_eq(seen.changed, 4);
	say(MESSAGE_REPORT);
	ck_assert_uint_eq(seen.reports, 1);
	ck_assert_uint_eq(seen.changed, 4); /* its owner says whether that changes anything */
	ck_assert(!children_last()->killed);
}
END_TEST

/* Each message at each step: taken where it is due, and the end of the worker everywhere else. */
START_TEST(a_step_out_of_turn_ends_the_worker)
{
	static const uint32_t types[] = { MESSAGE_SOCKET_MADE, MESSAGE_RING_MADE, MESSAGE_JOINED,
					  MESSAGE_READY };
	uint32_t type = types[_i % 4];
	enum worker_progress progress = (enum worker_progress)(_i / 4 % 5);
	bool asked = _i / 20, fits = (unsigned)_i % 4 == (unsigned)progress;
	char text[64];

	if (type == MESSAGE_SOCKET_MADE || type == MESSAGE_JOINED)
		fits = fits && asked;
	start(-1);
	worker.progress = progress;
	worker.asked = asked ? progress + 1 : progress;
	say(type);
	ck_assert_int_eq(children_last()->killed, !fits);
	ck_assert_uint_eq(worker.progress, fits ? progress + 1 : progress);
	ck_assert_uint_eq(seen.changed, fits);
	ck_assert_int_eq(worker.process.channel >= 0, fits);
	snprintf(text, sizeof(text), "a/3: the worker sent %s out of order", message_name(type));
	ck_assert_uint_eq(place_logged(text), !fits);
}
END_TEST

START_TEST(a_descriptor_that_comes_out_of_turn_is_closed)
{
	struct message message = { .type = MESSAGE_JOINED };
	int ends[2];
	char byte;

	start(-1);
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(channel_send(children_last()->channel, &message, ends[1]), 0);
	close(ends[1]);
	turn();
	ck_assert(children_last()->killed);
	ck_assert_uint_eq(seen.joined, 0);
	ck_assert_int_eq(read(ends[0], &byte, 1), 0); /* the end: no one has it any more */
	close(ends[0]);
}
END_TEST

START_TEST(a_report_that_its_owner_refuses_ends_the_worker)
{
	start(-1);
	seen.refuse = true;
	say(MESSAGE_REPORT);
	ck_assert(children_last()->killed);
	ck_assert_int_eq(worker.process.channel, -1);
}
END_TEST

START_TEST(what_is_no_message_of_a_worker_ends_it_and_is_logged)
{
	struct message message = { .type = MESSAGE_DRAIN };

	start(-1);
	ck_assert_int_eq(channel_send(children_last()->channel, &message, -1), 0);
	turn();
	ck_assert(children_last()->killed);
	ck_assert_uint_eq(place_logged("a/3: protocol violation: DRAIN"), 1);
	ck_assert_uint_eq(seen.changed, 0);
}
END_TEST

/* A text without its end would be read beyond */
START_TEST(why_a_worker_fails_is_told_once_and_ends_within_its_bounds)
{
	struct message message = { .type = MESSAGE_FAILED, .failed = { .exit_code = 77 } };

	start(-1);
	memset(message.failed.text, 'x', sizeof(message.failed.text));
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_eq(channel_send(children_last()->channel, &message, -1), 0);
		turn();
	}
	ck_assert_uint_eq(seen.failed, 1);
	ck_assert_uint_eq(seen.exit_code, 77);
	ck_assert_uint_eq(strlen(seen.text), MESSAGE_TEXT - 1);
	ck_assert(!children_last()->killed);
	ck_assert(worker_process_reaped(&worker, worker.process.pid));
	start(-1); /* the next one has its own reason */
	ck_assert_int_eq(channel_send(children_last()->channel, &message, -1), 0);
	turn();
	ck_assert_uint_eq(seen.failed, 2);
}
END_TEST

/* ---- what it is sent ---- */

static void fill(void)
{
	struct message message;
	int rc;

	do {
		message = (struct message){ .type = MESSAGE_SUSPEND };
		rc = process_send(&worker.process, &message, -1);
	} while (rc == 0);
	ck_assert_int_eq(rc, -EAGAIN);
}

START_TEST(a_worker_that_takes_no_more_is_killed)
{
	start(STDIN_FILENO);
	fill();
	worker_process_say(&worker, MESSAGE_ROTATE); /* it has been told so often that it will */
	ck_assert(!children_last()->killed);
	worker_process_say(&worker, MESSAGE_DRAIN);
	ck_assert(children_last()->killed);
	ck_assert_uint_eq(place_logged("a/3: sending DRAIN: its channel is full"), 1);
	ck_assert_uint_eq(place_logged("ROTATE"), 0);
}
END_TEST

START_TEST(one_that_is_gone_is_sent_nothing)
{
	start(STDIN_FILENO);
	child_close(children_last());
	worker_process_say(&worker, MESSAGE_DRAIN);
	ck_assert(!children_last()->killed); /* SIGCHLD follows */
	ck_assert_uint_eq(place_logged("sending"), 0);
	turn();
	ck_assert(!worker_process_takes(&worker));
	worker_process_say(&worker, MESSAGE_DRAIN);
	ck_assert_uint_eq(place_logged("sending"), 0);
}
END_TEST

/* ---- its end ---- */

START_TEST(a_silent_worker_is_killed_and_that_is_logged_once)
{
	uint64_t limit = _i ? 1000000000 : UINT64_C(10000000000); /* longer while it starts */

	start(_i ? STDIN_FILENO : -1);
	worker_process_watch(&worker, worker.process.heard_ns + limit - 1);
	ck_assert(!children_last()->killed);
	worker_process_watch(&worker, worker.process.heard_ns + limit);
	ck_assert(children_last()->killed);
	worker_process_watch(&worker, worker.process.heard_ns + 2 * limit);
	ck_assert_uint_eq(place_logged("a/3: the worker has not reported for"), 1);
	ck_assert(worker_process_reaped(&worker, worker.process.pid));
	worker_process_watch(&worker, worker.process.heard_ns + 9 * limit); /* there is none */
	ck_assert_uint_eq(place_logged("a/3: the worker has not reported for"), 1);
}
END_TEST

START_TEST(what_a_worker_died_of_is_logged_when_it_is_dead)
{
	struct message message = { .type = MESSAGE_CRASHED, .crashed = { .signal = SIGSEGV } };

	start(-1);
	ck_assert_int_eq(channel_send(children_last()->channel, &message, -1), 0);
	turn();
	ck_assert_uint_eq(place_logged("died of"), 0);
	ck_assert(!worker_process_reaped(&worker, worker.process.pid + 1));
	ck_assert(worker_process_reaped(&worker, worker.process.pid));
	ck_assert_uint_eq(place_logged("a/3: the worker died of SIGSEGV"), 1);
	ck_assert_int_eq(worker.process.pid, -1);
}
END_TEST

/* kill(1) and the kernel, for want of memory, kill by 9: that is no fault of what it did */
START_TEST(a_death_is_a_workers_own_fault_or_it_is_not)
{
	static const struct {
		int status;
		bool silent, fault;
	} rows[] = {
		{ SIGSEGV, false, true }, { SIGSYS, false, true },  { SIGKILL, false, false },
		{ SIGKILL, true, true },  { 1 << 8, false, false }, { 0, false, false },
	};

	worker.process.silent = rows[_i].silent;
	ck_assert_int_eq(worker_process_is_fault(&worker, rows[_i].status), rows[_i].fault);
}
END_TEST

Suite *suite_worker_process(void)
{
	Suite *s = suite_create("worker_process");
	TCase *t = tcase_create("worker_process");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, a_worker_gets_its_task_with_what_is_its_own, 0, 2);
	tcase_add_test(t, one_that_cannot_be_started_leaves_none);
	tcase_add_test(t, a_worker_is_asked_step_by_step_and_says_what_it_did);
	tcase_add_loop_test(t, a_step_out_of_turn_ends_the_worker, 0, 40);
	tcase_add_test(t, a_descriptor_that_comes_out_of_turn_is_closed);
	tcase_add_test(t, a_report_that_its_owner_refuses_ends_the_worker);
	tcase_add_test(t, what_is_no_message_of_a_worker_ends_it_and_is_logged);
	tcase_add_test(t, why_a_worker_fails_is_told_once_and_ends_within_its_bounds);
	tcase_add_test(t, a_worker_that_takes_no_more_is_killed);
	tcase_add_test(t, one_that_is_gone_is_sent_nothing);
	tcase_add_loop_test(t, a_silent_worker_is_killed_and_that_is_logged_once, 0, 2);
	tcase_add_test(t, what_a_worker_died_of_is_logged_when_it_is_dead);
	tcase_add_loop_test(t, a_death_is_a_workers_own_fault_or_it_is_not, 0, 6);
	suite_add_tcase(s, t);
	return s;
}
