/* daemon/supervisor/archive_queue.c: what a request says, which answers are its, the order of
 * requests, what is left of them. */
#include "suites.h"

#include "../../daemon/supervisor/archive_queue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct archive_queue queue;
static struct message asked, answer;

/* Requests by letters: Capture, Open, Reopen, Name, Finish, Discard, Maintain, Sync, Look. */
static const char letters[] = "CORNFDMSL";

static uint32_t type_of(char letter)
{
	return MESSAGE_CAPTURE + (uint32_t)(strchr(letters, letter) - letters);
}

static struct archive_request *request_of(char letter, uint32_t capture)
{
	struct archive_request *r = calloc(1, sizeof(*r));

	ck_assert_ptr_nonnull(r);
	r->type = type_of(letter);
	r->target = (struct archive_target){ .capture = capture, .worker = 3 };
	return r;
}

static void setup(void)
{
	archive_queue_init(&queue);
}

/* Of no file; those that have one take it out before. */
static void teardown(void)
{
	struct archive_request *r;

	while ((r = archive_queue_drain(&queue)))
		archive_request_free(r);
}

/* At the end, whatever the order would be. */
static void put(char letter, uint32_t capture)
{
	struct archive_request *r = request_of(letter, capture);

	TAILQ_INSERT_TAIL(&queue.queue, r, link);
}

static void fill(const char *text)
{
	for (; *text; text++)
		put(*text, 0);
}

static void is_queue(const char *expected)
{
	char text[32] = "";
	const struct archive_request *r;
	size_t n = 0;

	TAILQ_FOREACH (r, &queue.queue, link)
		text[n++] = letters[r->type - MESSAGE_CAPTURE];
	ck_assert_str_eq(text, expected);
}

/* ---- the order ---- */

static const struct {
	const char *before;
	bool sent; /* the first one */
	char letter;
	bool budget;
	const char *after;
} orders[] = {
	{ "", false, 'O', false, "O" },
	/* What opens and names goes before what finishes, and not before what is sent */
	{ "FSM", false, 'O', false, "OFSM" },
	{ "FSM", true, 'O', false, "FOSM" },
	{ "FS", false, 'N', false, "NFS" },
	{ "FS", true, 'N', false, "FNS" },
	{ "FS", false, 'R', false, "RFS" },
	{ "FS", false, 'C', false, "CFS" },
	/* ... in its own order */
	{ "CNOF", false, 'O', false, "CNOOF" },
	{ "CNRF", false, 'C', false, "CNRCF" },
	{ "OOF", false, 'N', false, "OONF" },
	{ "ONF", false, 'C', false, "ONCF" },
	/* What the previous instance left before anything new: making room would repair it */
	{ "OF", false, 'R', false, "ROF" },
	{ "CNROF", false, 'R', false, "CNRROF" },
	{ "O", true, 'R', false, "OR" },
	/* Under a budget a file makes room for the next one by its end */
	{ "FS", false, 'O', true, "FSO" },
	{ "FS", false, 'N', true, "NFS" },
	{ "FS", false, 'R', true, "RFS" },
	/* All others wait */
	{ "OF", false, 'F', false, "OFF" },
	{ "OF", false, 'D', false, "OFD" },
	{ "OF", false, 'S', false, "OFS" },
	{ "OF", false, 'L', false, "OFL" },
	{ "OF", false, 'M', false, "OFM" },
};

START_TEST(requests_are_made_in_this_order)
{
	fill(orders[_i].before);
	queue.sent = orders[_i].sent;
	archive_queue_add(&queue, request_of(orders[_i].letter, 0), orders[_i].budget);
	is_queue(orders[_i].after);
	ck_assert_int_eq(queue.sent, orders[_i].sent);
}
END_TEST

/* The archive process takes nothing for a capture that it does not know */
START_TEST(what_is_sought_goes_behind_its_own_captures_announcement)
{
	put('O', 1);
	put('C', 2);
	put('F', 1);
	archive_queue_add(&queue, request_of('R', 2), false);
	is_queue("OCRF");
	archive_queue_add(&queue, request_of('R', 1), false);
	is_queue("ROCRF");
}
END_TEST

