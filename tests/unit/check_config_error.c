/* daemon/base/config_error.c: where a key was set. */
#include "suites.h"

#include "../../daemon/base/config_error.h"
#include "../../daemon/base/config_reader.h"

#include <errno.h>
#include <string.h>

static struct config config;
static struct config_error error;
static struct config_capture *c;
static char where[256];

static void setup(void)
{
	config_init(&config);
	config.source = "/etc/afcapd.conf";
	c = config_add(&config, "eth0", 7, "test", &error);
	ck_assert_ptr_nonnull(c);
}

START_TEST(a_key_was_set_in_its_line_or_by_an_option)
{
	const unsigned row = 0; /* interface, control: the first of their sections */

	ck_assert_str_eq(config_where(&config, c, "interface", where, sizeof(where)),
			 "/etc/afcapd.conf:7"); /* its section's */
	c->lines[row] = 9;
	ck_assert_str_eq(config_where(&config, c, "interface", where, sizeof(where)),
			 "/etc/afcapd.conf:9");
	ck_assert_int_eq(config_override(&config, "interface=eth1", &error), 0);
	ck_assert_str_eq(config_where(&config, c, "interface", where, sizeof(where)),
			 "-o eth0.interface");
	ck_assert_str_eq(config_where_daemon(&config, "control", where, sizeof(where)),
			 "/etc/afcapd.conf");
	config.daemon.lines[row] = 3;
	ck_assert_str_eq(config_where_daemon(&config, "control", where, sizeof(where)),
			 "/etc/afcapd.conf:3");
	ck_assert_int_eq(config_override(&config, "daemon.control=/c", &error), 0);
	ck_assert_str_eq(config_where_daemon(&config, "control", where, sizeof(where)),
			 "-o daemon.control");
}
END_TEST

/* No file has it, as where all is said by options. */
START_TEST(a_section_that_is_in_no_line_is_where_the_configuration_is)
{
	c->line = 0;
	ck_assert_str_eq(config_where(&config, c, "filter", where, sizeof(where)),
			 "/etc/afcapd.conf");
	ck_assert_str_eq(config_where(&config, c, "no-such-key", where, sizeof(where)),
			 "/etc/afcapd.conf");
}
END_TEST

START_TEST(a_message_is_cut_where_there_is_no_more_space)
{
	static char text[CONFIG_ERROR_BYTES * 2];

	ck_assert_int_eq(config_fail(&error, "%s: %d", "a", 7), -EINVAL);
	ck_assert_str_eq(error.text, "a: 7");
	memset(text, 'x', sizeof(text) - 1);
	ck_assert_int_eq(config_fail(&error, "%s", text), -EINVAL);
	ck_assert_uint_eq(strlen(error.text), CONFIG_ERROR_BYTES - 1);
	ck_assert_str_eq(config_where(&config, c, "filter", where, 9), "/etc/afc");
}
END_TEST

Suite *suite_config_error(void)
{
	Suite *s = suite_create("config_error");
	TCase *t = tcase_create("config_error");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, a_key_was_set_in_its_line_or_by_an_option);
	tcase_add_test(t, a_section_that_is_in_no_line_is_where_the_configuration_is);
	tcase_add_test(t, a_message_is_cut_where_there_is_no_more_space);
	suite_add_tcase(s, t);
	return s;
}
