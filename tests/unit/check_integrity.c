/* daemon/archive/integrity.c, partial.c: what other programs do to files in use. */
#include "recording.h"
#include "place.h"
#include "suites.h"

#include "../../daemon/archive/integrity.h"
#include "../../daemon/archive/partial.h"
#include "../../daemon/format/header.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STEM	 "eth0-20260203T040506.789012Z-w1"
#define PARTIAL	 STEM ".pcapng.partial"
#define FINISHED STEM ".pcapng"
#define SUSPECT	 STEM ".suspect.pcapng"

static struct message_archive request;
static struct message_result result;
static struct recording file;
static int fd;

static void file_fill(void)
{
	int flags = fcntl(fd, F_GETFL);

	recording_build(&file, 5, 3, false);
	ck_assert_int_eq(fcntl(fd, F_SETFL, flags & ~O_DIRECT), 0);
	ck_assert_int_eq(pwrite(fd, file.bytes + FILE_HEADER_BYTES, file.size - FILE_HEADER_BYTES,
				FILE_HEADER_BYTES),
			 (ssize_t)(file.size - FILE_HEADER_BYTES));
	ck_assert_int_eq(fcntl(fd, F_SETFL, flags), 0);
	request.file.since_ns = UINT64_C(1770091506789012345);
	request.file.end = file.chunks[4].end;
	request.file.finish.written = 0;
	for (unsigned i = 0; i < 5; i++)
		request.file.finish.written += file.chunks[i].packets;
}

static void file_named(void)
{
	result = (struct message_result){ 0 };
	partial_name(&place, &request, fd, &result);
	ck_assert_msg(result.error == 0, "%s", result.text);
	memcpy(request.name, result.name, sizeof(request.name));
}

/* A hidden file; one in use, which has its name. */
static void setup_spare(void)
{
	place_setup();
	request = (struct message_archive){ .worker = 1, .file = { .serial = 5 } };
	result = (struct message_result){ 0 };
	fd = file_open(&place, &request, &result);
	ck_assert_msg(fd >= 0, "%s", result.text);
	memcpy(request.name, result.name, sizeof(request.name));
}

static void setup(void)
{
	setup_spare();
	file_fill();
	file_named();
	ck_assert_str_eq(request.name, PARTIAL);
}

static void teardown(void)
{
	close(fd);
	place_teardown();
}

static const char *looked(void)
{
	result = (struct message_result){ 0 };
	integrity_check(&place, &request, fd, &result);
	ck_assert_int_eq(result.error, 0);
	ck_assert_uint_eq(result.lost, *result.text != '\0');
	return result.text;
}

static void finished(void)
{
	result = (struct message_result){ 0 };
	partial_finish(&place, &request, fd, &result);
}

static void away(void)
{
	ck_assert_int_eq(renameat(place.fd, request.name, place.fd, "away"), 0);
}

static void gone(void)
{
	ck_assert_int_eq(unlinkat(place.fd, request.name, 0), 0);
}

static void emptied(void)
{
	int other = openat(place.fd, request.name, O_WRONLY | O_TRUNC);

	ck_assert_int_ge(other, 0);
	close(other);
}

/* What comes behind a hole has the size that the file should have. */
static void written_on(void)
{
	int flags = fcntl(fd, F_GETFL);

	ck_assert_int_eq(fcntl(fd, F_SETFL, flags & ~O_DIRECT), 0);
	ck_assert_int_eq(pwrite(fd, "more", 4, (off_t)request.file.end + 5000), 4);
	ck_assert_int_eq(fcntl(fd, F_SETFL, flags), 0);
}

START_TEST(a_file_that_is_as_it_was_is_left_alone)
{
	struct stat before, after;

	ck_assert_int_eq(fstat(fd, &before), 0);
	ck_assert_str_eq(looked(), "");
	ck_assert_int_eq(fstat(fd, &after), 0);
	ck_assert_int_eq(memcmp(&before, &after, sizeof(before)), 0); /* its times, too */
	finished();
	ck_assert_int_eq(result.error, 0);
	ck_assert_uint_eq(result.lost, 0);
	ck_assert_str_eq(result.name, FINISHED);
}
END_TEST

START_TEST(what_was_done_to_it_is_told)
{
	written_on();
	away();
	ck_assert_str_eq(looked(), "was moved away");
	place_file(PARTIAL, "other", 5);
	ck_assert_str_eq(looked(), "was replaced by another file");
	ck_assert_int_eq(renameat(place.fd, "away", place.fd, PARTIAL), 0);
	ck_assert_str_eq(looked(), "");
	emptied();
	ck_assert_str_eq(looked(), "was truncated");
	written_on(); /* before anybody looked */
	ck_assert_str_eq(looked(), "was emptied");
	gone();
	ck_assert_str_eq(looked(), "was removed");
}
END_TEST

