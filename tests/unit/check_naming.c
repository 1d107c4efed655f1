/* daemon/archive/partial.c, repair.c, reopen.c: a file has the name of its first packet. */
#include "recording.h"
#include "place.h"
#include "suites.h"

#include "../../daemon/archive/partial.h"
#include "../../daemon/archive/reopen.h"
#include "../../daemon/archive/repair.h"
#include "../../daemon/archive/retention.h"
#include "../../daemon/format/header.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_NS UINT64_C(1770091506789012345)
#define SECOND	 UINT64_C(1000000000)
#define STEM	 "eth0-20260203T040506.789012Z-w1"
#define NEXT	 "eth0-20260203T040506.789013Z-w1"
#define PACKET	 "eth0-20231114T221320.123456Z-w1" /* the first one of a recording */

static struct message_archive request;
static struct message_result result;
static struct recording file;

/* A hidden file with chunks, as a worker wrote them: its packets begin at `first_ns`, which may be
 * another clock's than its first use. */
static int written(uint64_t serial, uint64_t first_ns, uint64_t since_ns)
{
	int fd, flags;

	request = (struct message_archive){ .worker = 1, .file = { .serial = serial } };
	result = (struct message_result){ 0 };
	fd = file_open(&place, &request, &result);
	ck_assert_msg(fd >= 0, "%s", result.text);
	flags = fcntl(fd, F_GETFL);
	fcntl(fd, F_SETFL, flags & ~O_DIRECT);
	recording_build(&file, 5, 3, false);
	ck_assert_int_eq(pwrite(fd, file.bytes + FILE_HEADER_BYTES, file.size - FILE_HEADER_BYTES,
				FILE_HEADER_BYTES),
			 (ssize_t)(file.size - FILE_HEADER_BYTES));
	fcntl(fd, F_SETFL, flags);
	request.file = (struct ledger_file){ .serial = serial,
					     .first_ns = first_ns,
					     .since_ns = since_ns,
					     .until_ns = since_ns + SECOND,
					     .end = file.chunks[4].end };
	memcpy(request.name, result.name, sizeof(request.name));
	return fd;
}

static const char *named(int fd)
{
	result = (struct message_result){ 0 };
	partial_name(&place, &request, fd, &result);
	ck_assert_msg(result.error == 0, "%s", result.text);
	memcpy(request.name, result.name, sizeof(request.name));
	return request.name;
}

static const char *finished(int fd)
{
	result = (struct message_result){ 0 };
	partial_finish(&place, &request, fd, &result);
	ck_assert_msg(result.error == 0, "%s", result.text);
	close(fd);
	return result.name;
}

static bool repaired(void)
{
	result = (struct message_result){ 0 };
	return repair_step(&place, &result);
}

/* Whenever it was written first: before, after, by a clock that is set or is not. */
START_TEST(a_file_is_named_by_its_first_packet)
{
	static const uint64_t since[] = { FIRST_NS + SECOND / 3, FIRST_NS - SECOND, 1,
					  FIRST_NS + 86400 * SECOND };
	int fd = written(5, FIRST_NS, since[_i]);

	ck_assert_str_eq(named(fd), STEM ".pcapng.partial");
	request.file.first_ns += SECOND; /* asked again: it has its name */
	ck_assert_str_eq(named(fd), STEM ".pcapng.partial");
	ck_assert_str_eq(finished(fd), STEM ".pcapng");
}
END_TEST

START_TEST(a_file_that_ends_before_it_was_named_has_the_same_name)
{
	int fd = written(5, FIRST_NS, FIRST_NS + SECOND);

	ck_assert_str_eq(finished(fd), STEM ".pcapng");
	ck_assert_uint_eq(place_count(), 1);
}
END_TEST

/* Its first write failed, or it counts losses alone. */
START_TEST(a_file_without_a_packet_is_named_by_its_first_use)
{
	int fd = written(5, 0, FIRST_NS);

	ck_assert_str_eq(named(fd), STEM ".pcapng.partial");
	ck_assert_str_eq(finished(fd), STEM ".pcapng");
	fd = written(6, 0, FIRST_NS);
	ck_assert_str_eq(finished(fd), NEXT ".pcapng");
}
END_TEST

/* Whether its daemon died before it was named, or after. */
START_TEST(a_repaired_file_has_the_name_that_it_would_have_got)
{
	int fd = written(5, file.chunks[0].first_ns, FIRST_NS);

	request.file.first_ns = file.chunks[0].first_ns;
	if (_i)
		ck_assert_str_eq(named(fd), PACKET ".pcapng.partial");
	close(fd);
	ck_assert(repaired());
	ck_assert_uint_eq(result.repaired, 1);
	ck_assert_int_gt(place_size(PACKET ".pcapng"), 0);
	ck_assert_uint_eq(place_count(), 1);
	fd = written(6, file.chunks[0].first_ns, FIRST_NS); /* and one that lived */
	ck_assert_int_eq(unlinkat(place.fd, PACKET ".pcapng", 0), 0);
	ck_assert_str_eq(finished(fd), PACKET ".pcapng");
}
END_TEST