START_TEST(a_new_process_hears_of_captures_before_what_was_sent_to_the_last)
{
	fill("FS");
	archive_queue_add_first(&queue, request_of('C', 1));
	archive_queue_add_first(&queue, request_of('C', 0));
	is_queue("CCFS");
	ck_assert(archive_queue_announces(&queue, 0));
	ck_assert(archive_queue_announces(&queue, 1));
	ck_assert(!archive_queue_announces(&queue, 2));
	archive_request_free(archive_queue_take(&queue));
	ck_assert(!archive_queue_announces(&queue, 0));
	archive_request_free(archive_queue_take(&queue));
	archive_queue_add(&queue, request_of('O', 1), true);
	ck_assert(!archive_queue_announces(&queue, 0));
}
END_TEST

START_TEST(what_was_answered_is_not_sent_any_more)
{
	struct archive_request *r;

	ck_assert_ptr_null(archive_queue_head(&queue));
	ck_assert_ptr_null(archive_queue_take(&queue));
	fill("OF");
	queue.sent = true;
	r = archive_queue_head(&queue);
	ck_assert_uint_eq(r->type, MESSAGE_OPEN);
	ck_assert_ptr_eq(archive_queue_take(&queue), r);
	ck_assert(!queue.sent);
	archive_request_free(r);
	is_queue("F");
}
END_TEST

/* ---- what is left ---- */

START_TEST(what_is_left_of_a_capture_is_all_but_its_maintenance)
{
	struct archive_request *r;

	fill("MM");
	ck_assert(!archive_queue_left(&queue, 0));
	ck_assert(!archive_queue_idle(&queue));
	put('S', 1);
	ck_assert(!archive_queue_left(&queue, 0));
	ck_assert(archive_queue_left(&queue, 1));
	r = request_of('F', 2);
	archive_queue_delay(&queue, r, EACCES);
	ck_assert(archive_queue_left(&queue, 2));
	archive_queue_repeat(&queue);
	is_queue("MMSF");
	ck_assert(archive_queue_left(&queue, 2));
}
END_TEST

/* Also while it is tried again */
START_TEST(why_a_capture_is_refused_is_known_until_that_has_gone_well)
{
	put('F', 1);
	archive_queue_delay(&queue, request_of('F', 2), EACCES);
	ck_assert_int_eq(archive_queue_error(&queue, 1), 0);
	ck_assert_int_eq(archive_queue_error(&queue, 2), EACCES);
	put('S', 2); /* which nothing has refused */
	archive_queue_repeat(&queue);
	ck_assert_int_eq(archive_queue_error(&queue, 1), 0);
	ck_assert_int_eq(archive_queue_error(&queue, 2), EACCES);
	archive_request_free(archive_queue_take(&queue));
	archive_request_free(archive_queue_take(&queue));
	archive_request_free(archive_queue_take(&queue));
	ck_assert_int_eq(archive_queue_error(&queue, 2), 0);
}
END_TEST

START_TEST(what_was_refused_often_enough_is_given_up)
{
	struct archive_request *r = request_of('F', 1);

	for (unsigned i = 0; i < ARCHIVE_TRIES; i++) {
		ck_assert_ptr_null(archive_queue_give_up(&queue, 1));
		archive_queue_delay(&queue, r, EACCES);
		if (i + 1 < ARCHIVE_TRIES) {
			ck_assert_ptr_null(archive_queue_give_up(&queue, 1));
			archive_queue_repeat(&queue);
			ck_assert_ptr_eq(archive_queue_take(&queue), r);
		}
	}
	ck_assert_ptr_null(archive_queue_give_up(&queue, 2)); /* another capture's is not */
	ck_assert_ptr_eq(archive_queue_give_up(&queue, 1), r);
	ck_assert_ptr_null(archive_queue_give_up(&queue, 1));
	archive_request_free(r);
}
END_TEST

