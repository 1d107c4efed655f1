/* daemon/base/ledger.c */
#include "suites.h"

#include "../../daemon/base/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int fd;
static struct ledger *ledger;
static uint32_t next[3];
static int takes, take_rc;

static int take(int socket, struct afcap_kernel_stats *counts)
{
	ck_assert_int_eq(socket, 12);
	takes++;
	if (take_rc == 0)
		memcpy(counts, next, sizeof(next));
	return take_rc;
}

static void setup(void)
{
	fd = ledger_create();
	ck_assert_int_ge(fd, 0);
	ledger = ledger_map(fd);
	ck_assert_ptr_nonnull(ledger);
	takes = take_rc = 0;
}

static void teardown(void)
{
	ledger_unmap(ledger);
	close(fd);
}

START_TEST(a_new_ledger_stands_before_the_first_block_and_behind_the_head)
{
	struct ledger_totals t = ledger_totals(ledger);

	ck_assert_uint_eq(t.next_sequence, 1);
	ck_assert_uint_eq(t.next_block, 0);
	ck_assert_uint_eq(t.current.end, 4096);
	ck_assert_uint_eq(t.current.since_ns, 0);
}
END_TEST

START_TEST(what_is_committed_is_seen_through_another_mapping)
{
	struct ledger_totals t = ledger_totals(ledger), seen;
	struct ledger *other = ledger_map(fd);

	for (uint64_t i = 1; i < 10; i++) {
		t.received = i;
		t.next_sequence = i + 1;
		ledger_commit(ledger, &t);
		ck_assert_uint_eq(ledger_totals(other).received, i);
		ck_assert_uint_eq(ledger_totals(other).next_sequence, i + 1);
		ck_assert(ledger_look(other, &seen));
		ck_assert_uint_eq(seen.received, i);
	}
	ledger_unmap(other);
}
END_TEST

START_TEST(a_commit_that_did_not_move_the_version_does_not_count)
{
	struct ledger_totals t = ledger_totals(ledger);

	t.received = 5;
	ledger_commit(ledger, &t);
	ledger->totals[(ledger->totals_version + 1) & 1].received = 99; /* killed here */
	ck_assert_uint_eq(ledger_totals(ledger).received, 5);
}
END_TEST

START_TEST(kernel_counts_add_up_over_the_wrap_of_32_bits)
{
	next[0] = UINT32_MAX, next[1] = 3, next[2] = 1;
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(ledger_take(ledger, take, 12), 0);
	ck_assert_uint_eq(ledger_kernel(ledger).packets, UINT64_C(3) * UINT32_MAX);
	ck_assert_uint_eq(ledger_kernel(ledger).drops, 9);
	ck_assert_uint_eq(ledger_kernel(ledger).freezes, 3);
}
END_TEST

START_TEST(pending_counts_of_a_killed_worker_are_folded_without_a_read)
{
	ledger->pending[ledger->kernel_version & 1][0] =
		40; /* killed between the read and the fold */
	ledger->pending[ledger->kernel_version & 1][1] = 2;
	ck_assert_int_eq(ledger_take(ledger, take, 12), 0);
	ck_assert_int_eq(takes, 0);
	ck_assert_uint_eq(ledger_kernel(ledger).packets, 40);
	ck_assert_uint_eq(ledger_kernel(ledger).drops, 2);
	next[0] = 1, next[1] = next[2] = 0;
	ck_assert_int_eq(ledger_take(ledger, take, 12), 0);
	ck_assert_int_eq(takes, 1);
	ck_assert_uint_eq(ledger_kernel(ledger).packets, 41);
}
END_TEST

START_TEST(a_kill_before_the_version_moves_folds_once)
{
	unsigned now = ledger->kernel_version & 1;

	ledger->pending[now][0] = 40;
	ledger->kernel[!now].packets =
		40; /* killed here: folded into the other slot, not yet valid */
	ck_assert_uint_eq(ledger_kernel(ledger).packets, 0);
	ledger_take(ledger, take, 12);
	ck_assert_uint_eq(ledger_kernel(ledger).packets, 40);
}
END_TEST

