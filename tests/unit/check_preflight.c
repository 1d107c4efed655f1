/* daemon/supervisor/preflight.c: what is said before anything runs. */
#include "place.h"
#include "settings.h"
#include "suites.h"

#include "../../daemon/base/linktype.h"
#include "../../daemon/supervisor/preflight.h"

#include <cap-ng.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

static struct config config;
static struct config_capture *a;
static struct capture_error error;

static void configure(const char *settings)
{
	settings_begin(&config);
	a = settings_capture(&config, "a", settings);
	settings_finish(&config);
	error = (struct capture_error){ 0 };
}

/* No descriptor can be opened any more. Returns what was. */
static rlim_t descriptors_none(void)
{
	struct rlimit limit;
	rlim_t before;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	before = limit.rlim_cur;
	limit.rlim_cur = 0;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	return before;
}

static void descriptors_again(rlim_t before)
{
	struct rlimit limit;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = before;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

START_TEST(a_group_of_files_is_known_by_number)
{
	int64_t number = 5;
	rlim_t before;

	configure("interface=va");
	ck_assert_int_eq(preflight_file_group(&config, a, &number, &error), 0);
	ck_assert_int_eq(number, -1); /* as files come */
	configure("interface=va file_group=root");
	ck_assert_int_eq(preflight_file_group(&config, a, &number, &error), 0);
	ck_assert_int_eq(number, 0);
	strcpy(a->file_group, "nosuchgroup"); /* the rules look it up, too, elsewhere */
	ck_assert_int_eq(preflight_file_group(&config, a, &number, &error), -1);
	ck_assert_int_eq(error.exit_code, EX_CONFIG);
	ck_assert_str_eq(error.text, "test.conf:7: file_group = nosuchgroup: no such group");
	ck_assert_int_eq(number, -1);
	before = descriptors_none(); /* whether there is one is not known then */
	ck_assert_int_eq(preflight_file_group(&config, a, &number, &error), -1);
	descriptors_again(before);
	ck_assert_int_eq(error.exit_code, EXIT_FAILURE);
	ck_assert_msg(strstr(error.text, "nosuchgroup: Too many open files") != NULL, "%s",
		      error.text);
	a->group.output = OUTPUT_NONE; /* then there are no files */
	ck_assert_int_eq(preflight_file_group(&config, a, &number, &error), 0);
}
END_TEST

START_TEST(a_filter_that_cannot_be_is_said_in_libpcaps_words)
{
	configure("interface=va");
	strcpy(a->filter, "udp prot 53");
	ck_assert_int_eq(preflight_capture(&config, a, false, &error), 0); /* not asked for */
	ck_assert_int_eq(preflight_capture(&config, a, true, &error), -1);
	ck_assert_int_eq(error.exit_code, EX_CONFIG);
	ck_assert_msg(strncmp(error.text, "test.conf:7: filter = udp prot 53: ", 35) == 0 &&
			      strlen(error.text) > 35,
		      "%s", error.text);
	strcpy(a->filter, "udp port 53");
	ck_assert_int_eq(preflight_capture(&config, a, true, &error), 0);
	strcpy(a->group.interface, "any"); /* what cannot be told the kernel there */
	strcpy(a->filter, "link[0] = 1");
	ck_assert_int_eq(preflight_capture(&config, a, true, &error), -1);
	ck_assert_ptr_nonnull(strstr(error.text, "cannot be filtered on with interface = any"));
}
END_TEST

START_TEST(a_ring_that_cannot_be_is_said)
{
	configure("interface=va");
	a->group.ring_bytes = a->group.block_bytes / 2;
	ck_assert_int_eq(preflight_capture(&config, a, true, &error), -1);
	ck_assert_int_eq(error.exit_code, EX_CONFIG);
	ck_assert_msg(strncmp(error.text, "test.conf:7: ring_size: ", 24) == 0, "%s", error.text);
}
END_TEST

/* The first one that is wrong, of all captures. */
START_TEST(a_configuration_is_wrong_where_one_of_its_captures_is)
{
	char text[CONFIG_ERROR_BYTES] = "";
	struct config_capture *b;

	settings_begin(&config);
	a = settings_capture(&config, "a", "interface=va directory=/a");
	b = settings_capture(&config, "b", "interface=vb directory=/b");
	settings_finish(&config);
	ck_assert_int_eq(preflight_config(&config, true, text, sizeof(text)), 0);
	ck_assert_str_eq(text, "");
	strcpy(b->file_group, "nosuchgroup");
	ck_assert_int_eq(preflight_config(&config, true, text, sizeof(text)), EX_CONFIG);
	ck_assert_str_eq(text, "test.conf:7: file_group = nosuchgroup: no such group");
	strcpy(a->filter, "(");
	ck_assert_int_eq(preflight_config(&config, true, text, 25), EX_CONFIG);
	ck_assert_str_eq(text, "test.conf:7: filter = (:");
	a->filter[0] = '\0';
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 65536, 65536 }), 0);
	ck_assert_int_eq(preflight_config(&config, true, text, sizeof(text)), EX_CONFIG);
	ck_assert_msg(strncmp(text, "test.conf:7: file_size: ", 24) == 0, "%s", text);
}
END_TEST

