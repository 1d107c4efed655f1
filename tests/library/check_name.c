/* libafcap: interfaces by their names, and what is a name of none. */
#include "lab.h"
#include "suites.h"

#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define NAME_BYTES 128 /* ALTIFNAMSIZ */

static char longest[NAME_BYTES]; /* an alternative name of va, of 127 letters */

static void setup(void)
{
	lab_setup();
	memset(longest, 'a', sizeof(longest) - 1);
	memcpy(longest, "enx", 3);
}

/* False: this kernel has no alternative names (before Linux 5.5) */
static bool alternatives_add(void)
{
	char command[256];

	snprintf(command, sizeof(command),
		 "ip link property add dev va altname enx1 altname va:9 altname %s 2>/dev/null",
		 longest);
	return system(command) == 0;
}

static int bound_to(void)
{
	struct sockaddr_ll address = { 0 };
	socklen_t length = sizeof(address);

	ck_assert_int_eq(getsockname(afcap_fd(handle), (struct sockaddr *)&address, &length), 0);
	return address.sll_ifindex;
}

START_TEST(an_interface_has_alternative_names)
{
	static const char *const names[] = { "va", "enx1", "va:9", longest };
	int ifindex = (int)if_nametoindex("va");

	if (!alternatives_add())
		return;
	for (unsigned i = 0; i < 4; i++) {
		options.interface = names[i];
		options.ifindex = 0;
		lab_open();
		ck_assert_int_eq(bound_to(), ifindex);
		lab_send(10, TEST_TYPE);
		ck_assert_uint_eq(lab_read(10), 10);
		afcap_close(handle);
		ck_assert_int_eq(afcap_link_type(names[i]), ARPHRD_ETHER);
		options.ifindex = ifindex + 1000;
		ck_assert_int_eq(afcap_open(&handle, &options, &error), -EINVAL);
		options.ifindex = ifindex; /* as the name says */
		lab_open();
		afcap_close(handle);
	}
}
END_TEST

/* The kernel's ioctls cut a name at its colon (net/core/dev_ioctl.c), and one of 15 letters is
 * all that they take. */
START_TEST(what_is_no_name_is_no_other_interface)
{
	char all[NAME_BYTES + 1];
	const char *const names[] = { "va:1", "va:", ":",     "va:1:2", "lo:0", "v",	   "va ",
				      "vaa",  "VA",  "any:1", longest,	all,	"nowhere0" };
	struct afcap *none = NULL;

	memset(all, 'a', NAME_BYTES);
	all[NAME_BYTES] = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		options.interface = names[i];
		ck_assert_msg(afcap_open(&none, &options, &error) == -ENODEV, "%s: %s", names[i],
			      error.text);
		ck_assert_int_eq(error.code, ENODEV);
		ck_assert_ptr_nonnull(strstr(error.text, "no such interface: "));
		ck_assert_int_eq(afcap_link_type(names[i]), -ENODEV);
	}
	ck_assert_ptr_null(none);
	ck_assert_int_eq(afcap_link_type(""), -ENODEV);
	ck_assert_int_eq(afcap_link_type("lo"), ARPHRD_LOOPBACK);
}
END_TEST

/* 127 letters are a name that may be there; with 128 it can be told without the kernel. */
START_TEST(a_name_that_is_too_long_is_told_without_the_kernel)
{
	char name[NAME_BYTES + 1];

	memset(name, 'a', NAME_BYTES);
	name[NAME_BYTES] = '\0';
	options.interface = name;
	ck_assert_int_eq(afcap_options_check(&options, &error), -ENODEV);
	ck_assert_ptr_nonnull(strstr(error.text, "names have at most 127 bytes"));
	name[NAME_BYTES - 1] = '\0';
	ck_assert_int_eq(afcap_options_check(&options, &error), 0);
	ck_assert_int_eq(afcap_open(&handle, &options, &error), -ENODEV);
}
END_TEST

Suite *suite_name(void)
{
	Suite *s = suite_create("name");
	TCase *t = lab_case(s, "names of interfaces", setup, 30);

	tcase_add_test(t, an_interface_has_alternative_names);
	tcase_add_test(t, what_is_no_name_is_no_other_interface);
	tcase_add_test(t, a_name_that_is_too_long_is_told_without_the_kernel);
	return s;
}
