/* daemon/archive/request.c: which message is a request, and when. */
#include "place.h"
#include "suites.h"

#include "../../daemon/archive/archive.h"
#include "../../daemon/base/channel.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PARTIAL "eth0-20260203T040506.789012Z-w1.pcapng.partial"

/* Written down once more: what may come before a capture was announced, what after that. */
static const struct {
	bool before, after;
	bool named; /* a file that has a name */
} listed[MESSAGE_TYPES] = {
	[MESSAGE_CAPTURE] = { true, true, false }, [MESSAGE_OPEN] = { false, true, false },
	[MESSAGE_REOPEN] = { false, true, false }, [MESSAGE_MAINTAIN] = { false, true, false },
	[MESSAGE_NAME] = { false, true, true },	   [MESSAGE_FINISH] = { false, true, true },
	[MESSAGE_DISCARD] = { false, true, true }, [MESSAGE_SYNC] = { false, true, true },
	[MESSAGE_LOOK] = { false, true, true },
};

static struct message answer;
static int channel;
static pid_t archive;

static void setup(void)
{
	int ends[2];

	place_setup();
	place_log();
	place.capture.capture = 3;
	ck_assert_int_eq(channel_pair(ends), 0);
	archive = fork();
	if (archive == 0) {
		close(ends[0]);
		if (ends[1] != CHANNEL_FD)
			dup2(ends[1], CHANNEL_FD);
		_exit(archive_main());
	}
	close(ends[1]);
	channel = ends[0];
}

static void teardown(void)
{
	close(channel);
	place_teardown();
}

static int exit_code(void)
{
	int status;

	ck_assert_int_eq(waitpid(archive, &status, 0), archive);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void request_send(uint32_t type)
{
	struct message request = { .type = type };

	if (type == MESSAGE_CAPTURE)
		request.capture = place.capture;
	else if (message_answer(type))
		request.archive.capture = 3;
	if (listed[type].named)
		strcpy(request.archive.name, PARTIAL);
	if (listed[type].named)
		request.archive.worker = 1;
	ck_assert_int_eq(channel_send(channel, &request, -1), 0);
}

/* Returns what channel_recv() does. */
static int answer_take(void)
{
	struct pollfd p = { channel, POLLIN, 0 };
	int passed, rc;

	ck_assert_int_eq(poll(&p, 1, 60000), 1);
	rc = channel_recv(channel, CHANNEL_ARCHIVE, &answer, &passed);
	if (passed >= 0)
		close(passed);
	return rc;
}

static void violated(uint32_t type)
{
	char text[128];

	ck_assert_int_eq(answer_take(), 1);
	ck_assert_uint_eq(answer.type, message_answer(type));
	ck_assert_int_eq(answer.result.error, EBADMSG);
	snprintf(text, sizeof(text), "protocol violation: %s for a capture that was not announced",
		 message_name(type));
	ck_assert_str_eq(answer.result.text, text);
}

static void accepted(uint32_t type)
{
	ck_assert_int_eq(answer_take(), 1);
	ck_assert_uint_eq(answer.type, message_answer(type));
	ck_assert_ptr_null(strstr(answer.result.text, "protocol violation"));
	ck_assert_int_ne(answer.result.error, EBADMSG);
}

START_TEST(a_request_comes_when_it_may)
{
	uint32_t type = (uint32_t)_i;

	request_send(type);
	if (!listed[type].after) { /* no request at all */
		ck_assert_int_eq(answer_take(), 0);
		ck_assert_int_eq(exit_code(), EXIT_FAILURE);
		ck_assert_uint_eq(place_logged("protocol violation: "), 1);
		ck_assert_uint_eq(place_logged(message_name(type)), 1);
		return;
	}
	if (listed[type].before)
		accepted(type);
	else
		violated(type);
	request_send(MESSAGE_CAPTURE);
	accepted(MESSAGE_CAPTURE);
	ck_assert_int_eq(answer.result.error, 0);
	request_send(type);
	accepted(type);
	close(channel);
	channel = -1;
	ck_assert_int_eq(exit_code(), EXIT_SUCCESS);
	ck_assert_uint_eq(place_logged("protocol violation"), 0); /* answered is not logged */
}
END_TEST

/* That its opening failed was answered, and logged. */
START_TEST(a_file_that_was_never_opened_is_refused_without_a_word)
{
	struct message request = { .type = MESSAGE_FINISH, .archive = { .capture = 3 } };

	request_send(MESSAGE_CAPTURE);
	accepted(MESSAGE_CAPTURE);
	ck_assert_int_eq(channel_send(channel, &request, -1), 0);
	ck_assert_int_eq(answer_take(), 1);
	ck_assert_int_eq(answer.result.error, EBADMSG);
	ck_assert_str_eq(answer.result.text, "");
}
END_TEST

Suite *suite_request(void)
{
	Suite *s = suite_create("request");
	TCase *t = tcase_create("request");

	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, a_request_comes_when_it_may, 1, MESSAGE_TYPES);
	tcase_add_test(t, a_file_that_was_never_opened_is_refused_without_a_word);
	suite_add_tcase(s, t);
	return s;
}
