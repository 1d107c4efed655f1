/* What the row of a method allows, and the rows of org.afcap.control. */
#include "suites.h"

#include "../../daemon/control/methods.h"

#include <stdio.h>
#include <string.h>

static bool run_nothing(void *owner, struct varlink_call *call, json_t *parameters)
{
	(void)owner;
	(void)call;
	(void)parameters;
	return true;
}

static const struct varlink_parameter parameters[] = {
	{ "name", VARLINK_STRING, false, 0, 0 },
	{ "note", VARLINK_STRING, true, 0, 0 },
	{ "factor", VARLINK_FLOAT, true, 0, 0 },
	{ "seconds", VARLINK_FLOAT, true, 0.5, 60 },
	VARLINK_PARAMETERS_END,
};
static const struct varlink_method method = {
	.name = "Try", .access = VARLINK_CHANGE, .parameters = parameters, .run = run_nothing
};

/* `expected`: the name of the parameter that is wrong, "" where none is. */
static void checked(const struct varlink_method *row, const char *text, const char *expected)
{
	json_t *given = json_loads(text, 0, NULL);
	const char *wrong = "unset";
	enum varlink_verdict verdict = varlink_method_check(row, VARLINK_CHANGE, given, &wrong);

	ck_assert_msg(given != NULL, "%s is no JSON", text);
	ck_assert_msg(strcmp(wrong ? wrong : "", expected) == 0, "%s: %s is wrong, not %s", text,
		      wrong ? wrong : "nothing", expected);
	ck_assert_int_eq(verdict, *expected ? VARLINK_INVALID : VARLINK_ALLOWED);
	json_decref(given);
}

START_TEST(parameters_of_their_types_are_allowed)
{
	checked(&method, "{\"name\":\"x\"}", "");
	checked(&method, "{\"name\":\"\",\"note\":\"y\",\"factor\":-1.5,\"seconds\":1}", "");
	checked(&method, "{\"name\":\"x\",\"note\":null,\"factor\":null,\"seconds\":null}", "");
}
END_TEST

START_TEST(unknown_parameters_are_named)
{
	checked(&method, "{\"name\":\"x\",\"nmae\":\"x\"}", "nmae");
	checked(&method, "{\"name\":\"x\",\"Name\":\"x\"}", "Name");
	checked(&method, "{\"name\":\"x\",\"nothing\":null}", "nothing");
}
END_TEST

START_TEST(other_types_are_named)
{
	static const char *const none_fits[] = { "true", "[]", "[1]", "{}", "{\"a\":1}" };
	char text[128];

	for (unsigned i = 0; i < sizeof(none_fits) / sizeof(*none_fits); i++) {
		snprintf(text, sizeof(text), "{\"name\":%s}", none_fits[i]);
		checked(&method, text, "name");
		snprintf(text, sizeof(text), "{\"name\":\"x\",\"factor\":%s}", none_fits[i]);
		checked(&method, text, "factor");
	}
	checked(&method, "{\"name\":1}", "name");
	checked(&method, "{\"name\":\"x\",\"note\":1.5}", "note");
	checked(&method, "{\"name\":\"x\",\"factor\":\"1\"}", "factor");
}
END_TEST

START_TEST(what_is_not_nullable_must_be_there)
{
	checked(&method, "{}", "name");
	checked(&method, "{\"note\":\"y\"}", "name");
	checked(&method, "{\"name\":null}", "name");
}
END_TEST

START_TEST(ranges_include_their_ends)
{
	checked(&method, "{\"name\":\"x\",\"seconds\":0.5}", "");
	checked(&method, "{\"name\":\"x\",\"seconds\":60}", "");
	checked(&method, "{\"name\":\"x\",\"seconds\":0.4999}", "seconds");
	checked(&method, "{\"name\":\"x\",\"seconds\":60.0001}", "seconds");
	checked(&method, "{\"name\":\"x\",\"seconds\":-1}", "seconds");
	checked(&method, "{\"name\":\"x\",\"seconds\":1e300}", "seconds");
	checked(&method, "{\"name\":\"x\",\"factor\":1e300}", "");
}
END_TEST

