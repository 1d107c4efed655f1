/* daemon/supervisor/compile.c, compiled_filter.c: filters that a process of their own compiles;
 * what comes of one that says nothing, too little, or something else; what is kept. */
#include "children.h"
#include "suites.h"

#include "../../daemon/supervisor/compiled_filter.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if_arp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FDS 128 /* none that is looked for is higher */

static struct event_base *base;
static struct compile *compile;
static struct {
	unsigned calls;
	int rc;
	struct sock_fprog program;
	char text[256];
} done;

static void setup(void)
{
	base = event_base_new();
	ck_assert_ptr_nonnull(base);
}

static void teardown(void)
{
	event_base_free(base);
}

static void compiled(void *context, int rc, struct sock_fprog *program, const char *text)
{
	ck_assert_ptr_eq(context, &done);
	done.calls++;
	done.rc = rc;
	if (rc == 0)
		done.program = *program;
	ck_assert_int_lt(snprintf(done.text, sizeof(done.text), "%s", text),
			 (int)sizeof(done.text));
}

static int begin(const char *expression)
{
	const struct filter_source source = { "any", expression, 1000, true };

	return compile_begin(&compile, base, &source, compiled, &done);
}

static void run(void)
{
	while (!done.calls)
		ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
	ck_assert_uint_eq(done.calls, 1);
}

static int fd_lowest(void)
{
	int fd = dup(STDIN_FILENO);

	close(fd);
	return fd;
}

/* ---- a process ---- */

START_TEST(a_program_comes_back_as_it_was_compiled)
{
	const struct filter_source source = { "any", "udp port 53", 1000, true };
	struct sock_fprog here;
	int lowest = fd_lowest();
	char error[256];

	ck_assert_int_eq(begin("udp port 53"), 0);
	ck_assert_uint_eq(done.calls, 0);
	run();
	ck_assert_int_eq(done.rc, 0);
	ck_assert_int_eq(filter_compile(&here, &source, error, sizeof(error)), 0);
	ck_assert_uint_eq(done.program.len, here.len);
	ck_assert_mem_eq(done.program.filter, here.filter, here.len * sizeof(*here.filter));
	ck_assert_int_eq(fd_lowest(), lowest);
	free(here.filter);
	free(done.program.filter);
}
END_TEST

static const struct {
	const char *expression;
	int rc;
	const char *text;
} errors[] = {
	{ "udp prot 53", -EINVAL, "syntax error" },
	{ "host x.invalid", -ENOENT, "unknown host 'x.invalid'" },
	{ "ip6 protochain 6", -EINVAL, "a loop (protochain), which the kernel does not accept" },
};

START_TEST(what_is_wrong_comes_back_in_words)
{
	ck_assert_int_eq(begin(errors[_i].expression), 0);
	run();
	ck_assert_int_eq(done.rc, errors[_i].rc);
	ck_assert_str_ne(done.text, "");
	ck_assert_ptr_nonnull(strstr(done.text, errors[_i].text));
}
END_TEST

START_TEST(what_is_forgotten_never_comes_back)
{
	int lowest = fd_lowest();

	ck_assert_int_eq(begin("udp"), 0);
	compile_end(compile);
	compile_end(NULL);
	ck_assert_int_eq(event_base_loop(base, 0), 1); /* no event is left */
	ck_assert_uint_eq(done.calls, 0);
	ck_assert_int_eq(fd_lowest(), lowest);
}
END_TEST

/* ---- a double: its end of the pipe is the test's ---- */

static int child_end;

/* In the double of fork(): the child's end is the only pipe here that is written to. */
static void end_find(void)
{
	struct stat st;

	child_end = -1;
	for (int fd = 0; fd < FDS; fd++)
		if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) &&
		    (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY && fd > STDERR_FILENO)
			child_end = fd;
	ck_assert_int_ge(child_end, 0);
	child_end = fcntl(child_end, F_DUPFD_CLOEXEC, FDS);
}

static void double_begin(void)
{
	children_begin();
	children_forked(end_find);
	ck_assert_int_eq(begin("udp"), 0);
}

/* As compile.c has it. */
static struct {
	int32_t rc;
	uint32_t count;
	char text[256];
	struct sock_filter code[BPF_MAXINSNS + 1];
} result;

static void child_writes(size_t begin_at, size_t bytes)
{
	ck_assert_int_eq(write(child_end, (const char *)&result + begin_at, bytes), (ssize_t)bytes);
}

static void child_ends(void)
{
	close(child_end);
	run();
}

#define HEADER offsetof(__typeof__(result), code)

START_TEST(a_process_that_says_nothing_is_an_error)
{
	double_begin();
	child_ends();
	ck_assert_int_eq(done.rc, -EIO);
	ck_assert_str_eq(done.text, "its process ended without an answer");
}
END_TEST