static const struct {
	uint32_t hardware;
	int rc;
	uint32_t link_type;
} devices[] = {
	{ ARPHRD_ETHER, 0, LINKTYPE_ETHERNET }, { ARPHRD_LOOPBACK, 0, LINKTYPE_ETHERNET },
	{ ARPHRD_NONE, 0, LINKTYPE_RAW },	{ ARPHRD_RAWIP, 0, LINKTYPE_RAW },
	{ ARPHRD_IEEE80211_RADIOTAP, -1, 7 },	{ ARPHRD_INFINIBAND, -1, 7 },
};

START_TEST(a_device_of_another_kind_is_refused_with_what_there_is_instead)
{
	const struct link link = { .type = devices[_i].hardware };
	uint32_t type = 7;

	configure("interface=va");
	ck_assert_int_eq(preflight_link_type(a, &link, &type, &error), devices[_i].rc);
	ck_assert_uint_eq(type, devices[_i].link_type);
	if (devices[_i].rc) {
		ck_assert_int_eq(error.exit_code, EX_CONFIG);
		ck_assert_ptr_nonnull(strstr(error.text, "capture a: interface va has link type "));
		ck_assert_ptr_nonnull(strstr(error.text, "(interface = any)"));
	}
	configure("interface=any"); /* all devices, of any kind */
	ck_assert_int_eq(preflight_link_type(a, NULL, &type, &error), 0);
	ck_assert_uint_eq(type, LINKTYPE_LINUX_SLL2);
}
END_TEST

/* ---- what there is here: a loopback alone ---- */

static struct links *links;

static void alone_setup(void)
{
	ck_assert_msg(unshare(CLONE_NEWNET) == 0, "a network namespace needs root");
	ck_assert_int_eq(links_new(&links, NULL, NULL, NULL), 0);
	place_log();
}

static void alone_teardown(void)
{
	links_free(links);
}

START_TEST(an_interface_that_is_not_there_is_said_unless_it_may_come)
{
	configure("interface=va");
	ck_assert_int_eq(preflight_interface(&config, a, links, &error), -1);
	ck_assert_int_eq(error.exit_code, EX_CONFIG);
	ck_assert_str_eq(error.text,
			 "test.conf:7: no such interface: va (ip link shows those there are; "
			 "on_missing = wait lets it come later)");
	configure("interface=va on_missing=wait");
	ck_assert_int_eq(preflight_interface(&config, a, links, &error), 0);
	configure("interface=any");
	ck_assert_int_eq(preflight_interface(&config, a, links, &error), 0);
	configure("interface=lo");
	ck_assert_int_eq(preflight_interface(&config, a, links, &error), 0);
}
END_TEST

/* As ifconfig shows addresses. */
START_TEST(a_name_of_an_address_is_explained)
{
	char text[REASON_BYTES];

	configure("interface=va");
	strcpy(a->group.interface, "lo:1");
	preflight_missing(a, links, text, sizeof(text));
	ck_assert_str_eq(text, "lo:1 (which names an address of lo, not an interface: interface = "
			       "lo records it)");
	strcpy(a->group.interface, "vb:1"); /* there is no such interface either */
	preflight_missing(a, links, text, sizeof(text));
	ck_assert_str_eq(text, "vb:1");
}
END_TEST