START_TEST(names_and_types_come_before_ranges)
{
	checked(&method, "{\"seconds\":0,\"nmae\":1}", "nmae");
	checked(&method, "{\"seconds\":0,\"note\":1}", "note");
	checked(&method, "{\"seconds\":0}", "name");
}
END_TEST

START_TEST(clients_need_the_access_of_the_row)
{
	json_t *right = json_pack("{s:s}", "name", "x"), *none = json_object();
	const char *wrong;

	ck_assert_int_eq(varlink_method_check(&method, VARLINK_NOTHING, right, &wrong),
			 VARLINK_DENIED);
	ck_assert_int_eq(varlink_method_check(&method, VARLINK_READ, right, &wrong),
			 VARLINK_DENIED);
	ck_assert_int_eq(varlink_method_check(&method, VARLINK_CHANGE, right, &wrong),
			 VARLINK_ALLOWED);
	/* What is wrong with the call is said to clients without the access, too */
	ck_assert_int_eq(varlink_method_check(&method, VARLINK_READ, none, &wrong),
			 VARLINK_INVALID);
	json_decref(right);
	json_decref(none);
}
END_TEST

static const struct varlink_method *row(const char *name)
{
	const struct varlink_method *m = methods_table;

	while (m->name && strcmp(m->name, name) != 0)
		m++;
	ck_assert_msg(m->name != NULL, "no method %s", name);
	return m;
}

START_TEST(only_some_methods_are_for_readers)
{
	static const char *const reading[] = { "Status", "Stats" };
	unsigned readable = 0;

	for (unsigned i = 0; i < sizeof(reading) / sizeof(*reading); i++)
		ck_assert_int_eq(row(reading[i])->access, VARLINK_READ);
	for (const struct varlink_method *m = methods_table; m->name; m++) {
		ck_assert_int_ne(m->access, VARLINK_NOTHING);
		readable += m->access == VARLINK_READ;
		ck_assert(m->run && m->parameters);
	}
	ck_assert_uint_eq(readable, sizeof(reading) / sizeof(*reading));
}
END_TEST

START_TEST(the_rows_of_the_interface_check_what_it_promises)
{
	checked(row("Status"), "{}", "");
	checked(row("Status"), "{\"capture\":\"va\"}", "capture");
	checked(row("Stats"), "{\"capture\":null,\"interval\":null}", "");
	checked(row("Stats"), "{\"capture\":\"va\",\"interval\":0.1}", "");
	checked(row("Stats"), "{\"interval\":86400}", "");
	checked(row("Stats"), "{\"interval\":0.09}", "interval");
	checked(row("Stats"), "{\"interval\":86401}", "interval");
	checked(row("Rotate"), "{\"capture\":\"va\"}", "");
	checked(row("Rotate"), "{\"captrue\":\"va\"}", "captrue");
	ck_assert(row("Stats")->more && !row("Status")->more && !row("Rotate")->more);
	ck_assert(row("Rotate")->wait != NULL);
}
END_TEST

Suite *suite_method(void)
{
	Suite *suite = suite_create("method");
	TCase *tests = tcase_create("method");

	tcase_add_test(tests, parameters_of_their_types_are_allowed);
	tcase_add_test(tests, unknown_parameters_are_named);
	tcase_add_test(tests, other_types_are_named);
	tcase_add_test(tests, what_is_not_nullable_must_be_there);
	tcase_add_test(tests, ranges_include_their_ends);
	tcase_add_test(tests, names_and_types_come_before_ranges);
	tcase_add_test(tests, clients_need_the_access_of_the_row);
	tcase_add_test(tests, only_some_methods_are_for_readers);
	tcase_add_test(tests, the_rows_of_the_interface_check_what_it_promises);
	suite_add_tcase(suite, tests);
	return suite;
}
