/* daemon/archive/archive.c, spoken to over its channel as the supervisor does. */
#include "recording.h"
#include "place.h"
#include "suites.h"

#include "../../daemon/archive/archive.h"
#include "../../daemon/base/channel.h"
#include "../../daemon/base/inflight.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB	     (UINT64_C(1) << 20)
#define FILE_BYTES   (4 * MIB)
#define PARTIAL	     "eth0-20260203T040506.789012Z-w0.pcapng.partial"
#define FINISHED     "eth0-20260203T040506.789012Z-w0.pcapng"
#define OLD_PARTIAL  "eth0-20200101T000000.000000Z-w0.pcapng.partial"
#define OLD_FINISHED "eth0-20200101T000000.000000Z-w0.pcapng"

static struct recording file;
static struct message answer;
static int channel;
static pid_t archive;

static void setup(void)
{
	int ends[2];

	place_setup();
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
	place.capture.capture = 3;
	place.capture.file_bytes = FILE_BYTES;
}

static void teardown(void)
{
	int status;

	close(channel);
	ck_assert_int_eq(waitpid(archive, &status, 0), archive);
	ck_assert_int_eq(status, 0);
	place_teardown();
}

/* Returns the descriptor that came along, or -1: each way in a socket. */
static int ask(struct message *request, int fd, uint32_t answered)
{
	struct pollfd p = { channel, POLLIN, 0 };
	int socket = fd < 0 ? -1 : inflight_put(fd), passed;

	ck_assert_int_eq(channel_send(channel, request, socket), 0);
	ck_assert_int_eq(poll(&p, 1, 60000), 1);
	ck_assert_int_eq(channel_recv(channel, CHANNEL_ARCHIVE, &answer, &passed), 1);
	ck_assert_uint_eq(answer.type, answered);
	if (socket >= 0)
		close(socket);
	socket = passed;
	if (socket >= 0) {
		passed = inflight_get(socket);
		ck_assert_int_ge(passed, 0);
		close(socket);
	}
	return passed;
}

/* Returns the directory that it opened, or was given; -1 where it has none. */
static int directory_tell(int given)
{
	struct message request = { .type = MESSAGE_CAPTURE, .capture = place.capture };
	int fd = ask(&request, given, MESSAGE_CAPTURE_OK);

	ck_assert_uint_eq(answer.result.capture, 3);
	if (answer.result.error)
		ck_assert_int_eq(fd, -1);
	else
		ck_assert_int_ge(fd, 0);
	return fd;
}

static void capture_tell(void)
{
	close(directory_tell(-1));
}

static struct message request_of(uint32_t type)
{
	struct message request = {
		.type = type,
		.archive = { .capture = 3,
			     .file = { .serial = 9, .since_ns = UINT64_C(1770091506789012000) } }
	};

	memcpy(request.archive.name, answer.result.name, sizeof(request.archive.name));
	return request;
}

static int file_asked(void)
{
	struct message request = request_of(MESSAGE_OPEN);
	int fd = ask(&request, -1, MESSAGE_OPENED);

	ck_assert_msg(answer.result.error == 0, "%s", answer.result.text);
	ck_assert_int_ge(fd, 0);
	ck_assert_uint_eq(answer.result.serial, 9);
	return fd;
}

START_TEST(a_file_goes_its_way)
{
	struct message request;
	int fd;

	capture_tell();
	ck_assert_int_eq(answer.result.error, 0);
	fd = file_asked();
	ck_assert_uint_gt(answer.result.available, 0);
	request = request_of(MESSAGE_NAME);
	ask(&request, fd, MESSAGE_NAMED);
	ck_assert_str_eq(answer.result.name, PARTIAL);
	request = request_of(MESSAGE_SYNC);
	ask(&request, fd, MESSAGE_SYNCED);
	ck_assert_int_eq(answer.result.error, 0);
	ck_assert_str_eq(answer.result.name, PARTIAL);
	request = request_of(MESSAGE_MAINTAIN);
	ask(&request, -1, MESSAGE_MAINTAINED);
	ck_assert_uint_eq(answer.result.repaired, 0); /* it is held */
	strcpy(answer.result.name, PARTIAL);
	request = request_of(MESSAGE_FINISH);
	request.archive.file.end = 4096;
	ask(&request, fd, MESSAGE_FINISHED);
	ck_assert_int_eq(answer.result.error, 0);
	ck_assert_str_eq(answer.result.name, FINISHED);
	close(fd);
	fd = file_asked();
	request = request_of(MESSAGE_DISCARD);
	ask(&request, fd, MESSAGE_DISCARDED);
	close(fd);
	ck_assert_uint_eq(place_count(), 1);
}
END_TEST

