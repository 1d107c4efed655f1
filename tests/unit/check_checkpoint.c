/* daemon/supervisor/checkpoint.c */
#include "suites.h"

#include "../../daemon/supervisor/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int fd;
static struct checkpoint *checkpoint;
static struct checkpoint_slot *slot;

static void setup(void)
{
	uint64_t alive_ns;

	fd = checkpoint_create();
	ck_assert_int_ge(fd, 0);
	checkpoint = checkpoint_map(fd, &alive_ns);
	ck_assert_ptr_nonnull(checkpoint);
	slot = &checkpoint->slots[1];
}

static void teardown(void)
{
	checkpoint_unmap(checkpoint);
	close(fd);
}

START_TEST(what_is_saved_is_there_for_the_next_one)
{
	uint64_t alive_ns;
	struct checkpoint *next;

	checkpoint->alive_ns = 77;
	slot->restarts = 3;
	checkpoint_put(slot, 5, 11, 12);
	next = checkpoint_map(fd, &alive_ns);
	ck_assert_uint_eq(alive_ns, 77);
	ck_assert_uint_eq(next->slots[1].restarts, 3);
	ck_assert_uint_eq(checkpoint_find(&next->slots[1], 5)->inode, 12);
	ck_assert_ptr_null(checkpoint_find(&next->slots[0], 5));
	checkpoint_unmap(next);
}
END_TEST

/* Nothing but the first lines is read of what another version made. */
START_TEST(another_version_is_refused_with_its_last_time)
{
	uint64_t alive_ns = 1;

	checkpoint->alive_ns = 77;
	checkpoint->version++;
	ck_assert_ptr_null(checkpoint_map(fd, &alive_ns));
	ck_assert_int_eq(errno, EPROTO);
	ck_assert_uint_eq(alive_ns, 77);
	checkpoint->magic++;
	ck_assert_ptr_null(checkpoint_map(fd, &alive_ns));
	ck_assert_int_eq(errno, EPROTO);
	ck_assert_uint_eq(alive_ns, 0);
}
END_TEST

START_TEST(another_size_is_refused_with_its_last_time)
{
	int other = memfd_create("test", MFD_CLOEXEC);
	uint64_t alive_ns = 1;

	checkpoint->alive_ns = 78;
	ck_assert_int_eq(write(other, checkpoint, 64), 64);
	ck_assert_ptr_null(checkpoint_map(other, &alive_ns));
	ck_assert_int_eq(errno, EPROTO);
	ck_assert_uint_eq(alive_ns, 78);
	close(other);
}
END_TEST

