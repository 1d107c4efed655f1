/* daemon/base/ledger.c */
#include "suites.h"

#include "../../daemon/base/ledger.h"

#include <errno.h>
#include <unistd.h>

static int fd;
static struct ledger *ledger;
static uint32_t next[3];
static int takes, take_rc;

static int take(int socket, uint32_t counts[3])
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
	struct ledger_totals t = ledger_totals(ledger);
	struct ledger *other = ledger_map(fd);

	for (uint64_t i = 1; i < 10; i++) {
		t.received = i;
		t.next_sequence = i + 1;
		ledger_commit(ledger, &t);
		ck_assert_uint_eq(ledger_totals(other).received, i);
		ck_assert_uint_eq(ledger_totals(other).next_sequence, i + 1);
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

START_TEST(its_size_is_sealed)
{
	ck_assert_int_eq(ftruncate(fd, 0), -1);
	ck_assert_int_eq(ftruncate(fd, 8192), -1);
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
	tcase_add_test(t, its_size_is_sealed);
	suite_add_tcase(s, t);
	return s;
}