/* Of a process that was compromised: whatever it says is as long as it says, or nothing. */
static const struct {
	int32_t rc;
	uint32_t count;
	size_t bytes;
} lies[] = {
	{ 0, 1, HEADER - 1 },
	{ 0, 1, HEADER },
	{ 0, 1, HEADER + 2 * sizeof(struct sock_filter) },
	{ 0, 0, HEADER }, /* a program of nothing */
	{ 0, UINT32_MAX, HEADER + 8 },
	{ 0, BPF_MAXINSNS + 1, HEADER + 8 },
	{ -EINVAL, 1, HEADER },
};

START_TEST(what_does_not_fit_together_is_not_believed)
{
	result.rc = lies[_i].rc;
	result.count = lies[_i].count;
	double_begin();
	child_writes(0, lies[_i].bytes);
	child_ends();
	ck_assert_int_eq(done.rc, -EIO);
	ck_assert_str_eq(done.text, "its process ended without an answer");
}
END_TEST

START_TEST(a_result_may_come_in_pieces_and_its_words_end)
{
	result.rc = -ENOENT;
	memset(result.text, 'x', sizeof(result.text));
	double_begin();
	child_writes(0, 7);
	event_base_loop(base, EVLOOP_NONBLOCK);
	ck_assert_uint_eq(done.calls, 0);
	child_writes(7, HEADER - 7);
	child_ends();
	ck_assert_int_eq(done.rc, -ENOENT);
	ck_assert_uint_eq(strlen(done.text), sizeof(result.text) - 1);
}
END_TEST

START_TEST(the_longest_program_that_the_kernel_takes_comes_whole)
{
	result.rc = 0;
	result.count = BPF_MAXINSNS;
	result.code[BPF_MAXINSNS - 1] = (struct sock_filter){ .code = BPF_RET | BPF_K, .k = 5 };
	double_begin();
	child_writes(0, HEADER + BPF_MAXINSNS * sizeof(struct sock_filter));
	child_ends();
	ck_assert_int_eq(done.rc, 0);
	ck_assert_uint_eq(done.program.len, BPF_MAXINSNS);
	ck_assert_uint_eq(done.program.filter[BPF_MAXINSNS - 1].k, 5);
	free(done.program.filter);
}
END_TEST

static int deadline_reach(const struct event_base *of, const struct event *event, void *arg)
{
	struct timeval until, now;

	(void)arg;
	ck_assert(event_pending(event, EV_TIMEOUT, &until));
	event_base_gettimeofday_cached((struct event_base *)of, &now);
	ck_assert_int_ge(until.tv_sec - now.tv_sec, 29);
	ck_assert_int_le(until.tv_sec - now.tv_sec, 30);
	event_active((struct event *)event, EV_TIMEOUT, 1);
	return 0;
}

/* Its name servers do not answer. */
START_TEST(it_has_thirty_seconds)
{
	double_begin();
	event_base_foreach_event(base, deadline_reach, NULL);
	run();
	ck_assert_int_eq(done.rc, -ETIMEDOUT);
	ck_assert_str_eq(done.text, "its names were not resolved within 30 s");
	close(child_end);
}
END_TEST

START_TEST(without_a_process_nothing_stays_open)
{
	int lowest = fd_lowest();

	children_begin();
	children_refuse(EAGAIN);
	ck_assert_int_eq(begin("udp"), -EAGAIN);
	ck_assert_int_eq(fd_lowest(), lowest);
	ck_assert_int_eq(event_base_loop(base, EVLOOP_NONBLOCK), 1);
	ck_assert_uint_eq(done.calls, 0);
}
END_TEST

/* ---- what is kept ---- */

static struct compiled_filter filter;
static bool due;
static char text[COMPILED_TEXT];

static int get(const char *expression, uint32_t link_type, bool incoming, uint32_t hardware,
	       struct sock_fprog *program)
{
	const struct compiled_want want = { { "any", expression, 1000, incoming },
					    link_type,
					    hardware };

	return compiled_filter_get(&filter, &want, program, text);
}

static void kept_setup(void)
{
	setup();
	compiled_filter_init(&filter, base, &due);
}

static void kept_teardown(void)
{
	compiled_filter_free(&filter);
	teardown();
}

static void compiling(void)
{
	due = false;
	while (!due)
		ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
	ck_assert(compiled_filter_news(&filter));
	ck_assert(!compiled_filter_news(&filter));
}