/* A file that is or can become shorter than its mapping would end the supervisor (SIGBUS). */
START_TEST(what_could_shrink_is_refused_with_its_last_time)
{
	int other = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	FILE *file = tmpfile();
	uint64_t alive_ns = 1;
	struct checkpoint *next;

	checkpoint->alive_ns = 79;
	ck_assert_int_eq(write(other, checkpoint, sizeof(*checkpoint)), sizeof(*checkpoint));
	ck_assert_ptr_null(checkpoint_map(other, &alive_ns));
	ck_assert_int_eq(errno, EPROTO);
	ck_assert_uint_eq(alive_ns, 79);
	ck_assert_int_eq(fcntl(other, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	next = checkpoint_map(other, &alive_ns);
	ck_assert_ptr_nonnull(next);
	checkpoint_unmap(next);
	close(other);

	ck_assert_uint_eq(fwrite(checkpoint, sizeof(*checkpoint), 1, file), 1);
	fflush(file);
	ck_assert_ptr_null(checkpoint_map(fileno(file), &alive_ns));
	ck_assert_int_eq(errno, EPROTO);
	fclose(file);
	ck_assert_ptr_null(checkpoint_map(-1, &alive_ns));
	ck_assert_int_eq(errno, EBADF);
	ck_assert_uint_eq(alive_ns, 0);
}
END_TEST

/* Of any version: what the rings of a refused one held can be counted. */
START_TEST(its_rings_are_known_whatever_its_version)
{
	int other = memfd_create("test", MFD_CLOEXEC);
	uint32_t blocks = 0, block_bytes = 0;

	checkpoint->fingerprint.blocks = 8;
	checkpoint->fingerprint.block_bytes = 65536;
	checkpoint->version = 99;
	ck_assert(checkpoint_ring(fd, &blocks, &block_bytes));
	ck_assert_uint_eq(blocks, 8);
	ck_assert_uint_eq(block_bytes, 65536);
	ck_assert_int_eq(write(other, checkpoint, 39), 39); /* too short by a byte */
	ck_assert(!checkpoint_ring(other, &blocks, &block_bytes));
	checkpoint->magic++;
	ck_assert(!checkpoint_ring(fd, &blocks, &block_bytes));
	close(other);
}
END_TEST

START_TEST(its_size_and_its_texts_have_an_end)
{
	uint64_t alive_ns;
	struct checkpoint *next;

	ck_assert_int_eq(ftruncate(fd, 0), -1);
	ck_assert_int_eq(ftruncate(fd, 2 * sizeof(*checkpoint)), -1);
	memset(checkpoint->gap_why, 'x', sizeof(checkpoint->gap_why));
	next = checkpoint_map(fd, &alive_ns);
	ck_assert_uint_eq(strlen(next->gap_why), sizeof(next->gap_why) - 1);
	checkpoint_unmap(next);
	checkpoint_unmap(NULL);
}
END_TEST

START_TEST(the_oldest_ended_file_makes_room)
{
	const struct ledger_file record = { .serial = 3, .end = 5000 };

	for (uint64_t i = 0; i < CHECKPOINT_FILES; i++)
		checkpoint_put(slot, i, 1, 100 + i);
	checkpoint_put(slot, 50, 1, 150); /* all are in use: not recorded, nothing else lost */
	ck_assert_ptr_null(checkpoint_find(slot, 50));
	checkpoint_end(checkpoint_find(slot, 3), &record);
	checkpoint_end(checkpoint_find(slot, 2), &record);
	checkpoint_put(slot, 51, 1, 151);
	ck_assert_ptr_null(checkpoint_find(slot, 2));
	ck_assert_uint_eq(checkpoint_find(slot, 51)->inode, 151);
	ck_assert_uint_eq(checkpoint_find(slot, 51)->ended, 0);
	ck_assert_uint_eq(checkpoint_find(slot, 3)->record.end, 5000);
	checkpoint_drop(checkpoint_find(slot, 0));
	ck_assert_ptr_null(checkpoint_find(slot, 0));
	checkpoint_put(slot, 52, 1, 152);
	ck_assert_ptr_nonnull(checkpoint_find(slot, 3));
}
END_TEST

START_TEST(a_record_is_the_last_one)
{
	const struct ledger_file first = { .end = 5000 }, second = { .end = 6000 };

	checkpoint_put(slot, 0, 1, 2);
	checkpoint_end(checkpoint_find(slot, 0), &first);
	checkpoint_end(checkpoint_find(slot, 0), &second);
	ck_assert_uint_eq(checkpoint_find(slot, 0)->record.end, 5000);
	checkpoint_drop(NULL);
	checkpoint_end(NULL, &first);
}
END_TEST

/* No sum of its numbers wraps around, and nothing that was interrupted makes a counter fall. */
START_TEST(numbers_that_cannot_be_are_seen)
{
	uint64_t *numbers[] = { &slot->restarts,      &slot->files_opened,   &slot->files_completed,
				&slot->files_removed, &slot->files_repaired, &slot->sync_errors,
				&slot->files_lost,    &slot->packets_lost,   &slot->written_shown,
				&slot->ended.written, &slot->before.packets };
	struct checkpoint_file *file;

	ck_assert(checkpoint_valid(checkpoint));
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		*numbers[i] = COUNTER_MAX;
		ck_assert(checkpoint_valid(checkpoint));
		*numbers[i] = UINT64_MAX;
		ck_assert_msg(!checkpoint_valid(checkpoint), "number %zu", i);
		*numbers[i] = 0;
	}
	checkpoint_lose(slot, NULL, 20);
	checkpoint_put(slot, 5, 1, 2);
	file = checkpoint_find(slot, 5);
	ck_assert(checkpoint_valid(checkpoint));
	file->lost = 1;
	file->lost_packets_after = 25;
	file->lost_files_after = 2;
	ck_assert(checkpoint_valid(checkpoint));
	file->lost_packets_after = 19;
	ck_assert(!checkpoint_valid(checkpoint));
	file->lost_packets_after = UINT64_MAX;
	ck_assert(!checkpoint_valid(checkpoint));
	file->lost_packets_after = 25;
	file->lost_files_after = 0;
	ck_assert(!checkpoint_valid(checkpoint));
	file->lost = 0; /* then these two were not yet meant */
	ck_assert(checkpoint_valid(checkpoint));
}
END_TEST

/* What was counted of files goes on, what is taken off a worker's counters does not. */
START_TEST(a_slot_with_a_new_ledger_keeps_its_own_counters)
{
	checkpoint_put(slot, 0, 1, 2);
	checkpoint_put(slot, 1, 1, 3);
	slot->files_opened = 2;
	slot->restarts = 3;
	slot->written_shown = 1000;
	checkpoint_lose(slot, checkpoint_find(slot, 0), 10);
	ck_assert_uint_eq(slot->packets_lost, 10);
	checkpoint_reset(slot);
	ck_assert_ptr_null(checkpoint_find(slot, 1));
	ck_assert_uint_eq(slot->files_opened, 2);
	ck_assert_uint_eq(slot->restarts, 3);
	ck_assert_uint_eq(slot->packets_lost + slot->files_lost + slot->written_shown, 0);
}
END_TEST

Suite *suite_checkpoint(void)
{
	Suite *s = suite_create("checkpoint");
	TCase *t = tcase_create("checkpoint");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, what_is_saved_is_there_for_the_next_one);
	tcase_add_test(t, another_version_is_refused_with_its_last_time);
	tcase_add_test(t, another_size_is_refused_with_its_last_time);
	tcase_add_test(t, what_could_shrink_is_refused_with_its_last_time);
	tcase_add_test(t, its_rings_are_known_whatever_its_version);
	tcase_add_test(t, its_size_and_its_texts_have_an_end);
	tcase_add_test(t, the_oldest_ended_file_makes_room);
	tcase_add_test(t, a_record_is_the_last_one);
	tcase_add_test(t, numbers_that_cannot_be_are_seen);
	tcase_add_test(t, a_slot_with_a_new_ledger_keeps_its_own_counters);
	suite_add_tcase(s, t);
	return s;
}
