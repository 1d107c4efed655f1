/* daemon/archive/repair.c on files cut and changed at random, and on what is no file of ours. */
#include "recording.h"
#include "place.h"
#include "suites.h"

#include "../../daemon/archive/repair.h"
#include "../../daemon/format/header.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEM	 "eth0-20260203T040506.789012Z-w1"
#define PARTIAL	 STEM ".pcapng.partial"
#define FINISHED STEM ".pcapng"
#define CUTS	 5000 /* of each of the two files */
#define CHANGES	 1000
#define SAMPLES	 50

static struct recording file;
static uint8_t repaired[RECORDING_MAX + HEADER_STATISTICS_MAX];
static struct message_result result;

static bool step(void)
{
	result = (struct message_result){ 0 };
	return repair_step(&place, &result);
}

/* For other programs to read: AFCAP_REPAIR_DIR. */
static void sample_keep(size_t size, unsigned i)
{
	const char *directory = getenv("AFCAP_REPAIR_DIR");
	char path[4096];
	FILE *f;

	if (!directory)
		return;
	snprintf(path, sizeof(path), "%s/repaired-%03u.pcapng", directory, i);
	f = fopen(path, "wb");
	ck_assert_msg(f != NULL, "%s: %s", path, strerror(errno));
	ck_assert_uint_eq(fwrite(repaired, 1, size, f), size);
	fclose(f);
}

/* Repairs the file cut at `cut`, and compares with what was put into it. Returns the size after. */
static size_t cut_and_repaired(size_t cut)
{
	unsigned whole = 0, packets = 0;
	const struct recording_chunk *last;
	struct recording_found found;
	uint64_t drops;
	size_t size;

	while (whole < file.count && file.chunks[whole].end <= cut)
		packets += file.chunks[whole++].packets;
	place_file(PARTIAL, file.bytes, cut);
	ck_assert(step());
	ck_assert_int_eq(place_size(PARTIAL), -1);
	ck_assert_uint_eq(result.removed, 0);
	ck_assert_uint_eq(result.repaired, whole > 0);
	ck_assert_uint_eq(place_count(), whole > 0);
	ck_assert_uint_eq(result.again, 1);
	if (whole == 0)
		return 0;
	last = &file.chunks[whole - 1];
	drops = last->drops - file.chunks[0].drops;
	size = place_read(FINISHED, repaired, sizeof(repaired));
	ck_assert(recording_read(repaired, size, &found));
	ck_assert_uint_eq(found.statistics, recording_end(&file, cut));
	ck_assert_mem_eq(repaired, file.bytes, found.statistics);
	ck_assert_uint_eq(found.packets, packets);
	ck_assert_uint_eq(found.chunks, whole);
	ck_assert_uint_eq(found.start_ns, file.chunks[0].first_ns);
	ck_assert_uint_eq(found.end_ns, last->last_ns);
	ck_assert_uint_eq(found.received, packets + drops);
	ck_assert_uint_eq(found.if_dropped, drops);
	ck_assert_uint_eq(found.os_dropped, drops);
	ck_assert_uint_eq(found.delivered, packets);
	return size;
}

START_TEST(a_file_cut_anywhere_is_whole_to_its_last_whole_chunk)
{
	unsigned samples = 0;

	recording_build(&file, RECORDING_CHUNKS, 11 + (unsigned)_i, _i);
	for (unsigned i = 0; i < CUTS; i++) {
		/* Those right at the borders, too; not the finished file as it is */
		const struct recording_chunk *c = &file.chunks[(unsigned)random() % file.count];
		size_t cut = i % 4 ? (size_t)random() % file.size
				   : c->end - 4 + (size_t)random() % 9,
		       size = cut_and_repaired(cut < file.size ? cut : file.size - 1);

		if (size && samples < SAMPLES && i >= 100 * samples)
			sample_keep(size, (unsigned)_i * SAMPLES + samples++);
		place_clear();
	}
}
END_TEST