START_TEST(a_filter_is_compiled_once)
{
	const struct filter_source source = { "any", "udp", 1000, false };
	struct sock_fprog first, again, incoming, typed, here;

	ck_assert_int_eq(get("udp", 1, true, 0, &first), 1); /* kept without that */
	ck_assert(!compiled_filter_news(&filter));
	compiling();
	ck_assert_int_eq(filter.rc, 0);
	ck_assert_str_eq(filter.text, "");
	children_begin(); /* no process is needed for the next ones */
	ck_assert_int_eq(get("udp", 1, false, 0, &first), 0);
	ck_assert_int_eq(get("udp", 1, false, 0, &again), 0);
	ck_assert_int_eq(filter_compile(&here, &source, text, sizeof(text)), 0);
	ck_assert_uint_eq(first.len, here.len);
	ck_assert_ptr_ne(first.filter, again.filter);
	ck_assert_uint_eq(first.len, again.len);
	ck_assert_mem_eq(first.filter, again.filter, first.len * sizeof(*first.filter));
	ck_assert_int_eq(get("udp", 1, true, 0, &incoming), 0);
	ck_assert_uint_eq(incoming.len, first.len + 3);
	ck_assert_uint_eq(incoming.filter[1].k, PACKET_OUTGOING);
	ck_assert_int_eq(get("udp", 1, false, ARPHRD_ETHER, &typed), 0);
	ck_assert_uint_eq(typed.len, first.len + 3);
	ck_assert_uint_eq(typed.filter[1].k, ARPHRD_ETHER);
	ck_assert_uint_eq(children_count(), 0);
	free(first.filter);
	free(again.filter);
	free(incoming.filter);
	free(typed.filter);
	free(here.filter);
}
END_TEST

START_TEST(no_filter_needs_no_process)
{
	struct sock_fprog program;

	children_begin();
	ck_assert_int_eq(get("", 1, true, ARPHRD_ETHER, &program), 0);
	ck_assert_uint_eq(program.len, 7);
	ck_assert_uint_eq(children_count(), 0);
	free(program.filter);
}
END_TEST

/* An interface's link type may change, and back again. */
START_TEST(two_link_types_are_kept)
{
	struct sock_fprog program;

	ck_assert_int_eq(get("udp", 1, false, 0, &program), 1);
	ck_assert_int_eq(get("udp", 101, false, 0, &program), 1); /* after the first one */
	compiling();
	ck_assert_int_eq(get("udp", 101, false, 0, &program), 1);
	compiling();
	ck_assert_int_eq(get("udp", 12, false, 0, &program), 1); /* in the place of the last one */
	compiling();
	ck_assert_int_eq(get("udp", 101, false, 0, &program), 1);
	compiling();
	children_begin();
	ck_assert_int_eq(get("udp", 1, false, 0, &program), 0);
	free(program.filter);
	ck_assert_int_eq(get("udp", 101, false, 0, &program), 0);
	free(program.filter);
	ck_assert_uint_eq(children_count(), 0);
}
END_TEST

START_TEST(what_cannot_be_compiled_is_said_once_and_tried_again)
{
	struct sock_fprog program;

	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_eq(get("host x.invalid", 1, false, 0, &program), 1);
		compiling();
		ck_assert_int_eq(filter.rc, -ENOENT);
		ck_assert_str_eq(filter.text, "unknown host 'x.invalid'");
	}
}
END_TEST

START_TEST(a_process_that_cannot_be_started_is_said)
{
	struct sock_fprog program;

	children_begin();
	children_refuse(EAGAIN);
	ck_assert_int_eq(get("udp", 1, false, 0, &program), -EAGAIN);
	ck_assert_str_eq(text, "starting a process to compile it failed");
	children_refuse(0);
	ck_assert_int_eq(get("udp", 1, false, 0, &program), 1); /* the next one may */
	ck_assert_uint_eq(children_count(), 1);
}
END_TEST

Suite *suite_compile(void)
{
	Suite *s = suite_create("compile");
	TCase *t = tcase_create("process"), *kept = tcase_create("kept");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_program_comes_back_as_it_was_compiled);
	tcase_add_loop_test(t, what_is_wrong_comes_back_in_words, 0,
			    sizeof(errors) / sizeof(*errors));
	tcase_add_test(t, what_is_forgotten_never_comes_back);
	tcase_add_test(t, a_process_that_says_nothing_is_an_error);
	tcase_add_loop_test(t, what_does_not_fit_together_is_not_believed, 0,
			    sizeof(lies) / sizeof(*lies));
	tcase_add_test(t, a_result_may_come_in_pieces_and_its_words_end);
	tcase_add_test(t, the_longest_program_that_the_kernel_takes_comes_whole);
	tcase_add_test(t, it_has_thirty_seconds);
	tcase_add_test(t, without_a_process_nothing_stays_open);
	suite_add_tcase(s, t);
	tcase_add_checked_fixture(kept, kept_setup, kept_teardown);
	tcase_add_test(kept, a_filter_is_compiled_once);
	tcase_add_test(kept, no_filter_needs_no_process);
	tcase_add_test(kept, two_link_types_are_kept);
	tcase_add_test(kept, what_cannot_be_compiled_is_said_once_and_tried_again);
	tcase_add_test(kept, a_process_that_cannot_be_started_is_said);
	suite_add_tcase(s, kept);
	return s;
}
