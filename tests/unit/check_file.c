/* daemon/archive/file.c, partial.c: one file's way, and room for it. */
#include "recording.h"
#include "place.h"
#include "suites.h"

#include "../../daemon/archive/partial.h"
#include "../../daemon/format/header.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SPARE	 ".eth0-w1-abcdef-5.spare"
#define STEM	 "eth0-20260203T040506.789012Z-w1"
#define PARTIAL	 STEM ".pcapng.partial"
#define FINISHED STEM ".pcapng"
#define SUSPECT	 STEM ".suspect.pcapng"
#define MIB	 (UINT64_C(1) << 20)

static struct message_archive request;
static struct message_result result;
static struct recording file;

static int opened(void)
{
	int fd;

	request = (struct message_archive){ .worker = 1, .file = { .serial = 5 } };
	result = (struct message_result){ 0 };
	fd = file_open(&place, &request, &result);
	ck_assert_msg(fd >= 0, "%s", result.text);
	ck_assert_str_eq(result.name, SPARE);
	return fd;
}

/* In use, with chunks in it, which end at request.file.end. */
static int written(void)
{
	int fd = opened(), flags = fcntl(fd, F_GETFL);

	fcntl(fd, F_SETFL, flags & ~O_DIRECT);
	recording_build(&file, 5, 3, false);
	ck_assert_int_eq(pwrite(fd, file.bytes + FILE_HEADER_BYTES, file.size - FILE_HEADER_BYTES,
				FILE_HEADER_BYTES),
			 (ssize_t)(file.size - FILE_HEADER_BYTES));
	fcntl(fd, F_SETFL, flags);
	request.file.since_ns = UINT64_C(1770091506789012345);
	request.file.end = file.chunks[4].end;
	request.file.finish.written = 17;
	memcpy(request.name, result.name, sizeof(request.name));
	partial_name(&place, &request, fd, &result);
	ck_assert_msg(result.error == 0, "%s", result.text);
	ck_assert_str_eq(result.name, PARTIAL);
	memcpy(request.name, result.name, sizeof(request.name));
	return fd;
}

static uint64_t taken(int fd)
{
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

START_TEST(a_new_file_is_a_hidden_locked_head)
{
	int fd = opened(), other;
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0640);
	ck_assert_uint_eq(place_read(SPARE, file.bytes, sizeof(file.bytes)), FILE_HEADER_BYTES);
	ck_assert(header_valid(file.bytes));
	ck_assert_uint_eq(place_count(), 1);
	other = file_lock(&place, SPARE, O_RDONLY);
	ck_assert_int_eq(other, -EWOULDBLOCK);
	close(fd);
	other = file_lock(&place, SPARE, O_RDONLY);
	ck_assert_int_ge(other, 0);
	close(other);
	close(opened()); /* again, as after a death: over what is left */
}
END_TEST

/* On whatever disk: its sectors may be smaller. */
START_TEST(direct_writes_are_whole_pages)
{
	char path[] = "/tmp/afcap-check-XXXXXX";
	int fds[] = { opened(), mkstemp(path) };

	unlink(path);
	for (unsigned i = 0; i < 2; i++) {
		uint32_t align = file_align(fds[i], true);

		ck_assert_int_ge(fds[i], 0);
		ck_assert_uint_eq(file_align(fds[i], false), 4);
		ck_assert_uint_ge(align, (uint32_t)sysconf(_SC_PAGESIZE));
		ck_assert_uint_eq(align & (align - 1), 0);
		close(fds[i]);
	}
}
END_TEST

START_TEST(a_finished_file_has_its_chunks_its_statistics_and_its_name)
{
	int fd = written();
	struct recording_found found;

	place.capture.config.sync = _i ? CONFIG_SYNC_FILE : CONFIG_SYNC_NONE;
	partial_finish(&place, &request, fd, &result);
	ck_assert_msg(result.error == 0, "%s", result.text);
	ck_assert_str_eq(result.name, FINISHED);
	ck_assert(recording_read(file.bytes, place_read(FINISHED, file.bytes, sizeof(file.bytes)),
				 &found));
	ck_assert_uint_eq(found.statistics, request.file.end);
	ck_assert_uint_eq(found.delivered, 17);
	partial_finish(&place, &request, fd, &result); /* repeated */
	ck_assert_int_eq(result.error, 0);
	ck_assert_str_eq(result.name, FINISHED);
	ck_assert_uint_eq(place_count(), 1);
	close(fd);
}
END_TEST

