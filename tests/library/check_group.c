/* Fanout groups: joining, and refusals in words. */
#include "lab.h"
#include "suites.h"

#include <errno.h>
#include <string.h>

static struct afcap *members[2];
static struct afcap_fanout group;

static struct sock_filter to_first[] = { BPF_STMT(BPF_RET | BPF_K, 0) };

/* Every mode, alone and with each flag it takes. */
START_TEST(groups_are_joined_with_every_mode_and_flag)
{
	static const uint16_t flags[] = { 0, AFCAP_FANOUT_FLAG_DEFRAG, AFCAP_FANOUT_FLAG_ROLLOVER,
					  AFCAP_FANOUT_FLAG_IGNORE_OUTGOING };

	struct sock_fprog program = { 1, to_first };

	for (unsigned i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		struct afcap_fanout joined = lab_group((enum afcap_fanout_mode)_i,
						       flags[i] | AFCAP_FANOUT_FLAG_UNIQUEID);
		struct afcap_fanout other, full, read = lab_group(AFCAP_FANOUT_HASH, 0);
		struct afcap *second;

		joined.program = _i == AFCAP_FANOUT_CBPF ? &program : NULL;
		joined.program_fd = _i == AFCAP_FANOUT_EBPF ? lab_ebpf(40, -1) : -1;
		lab_open();
		ck_assert_int_eq(afcap_fanout_get(handle, &read), -ENOENT);
		if (_i == AFCAP_FANOUT_ROLLOVER && flags[i] == AFCAP_FANOUT_FLAG_ROLLOVER) {
			ck_assert_int_eq(afcap_fanout_join(handle, &joined, &error), -EINVAL);
			ck_assert_str_eq(error.text,
					 "fanout mode rollover excludes the flag rollover");
			afcap_close(handle);
			continue;
		}
		ck_assert_msg(afcap_fanout_join(handle, &joined, &error) == 0, "%s", error.text);
		ck_assert_uint_eq(joined.flags & AFCAP_FANOUT_FLAG_UNIQUEID, 0);
		ck_assert_int_eq(afcap_fanout_get(handle, &read), 0);
		ck_assert_uint_eq(read.id, joined.id);
		ck_assert_int_eq(read.mode, joined.mode);
		ck_assert_uint_eq(read.flags & ~AFCAP_FANOUT_FLAG_UNIQUEID, joined.flags);
		full = joined;
		ck_assert_int_eq(afcap_fanout_join(handle, &full, &error), -EALREADY);
		other = joined;
		other.mode = _i == AFCAP_FANOUT_LB ? AFCAP_FANOUT_CPU : AFCAP_FANOUT_LB;
		other.program = NULL;
		other.program_fd = -1;
		options.fanout = &other;
		ck_assert_int_eq(afcap_open(&second, &options, &error), -EINVAL);
		ck_assert_ptr_nonnull(strstr(error.text, "another mode"));
		options.fanout = &joined;
		ck_assert_msg(afcap_open(&second, &options, &error) == 0, "%s", error.text);
		options.fanout = NULL;
		afcap_close(second);
		afcap_close(handle);
	}
}
END_TEST

#define GROUP .size = sizeof(struct afcap_fanout), .program_fd = -1

static const struct {
	struct afcap_fanout fanout;
	const char *says;
} bad[] = {
	{ { GROUP, .mode = (enum afcap_fanout_mode)8 }, "fanout mode 8: unknown" },
	{ { GROUP, .flags = 0x0800 }, "fanout flags 0x800: unknown" },
	{ { GROUP, .id = 5, .flags = AFCAP_FANOUT_FLAG_UNIQUEID }, "fanout id 5: must be 0" },
	{ { GROUP, .max_members = 65537 }, "fanout max_members 65537: must be 1 to 65536" },
	{ { GROUP, .mode = AFCAP_FANOUT_CBPF }, "mode cbpf: needs a program, or has_program" },
	{ { GROUP, .mode = AFCAP_FANOUT_EBPF }, "mode ebpf: needs a program, or has_program" },
	{ { .size = sizeof(struct afcap_fanout), .mode = AFCAP_FANOUT_LB, .program_fd = 3 },
	  "fanout program_fd 3: mode ebpf takes one, lb does not" },
	{ { .size = sizeof(struct afcap_fanout), .mode = AFCAP_FANOUT_LB, .program_fd = 0 },
	  "fanout program_fd 0: mode ebpf takes one, lb does not" },
	{ { .size = sizeof(struct afcap_fanout), .mode = AFCAP_FANOUT_EBPF, .program_fd = -2 },
	  "fanout program_fd -2: must be a descriptor, or -1: none" },
};

START_TEST(what_is_wrong_with_a_group_is_told)
{
	options.fanout = &bad[_i].fanout;
	ck_assert_int_eq(afcap_open(&handle, &options, &error), -EINVAL);
	ck_assert_msg(strstr(error.text, bad[_i].says), "%s", error.text);
}
END_TEST

START_TEST(a_group_takes_as_many_members_as_it_was_made_for)
{
	struct afcap *third;
	int rc;

	group = lab_group(AFCAP_FANOUT_HASH, 0);
	group.id = 77;
	group.max_members = 2;
	options.fanout = &group;
	rc = afcap_open(&members[0], &options, &error);
	if (rc) { /* before Linux 5.12 */
		ck_assert_ptr_nonnull(strstr(error.text, "max_members (Linux 5.12)"));
		return;
	}
	ck_assert_int_eq(afcap_open(&members[1], &options, &error), 0);
	ck_assert_int_eq(afcap_open(&third, &options, &error), -ENOSPC);
	ck_assert_str_eq(error.text, "fanout group 77 is full (2 members)");
	afcap_close(members[1]);
	ck_assert_int_eq(afcap_open(&members[1], &options, &error), 0);
	group.max_members = 300;
	ck_assert_int_eq(afcap_open(&third, &options, &error), -EINVAL);
}
END_TEST

/* Before Linux 6.13 a link that is down cannot be joined; the error says so. */
START_TEST(a_group_is_joined_while_the_link_is_down_or_it_is_told)
{
	int rc;

	group = lab_group(AFCAP_FANOUT_HASH, 0);
	group.id = 5;
	lab_open();
	lab_run("ip link set va down");
	rc = afcap_fanout_join(handle, &group, &error);
	if (rc) {
		ck_assert_int_eq(rc, -EINVAL);
		ck_assert_ptr_nonnull(strstr(error.text, "the interface is down"));
	}
	afcap_close(handle);
}
END_TEST

START_TEST(a_group_is_of_one_interface)
{
	struct afcap *other;

	group = lab_group(AFCAP_FANOUT_HASH, 0);
	group.id = 5;
	options.fanout = &group;
	lab_open();
	options.interface = "vb";
	ck_assert_int_eq(afcap_open(&other, &options, &error), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error.text, "another interface"));
	afcap_close(handle);
}
END_TEST

Suite *suite_group(void)
{
	Suite *s = suite_create("group");
	TCase *t = lab_case(s, "SetFanout", lab_setup, 60);

	tcase_add_loop_test(t, groups_are_joined_with_every_mode_and_flag, AFCAP_FANOUT_HASH,
			    AFCAP_FANOUT_EBPF + 1);
	tcase_add_loop_test(t, what_is_wrong_with_a_group_is_told, 0, sizeof(bad) / sizeof(*bad));
	tcase_add_test(t, a_group_takes_as_many_members_as_it_was_made_for);
	tcase_add_test(t, a_group_is_joined_while_the_link_is_down_or_it_is_told);
	tcase_add_test(t, a_group_is_of_one_interface);
	return s;
}