static unsigned told;

static void tell(const struct archive_request *request, void *context)
{
	ck_assert_ptr_eq(context, &told);
	ck_assert_uint_eq(request->type, MESSAGE_FINISH);
	told++;
}

START_TEST(what_is_not_finished_is_what_is_delayed_and_what_would_finish)
{
	fill("OFSMF");
	archive_queue_delay(&queue, request_of('F', 0), EACCES);
	ck_assert_uint_eq(archive_queue_unfinished(&queue, tell, &told), 3);
	ck_assert_uint_eq(told, 3);
}
END_TEST

/* The tries of before do not count */
START_TEST(at_the_end_what_is_delayed_has_some_more_tries)
{
	struct archive_request *r = request_of('F', 0);

	archive_queue_repeat(&queue);
	archive_queue_delay(&queue, r, EACCES);
	for (unsigned i = 0; i < ARCHIVE_TRIES; i++) {
		ck_assert(!archive_queue_settled(&queue));
		archive_queue_repeat(&queue);
		ck_assert(!archive_queue_settled(&queue)); /* it is with the process */
		archive_queue_repeat(&queue);		   /* and no try meanwhile */
		ck_assert_ptr_eq(archive_queue_take(&queue), r);
		archive_queue_delay(&queue, r, EACCES);
	}
	ck_assert(archive_queue_settled(&queue));
}
END_TEST

/* A request that ends a file has it alone */
START_TEST(a_request_that_is_not_made_frees_the_file_that_it_would_have_ended)
{
	static const char ending[] = "FD";
	struct archive_request *r = request_of(letters[_i], 0);
	struct archive_target target = { 0 };
	struct output_file *file =
		output_file_new(&target, 1, calloc(1, sizeof(struct archive_request)));
	bool ends = strchr(ending, letters[_i]) != NULL;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	ck_assert_ptr_nonnull(file);
	file->fd = fd;
	r->file = file;
	archive_request_free(r);
	ck_assert_int_eq(fcntl(fd, F_GETFD) < 0, ends);
	if (!ends)
		output_file_free(file);
}
END_TEST

/* ---- a request and its answer ---- */

static struct output_file file = {
	.name = "a.partial", .device = 8, .inode = 9, .spoiled = 5, .fd = -1
};

START_TEST(a_request_says_what_its_kind_needs_and_no_more)
{
	char letter = letters[_i];
	struct archive_request *r = request_of(letter, 4);
	bool named = strchr("NFDSL", letter) != NULL;

	r->record = (struct ledger_file){ .serial = 6, .error = 2 };
	r->file = letter == 'C' || letter == 'M' ? NULL : &file;
	memset(&asked, 0xff, sizeof(asked));
	archive_request_message(r, &asked);
	ck_assert_uint_eq(asked.type, type_of(letter));
	if (letter == 'C') { /* its connection knows the rest */
		ck_assert_uint_eq(asked.capture.capture, 0);
	} else {
		ck_assert_uint_eq(asked.archive.capture, 4);
		ck_assert_uint_eq(asked.archive.worker, 3);
		ck_assert_uint_eq(asked.archive.file.serial, 6);
		ck_assert_uint_eq(asked.archive.file.error, letter == 'F' ? 5 : 2);
		ck_assert_uint_eq(asked.archive.inode, letter == 'R' ? 9 : 0);
		ck_assert_uint_eq(asked.archive.device, letter == 'R' ? 8 : 0);
		ck_assert_str_eq(asked.archive.name, named ? "a.partial" : "");
	}
	free(r);
}
END_TEST

static void ask(char letter)
{
	struct archive_request *r = request_of(letter, 4);

	r->record.serial = 6;
	r->file = letter == 'C' || letter == 'M' ? NULL : &file;
	archive_request_message(r, &asked);
	if (letter == 'C')
		asked.capture.capture = 4;
	free(r);
	memset(&answer, 0, sizeof(answer));
	answer.type = message_answer(asked.type);
	answer.result.capture = 4;
	if (letter != 'C') {
		answer.result.worker = 3;
		answer.result.serial = 6;
	}
	answer.result.align = letter == 'O' || letter == 'R' ? 512 : 0;
}