START_TEST(every_cut_of_a_small_file_is_whole_to_its_last_whole_chunk)
{
	recording_build(&file, 3, 21, true);
	for (size_t cut = 0; cut < file.size; cut++) {
		cut_and_repaired(cut);
		place_clear();
	}
}
END_TEST

/* Whatever became of the bytes: a valid file that begins as the changed one does, or the changed
 * one untouched where its head is not to be believed, or none where no chunk is whole. */
START_TEST(a_changed_file_becomes_a_valid_one)
{
	unsigned valid = 0, left = 0;

	for (unsigned i = 0; i < CHANGES; i++) {
		struct recording_found found;
		size_t size;

		recording_build(&file, 12, 31 + (unsigned)_i, _i);
		srandom(i);
		/* As many in the head as elsewhere: it is a good part of the file */
		for (unsigned k = 0; k <= i % 3; k++)
			file.bytes[(size_t)random() % file.size] ^= (uint8_t)(1 + random() % 255);
		place_file(PARTIAL, file.bytes, file.size);
		step();
		ck_assert_uint_le(place_count(), 1);
		if (place_size(FINISHED) >= 0) {
			size = place_read(FINISHED, repaired, sizeof(repaired));
			ck_assert(recording_read(repaired, size, &found));
			ck_assert_mem_eq(repaired, file.bytes, found.statistics);
			valid++;
		} else if (place_size(PARTIAL) >= 0) {
			size = place_read(PARTIAL, repaired, sizeof(repaired));
			ck_assert_uint_eq(size, file.size);
			ck_assert_mem_eq(repaired, file.bytes, size);
			ck_assert(!header_valid(file.bytes));
			left++;
		}
		place_clear();
	}
	ck_assert_uint_gt(valid, CHANGES / 2);
	ck_assert_uint_gt(left, 0);
}
END_TEST

/* Killed before it gave back what was preallocated behind it, too */
START_TEST(a_finished_file_only_gets_its_name)
{
	struct stat st;
	int fd;

	recording_build(&file, 20, 41, true);
	place_file(PARTIAL, file.bytes, file.size);
	fd = openat(place.fd, PARTIAL, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 1 << 24), 0);
	ck_assert(step());
	ck_assert_uint_eq(result.repaired, 1);
	ck_assert_uint_eq(place_read(FINISHED, repaired, sizeof(repaired)), file.size);
	ck_assert_mem_eq(repaired, file.bytes, file.size);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_lt(st.st_blocks * 512, 1 << 23);
	ck_assert(!step());
	ck_assert_uint_eq(result.again, 0);
	close(fd);
}
END_TEST

