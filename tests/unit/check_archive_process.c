/* daemon/supervisor/archive_client.c: the archive process's directories, its death, the next one.
 */
#include "suites.h"
#include "archiveside.h"
#include "children.h"
#include "outputs.h"
#include "place.h"

#include "../../daemon/base/channel.h"

#include <errno.h>
#include <signal.h>

static struct archive_client *client;

static void setup(void)
{
	outputs_setup();
	client = files_client(outputs.files);
}

static void ends(int status)
{
	child_close(children_last());
	ck_assert(archive_client_reaped(client, archive_client_pid(client), status));
}

/* The process ends, and the next one comes. */
static void dies(int status)
{
	unsigned before = children_count();

	ends(status);
	while (children_count() == before)
		event_base_loop(outputs.base, EVLOOP_ONCE);
}

/* The capture is announced, and the process opens its directory. */
static void announce(void)
{
	static const struct message_capture capture = { .name = "a", .directory = "/d" };

	archive_client_announce(client, &capture, NULL);
	archiveside.directory = true;
	archiveside_expect(MESSAGE_CAPTURE, NULL);
	archiveside.directory = false;
}

/* Whatever its path leads to by then */
START_TEST(the_next_process_gets_the_directory_that_the_first_one_opened)
{
	announce();
	ck_assert(!archiveside.passed);
	dies(SIGKILL);
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_CAPTURE);
	ck_assert(archiveside.passed);
}
END_TEST

START_TEST(another_directory_is_opened_by_its_path)
{
	static const struct message_capture capture = { .name = "a", .directory = "/other" };

	announce();
	archive_client_announce(client, &capture, NULL);
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_CAPTURE);
	ck_assert(!archiveside.passed);
}
END_TEST

START_TEST(a_directory_that_was_removed_is_opened_again_by_a_new_process)
{
	static const struct message_result removed = { .error = ESTALE, .again = 1 };

	announce();
	output.current = files_open(outputs.files, &output.target, 4);
	archiveside_expect(MESSAGE_OPEN, &removed);
	ck_assert_uint_eq(place_logged("a: the directory /d was removed"), 1);
	ck_assert_int_eq(outputs.failure, -1);
	archiveside_quiet(); /* its channel is closed: it ends */
	dies(0);
	ck_assert_uint_eq(place_logged("the archive process ended"), 0); /* as it was to */
	ck_assert_uint_eq(archiveside_hear(), MESSAGE_CAPTURE);
	ck_assert(!archiveside.passed);
	archiveside_answer(NULL);
	archiveside_expect(MESSAGE_OPEN, NULL);
	ck_assert_uint_eq(output.current->state, FILE_READY);
	dies(0); /* this one was not to */
	ck_assert_uint_eq(place_logged("the archive process ended (status 0)"), 1);
}
END_TEST

START_TEST(its_death_is_logged_with_what_it_died_of)
{
	struct message crashed = { .type = MESSAGE_CRASHED, .crashed = { .signal = SIGBUS } };

	ck_assert(!archive_client_reaped(client, archive_client_pid(client) + 1, 0));
	ck_assert_int_eq(channel_send(children_last()->channel, &crashed, -1), 0);
	dies(SIGBUS);
	ck_assert_uint_eq(place_logged("the archive process ended (signal 7)"), 1);
	ck_assert_uint_eq(place_logged("the archive process died of SIGBUS"), 1);
	archiveside_expect(MESSAGE_CAPTURE, NULL);
	dies(1 << 8);
	ck_assert_uint_eq(place_logged("the archive process ended (status 1)"), 1);
	ck_assert_uint_eq(place_logged("died of"), 1);
}
END_TEST

START_TEST(what_cannot_be_started_is_tried_again)
{
	struct files *other = NULL;

	children_refuse(EAGAIN);
	ck_assert_int_eq(files_new(&other, outputs.base, NULL), -EAGAIN);
	ck_assert_ptr_null(other);
	ends(SIGKILL);
	event_base_loop(outputs.base, EVLOOP_ONCE); /* the pause */
	ck_assert_uint_eq(place_logged("starting the archive process: no further process"), 1);
	children_refuse(0);
	event_base_loop(outputs.base, EVLOOP_ONCE); /* a second */
	archiveside_expect(MESSAGE_CAPTURE, NULL);
}
END_TEST

Suite *suite_archive_process(void)
{
	Suite *s = suite_create("archive_process");
	TCase *t = tcase_create("archive_process");

	tcase_add_checked_fixture(t, setup, outputs_teardown);
	tcase_add_test(t, the_next_process_gets_the_directory_that_the_first_one_opened);
	tcase_add_test(t, another_directory_is_opened_by_its_path);
	tcase_add_test(t, a_directory_that_was_removed_is_opened_again_by_a_new_process);
	tcase_add_test(t, its_death_is_logged_with_what_it_died_of);
	tcase_add_test(t, what_cannot_be_started_is_tried_again);
	suite_add_tcase(s, t);
	return s;
}