START_TEST(a_removed_file_is_lost_with_all_that_was_in_it)
{
	gone();
	finished();
	ck_assert_int_eq(result.error, ENOENT);
	ck_assert_uint_eq(result.lost, 1);
	ck_assert_uint_eq(result.later, 0);
	ck_assert_uint_eq(result.readable, 0);
	ck_assert_str_eq(result.text, PARTIAL " in " PLACE_DIRECTORY " was removed");
	ck_assert_uint_eq(place_count(), 0);
}
END_TEST

/* Whoever moved it has a whole file. */
START_TEST(a_file_that_was_moved_away_is_lost_but_whole)
{
	struct recording_found found;

	away();
	finished();
	ck_assert_uint_eq(result.lost, 1);
	ck_assert_ptr_nonnull(strstr(result.text, "was moved away"));
	ck_assert(recording_read(file.bytes, place_read("away", file.bytes, sizeof(file.bytes)),
				 &found));
	ck_assert_uint_eq(found.delivered, request.file.finish.written);
	ck_assert_uint_eq(place_count(), 1);
}
END_TEST

/* Its packets are where files are. */
START_TEST(a_file_that_somebody_gave_its_final_name_is_not_lost)
{
	ck_assert_int_eq(renameat(place.fd, PARTIAL, place.fd, FINISHED), 0);
	ck_assert_str_eq(looked(), "was moved away");
	finished();
	ck_assert_int_eq(result.error, 0);
	ck_assert_uint_eq(result.lost, 0);
	ck_assert_str_eq(result.name, FINISHED);
}
END_TEST

START_TEST(an_emptied_file_ends_as_suspect)
{
	emptied();
	if (_i)
		written_on();
	finished();
	ck_assert_int_eq(result.error, EBADMSG);
	ck_assert_uint_eq(result.lost, 1);
	ck_assert_uint_eq(result.readable, 0);
	ck_assert_str_eq(result.name, SUSPECT);
	ck_assert_ptr_nonnull(strstr(result.text, "was changed while it was written, by another "
						  "program or a failing disk"));
}
END_TEST

/* Cut within its third chunk's header: the packets of the first two can be read. */
START_TEST(what_can_be_read_of_a_truncated_file_is_not_lost)
{
	ck_assert_int_eq(ftruncate(fd, (off_t)file.chunks[2].begin + 60), 0);
	ck_assert_str_eq(looked(), "was truncated");
	if (_i)
		written_on();
	finished();
	ck_assert_int_eq(result.error, EBADMSG);
	ck_assert_str_eq(result.name, SUSPECT);
	ck_assert_uint_eq(result.readable, file.chunks[0].packets + file.chunks[1].packets);
}
END_TEST

START_TEST(a_first_page_or_chunk_that_is_not_what_was_written_is_found)
{
	int flags = fcntl(fd, F_GETFL);

	ck_assert_int_eq(fcntl(fd, F_SETFL, flags & ~O_DIRECT), 0);
	ck_assert_int_eq(pwrite(fd, "\xff\xff\xff\xff", 4, _i ? FILE_HEADER_BYTES : 0), 4);
	finished();
	ck_assert_int_eq(result.error, EBADMSG);
	ck_assert_str_eq(result.name, SUSPECT);
	ck_assert_uint_eq(result.readable, 0);
}
END_TEST