START_TEST(a_file_with_a_failed_write_ends_as_suspect)
{
	int fd = written();
	struct recording_found found;

	request.file.error = EIO;
	partial_finish(&place, &request, fd, &result);
	ck_assert_int_eq(result.error, EIO);
	ck_assert_str_eq(result.name, SUSPECT);
	ck_assert_ptr_nonnull(strstr(result.text, "a write to it failed: Input/output error"));
	ck_assert(recording_read(file.bytes, place_read(SUSPECT, file.bytes, sizeof(file.bytes)),
				 &found));
	result = (struct message_result){ 0 };
	request.file.error = 0; /* repeated, and nothing is wrong any more: it was, though */
	partial_finish(&place, &request, fd, &result);
	ck_assert_int_eq(result.error, EIO);
	ck_assert_str_eq(result.name, SUSPECT);
	ck_assert_uint_eq(place_count(), 1);
	close(fd);
}
END_TEST

START_TEST(a_finished_file_never_takes_the_place_of_another)
{
	int fd = written();

	place_file(FINISHED, "here", 4);
	partial_finish(&place, &request, fd, &result);
	ck_assert_int_eq(result.error, 0);
	ck_assert_str_eq(result.name, "eth0-20260203T040506.789013Z-w1.pcapng");
	ck_assert_int_eq(place_size(FINISHED), 4);
	close(fd);
}
END_TEST

START_TEST(room_is_taken_ahead_and_what_is_not_needed_given_back)
{
	int fd;

	place.capture.file_bytes = 20 * MIB;
	fd = written();
	file_preallocate(&place, fd);
	ck_assert_uint_ge(taken(fd), 20 * MIB);
	ck_assert_int_eq(place_size(PARTIAL), (int64_t)file.size);
	partial_finish(&place, &request, fd, &result);
	ck_assert_int_eq(result.error, 0);
	ck_assert_uint_le(taken(fd), (uint64_t)place_size(FINISHED) + 4096);
	close(fd);
}
END_TEST

/* Also where nothing is to be cut, and where the write that comes next is shorter than a block. */
START_TEST(room_is_given_back_whatever_the_length)
{
	place.capture.file_bytes = 20 * MIB;
	for (uint64_t end = FILE_HEADER_BYTES; end < FILE_HEADER_BYTES + 10000; end += 1252) {
		int fd = opened();

		ck_assert_int_eq(ftruncate(fd, (off_t)end), 0);
		file_preallocate(&place, fd);
		ck_assert_uint_ge(taken(fd), 20 * MIB);
		request.file.end = end;
		ck_assert_int_eq(file_seal(fd, SPARE, &request.file, true), 0);
		ck_assert_uint_le(taken(fd), end + 8192);
		close(fd);
	}
}
END_TEST

START_TEST(no_room_is_taken_ahead_from_the_reserve)
{
	struct directory_space space;
	int fd = opened();

	place.capture.file_bytes = 20 * MIB;
	ck_assert_int_eq(directory_space(&place, &space), 0);
	ck_assert_uint_eq(space.reserve, 0);
	place.capture.config.disk_reserve = space.available - 20 * MIB + 1;
	file_preallocate(&place, fd);
	ck_assert_uint_lt(taken(fd), MIB);
	place.capture.config.disk_reserve--;
	file_preallocate(&place, fd);
	ck_assert_uint_ge(taken(fd), 20 * MIB);
	place.capture.config.disk_reserve = 0;
	place.capture.file_bytes = 10000 * MIB; /* more than there is */
	file_preallocate(&place, fd);
	ck_assert_int_eq(place_size(SPARE), FILE_HEADER_BYTES);
	close(fd);
}
END_TEST