START_TEST(a_file_found_again_is_named_by_its_first_packet)
{
	int fd = written(5, FIRST_NS, FIRST_NS + SECOND), again;
	struct message_archive found = request;
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	found.device = st.st_dev;
	found.inode = st.st_ino;
	close(fd);
	again = file_reopen(&place, &found, &result);
	ck_assert_int_ge(again, 0);
	ck_assert_str_eq(result.name, request.name);
	ck_assert_str_eq(named(again), STEM ".pcapng.partial");
	close(again);
	again = file_reopen(&place, &found, &result);
	ck_assert_str_eq(result.name, STEM ".pcapng.partial");
	ck_assert_str_eq(finished(again), STEM ".pcapng");
}
END_TEST

/* Two packets of one microsecond, as after the clock was set back. */
START_TEST(a_name_that_is_taken_is_the_next_microseconds)
{
	static const char *const taken[] = { ".pcapng", ".suspect.pcapng", ".pcapng.partial" };
	char name[FILE_NAME_BYTES], packet[FILE_NAME_BYTES];
	int fd;

	snprintf(name, sizeof(name), STEM "%s", taken[_i]);
	snprintf(packet, sizeof(packet), PACKET "%s", taken[_i]);
	place_file(name, "here", 4);
	place_file(packet, "here", 4);
	fd = openat(place.fd, packet, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0); /* none is repaired */
	fd = openat(place.fd, name, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	fd = written(5, FIRST_NS, FIRST_NS);
	ck_assert_str_eq(named(fd), NEXT ".pcapng.partial");
	ck_assert_str_eq(finished(fd), NEXT ".pcapng");
	fd = written(6, FIRST_NS, FIRST_NS);
	ck_assert_str_eq(finished(fd), "eth0-20260203T040506.789014Z-w1.pcapng");
	close(written(7, FIRST_NS, FIRST_NS));
	ck_assert(repaired());
	ck_assert_int_gt(place_size("eth0-20231114T221320.123457Z-w1.pcapng"), 0);
	ck_assert_int_eq(place_size(name), 4);
	ck_assert_int_eq(place_size(packet), 4);
	ck_assert_uint_eq(place_count(), 5);
}
END_TEST

/* Files of before the clock was set back, and of 0.1.0: the order is that of making. */
START_TEST(what_was_made_first_goes_first_whatever_packets_say)
{
	static const uint64_t first[] = { FIRST_NS, FIRST_NS - 86400 * SECOND,
					  FIRST_NS + 86400 * SECOND, FIRST_NS - SECOND, 1000 };
	static const char old[] = "eth0-w1-20300101T000000.000000Z.pcapng";
	char names[5][FILE_NAME_BYTES];
	uint64_t bytes;

	place_file(old, file.bytes, 100);
	for (unsigned i = 0; i < 5; i++)
		strcpy(names[i], finished(written(i, first[i], FIRST_NS)));
	bytes = (uint64_t)place_size(names[0]);
	for (unsigned i = 0; i < 5; i++) {
		place.capture.config.disk_budget = (5 - i) * bytes + 50;
		result = (struct message_result){ 0 };
		ck_assert(retention_enforce(&place, 0, &result));
		ck_assert_uint_eq(result.removed, 1);
		ck_assert_int_eq(place_size(i ? names[i - 1] : old), -1);
		ck_assert_int_gt(place_size(names[i]), 0);
	}
}
END_TEST

static void setup(void)
{
	place_setup();
	recording_build(&file, 5, 3, false);
}

Suite *suite_naming(void)
{
	Suite *s = suite_create("naming");
	TCase *t = tcase_create("naming");

	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, setup, place_teardown);
	tcase_add_loop_test(t, a_file_is_named_by_its_first_packet, 0, 4);
	tcase_add_test(t, a_file_that_ends_before_it_was_named_has_the_same_name);
	tcase_add_test(t, a_file_without_a_packet_is_named_by_its_first_use);
	tcase_add_loop_test(t, a_repaired_file_has_the_name_that_it_would_have_got, 0, 2);
	tcase_add_test(t, a_file_found_again_is_named_by_its_first_packet);
	tcase_add_loop_test(t, a_name_that_is_taken_is_the_next_microseconds, 0, 3);
	tcase_add_test(t, what_was_made_first_goes_first_whatever_packets_say);
	suite_add_tcase(s, t);
	return s;
}