static int reopen(uint64_t device, uint64_t inode, uint32_t worker)
{
	struct message request = request_of(MESSAGE_REOPEN);

	request.archive.worker = worker;
	request.archive.device = device;
	request.archive.inode = inode;
	return ask(&request, -1, MESSAGE_OPENED);
}

/* By the inode, whatever it is called by now. */
START_TEST(the_file_of_a_dead_daemon_is_found_again)
{
	uint64_t device, inode;
	struct message request;
	int fd, again;

	capture_tell();
	fd = file_asked();
	device = answer.result.device;
	inode = answer.result.inode;
	request = request_of(MESSAGE_NAME);
	ask(&request, fd, MESSAGE_NAMED);
	ck_assert_int_lt(reopen(device, inode, 0), 0); /* somebody has it still */
	ck_assert_int_eq(answer.result.error, EWOULDBLOCK);
	close(fd);
	again = reopen(device, inode, 0);
	ck_assert_int_ge(again, 0);
	ck_assert_str_eq(answer.result.name, PARTIAL);
	ck_assert_uint_eq(answer.result.inode, inode);
	ck_assert_uint_ge(answer.result.align, 4);
	request = request_of(MESSAGE_MAINTAIN);
	ask(&request, -1, MESSAGE_MAINTAINED);
	ck_assert_uint_eq(answer.result.repaired, 0);  /* it is locked again */
	ck_assert_int_lt(reopen(device, inode, 1), 0); /* another worker's */
	ck_assert_int_eq(answer.result.error, ENOENT);
	ck_assert_int_lt(reopen(device, inode + 1, 0), 0);
	ck_assert_int_eq(answer.result.error, ENOENT);
	strcpy(answer.result.name, PARTIAL);
	request = request_of(MESSAGE_FINISH);
	request.archive.file.end = 4096;
	ask(&request, again, MESSAGE_FINISHED);
	close(again);
	ck_assert_int_lt(reopen(device, inode, 0), 0);
	ck_assert_int_eq(answer.result.error, EEXIST);
}
END_TEST

/* Where a file ends is a worker's word. */
START_TEST(an_end_behind_the_file_makes_it_a_suspect)
{
	struct message request;
	int fd;

	capture_tell();
	fd = file_asked();
	request = request_of(MESSAGE_NAME);
	ask(&request, fd, MESSAGE_NAMED);
	request = request_of(MESSAGE_FINISH);
	request.archive.file.end = 1 << 20;
	ask(&request, fd, MESSAGE_FINISHED);
	ck_assert_int_eq(answer.result.error, EBADMSG);
	ck_assert_uint_eq(answer.result.lost, 1);
	ck_assert_ptr_nonnull(strstr(answer.result.name, ".suspect.pcapng"));
	ck_assert_int_eq(place_size(answer.result.name), 4096);
	close(fd);
}
END_TEST

START_TEST(what_a_dead_daemon_left_is_repaired_file_by_file)
{
	struct message request;

	recording_build(&file, 5, 1, false);
	place_file(OLD_PARTIAL, file.bytes, file.size);
	place_file("eth0-20200101T000000.000000Z-w1.pcapng.partial", file.bytes, file.size);
	place_file(".eth0-w1-1-1.spare", file.bytes, 4096);
	capture_tell();
	for (unsigned i = 0; i < 3; i++) {
		request = request_of(MESSAGE_MAINTAIN);
		ask(&request, -1, MESSAGE_MAINTAINED);
		ck_assert_uint_eq(answer.result.repaired, i < 2);
		ck_assert_uint_eq(answer.result.again, i < 2);
		ck_assert_uint_eq(answer.result.removed, 0);
		ck_assert_uint_gt(answer.result.available, 0);
	}
	ck_assert_uint_eq(place_count(), 2);
	ck_assert_int_ge(place_size(OLD_FINISHED), 0);
}
END_TEST

/* Used, and not named yet when its daemon died; and bytes that are no chunk. */
START_TEST(packets_without_a_name_are_repaired_and_what_is_no_chunk_is_a_suspect)
{
	static uint8_t other[3 * 4096];
	struct message request;

	recording_build(&file, 5, 1, false);
	place_file(".eth0-w1-1-1.spare", file.bytes, file.size);
	capture_tell();
	request = request_of(MESSAGE_MAINTAIN);
	ask(&request, -1, MESSAGE_MAINTAINED);
	ck_assert_uint_eq(answer.result.repaired, 1);
	ck_assert_int_lt(place_size(".eth0-w1-1-1.spare"), 0);
	ck_assert_uint_eq(place_count(), 1);
	place_clear();
	memcpy(other, file.bytes, 4096);
	memset(other + 4096, 0x55, sizeof(other) - 4096);
	place_file(OLD_PARTIAL, other, sizeof(other));
	request = request_of(MESSAGE_MAINTAIN);
	ask(&request, -1, MESSAGE_MAINTAINED);
	ck_assert_uint_eq(answer.result.repaired, 0);
	ck_assert_int_eq(place_size("eth0-20200101T000000.000000Z-w0.suspect.pcapng"),
			 (int64_t)sizeof(other));
}
END_TEST

