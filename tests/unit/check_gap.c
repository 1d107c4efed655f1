/* daemon/supervisor/gap.c, and what it gets of daemon/archive/repair.c. */
#include "recording.h"
#include "place.h"
#include "suites.h"

#include "../../daemon/format/header.h"
#include "../../daemon/archive/repair.h"
#include "../../daemon/supervisor/gap.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define SECOND UINT64_C(1000000000)
#define DAY    (UINT64_C(20000) * 86400 * SECOND) /* 2024-10-04 */

static struct recording file;
static struct message_result result;
static uint64_t until_ns[WORKERS_MAX];

/* All steps there are to be made, of which the last one's result is left. */
static void steps_until(void)
{
	memset(until_ns, 0, sizeof(until_ns));
	do {
		result = (struct message_result){ 0 };
		repair_step(&place, &result);
		for (unsigned i = 0; i < WORKERS_MAX; i++)
			if (result.until_ns[i] > until_ns[i])
				until_ns[i] = result.until_ns[i];
	} while (result.again);
}

/* Worker 1: two files; 0: nothing but an empty one ahead; 2: one without a packet; 3: one that is
 * nothing of ours behind its head; 4: one that is held; 5: one that was finished, but not named. */
START_TEST(of_each_worker_it_is_told_where_its_files_end)
{
	static uint8_t other[3 * FILE_HEADER_BYTES];
	uint64_t first, second;
	int fd;

	recording_build(&file, 2, 47, false);
	first = file.chunks[1].last_ns;
	place_file("eth0-19700101T000000.001000Z-w1.pcapng.partial", file.bytes, file.size);
	place_file(".eth0-w0-1-1.spare", file.bytes, FILE_HEADER_BYTES);
	place_file("eth0-19700101T000000.001000Z-w2.pcapng.partial", file.bytes,
		   FILE_HEADER_BYTES + 1);
	memcpy(other, file.bytes, FILE_HEADER_BYTES);
	memset(other + FILE_HEADER_BYTES, 0x55, sizeof(other) - FILE_HEADER_BYTES);
	place_file("eth0-19700101T000000.001000Z-w3.pcapng.partial", other, sizeof(other));
	place_file("eth0-19700101T000000.001000Z-w4.pcapng.partial", file.bytes, file.size);
	fd = openat(place.fd, "eth0-19700101T000000.001000Z-w4.pcapng.partial", O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
	recording_build(&file, 5, 48, true);
	second = file.chunks[4].last_ns;
	place_file("eth0-19700101T000000.001000Z-w5.pcapng.partial", file.bytes, file.size);
	place_file(".eth0-w1-1-1.spare", file.bytes, file.chunks[3].end);
	steps_until();
	ck_assert_uint_eq(until_ns[1],
			  file.chunks[3].last_ns > first ? file.chunks[3].last_ns : first);
	ck_assert_uint_eq(until_ns[0], LEFT_NO_PACKET);
	ck_assert_uint_eq(until_ns[2], LEFT_NO_PACKET);
	ck_assert_uint_eq(until_ns[3], LEFT_NO_PACKET);
	ck_assert_uint_eq(until_ns[4], 0);
	ck_assert_uint_eq(until_ns[5], second);
	ck_assert_uint_eq(until_ns[6], 0);
	ck_assert_uint_eq(result.held, 1);
	close(fd);
	steps_until();
	ck_assert_uint_eq(until_ns[4], first);
	ck_assert_uint_eq(until_ns[1], 0);
	ck_assert_uint_eq(result.held, 0);
}
END_TEST

static struct gap gap;
static char text[GAP_TEXT];

static void take(unsigned worker, uint64_t ns)
{
	struct message_result answer = { .capture = 1 };

	answer.until_ns[worker] = ns;
	gap_repaired(&gap, &answer);
}

static void begin(void)
{
	memset(&gap, 0, sizeof(gap));
	memset(text, 0, sizeof(text));
}

#define DIED	  "the previous instance died: nothing is recorded from "
#define TO_SECOND ", the last packet in its files, to 2024-10-04T00:01:00.000Z"

START_TEST(nothing_is_told_of_nothing)
{
	begin();
	ck_assert(!gap_repaired_text(&gap, DAY, text));
	take(0, LEFT_NO_PACKET);
	ck_assert(!gap_repaired_text(&gap, DAY, text));
}
END_TEST

START_TEST(of_one_worker_a_single_gap_is_told)
{
	begin();
	take(0, DAY + SECOND);
	ck_assert(gap_repaired_text(&gap, DAY + 60 * SECOND, text));
	ck_assert_str_eq(text, DIED "2024-10-04T00:00:01.000Z" TO_SECOND);
}
END_TEST

/* Whatever comes first, and whoever wrote last. */
START_TEST(the_worker_that_lagged_most_is_told)
{
	begin();
	take(3, DAY + 5 * SECOND);
	take(1, DAY + 2 * SECOND);
	take(1, DAY + SECOND); /* an older file of it */
	take(2, DAY + 3 * SECOND);
	ck_assert(gap_repaired_text(&gap, DAY + 60 * SECOND, text));
	ck_assert_str_eq(text, DIED
			 "2024-10-04T00:00:05.000Z" TO_SECOND
			 "; some may be missing from 2024-10-04T00:00:02.000Z on, the last packet "
			 "of worker 1");
}
END_TEST

START_TEST(workers_without_a_packet_are_told)
{
	begin();
	take(0, DAY + 5 * SECOND);
	take(1, LEFT_NO_PACKET);
	ck_assert(gap_repaired_text(&gap, DAY + 60 * SECOND, text));
	ck_assert_str_eq(text,
			 DIED "2024-10-04T00:00:05.000Z" TO_SECOND
			      "; the loss of worker 1 is unknown, as its files had no packet");
	begin();
	for (unsigned i = 0; i < WORKERS_MAX; i++)
		take(i, i < 2 ? DAY + 5 * SECOND - i : LEFT_NO_PACKET);
	take(1, LEFT_NO_PACKET); /* the file ahead of one that has packets */
	ck_assert(gap_repaired_text(&gap, DAY + 60 * SECOND, text));
	ck_assert_str_eq(text, DIED
			 "2024-10-04T00:00:05.000Z" TO_SECOND
			 "; some may be missing from 2024-10-04T00:00:04.999Z on, the last packet "
			 "of worker 1; the loss of worker 2 and 61 more is unknown, as its files "
			 "had no packet");
}
END_TEST

/* Not before this daemon records; once; and once more, as a whole, when there is more. */
START_TEST(it_is_told_when_it_is_known_and_once)
{
	begin();
	take(0, DAY + SECOND);
	ck_assert(!gap_repaired_text(&gap, 0, text));
	ck_assert(!gap_repaired_text(&gap, DAY + SECOND, text)); /* of one that lives beside it */
	ck_assert(gap_repaired_text(&gap, DAY + 60 * SECOND, text));
	ck_assert(!gap_repaired_text(&gap, DAY + 60 * SECOND, text));
	take(0, DAY + SECOND);
	take(1, LEFT_NO_PACKET);
	ck_assert(!gap_repaired_text(&gap, DAY + 60 * SECOND, text));
	take(1, DAY + 2 * SECOND);
	ck_assert(gap_repaired_text(&gap, DAY + 60 * SECOND, text));
	ck_assert_str_eq(text, DIED
			 "2024-10-04T00:00:02.000Z" TO_SECOND
			 "; some may be missing from 2024-10-04T00:00:01.000Z on, the last packet "
			 "of worker 0");
}
END_TEST

/* (G1) */
START_TEST(a_gap_is_closed_once_with_its_whole_length)
{
	begin();
	ck_assert(!gap_close(&gap, DAY, text));
	ck_assert(gap_open(&gap, DAY + SECOND, "its interface was deleted"));
	ck_assert(!gap_open(&gap, DAY + 2 * SECOND, "its ledger was damaged"));
	ck_assert(gap_close(&gap, DAY + 60 * SECOND, text));
	ck_assert_str_eq(text, "nothing is recorded from 2024-10-04T00:00:01.000Z to "
			       "2024-10-04T00:01:00.000Z: its interface was deleted");
	ck_assert(!gap_close(&gap, DAY + 61 * SECOND, text));
	ck_assert(gap_open(&gap, DAY + 62 * SECOND, "its ledger was damaged"));
	ck_assert_str_eq(gap.why, "its ledger was damaged");
}
END_TEST

/* A long reason is whole in the text. */
START_TEST(what_was_written_down_is_continued)
{
	char why[REASON_BYTES];

	begin();
	memset(why, 'x', sizeof(why) - 1);
	why[sizeof(why) - 1] = '\0';
	gap_open(&gap, DAY, "another one");
	gap_restore(&gap, DAY + SECOND, why);
	gap_restore(&gap, DAY + SECOND, gap.why); /* its own text */
	ck_assert(gap_close(&gap, DAY + 60 * SECOND, text));
	ck_assert_ptr_nonnull(strstr(text, why));
	gap_restore(&gap, 0, "");
	ck_assert(!gap_close(&gap, DAY, text));
}
END_TEST

START_TEST(a_gap_moves_with_the_clock)
{
	begin();
	gap_clock(&gap, 5 * (int64_t)SECOND);
	ck_assert_uint_eq(gap.since_ns, 0);
	gap_open(&gap, DAY + 9 * SECOND, "x");
	gap_clock(&gap, -8 * (int64_t)SECOND);
	ck_assert_uint_eq(gap.since_ns, DAY + SECOND);
}
END_TEST

/* (G2) */
START_TEST(what_is_known_to_be_refused_is_not_logged_by_its_files)
{
	begin();
	gap.since_ns = DAY; /* as the record says, of whatever version */
	gap_refuse(&gap, "it was of another version");
	take(0, DAY + SECOND);
	ck_assert(!gap_repaired_text(&gap, DAY + 60 * SECOND, text));
	ck_assert(gap_close(&gap, DAY + 60 * SECOND, text));
	ck_assert_ptr_nonnull(strstr(text, "00:00:00.000Z to 2024-10-04T00:01:00.000Z: it was of"));
	ck_assert(!gap_repaired_text(&gap, DAY + 60 * SECOND, text));
}
END_TEST

Suite *suite_gap(void)
{
	Suite *s = suite_create("gap");
	TCase *t = tcase_create("gap");

	tcase_add_test(t, a_gap_is_closed_once_with_its_whole_length);
	tcase_add_test(t, what_was_written_down_is_continued);
	tcase_add_test(t, a_gap_moves_with_the_clock);
	tcase_add_test(t, what_is_known_to_be_refused_is_not_logged_by_its_files);
	tcase_add_test(t, nothing_is_told_of_nothing);
	tcase_add_test(t, of_one_worker_a_single_gap_is_told);
	tcase_add_test(t, the_worker_that_lagged_most_is_told);
	tcase_add_test(t, workers_without_a_packet_are_told);
	tcase_add_test(t, it_is_told_when_it_is_known_and_once);
	suite_add_tcase(s, t);
	t = tcase_create("where files end");
	tcase_add_checked_fixture(t, place_setup, place_teardown);
	tcase_add_test(t, of_each_worker_it_is_told_where_its_files_end);
	suite_add_tcase(s, t);
	return s;
}