START_TEST(a_failed_read_changes_nothing)
{
	take_rc = -EBADF;
	ck_assert_int_eq(ledger_take(ledger, take, 12), -EBADF);
	ck_assert_uint_eq(ledger_kernel(ledger).packets, 0);
	ck_assert_uint_eq(ledger->kernel_version, 0);
}
END_TEST

START_TEST(other_bytes_are_no_ledger)
{
	uint32_t old = LEDGER_VERSION + 1;

	ledger->layout = old;
	ck_assert_ptr_null(ledger_map(fd));
	ck_assert_int_eq(errno, EPROTO);
	ledger->layout = LEDGER_VERSION;
	ledger->magic++;
	ck_assert_ptr_null(ledger_map(fd));
}
END_TEST

/* The service manager stores whatever is under a ledger's name: what is or can become shorter than
 * its mapping would end its reader (SIGBUS). */
START_TEST(what_could_shrink_is_no_ledger)
{
	int other = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct ledger *mapped;

	ck_assert_ptr_null(ledger_map(other)); /* of no byte */
	ck_assert_int_eq(errno, EPROTO);
	ck_assert_int_eq(pwrite(other, ledger, LEDGER_BYTES, 0), LEDGER_BYTES);
	ck_assert_ptr_null(ledger_map(other));
	ck_assert_int_eq(errno, EPROTO);
	ck_assert_int_eq(fcntl(other, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	mapped = ledger_map(other);
	ck_assert_ptr_nonnull(mapped);
	ledger_unmap(mapped);
	ck_assert_int_eq(ftruncate(other, 2 * LEDGER_BYTES), 0); /* of another version, perhaps */
	ck_assert_ptr_null(ledger_map(other));
	ck_assert_int_eq(errno, EPROTO);
	close(other);
	ck_assert_ptr_null(ledger_map(-1));
	ck_assert_int_eq(errno, EBADF);
}
END_TEST

START_TEST(its_size_is_sealed)
{
	ck_assert_int_eq(ftruncate(fd, 0), -1);
	ck_assert_int_eq(ftruncate(fd, 8192), -1);
}
END_TEST

static struct counters reported;

/* NULL, or what is wrong with it for a ring of 8 blocks in its first generation, with files 0 and 1
 */
static const char *problem(void)
{
	const struct ledger_bounds bounds = { .generation = 1,
					      .blocks = 8,
					      .serial_max = 1,
					      .taken = true,
					      .writes = true,
					      .reported = &reported };

	return ledger_problem(ledger, &bounds);
}

/* Received 10 of 12 packets, 2 were dropped, and said so */
static struct ledger_totals some_totals(void)
{
	struct ledger_totals t = ledger_totals(ledger);

	memcpy(next, (uint32_t[3]){ 12, 2, 1 }, sizeof(next));
	ck_assert_int_eq(ledger_take(ledger, take, 12), 0);
	t.received = 10;
	t.written = 9;
	t.discarded_no_space = 1;
	t.current.end = 9000;
	ledger_commit(ledger, &t);
	ledger_counters(ledger, &t, &reported);
	return t;
}

START_TEST(what_a_dead_worker_left_is_believed_only_if_it_can_be)
{
	static const struct {
		size_t offset;
		uint64_t value;
		const char *why;
	} rows[] = {
		{ offsetof(struct ledger_totals, generation), 2, "ring" },
		{ offsetof(struct ledger_totals, next_block), 8, "ring" },
		{ offsetof(struct ledger_totals, next_sequence), 0, "ring" },
		{ offsetof(struct ledger_totals, current.serial), 2, "file" },
		{ offsetof(struct ledger_totals, current.end), 4095, "file" },
		{ offsetof(struct ledger_totals, received), 11, "kernel" },
		{ offsetof(struct ledger_totals, written), 8, "written plus discarded" },
		{ offsetof(struct ledger_totals, written_bytes), 0, "decreased" },
	};
	struct ledger_totals good = some_totals(), bad;

	good.written_bytes = 5;
	ledger_commit(ledger, &good);
	reported.written_bytes = 5;
	ck_assert_ptr_null(problem());
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		bad = good;
		memcpy((char *)&bad + rows[i].offset, &rows[i].value, sizeof(uint64_t));
		ledger_commit(ledger, &bad);
		ck_assert_ptr_nonnull(problem());
		ck_assert_msg(strstr(problem(), rows[i].why), "%s: %s", rows[i].why, problem());
		ledger_commit(ledger, &good);
		ck_assert_ptr_null(problem());
	}
	ledger->bytes--;
	ck_assert_ptr_nonnull(problem());
}
END_TEST

START_TEST(a_ledger_made_anew_counts_on_from_the_last_report)
{
	struct ledger_totals t = some_totals();
	struct counters now;

	memset(ledger, 0xff, sizeof(*ledger));
	ck_assert_ptr_nonnull(problem());
	ledger_restore(ledger, &reported, &t.current, 1);
	ck_assert_ptr_null(problem());
	t = ledger_totals(ledger);
	ledger_counters(ledger, &t, &now);
	ck_assert_mem_eq(&now, &reported, sizeof(now));
	ck_assert_uint_eq(t.current.end, 9000);
	memcpy(next, (uint32_t[3]){ 3, 1, 0 }, sizeof(next));
	ck_assert_int_eq(ledger_take(ledger, take, 12), 0);
	ck_assert_uint_eq(ledger_kernel(ledger).packets, 15);
}
END_TEST

START_TEST(the_next_ring_begins_at_one_in_a_file_of_its_own)
{
	struct ledger_totals t = some_totals();

	t.next_sequence = 70;
	t.next_block = 6;
	t.current.since_ns = 1;
	t.current.finish = (struct ledger_mark){ 12, 2, 9 };
	ledger_commit(ledger, &t);
	ledger_next_ring(ledger);
	t = ledger_totals(ledger);
	ck_assert_uint_eq(t.generation, 2);
	ck_assert_uint_eq(t.next_sequence, 1);
	ck_assert_uint_eq(t.next_block, 0);
	ck_assert_uint_eq(t.current.serial, 2);
	ck_assert_uint_eq(t.current.end, LEDGER_FILE_BEGIN);
	ck_assert_uint_eq(t.current.since_ns, 0);
	ck_assert_mem_eq(&t.current.begin, (&(struct ledger_mark){ 12, 2, 9 }),
			 sizeof(struct ledger_mark));
	ck_assert_uint_eq(t.received, 10);
}
END_TEST

/* Its file's numbers begin where the lost one's end; those of one that was never used are kept. */
START_TEST(a_lost_file_has_a_successor)
{
	struct ledger_totals t = some_totals();

	ledger_next_file(ledger);
	ck_assert_uint_eq(ledger_totals(ledger).current.begin.packets, 0);
	t.current.since_ns = 1;
	ledger_commit(ledger, &t);
	ledger_next_file(ledger);
	t = ledger_totals(ledger);
	ck_assert_uint_eq(t.current.serial, 2);
	ck_assert_uint_eq(t.current.end, LEDGER_FILE_BEGIN);
	ck_assert_mem_eq(&t.current.begin, (&(struct ledger_mark){ 12, 2, 9 }),
			 sizeof(struct ledger_mark));
	ck_assert_uint_eq(t.generation, 1);
}
END_TEST

Suite *suite_ledger(void)
{
	Suite *s = suite_create("ledger");
	TCase *t = tcase_create("ledger");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_new_ledger_stands_before_the_first_block_and_behind_the_head);
	tcase_add_test(t, what_is_committed_is_seen_through_another_mapping);
	tcase_add_test(t, a_commit_that_did_not_move_the_version_does_not_count);
	tcase_add_test(t, kernel_counts_add_up_over_the_wrap_of_32_bits);
	tcase_add_test(t, pending_counts_of_a_killed_worker_are_folded_without_a_read);
	tcase_add_test(t, a_kill_before_the_version_moves_folds_once);
	tcase_add_test(t, a_failed_read_changes_nothing);
	tcase_add_test(t, other_bytes_are_no_ledger);
	tcase_add_test(t, what_could_shrink_is_no_ledger);
	tcase_add_test(t, its_size_is_sealed);
	tcase_add_test(t, what_a_dead_worker_left_is_believed_only_if_it_can_be);
	tcase_add_test(t, a_ledger_made_anew_counts_on_from_the_last_report);
	tcase_add_test(t, the_next_ring_begins_at_one_in_a_file_of_its_own);
	tcase_add_test(t, a_lost_file_has_a_successor);
	suite_add_tcase(s, t);
	return s;
}