static bool answered(int fd)
{
	return archive_request_answered(&asked, &answer, fd);
}

/* Of this capture, worker, file; with a descriptor where one has to come, and nowhere else */
START_TEST(an_answer_is_to_what_was_asked_for)
{
	char letter = letters[_i];
	bool opens = letter == 'O' || letter == 'R';

	ask(letter);
	ck_assert(answered(opens ? 7 : -1));
	ck_assert_int_eq(answered(opens ? -1 : 7), letter == 'C');
	answer.result.error = EIO;
	ck_assert(answered(-1));
	ck_assert(!answered(7));
	ask(letter);
	answer.type = message_answer(letter == 'S' ? MESSAGE_LOOK : MESSAGE_SYNC);
	ck_assert(!answered(opens ? 7 : -1));
	ask(letter);
	answer.result.capture++;
	ck_assert(!answered(opens ? 7 : -1));
	ask(letter);
	answer.result.worker++;
	ck_assert_int_eq(answered(opens ? 7 : -1), letter == 'C');
	ask(letter);
	answer.result.serial++;
	ck_assert_int_eq(answered(opens ? 7 : -1), letter == 'C');
	ask(letter);
	answer.result.removed = 1; /* which nobody would count */
	ck_assert_int_eq(answered(opens ? 7 : -1), letter != 'C');
}
END_TEST

/* Worker and archive align by it */
START_TEST(an_alignment_is_a_power_of_two)
{
	static const uint32_t good[] = { 1, 4, 512, 4096, 1u << 31 },
			      bad[] = { 0, 3, 511, 513, 4097, UINT32_MAX };

	ask(_i ? 'R' : 'O');
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		answer.result.align = good[i];
		ck_assert(answered(7));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		answer.result.align = bad[i];
		ck_assert(!answered(7));
	}
}
END_TEST

START_TEST(what_an_answer_says_ends_within_its_bounds)
{
	ask('S');
	memset(answer.result.text, 'x', sizeof(answer.result.text));
	memset(answer.result.name, 'x', sizeof(answer.result.name));
	ck_assert(answered(-1));
	ck_assert_uint_eq(strlen(answer.result.text), MESSAGE_TEXT - 1);
	ck_assert_uint_eq(strlen(answer.result.name), FILE_NAME_BYTES - 1);
}
END_TEST

Suite *suite_archive_queue(void)
{
	Suite *s = suite_create("archive_queue");
	TCase *t = tcase_create("archive_queue");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, requests_are_made_in_this_order, 0,
			    sizeof(orders) / sizeof(*orders));
	tcase_add_test(t, what_is_sought_goes_behind_its_own_captures_announcement);
	tcase_add_test(t, a_new_process_hears_of_captures_before_what_was_sent_to_the_last);
	tcase_add_test(t, what_was_answered_is_not_sent_any_more);
	tcase_add_test(t, what_is_left_of_a_capture_is_all_but_its_maintenance);
	tcase_add_test(t, why_a_capture_is_refused_is_known_until_that_has_gone_well);
	tcase_add_test(t, what_was_refused_often_enough_is_given_up);
	tcase_add_test(t, what_is_not_finished_is_what_is_delayed_and_what_would_finish);
	tcase_add_test(t, at_the_end_what_is_delayed_has_some_more_tries);
	tcase_add_loop_test(t, a_request_that_is_not_made_frees_the_file_that_it_would_have_ended,
			    0, 9);
	tcase_add_loop_test(t, a_request_says_what_its_kind_needs_and_no_more, 0, 9);
	tcase_add_loop_test(t, an_answer_is_to_what_was_asked_for, 0, 9);
	tcase_add_loop_test(t, an_alignment_is_a_power_of_two, 0, 2);
	tcase_add_test(t, what_an_answer_says_ends_within_its_bounds);
	suite_add_tcase(s, t);
	return s;
}
