/* daemon/supervisor/archive_queue.c: whose answers count. */
#include "suites.h"

#include "../../daemon/supervisor/archive_queue.h"

/* A capture that is told again is nobody's request */
START_TEST(files_are_removed_where_somebody_counts_them)
{
	static struct message request, answer;

	request.type = MESSAGE_CAPTURE;
	answer.type = message_answer(MESSAGE_CAPTURE);
	ck_assert(archive_request_answered(&request, &answer, -1));
	answer.result.removed = 1;
	ck_assert(!archive_request_answered(&request, &answer, -1));
	request.type = MESSAGE_MAINTAIN;
	answer.type = message_answer(MESSAGE_MAINTAIN);
	ck_assert(archive_request_answered(&request, &answer, -1));
}
END_TEST

Suite *suite_archive_queue(void)
{
	Suite *s = suite_create("archive_queue");
	TCase *t = tcase_create("archive_queue");

	tcase_add_test(t, files_are_removed_where_somebody_counts_them);
	suite_add_tcase(s, t);
	return s;
}
