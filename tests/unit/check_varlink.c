/* Calls over a socket: what becomes of them by the rows of the methods. */
#include "suites.h"

#include "../../daemon/control/varlink_service.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define TURNS 4

/* What the methods are called with. */
struct owner {
	const char *busy;
	bool ready;
	unsigned runs;
};

static struct {
	struct event_base *base;
	struct varlink *server;
	struct varlink_interface interfaces[3];
	struct varlink_about about;
	struct sockaddr_un address;
	socklen_t address_length;
	enum varlink_access access; /* of clients that come */
	struct owner owner;
} lab;

static bool run_echo(void *owner, struct varlink_call *call, json_t *parameters)
{
	((struct owner *)owner)->runs++;
	varlink_reply(call, json_incref(parameters));
	return true;
}

static json_t *next(void *owner, json_t *parameters)
{
	(void)owner;
	return json_incref(parameters);
}

static bool run_stream(void *owner, struct varlink_call *call, json_t *parameters)
{
	if (!varlink_more(call))
		return run_echo(owner, call, parameters);
	varlink_stream(call, 10, next, parameters);
	return true;
}

static bool run_begin(void *owner, struct varlink_call *call, json_t *parameters)
{
	(void)call;
	(void)parameters;
	((struct owner *)owner)->runs++;
	return false;
}

static const char *begin_busy(void *owner, json_t *parameters)
{
	(void)parameters;
	return ((struct owner *)owner)->runs ? "it was asked too late"
					     : ((struct owner *)owner)->busy;
}

static json_t *begin_ready(void *owner, json_t *parameters)
{
	(void)parameters;
	return ((struct owner *)owner)->ready ? json_object() : NULL;
}

static const struct varlink_wait begin_wait = {
	.busy = begin_busy, .ready = begin_ready, .seconds = 0.1, .late = { "t.Busy", "slow" }
};
static const struct varlink_parameter parameters[] = { { "text", VARLINK_STRING, true, 0, 0 },
						       VARLINK_PARAMETERS_END };
static const struct varlink_method methods[] = {
	{ "Echo", VARLINK_READ, false, parameters, run_echo, NULL },
	{ "Stream", VARLINK_READ, true, parameters, run_stream, NULL },
	{ "Once", VARLINK_READ, false, parameters, run_stream, NULL },
	{ "Begin", VARLINK_CHANGE, false, parameters, run_begin, &begin_wait },
	{ NULL, VARLINK_READ, false, NULL, NULL, NULL },
};

static enum varlink_access access_of(void *context, int socket)
{
	(void)context;
	(void)socket;
	return lab.access;
}

static void call(void *context, struct varlink_call *call, const char *method, json_t *given)
{
	varlink_method_run(context, call, method, given);
}

static const struct varlink_service service = { .access = access_of,
						.call = call,
						.denied = { "t.Denied", "ask nothing" },
						.busy = { "t.Busy", "full" } };

static void server_start(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memset(&lab, 0, sizeof(lab));
	lab.about = (struct varlink_about){ "v", "p", "1", "u", lab.interfaces };
	lab.interfaces[0] = varlink_service_interface(&lab.about);
	lab.interfaces[1] = (struct varlink_interface){
		"t", "interface t\n", methods, &lab.owner, { "t.Denied", "change nothing" }
	};
	lab.access = VARLINK_CHANGE;
	lab.base = event_base_new();
	lab.address.sun_family = AF_UNIX; /* at a name that the kernel gives, in no file system */
	lab.address_length = sizeof(lab.address);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&lab.address, sizeof(sa_family_t)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&lab.address, &lab.address_length), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	ck_assert_int_eq(varlink_new(&lab.server, lab.base, fd, &service, lab.interfaces), 0);
}

static void server_stop(void)
{
	varlink_free(lab.server);
	event_base_free(lab.base);
}

/* The answers to `request` by a client with `access`, whose NULs are newlines. */
static const char *answers(enum varlink_access access, const char *request)
{
	static char text[4096];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ssize_t n;

	lab.access = access;
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&lab.address, lab.address_length), 0);
	ck_assert_int_eq(send(fd, request, strlen(request) + 1, 0), (int)strlen(request) + 1);
	for (unsigned i = 0; i < TURNS; i++)
		event_base_loop(lab.base, EVLOOP_NONBLOCK);
	while ((n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT)) < 0)
		event_base_loop(lab.base, EVLOOP_ONCE); /* its answer comes later */
	text[n] = '\0';
	for (char *nul = text;
	     nul < text + n && (nul = memchr(nul, '\0', (size_t)(text + n - nul)));)
		*nul = '\n';
	close(fd);
	return text;
}

static void answered(enum varlink_access access, const char *request, const char *expected)
{
	ck_assert_str_eq(answers(access, request), expected);
}