/* The budget holds before the new file is made: what cannot be removed as it is, is repaired first.
 */
START_TEST(room_is_made_before_a_file_is)
{
	int fd;

	recording_build(&file, 5, 1, false);
	place_file(OLD_PARTIAL, file.bytes, file.size);
	place_file(FINISHED, NULL, 1000);
	place.capture.config.disk_budget = FILE_BYTES + 100;
	capture_tell();
	fd = file_asked();
	ck_assert_uint_eq(answer.result.removed, 2);
	ck_assert_uint_eq(answer.result.repaired, 1);
	ck_assert_uint_eq(place_count(), 1);
	close(fd);
}
END_TEST

static int64_t bytes_on_disk(int fd)
{
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	return st.st_blocks * 512;
}

START_TEST(a_file_in_use_is_preallocated_unless_the_reserve_is_touched)
{
	struct message request;
	int fd;

	capture_tell();
	fd = file_asked();
	ck_assert_int_eq(bytes_on_disk(fd), 4096); /* ahead it takes a page */
	request = request_of(MESSAGE_NAME);
	ask(&request, fd, MESSAGE_NAMED);
	ck_assert_int_ge(bytes_on_disk(fd), (int64_t)FILE_BYTES);
	close(fd);
	place_clear();
	place.capture.config.disk_reserve = PLACE_BYTES + 1;
	capture_tell();
	place_file(OLD_FINISHED, NULL, 1000);
	fd = file_asked();
	ck_assert_uint_eq(answer.result.full, 1);
	ck_assert_uint_eq(answer.result.removed, 1);
	request = request_of(MESSAGE_NAME);
	ask(&request, fd, MESSAGE_NAMED);
	ck_assert_int_eq(bytes_on_disk(fd), 4096);
	close(fd);
}
END_TEST

START_TEST(a_capture_that_is_told_wrongly_goes_on_as_it_was)
{
	int fd;

	capture_tell();
	strcpy(place.capture.directory, "/mnt/none");
	capture_tell();
	ck_assert_int_eq(answer.result.error, ENOENT);
	strcpy(place.capture.directory, PLACE_DIRECTORY);
	strcpy(place.capture.name, "../eth0");
	capture_tell();
	ck_assert_int_eq(answer.result.error, EBADMSG);
	strcpy(place.capture.name, "eth0");
	memset(place.capture.filter, 'x', sizeof(place.capture.filter)); /* without an end */
	capture_tell();
	ck_assert_int_eq(answer.result.error, EBADMSG);
	fd = file_asked();
	close(fd);
}
END_TEST

START_TEST(what_is_not_known_is_answered_with_an_error)
{
	struct message request = request_of(MESSAGE_MAINTAIN);

	for (unsigned i = 0; i < 3; i++) {
		static const uint32_t numbers[] = { 3, 16, UINT32_MAX };

		request.archive.capture = numbers[i];
		ck_assert_int_eq(ask(&request, -1, MESSAGE_MAINTAINED), -1);
		ck_assert_int_eq(answer.result.error, EBADMSG);
	}
	strcpy(place.capture.directory, "/mnt/none");
	capture_tell();
	ck_assert_int_eq(answer.result.error, ENOENT);
	request = request_of(MESSAGE_OPEN);
	ck_assert_int_eq(ask(&request, -1, MESSAGE_OPENED), -1);
	ck_assert_int_eq(answer.result.error, ENOENT);
	ck_assert_int_eq(mkdirat(place.fd, "none", 0755), 0);
	close(file_asked()); /* it came */
}
END_TEST