START_TEST(an_open_file_of_any_name_can_be_repaired)
{
	struct recording_found found;
	struct walk chunks;
	int fd;

	recording_build(&file, 20, 42, true);
	place_file("x", file.bytes, file.chunks[9].end + 50);
	fd = openat(place.fd, "x", O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(repair_file(&place, fd, "x", &chunks), REPAIR_CUT);
	ck_assert_uint_eq(chunks.count, 10);
	ck_assert(recording_read(repaired, place_read("x", repaired, sizeof(repaired)), &found));
	ck_assert_int_eq(repair_file(&place, fd, "x", &chunks), REPAIR_FINISHED);
	ck_assert_int_eq(ftruncate(fd, FILE_HEADER_BYTES), 0);
	ck_assert_int_eq(repair_file(&place, fd, "x", &chunks), REPAIR_EMPTY);
	ck_assert_int_eq(place_size("x"), FILE_HEADER_BYTES);
	close(fd);
}
END_TEST

static void write_at(int fd, uint64_t at, const uint32_t *words, size_t count)
{
	ck_assert_int_eq(pwrite(fd, words, 4 * count, (off_t)at), (ssize_t)(4 * count));
}

/* A file with holes: 6 packets of 256 MiB in one chunk. */
START_TEST(a_chunk_need_not_fit_into_memory)
{
	const uint32_t data = 256u << 20, total = data + 32, length = 80 + 6 * total;
	uint32_t head[20] = { 0x8AFCA901, 80, 32473, 6, length, [19] = 80 };
	struct walk chunks;
	int fd;

	recording_build(&file, 1, 43, false);
	place_file("x", file.bytes, file.size);
	fd = openat(place.fd, "x", O_RDWR | O_CLOEXEC);
	write_at(fd, file.size, head, 20);
	for (uint64_t i = 0, at = file.size + 80; i < 6; i++, at += total) {
		write_at(fd, at, (uint32_t[]){ 6, total, 0, 0, 0, data, data }, 7);
		write_at(fd, at + total - 4, &total, 1);
	}
	ck_assert_int_eq(repair_file(&place, fd, "x", &chunks), REPAIR_CUT);
	ck_assert_uint_eq(chunks.count, 2);
	ck_assert_uint_eq(chunks.end, file.size + length);
	ck_assert_uint_eq(chunks.packets, file.chunks[0].packets + 6);
	ck_assert_int_eq(ftruncate(fd, (off_t)(file.size + length - 1)), 0);
	ck_assert_int_eq(repair_file(&place, fd, "x", &chunks), REPAIR_CUT);
	ck_assert_uint_eq(chunks.end, file.size);
	close(fd);
}
END_TEST

START_TEST(drops_never_become_negative)
{
	struct recording_found found;
	uint64_t drops = 5;

	recording_build(&file, 3, 44, false);
	memcpy(file.bytes + file.chunks[2].begin + 48, &drops, sizeof(drops));
	place_file(PARTIAL, file.bytes, file.size);
	ck_assert(step());
	ck_assert(
		recording_read(repaired, place_read(FINISHED, repaired, sizeof(repaired)), &found));
	ck_assert_uint_eq(found.if_dropped, 0);
	ck_assert_uint_eq(found.received, found.packets);
}
END_TEST

START_TEST(a_file_that_is_held_is_left_alone)
{
	int fd;

	recording_build(&file, 3, 45, false);
	place_file(PARTIAL, file.bytes, file.size);
	place_file(".eth0-w0-1-1.spare", file.bytes, FILE_HEADER_BYTES);
	fd = openat(place.fd, PARTIAL, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	ck_assert(step()); /* the spare */
	ck_assert_uint_eq(result.again, 0);
	ck_assert_uint_eq(result.repaired + result.removed, 0);
	ck_assert(!step());
	ck_assert_int_eq(place_size(PARTIAL), (int64_t)file.size);
	ck_assert_uint_eq(place_count(), 1);
	close(fd);
	ck_assert(step());
	ck_assert_uint_eq(result.repaired, 1);
	fd = openat(place.fd, ".eth0-w0-1-2.spare", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	ck_assert(!step());
	ck_assert_uint_eq(place_count(), 2);
	close(fd);
}
END_TEST

START_TEST(one_file_is_repaired_at_a_time)
{
	unsigned steps = 0;

	recording_build(&file, 2, 46, false);
	for (unsigned i = 0; i < 5; i++) {
		struct name name = { NAME_PARTIAL, i, 1000, i % 2 };
		char text[FILE_NAME_BYTES];

		name_make(text, "eth0", &name);
		place_file(text, file.bytes, file.size);
		name_make(text, "eth1", &name); /* another capture's */
		place_file(text, file.bytes, file.size);
	}
	do
		steps++;
	while (step() && result.repaired == 1 && result.again);
	ck_assert_uint_eq(steps, 6);
	ck_assert_uint_eq(place_count(), 10);
	ck_assert_int_eq(place_size("eth1-19700101T000000.001000Z-w0.pcapng.partial"),
			 (int64_t)file.size);
}
END_TEST

START_TEST(a_file_that_the_first_version_left_is_finished_under_its_own_name)
{
	static uint8_t other[3 * FILE_HEADER_BYTES];

	recording_build(&file, 3, 46, false);
	memcpy(other, file.bytes, FILE_HEADER_BYTES);
	memset(other + FILE_HEADER_BYTES, 0x55, sizeof(other) - FILE_HEADER_BYTES);
	place_file("eth0-w1-20260203T040506.789012Z.pcapng.partial", file.bytes, file.size);
	place_file("eth0-w2-20260203T040506.789012Z.pcapng.partial", other, sizeof(other));
	while (step() && result.again)
		;
	ck_assert_int_gt(place_size("eth0-w1-20260203T040506.789012Z.pcapng"), (int64_t)file.size);
	ck_assert_int_eq(place_size("eth0-w2-20260203T040506.789012Z.suspect.pcapng"),
			 (int64_t)sizeof(other));
	ck_assert_uint_eq(place_count(), 2);
}
END_TEST

START_TEST(no_other_file_is_overwritten)
{
	recording_build(&file, 2, 47, false);
	place_file(PARTIAL, file.bytes, file.size);
	place_file(FINISHED, "here", 4);
	place_file("eth0-20260203T040506.789013Z-w1.suspect.pcapng", "too", 3);
	ck_assert(step());
	ck_assert_uint_eq(result.repaired, 1);
	ck_assert_int_eq(place_size(FINISHED), 4);
	ck_assert_int_eq(place_size("eth0-20260203T040506.789013Z-w1.suspect.pcapng"), 3);
	ck_assert_int_gt(place_size("eth0-20260203T040506.789014Z-w1.pcapng"), 4096);
	ck_assert_uint_eq(place_count(), 3);
}
END_TEST

static void hostile_make(unsigned kind)
{
	place_file("target", file.bytes, file.size);
	if (kind == 0)
		ck_assert_int_eq(symlinkat("target", place.fd, PARTIAL), 0);
	else if (kind == 1)
		ck_assert_int_eq(mkfifoat(place.fd, PARTIAL, 0600), 0);
	else if (kind == 2)
		ck_assert_int_eq(mkdirat(place.fd, PARTIAL, 0700), 0);
	else if (kind == 3)
		ck_assert_int_eq(mknodat(place.fd, PARTIAL, S_IFCHR | 0600, makedev(1, 3)), 0);
	else if (kind == 4)
		ck_assert_int_eq(linkat(place.fd, "target", place.fd, PARTIAL, 0), 0);
	else if (kind == 5)
		place_file(PARTIAL, file.bytes + 4, file.size - 4); /* not begun as ours are */
	else if (kind == 8)
		place_file(PARTIAL, "notes of somebody's, no recording", 33);
	else if (kind == 9) /* a section, whole, of another program */
		place_file(PARTIAL,
			   "\n\r\r\n\x1c\0\0\0\x4d\x3c\x2b\x1a\1\0\0\0\xff\xff\xff\xff"
			   "\xff\xff\xff\xff\x1c\0\0\0",
			   28);
	else if (kind == 6)
		ck_assert_int_eq(symlinkat("none", place.fd, ".eth0-w0-1-1.spare"), 0);
	else
		place_file(PARTIAL, file.bytes, file.size);
	if (kind == 7)
		ck_assert_int_eq(fchownat(place.fd, PARTIAL, 1234, (gid_t)-1, 0), 0);
}

START_TEST(what_is_no_file_of_ours_is_told_once_and_left)
{
	place_log();
	recording_build(&file, 2, 48, false);
	hostile_make((unsigned)_i);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert(!step());
		ck_assert_uint_eq(result.again, 0);
	}
	ck_assert_uint_eq(place_logged("cannot be repaired"), 1);
	ck_assert_uint_eq(place_count(), 2);
	ck_assert_int_eq(place_size("target"), (int64_t)file.size);
	/* and does not keep others from it */
	place_file("eth0-20260203T040506.789012Z-w2.pcapng.partial", file.bytes, file.size);
	ck_assert(step());
	ck_assert_uint_eq(result.repaired, 1);
}
END_TEST

START_TEST(a_file_is_tried_again_when_somebody_saw_to_it)
{
	recording_build(&file, 2, 49, false);
	hostile_make(4);
	ck_assert(!step());
	usleep(20000); /* change times have the kernel's tick */
	ck_assert_int_eq(unlinkat(place.fd, "target", 0), 0);
	ck_assert(step());
	ck_assert_uint_eq(result.repaired, 1);
}
END_TEST

/* Puts a file and two links of another file in each other's place without end. */
static void swap_for_ever(void)
{
	for (;;) {
		unlinkat(place.fd, "hard", 0);
		unlinkat(place.fd, "soft", 0);
		linkat(place.fd, "canary", place.fd, "hard", 0);
		symlinkat("canary", place.fd, "soft");
		place_file("next", file.bytes, file.size);
		renameat(place.fd, "next", place.fd, PARTIAL);
		for (unsigned i = 0; i < 300; i++)
			renameat2(place.fd, i % 7 ? "hard" : "soft", place.fd, PARTIAL,
				  RENAME_EXCHANGE);
	}
}

/* The canary could be repaired well: it is left alone for being no file of that name alone. */
START_TEST(nothing_else_is_hit_when_a_name_is_swapped_meanwhile)
{
	struct stat before, after;
	unsigned done = 0;
	pid_t other;

	recording_build(&file, 2, 50, false);
	place_file("canary", file.bytes, file.size);
	ck_assert_int_eq(fstatat(place.fd, "canary", &before, 0), 0);
	other = fork();
	if (other == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		swap_for_ever();
	}
	for (unsigned i = 0; i < 50000 && (i < 20000 || done < 20); i++) {
		step();
		done += result.repaired;
		if (result.repaired) /* or there would be no end of them */
			unlinkat(place.fd, FINISHED, 0);
	}
	kill(other, SIGKILL);
	ck_assert_int_eq(waitpid(other, NULL, 0), other);
	ck_assert_uint_gt(done, 0);
	ck_assert_int_eq(fstatat(place.fd, "canary", &after, 0), 0);
	ck_assert_int_eq(after.st_size, before.st_size);
	ck_assert_int_eq(after.st_mtim.tv_sec, before.st_mtim.tv_sec);
	ck_assert_int_eq(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
	ck_assert_uint_eq(place_read("canary", repaired, sizeof(repaired)), file.size);
	ck_assert_int_eq(memcmp(repaired, file.bytes, file.size), 0);
}
END_TEST

Suite *suite_repair(void)
{
	Suite *s = suite_create("repair");
	TCase *t = tcase_create("repair");

	tcase_set_timeout(t, 300);
	tcase_add_checked_fixture(t, place_setup, place_teardown);
	tcase_add_loop_test(t, a_file_cut_anywhere_is_whole_to_its_last_whole_chunk, 0, 2);
	tcase_add_test(t, every_cut_of_a_small_file_is_whole_to_its_last_whole_chunk);
	tcase_add_loop_test(t, a_changed_file_becomes_a_valid_one, 0, 2);
	tcase_add_test(t, a_finished_file_only_gets_its_name);
	tcase_add_test(t, an_open_file_of_any_name_can_be_repaired);
	tcase_add_test(t, a_chunk_need_not_fit_into_memory);
	tcase_add_test(t, drops_never_become_negative);
	tcase_add_test(t, a_file_that_is_held_is_left_alone);
	tcase_add_test(t, one_file_is_repaired_at_a_time);
	tcase_add_test(t, a_file_that_the_first_version_left_is_finished_under_its_own_name);
	tcase_add_test(t, no_other_file_is_overwritten);
	tcase_add_loop_test(t, what_is_no_file_of_ours_is_told_once_and_left, 0, 10);
	tcase_add_test(t, a_file_is_tried_again_when_somebody_saw_to_it);
	tcase_add_test(t, nothing_else_is_hit_when_a_name_is_swapped_meanwhile);
	suite_add_tcase(s, t);
	return s;
}