START_TEST(files_belong_to_the_group)
{
	struct group *group = getgrnam("daemon");
	struct stat st;
	int fd;

	ck_assert_ptr_nonnull(group);
	place.capture.file_group = group->gr_gid;
	fd = opened();
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_uint_eq(st.st_gid, group->gr_gid);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0640);
	close(fd);
}
END_TEST

START_TEST(a_group_that_cannot_be_given_is_told)
{
	place.capture.file_group = 1;
	ck_assert_int_eq(fchmod(place.fd, 0777), 0);
	ck_assert_int_eq(setgroups(0, NULL), 0);
	ck_assert_int_eq(setresgid(65534, 65534, 65534), 0);
	ck_assert_int_eq(setresuid(65534, 65534, 65534), 0);
	result = (struct message_result){ 0 };
	ck_assert_int_eq(file_open(&place, &request, &result), -1);
	ck_assert_int_eq(result.error, EPERM);
	ck_assert_ptr_nonnull(strstr(result.text, "must be a member of the group"));
	ck_assert_uint_eq(place_count(), 0);
}
END_TEST

START_TEST(a_sync_says_when_it_fails)
{
	int fd = written(), pipe_ends[2];

	file_sync(&place, &request, fd, &result);
	ck_assert_int_eq(result.error, 0);
	ck_assert_str_eq(result.name, PARTIAL);
	ck_assert_int_eq(pipe(pipe_ends), 0);
	file_sync(&place, &request, pipe_ends[0], &result);
	ck_assert_int_eq(result.error, EINVAL);
	ck_assert_str_eq(result.text,
			 "syncing " PARTIAL " in " PLACE_DIRECTORY ": Invalid argument");
	close(pipe_ends[0]);
	close(pipe_ends[1]);
	close(fd);
}
END_TEST

START_TEST(only_a_regular_file_of_that_name_is_locked)
{
	place_file("file", "x", 1);
	ck_assert_int_eq(symlinkat("file", place.fd, "link"), 0);
	ck_assert_int_eq(mkfifoat(place.fd, "fifo", 0600), 0);
	ck_assert_int_eq(file_lock(&place, "link", O_RDWR), -EINVAL);
	ck_assert_int_eq(file_lock(&place, "fifo", O_RDWR), -EINVAL);
	ck_assert_int_eq(file_lock(&place, "fifo", O_RDONLY), -EINVAL);
	ck_assert_int_eq(file_lock(&place, ".", O_RDONLY), -EINVAL);
	ck_assert_int_eq(file_lock(&place, "none", O_RDONLY), -ENOENT);
}
END_TEST

/* To be written to, a file that was found must be nobody else's. */
START_TEST(a_file_that_is_also_somebody_elses_is_not_written_to)
{
	int fd;

	place_file("file", "x", 1);
	ck_assert_int_eq(fchownat(place.fd, "file", 1234, 1234, 0), 0);
	ck_assert_int_eq(file_lock(&place, "file", O_RDWR), -EREMOTE);
	place.owner = 1234; /* may put there what he likes, also this process's own */
	fd = file_lock(&place, "file", O_RDWR);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(linkat(place.fd, "file", place.fd, "other", 0), 0);
	ck_assert_int_eq(file_lock(&place, "file", O_RDWR), -EMLINK);
	fd = file_lock(&place, "file", O_RDONLY); /* is it held? */
	ck_assert_int_ge(fd, 0);
	close(fd);
}
END_TEST

/* What took the name of an open file keeps it, and keeps its own. */
START_TEST(another_file_in_the_place_of_an_open_one_is_not_renamed)
{
	int fd = written();

	ck_assert_int_eq(renameat(place.fd, PARTIAL, place.fd, "away"), 0);
	place_file(PARTIAL, "canary", 6);
	partial_finish(&place, &request, fd, &result);
	ck_assert_int_eq(result.error, ENOENT);
	ck_assert_int_eq(place_size(PARTIAL), 6);
	ck_assert_int_eq(place_size(FINISHED), -1);
	ck_assert_uint_eq(place_read(PARTIAL, file.bytes, sizeof(file.bytes)), 6);
	ck_assert_int_eq(memcmp(file.bytes, "canary", 6), 0);
	ck_assert_uint_eq(place_count(), 2);
	close(fd);
}
END_TEST