/* Names in messages are names that the archive gave. */
START_TEST(no_path_comes_from_a_message)
{
	static const uint32_t types[] = { MESSAGE_NAME, MESSAGE_FINISH, MESSAGE_DISCARD,
					  MESSAGE_SYNC },
			      answered[] = { MESSAGE_NAMED, MESSAGE_FINISHED, MESSAGE_DISCARDED,
					     MESSAGE_SYNCED };
	static const char *const names[] = {
		"",
		".",
		"..",
		"canary",
		"../mnt/canary",
		PLACE_DIRECTORY "/canary",
		"sub/" PARTIAL,
		"../mnt/" PARTIAL,
		"/" PARTIAL,
		PARTIAL "/../canary",
		"eth1-20260203T040506.789012Z-w0.pcapng.partial",
		"eth0-20260203T040506.789012Z-w1.pcapng.partial", /* another worker's */
		FINISHED, /* finished files are nobody's to ask for */
		"eth0-20260203T040506.789012Z-w0.pcapng.partial\n",
	};
	struct stat before, after;
	int fd;

	capture_tell();
	place_file("canary", "canary", 6);
	place_file(FINISHED, "finished", 8);
	fd = openat(place.fd, "canary", O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(fstat(fd, &before), 0);
	for (unsigned i = 0; i < sizeof(types) / sizeof(*types); i++)
		for (unsigned n = 0; n <= sizeof(names) / sizeof(*names); n++) {
			struct message request = request_of(types[i]);

			if (n == sizeof(names) / sizeof(*names))
				memset(request.archive.name, '.', FILE_NAME_BYTES); /* endless */
			else
				strcpy(request.archive.name, names[n]);
			ask(&request, fd, answered[i]);
			ck_assert_int_eq(answer.result.error, EBADMSG);
		}
	ck_assert_int_eq(fstat(fd, &after), 0);
	ck_assert_int_eq(memcmp(&before, &after, sizeof(after)), 0);
	ck_assert_uint_eq(place_count(), 2);
	ck_assert_int_eq(place_size(FINISHED), 8);
	close(fd);
}
END_TEST

/* The directory that was opened first is the one, wherever the path leads to; also for the next
 * process, which is given it. */
START_TEST(a_directory_is_opened_once)
{
	int first, fd, file_fd;
	struct stat opened, given;

	ck_assert_int_eq(mkdirat(place.fd, "files", 0755), 0);
	ck_assert_int_eq(mkdirat(place.fd, "trap", 0755), 0);
	strcpy(place.capture.directory, PLACE_DIRECTORY "/files");
	first = directory_tell(-1);
	ck_assert_int_eq(renameat(place.fd, "files", place.fd, "away"), 0);
	ck_assert_int_eq(symlinkat("trap", place.fd, "files"), 0);
	close(file_asked());
	ck_assert_int_gt(place_size("away/.eth0-w0-abcdef-9.spare"), 0);
	fd = directory_tell(first);
	ck_assert_int_eq(fstat(first, &opened), 0);
	ck_assert_int_eq(fstat(fd, &given), 0);
	ck_assert_uint_eq(opened.st_ino, given.st_ino);
	close(fd);
	ck_assert_int_eq(unlinkat(place.fd, "away/.eth0-w0-abcdef-9.spare", 0), 0);
	close(file_asked());
	ck_assert_int_gt(place_size("away/.eth0-w0-abcdef-9.spare"), 0);
	ck_assert_int_lt(place_size("trap/.eth0-w0-abcdef-9.spare"), 0);
	file_fd = openat(place.fd, "away/.eth0-w0-abcdef-9.spare", O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(directory_tell(file_fd), -1);
	ck_assert_int_eq(answer.result.error, ENOTDIR);
	close(file_fd);
	close(first);
}
END_TEST

/* ... and nothing can be made in it once it was removed: this process may be confined to it. */
START_TEST(a_removed_directory_is_left_to_the_next_process)
{
	struct message request = request_of(MESSAGE_OPEN);
	int first;

	ck_assert_int_eq(mkdirat(place.fd, "files", 0755), 0);
	strcpy(place.capture.directory, PLACE_DIRECTORY "/files");
	first = directory_tell(-1);
	ck_assert_uint_eq(answer.result.again, 0);
	ck_assert_int_eq(unlinkat(place.fd, "files", AT_REMOVEDIR), 0);
	ck_assert_int_eq(ask(&request, -1, MESSAGE_OPENED), -1);
	ck_assert_int_eq(answer.result.error, ESTALE);
	ck_assert_uint_eq(answer.result.again, 1);
	ck_assert_int_eq(directory_tell(first), -1);
	ck_assert_int_eq(answer.result.error, ESTALE);
	ck_assert_uint_eq(answer.result.again, 1);
	close(first);
}
END_TEST

Suite *suite_archive(void)
{
	Suite *s = suite_create("archive");
	TCase *t = tcase_create("archive");

	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_file_goes_its_way);
	tcase_add_test(t, the_file_of_a_dead_daemon_is_found_again);
	tcase_add_test(t, an_end_behind_the_file_makes_it_a_suspect);
	tcase_add_test(t, what_a_dead_daemon_left_is_repaired_file_by_file);
	tcase_add_test(t, packets_without_a_name_are_repaired_and_what_is_no_chunk_is_a_suspect);
	tcase_add_test(t, room_is_made_before_a_file_is);
	tcase_add_test(t, a_file_in_use_is_preallocated_unless_the_reserve_is_touched);
	tcase_add_test(t, a_capture_that_is_told_wrongly_goes_on_as_it_was);
	tcase_add_test(t, what_is_not_known_is_answered_with_an_error);
	tcase_add_test(t, no_path_comes_from_a_message);
	tcase_add_test(t, a_directory_is_opened_once);
	tcase_add_test(t, a_removed_directory_is_left_to_the_next_process);
	suite_add_tcase(s, t);
	return s;
}