START_TEST(who_may_not_change_is_refused_and_nothing_is_run)
{
	static const char begin[] = "{\"method\":\"t.Begin\"}";

	answered(VARLINK_READ, "{\"method\":\"t.Echo\"}", "{\"parameters\":{}}\n");
	lab.owner = (struct owner){ .ready = true };
	answered(VARLINK_READ, begin,
		 "{\"error\":\"t.Denied\",\"parameters\":{\"reason\":\"change nothing\"}}\n");
	ck_assert_uint_eq(lab.owner.runs, 0);
	answered(VARLINK_NOTHING, begin,
		 "{\"error\":\"t.Denied\",\"parameters\":{\"reason\":\"ask nothing\"}}\n");
	answered(VARLINK_CHANGE, begin, "{\"parameters\":{}}\n");
	ck_assert_uint_eq(lab.owner.runs, 1);
}
END_TEST

START_TEST(wrong_parameters_run_nothing)
{
	answered(
		VARLINK_CHANGE, "{\"method\":\"t.Begin\",\"parameters\":{\"txet\":\"x\"}}",
		"{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":"
		"\"txet\"}}\n");
	ck_assert_uint_eq(lab.owner.runs, 0);
}
END_TEST

START_TEST(busy_is_asked_before_and_answered_behind)
{
	static const char begin[] = "{\"method\":\"t.Begin\"}";

	lab.owner = (struct owner){ .busy = "no room" };
	answered(VARLINK_CHANGE, begin,
		 "{\"error\":\"t.Busy\",\"parameters\":{\"reason\":\"no room\"}}\n");
	ck_assert_uint_eq(lab.owner.runs, 1);
	lab.owner = (struct owner){ .busy = NULL };
	answered(VARLINK_CHANGE, begin,
		 "{\"error\":\"t.Busy\",\"parameters\":{\"reason\":\"slow\"}}\n");
}
END_TEST

START_TEST(more_is_void_where_a_method_has_no_stream)
{
	answered(VARLINK_READ, "{\"method\":\"t.Stream\",\"more\":true}",
		 "{\"parameters\":{},\"continues\":true}\n");
	answered(VARLINK_READ, "{\"method\":\"t.Stream\"}", "{\"parameters\":{}}\n");
	answered(VARLINK_READ, "{\"method\":\"t.Once\",\"more\":true}", "{\"parameters\":{}}\n");
}
END_TEST

START_TEST(methods_and_interfaces_are_found_by_their_whole_names)
{
	static const struct {
		const char *method, *error, *parameter, *value;
	} unknown[] = {
		{ "t.Fly", "MethodNotFound", "method", "t.Fly" },
		{ "t.echo", "MethodNotFound", "method", "t.echo" },
		{ "t.", "MethodNotFound", "method", "t." },
		{ "t", "MethodNotFound", "method", "t" },
		{ "org.varlink.service.Echo", "MethodNotFound", "method",
		  "org.varlink.service.Echo" },
		{ "tt.Echo", "InterfaceNotFound", "interface", "tt" },
		{ "t.t.Echo", "InterfaceNotFound", "interface", "t.t" },
		{ ".Echo", "InterfaceNotFound", "interface", "" },
		{ "Echo", "InterfaceNotFound", "interface", "Echo" },
		{ "", "InterfaceNotFound", "interface", "" },
	};
	char request[128], expected[256];

	for (unsigned i = 0; i < sizeof(unknown) / sizeof(*unknown); i++) {
		snprintf(request, sizeof(request), "{\"method\":\"%s\"}", unknown[i].method);
		snprintf(expected, sizeof(expected),
			 "{\"error\":\"org.varlink.service.%s\",\"parameters\":{\"%s\":\"%s\"}}\n",
			 unknown[i].error, unknown[i].parameter, unknown[i].value);
		answered(VARLINK_READ, request, expected);
	}
	answered(VARLINK_READ, "{\"method\":\"org.varlink.service.GetInfo\"}",
		 "{\"parameters\":{\"vendor\":\"v\",\"product\":\"p\",\"version\":\"1\",\"url\":"
		 "\"u\","
		 "\"interfaces\":[\"org.varlink.service\",\"t\"]}}\n");
}
END_TEST

Suite *suite_varlink(void)
{
	Suite *suite = suite_create("varlink");
	TCase *tests = tcase_create("varlink");

	tcase_add_checked_fixture(tests, server_start, server_stop);
	tcase_add_test(tests, who_may_not_change_is_refused_and_nothing_is_run);
	tcase_add_test(tests, wrong_parameters_run_nothing);
	tcase_add_test(tests, busy_is_asked_before_and_answered_behind);
	tcase_add_test(tests, more_is_void_where_a_method_has_no_stream);
	tcase_add_test(tests, methods_and_interfaces_are_found_by_their_whole_names);
	suite_add_tcase(suite, tests);
	return suite;
}