/* Of whatever kind: what cannot be removed has its name, the file gets another one. */
START_TEST(a_hidden_name_that_is_taken_keeps_no_file_from_being_made)
{
	struct name name;
	int fd;

	ck_assert_int_eq(mkdirat(place.fd, SPARE, 0700), 0);
	request = (struct message_archive){ .worker = 1, .file = { .serial = 5 } };
	result = (struct message_result){ 0 };
	fd = file_open(&place, &request, &result);
	ck_assert_msg(fd >= 0, "%s", result.text);
	ck_assert_str_ne(result.name, SPARE);
	ck_assert(name_parse(&name, result.name, "eth0"));
	ck_assert_int_eq(name.kind, NAME_SPARE);
	ck_assert_uint_eq(place_count(), 2);
	close(fd);
	for (unsigned i = 0; i < 2; i++) { /* links give way, and what they lead to stays */
		place_clear();
		place_file("canary", "canary", 6);
		ck_assert_int_eq(i ? symlinkat("canary", place.fd, SPARE)
				   : linkat(place.fd, "canary", place.fd, SPARE, 0),
				 0);
		close(opened());
		ck_assert_int_eq(place_size("canary"), 6);
	}
}
END_TEST

START_TEST(a_path_that_leads_elsewhere_is_told_once)
{
	place_log();
	directory_close(&place);
	strcpy(place.capture.directory, PLACE_DIRECTORY "/files");
	ck_assert_int_eq(mkdir(PLACE_DIRECTORY "/files", 0755), 0);
	directory_open(&place, &result);
	ck_assert_int_eq(result.error, 0);
	directory_path_check(&place);
	ck_assert_uint_eq(place_logged("no longer leads to the directory that was opened"), 0);
	for (unsigned i = 1; i < 4; i++) {
		ck_assert_int_eq(rename(PLACE_DIRECTORY "/files", PLACE_DIRECTORY "/away"), 0);
		if (i == 2)
			ck_assert_int_eq(mkdir(PLACE_DIRECTORY "/files", 0755), 0);
		if (i == 3)
			ck_assert_int_eq(symlink("/", PLACE_DIRECTORY "/files"), 0);
		directory_path_check(&place);
		directory_path_check(&place);
		ck_assert_uint_eq(place_logged("no longer leads to the directory that was opened"),
				  i);
		remove(PLACE_DIRECTORY "/files");
		ck_assert_int_eq(rename(PLACE_DIRECTORY "/away", PLACE_DIRECTORY "/files"), 0);
		directory_path_check(&place);
		ck_assert_uint_eq(place_logged("no longer leads to the directory that was opened"),
				  i);
	}
}
END_TEST

static const struct {
	mode_t mode;
	uid_t owner;
	const char *told;
} directories[] = {
	{ 0755, 0, NULL },
	{ 0770, 0, NULL },
	{ 01777, 0, NULL },
	{ 0777, 0, "every user may write to the directory /mnt" },
	{ 0700, 1234, "the directory /mnt belongs to user 1234" },
};

START_TEST(a_directory_that_others_may_change_is_told)
{
	place_log();
	ck_assert_int_eq(fchmod(place.fd, directories[_i].mode), 0);
	ck_assert_int_eq(fchown(place.fd, directories[_i].owner, (gid_t)-1), 0);
	directory_close(&place);
	directory_open(&place, &result);
	ck_assert_int_eq(result.error, 0);
	ck_assert_uint_eq(place_logged("<4>"), directories[_i].told != NULL);
	if (directories[_i].told)
		ck_assert_uint_eq(place_logged(directories[_i].told), 1);
}
END_TEST