START_TEST(what_a_start_would_fail_of_is_foreseen)
{
	struct config_capture *b, *c;

	settings_begin(&config);
	a = settings_capture(&config, "a", "interface=va directory=/nowhere/at/all");
	b = settings_capture(&config, "b", "interface=lo directory=/dev/null");
	c = settings_capture(&config, "c", "interface=vc on_missing=wait directory=/tmp");
	settings_finish(&config);
	preflight_foresee(&config);
	ck_assert_uint_eq(place_logged("<4>"), 3);
	ck_assert_uint_eq(place_logged("<4>test.conf:7: no such interface: va"), 1);
	ck_assert_uint_eq(place_logged("<4>test.conf:7: directory /nowhere/at/all: No such file"),
			  1);
	ck_assert_uint_eq(place_logged("<4>test.conf:7: directory /dev/null: Not a directory"), 1);
	a->group.output = b->group.output = c->group.output = OUTPUT_NONE;
	preflight_foresee(&config); /* without files no directory is needed */
	ck_assert_uint_eq(place_logged("<4>"), 4);
	ck_assert_uint_eq(place_logged("no such interface: va"), 2);
}
END_TEST

START_TEST(interfaces_that_cannot_be_read_are_no_error_of_the_configuration)
{
	rlim_t before;

	configure("interface=va directory=/tmp");
	before = descriptors_none();
	preflight_foresee(&config);
	descriptors_again(before);
	ck_assert_uint_eq(place_logged("<4>"), 1);
	ck_assert_uint_eq(place_logged("<4>the interfaces are not known"), 1);
}
END_TEST

START_TEST(a_missing_privilege_has_its_exit_code)
{
	int lowest = dup(STDIN_FILENO);
	rlim_t before;

	close(lowest);
	ck_assert_int_eq(preflight_privileges(), 0);
	ck_assert_int_eq(dup(STDIN_FILENO), lowest); /* nothing stays open */
	before = descriptors_none();
	ck_assert_int_eq(preflight_privileges(), EXIT_FAILURE);
	descriptors_again(before);
	ck_assert_uint_eq(place_logged("<3>packet socket: Too many open files"), 1);
	ck_assert_int_eq(capng_get_caps_process(), 0);
	ck_assert_int_eq(capng_update(CAPNG_DROP, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_RAW),
			 0);
	ck_assert_int_eq(capng_apply(CAPNG_SELECT_CAPS), 0);
	ck_assert_int_eq(preflight_privileges(), EX_NOPERM);
	ck_assert_uint_eq(place_logged("CAP_NET_RAW is missing"), 1);
}
END_TEST

Suite *suite_preflight(void)
{
	Suite *s = suite_create("preflight");
	TCase *t = tcase_create("configured"), *alone = tcase_create("there");

	tcase_add_test(t, a_group_of_files_is_known_by_number);
	tcase_add_test(t, a_filter_that_cannot_be_is_said_in_libpcaps_words);
	tcase_add_test(t, a_ring_that_cannot_be_is_said);
	tcase_add_test(t, a_configuration_is_wrong_where_one_of_its_captures_is);
	tcase_add_loop_test(t, a_device_of_another_kind_is_refused_with_what_there_is_instead, 0,
			    sizeof(devices) / sizeof(*devices));
	suite_add_tcase(s, t);
	tcase_add_checked_fixture(alone, alone_setup, alone_teardown);
	tcase_add_test(alone, an_interface_that_is_not_there_is_said_unless_it_may_come);
	tcase_add_test(alone, a_name_of_an_address_is_explained);
	tcase_add_test(alone, what_a_start_would_fail_of_is_foreseen);
	tcase_add_test(alone, interfaces_that_cannot_be_read_are_no_error_of_the_configuration);
	tcase_add_test(alone, a_missing_privilege_has_its_exit_code);
	suite_add_tcase(s, alone);
	return s;
}
