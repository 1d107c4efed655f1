/* daemon/base/log.c and printable.c: what stands in a line cannot make another one. */
#include "suites.h"

#include "../../daemon/base/log.h"
#include "../../daemon/base/printable.h"
#include "../../daemon/base/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const struct {
	const char *text, *printed;
} samples[] = {
	{ "", "" },
	{ "eth0: \"quoted\" \\ %n ~", "eth0: \"quoted\" \\ %n ~" },
	{ "a\n<3>forged", "a\\x0a<3>forged" },
	{ "\x1b[2J\r\t\x7f", "\\x1b[2J\\x0d\\x09\\x7f" },
	{ "\xc3\xbc \xe2\x82\xac \xf0\x9f\xa6\x86", "\xc3\xbc \xe2\x82\xac \xf0\x9f\xa6\x86" },
	{ "\xc2\x9b"
	  "31m \xc2\xa0",
	  "\\xc2\\x9b"
	  "31m \xc2\xa0" }, /* C1's CSI */
	{ "\xff\xfe\x80", "\\xff\\xfe\\x80" },
	{ "\xc0\xaf \xe0\x80\xaf", "\\xc0\\xaf \\xe0\\x80\\xaf" }, /* longer than needed */
	{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },			   /* a surrogate */
	{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" },
	{ "\xe2\x82", "\\xe2\\x82" }, /* ends within */
	{ "\xe2\x82"
	  "a",
	  "\\xe2\\x82"
	  "a" },
};

START_TEST(what_is_no_plain_text_is_escaped)
{
	char out[64];

	printable(out, sizeof(out), samples[_i].text);
	ck_assert_str_eq(out, samples[_i].printed);
}
END_TEST

START_TEST(text_is_cut_between_characters)
{
	char out[16];

	for (size_t room = 1; room <= sizeof(out); room++) {
		memset(out, 'x', sizeof(out));
		printable(out, room,
			  "\n\xe2\x82\xac"
			  "ab\n");
		ck_assert_uint_lt(strlen(out), room);
		ck_assert_uint_eq(strlen(out), room > 13  ? 13
					       : room > 9 ? 9
					       : room > 8 ? 8
					       : room > 7 ? 7
					       : room > 4 ? 4
							  : 0);
	}
}
END_TEST

START_TEST(a_line_stays_one_line)
{
	int file = memfd_create("log", MFD_CLOEXEC);
	char lines[4096], longest[1500];
	ssize_t n;

	ck_assert_int_eq(dup2(file, STDERR_FILENO), STDERR_FILENO);
	unsetenv("JOURNAL_STREAM");
	log_open(LOG_INFO, "eth0");
	log_info("removed %s", "x\n<0>afcapd: all is lost\x1b]0;");
	memset(longest, '\n', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	log_error("%s", longest);
	n = pread(file, lines, sizeof(lines) - 1, 0);
	ck_assert_int_gt(n, 0);
	lines[n] = '\0';
	ck_assert_int_eq(
		strncmp(lines, "<6>eth0: removed x\\x0a<0>afcapd: all is lost\\x1b]0;\n<3>", 54),
		0);
	ck_assert_ptr_eq(strchr(strchr(lines, '\n') + 1, '\n'), lines + n - 1);
}
END_TEST

START_TEST(a_line_begins_with_whom_it_is_about)
{
	int file = memfd_create("log", MFD_CLOEXEC);
	char lines[1024];
	ssize_t n;

	ck_assert_int_eq(dup2(file, STDERR_FILENO), STDERR_FILENO);
	unsetenv("JOURNAL_STREAM");
	log_open(LOG_INFO, "archive");
	log_info("of the process");
	log_about(LOG_INFO, &(struct log_subject){ "eth0", -1, NULL }, "of a %s", "capture");
	log_about(LOG_ERR, &(struct log_subject){ "eth0", 12, "eth0-w12-x" }, "of a file");
	log_about(LOG_DEBUG, &(struct log_subject){ "eth0", 0, NULL }, "not wanted");
	log_open(LOG_INFO, "eth0/3");
	log_info("of a worker");
	n = pread(file, lines, sizeof(lines) - 1, 0);
	ck_assert_int_gt(n, 0);
	lines[n] = '\0';
	ck_assert_str_eq(lines, "<6>archive: of the process\n<6>eth0: of a capture\n"
				"<3>eth0/12: of a file\n<6>eth0/3: of a worker\n");
}
END_TEST

/* The end to read from; the pipe is standard error, and full. */
static int pipe_full(void)
{
	int ends[2];

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	ck_assert_int_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	unsetenv("JOURNAL_STREAM");
	log_open(LOG_INFO, "eth0");
	ck_assert_int_eq(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0); /* others hold it, too */
	while (write(STDERR_FILENO, "########\n", 9) == 9)
		;
	ck_assert_int_eq(errno, EAGAIN);
	return ends[0];
}

static void pipe_empty(int fd)
{
	char bytes[65536];

	ck_assert_int_gt(read(fd, bytes, sizeof(bytes)), 0);
}

START_TEST(lines_that_nobody_reads_are_counted)
{
	char line[512];
	int fd = pipe_full();
	ssize_t n;

	log_info("lost");
	log_debug("not wanted anyway");
	log_info("lost, too");
	pipe_empty(fd);
	log_error("read");
	log_info("read, too");
	n = read(fd, line, sizeof(line) - 1);
	ck_assert_int_gt(n, 0);
	line[n] = '\0';
	ck_assert_str_eq(line, "<4>eth0: 2 log lines were lost: standard error was not read\n"
			       "<3>eth0: read\n<6>eth0: read, too\n");
}
END_TEST

START_TEST(a_write_that_nobody_reads_has_its_time)
{
	static char much[1 << 18];
	int ends[2];

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	ck_assert_int_eq(stream_finish(ends[1], "read", 4, 60), 0);
	ck_assert_int_eq(stream_finish(ends[1], much, sizeof(much), 1), -ETIMEDOUT);
	close(ends[0]);
	signal(SIGPIPE, SIG_IGN);
	ck_assert_int_eq(stream_finish(ends[1], "read", 4, 60), -EPIPE);
}
END_TEST

Suite *suite_log(void)
{
	Suite *s = suite_create("log");
	TCase *t = tcase_create("log");

	tcase_add_loop_test(t, what_is_no_plain_text_is_escaped, 0,
			    sizeof(samples) / sizeof(*samples));
	tcase_add_test(t, text_is_cut_between_characters);
	tcase_add_test(t, a_line_stays_one_line);
	tcase_add_test(t, a_line_begins_with_whom_it_is_about);
	tcase_add_test(t, lines_that_nobody_reads_are_counted);
	tcase_add_test(t, a_write_that_nobody_reads_has_its_time);
	suite_add_tcase(s, t);
	return s;
}