START_TEST(a_head_with_one_wrong_word_is_none)
{
	static const uint32_t at[] = {
		0, 4, 8, 12, 16, 20, FILE_HEADER_BYTES - 4, FILE_HEADER_BYTES - 8
	};
	uint32_t wrong = 0xffffff01, section;

	recording_build(&file, 0, 1, false);
	ck_assert(header_valid(file.bytes));
	memcpy(&section, file.bytes + 4, sizeof(section));
	/* The words by their offsets; the section's length at its end, the interface's type and
	 * length; options of both that end too early, or not at all. */
	for (unsigned i = 0; i < 8 + 3 + 4; i++) {
		uint8_t page[FILE_HEADER_BYTES];
		size_t place_of = i < 8	   ? at[i]
				  : i < 11 ? section - 4 + 4 * (i - 8)
				  : i < 13 ? 24
					   : section + 16;

		if (i >= 11)
			wrong = i % 2 ? 0 : 0xffff0001;
		memcpy(page, file.bytes, sizeof(page));
		memcpy(page + place_of, &wrong, sizeof(wrong));
		ck_assert_msg(!header_valid(page), "at %zu", place_of);
	}
}
END_TEST

START_TEST(a_share_is_one_of_bytes_and_of_inodes)
{
	struct statvfs fs = { .f_frsize = 4096,
			      .f_blocks = 1000,
			      .f_bavail = 600,
			      .f_files = 2000,
			      .f_favail = 300 };
	struct message_capture c = { .config.disk_reserve = -20 };
	struct directory_space space = directory_space_of(&c, &fs);

	ck_assert_uint_eq(space.available, 600 * 4096);
	ck_assert_uint_eq(space.reserve, 1000 * 4096 / 100 * 20);
	ck_assert_uint_eq(space.inodes, 300);
	ck_assert_uint_eq(space.inode_reserve, 400);
	c.config.disk_reserve = 5; /* bytes */
	space = directory_space_of(&c, &fs);
	ck_assert_uint_eq(space.reserve, 5);
	ck_assert_uint_eq(space.inode_reserve, 0);
	c.config.disk_reserve = -20;
	fs.f_files = fs.f_favail = 0; /* no number of them, as on btrfs */
	space = directory_space_of(&c, &fs);
	ck_assert_uint_eq(space.inodes, UINT64_MAX);
	ck_assert_uint_eq(space.inode_reserve, 0);
	fs.f_blocks = fs.f_bavail = 0; /* in memory */
	space = directory_space_of(&c, &fs);
	ck_assert_uint_eq(space.available, UINT64_MAX);
	ck_assert_uint_eq(space.reserve, 0);
}
END_TEST

Suite *suite_file(void)
{
	Suite *s = suite_create("file");
	TCase *t = tcase_create("file");

	tcase_add_checked_fixture(t, place_setup, place_teardown);
	tcase_add_test(t, a_share_is_one_of_bytes_and_of_inodes);
	tcase_add_test(t, a_new_file_is_a_hidden_locked_head);
	tcase_add_test(t, direct_writes_are_whole_pages);
	tcase_add_loop_test(t, a_finished_file_has_its_chunks_its_statistics_and_its_name, 0, 2);
	tcase_add_test(t, a_file_with_a_failed_write_ends_as_suspect);
	tcase_add_test(t, a_finished_file_never_takes_the_place_of_another);
	tcase_add_test(t, room_is_taken_ahead_and_what_is_not_needed_given_back);
	tcase_add_test(t, room_is_given_back_whatever_the_length);
	tcase_add_test(t, no_room_is_taken_ahead_from_the_reserve);
	tcase_add_test(t, files_belong_to_the_group);
	tcase_add_test(t, a_group_that_cannot_be_given_is_told);
	tcase_add_test(t, a_sync_says_when_it_fails);
	tcase_add_test(t, only_a_regular_file_of_that_name_is_locked);
	tcase_add_test(t, a_file_that_is_also_somebody_elses_is_not_written_to);
	tcase_add_test(t, another_file_in_the_place_of_an_open_one_is_not_renamed);
	tcase_add_test(t, a_hidden_name_that_is_taken_keeps_no_file_from_being_made);
	tcase_add_test(t, a_path_that_leads_elsewhere_is_told_once);
	tcase_add_loop_test(t, a_directory_that_others_may_change_is_told, 0,
			    sizeof(directories) / sizeof(*directories));
	tcase_add_test(t, a_head_with_one_wrong_word_is_none);
	suite_add_tcase(s, t);
	return s;
}