/* No hole: zeros that somebody wrote. And what was preallocated goes back. */
START_TEST(a_first_chunk_of_zeros_is_found)
{
	static const uint8_t zeros[4096];
	int flags = fcntl(fd, F_GETFL);
	struct stat st;

	ck_assert_int_eq(file_preallocate(&place, fd), 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_ge(st.st_blocks * 512, (int64_t)place.capture.file_bytes);
	ck_assert_int_eq(fcntl(fd, F_SETFL, flags & ~O_DIRECT), 0);
	ck_assert_int_eq(pwrite(fd, zeros, sizeof(zeros), FILE_HEADER_BYTES), sizeof(zeros));
	finished();
	ck_assert_int_eq(result.error, EBADMSG);
	ck_assert_str_eq(result.name, SUSPECT);
	ck_assert_uint_eq(result.readable, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(st.st_size, (int64_t)file.size);
	ck_assert_int_lt(st.st_blocks * 512, st.st_size + 8192);
}
END_TEST

/* A file that has losses alone. */
START_TEST(a_file_without_a_packet_is_read_back_too)
{
	ck_assert_int_eq(ftruncate(fd, FILE_HEADER_BYTES), 0);
	request.file.end = FILE_HEADER_BYTES;
	finished();
	ck_assert_int_eq(result.error, 0);
	ck_assert_str_eq(result.name, FINISHED);
}
END_TEST

static void copied(void)
{
	struct recording_found found;

	ck_assert_msg(result.error == 0, "%s", result.text);
	ck_assert_uint_eq(result.lost, 0);
	ck_assert_str_eq(result.name, FINISHED);
	ck_assert(recording_read(file.bytes, place_read(FINISHED, file.bytes, sizeof(file.bytes)),
				 &found));
	ck_assert_uint_eq(found.delivered, request.file.finish.written);
	ck_assert_uint_eq(found.packets, request.file.finish.written);
}

/* It comes into use all the same: the worker has the descriptor. */
START_TEST(a_spare_that_was_taken_away_loses_no_packet)
{
	char spare[FILE_NAME_BYTES];

	memcpy(spare, request.name, sizeof(spare));
	place_log();
	if (_i == 0)
		gone();
	else
		away();
	if (_i == 2)
		place_file(spare, "other", 5);
	file_fill();
	file_named();
	ck_assert_uint_eq(result.lost, 1);
	ck_assert_str_eq(request.name, spare);
	finished();
	copied();
	ck_assert_uint_eq(place_count(), _i + 1);
	ck_assert_uint_eq(place_logged("the spare file .eth0"), 1);
	if (_i == 2)
		ck_assert_int_eq(place_size(spare), 5);
}
END_TEST

START_TEST(an_emptied_spare_gets_its_head_again)
{
	emptied();
	file_fill();
	file_named();
	ck_assert_uint_eq(result.lost, 0);
	ck_assert_str_eq(request.name, PARTIAL);
	finished();
	copied();
}
END_TEST

/* The answer to its naming was lost with the archive process, not the file. */
START_TEST(a_named_spare_is_not_copied)
{
	char spare[FILE_NAME_BYTES];

	memcpy(spare, request.name, sizeof(spare));
	file_fill();
	file_named();
	memcpy(request.name, spare, sizeof(spare));
	finished();
	copied();
	ck_assert_uint_eq(place_count(), 1);
}
END_TEST

/* No name can be given now: later. */
START_TEST(what_cannot_be_named_is_asked_for_again)
{
	struct stat st;
	uid_t root = geteuid();

	ck_assert_int_eq(fchmod(place.fd, 0500), 0);
	ck_assert_int_eq(fchown(place.fd, 65534, 65534), 0);
	ck_assert_int_eq(seteuid(65534), 0);
	finished();
	ck_assert_int_eq(result.error, EACCES);
	ck_assert_uint_eq(result.later, 1);
	ck_assert_uint_eq(result.lost, 0);
	ck_assert_str_eq(result.name, PARTIAL);
	ck_assert_int_eq(seteuid(root), 0);
	finished();
	ck_assert_int_eq(result.error, 0);
	ck_assert_uint_eq(result.later, 0);
	ck_assert_str_eq(result.name, FINISHED);
	ck_assert_int_eq(fstat(fd, &st), 0);
}
END_TEST

Suite *suite_integrity(void)
{
	Suite *s = suite_create("integrity");
	TCase *t = tcase_create("files in use"), *spare = tcase_create("spare files");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_file_that_is_as_it_was_is_left_alone);
	tcase_add_test(t, what_was_done_to_it_is_told);
	tcase_add_test(t, a_removed_file_is_lost_with_all_that_was_in_it);
	tcase_add_test(t, a_file_that_was_moved_away_is_lost_but_whole);
	tcase_add_test(t, a_file_that_somebody_gave_its_final_name_is_not_lost);
	tcase_add_loop_test(t, an_emptied_file_ends_as_suspect, 0, 2);
	tcase_add_loop_test(t, what_can_be_read_of_a_truncated_file_is_not_lost, 0, 2);
	tcase_add_loop_test(t, a_first_page_or_chunk_that_is_not_what_was_written_is_found, 0, 2);
	tcase_add_test(t, a_first_chunk_of_zeros_is_found);
	tcase_add_test(t, a_file_without_a_packet_is_read_back_too);
	tcase_add_test(t, what_cannot_be_named_is_asked_for_again);
	suite_add_tcase(s, t);
	tcase_add_checked_fixture(spare, setup_spare, teardown);
	tcase_add_loop_test(spare, a_spare_that_was_taken_away_loses_no_packet, 0, 3);
	tcase_add_test(spare, an_emptied_spare_gets_its_head_again);
	tcase_add_test(spare, a_named_spare_is_not_copied);
	suite_add_tcase(s, spare);
	return s;
}
