/* The description of org.afcap.control, and its manual page. */
#include "suites.h"

#include "../../daemon/control/interface.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096
#define PAGE_BYTES     (64 << 10)
#define PATH_BYTES     4096

/* With a comma in front of each. */
static const char counter_fields[] =
#define COUNTER(name, unit, family, reason, help) ",\n  " #name ": int"
#include "../../daemon/base/counters.def"
#undef COUNTER
	;

static const char description_format[] =
	"# What afcapd does with every packet\n"
	"interface org.afcap.control\n\n"
	"type Fanout (mode: string, flags: []string, id: ?int)\n\n"
	"type WorkerStatus (worker: int, pid: ?int, state: string, restarts: int, "
	"packets_per_second: float,\n"
	"  bytes_per_second: float, loss_ratio: float, file: ?string, since: ?string, "
	"ring_seconds: float)\n\n"
	"type Ring (bytes: int, blocks: int, seconds: float, low_rate_seconds: float)\n\n"
	"type Rates (packets_per_second: float, bytes_per_second: float, loss_ratio: float)\n\n"
	"type CaptureStatus (name: string, interface: string, device: ?string, state: string,\n"
	"  reason: ?string, fanout: Fanout,\n"
	"  since: ?string, degraded: bool, workers: []WorkerStatus, total: Rates, ring: Ring)\n\n"
	"type WorkerStats (worker: int, pid: ?int, state: string%s\n)\n\n"
	"type Counters (%s\n)\n\n"
	"type CaptureStats (name: string, interface: string, device: ?string, state: string,\n"
	"  reason: ?string, fanout: Fanout,\n"
	"  workers: []WorkerStats, total: Counters)\n\n"
	"# State, rates and files of all captures\n"
	"method Status() -> (captures: []CaptureStatus)\n\n"
	"# All counters, of one capture or of all; with more: again every `interval` seconds (1 "
	"unless given)\n"
	"method Stats(capture: ?string, interval: ?float) -> (captures: []CaptureStats)\n\n"
	"# Begins the next files; answers when the previous ones are finished\n"
	"method Rotate(capture: ?string) -> ()\n\n"
	"error NoSuchCapture (capture: string)\n"
	"# Only root, the daemon's user, control_group and control_admins may read; only root, the "
	"daemon's user\n# and control_admins may change anything\n"
	"error PermissionDenied (reason: string)\n"
	"# All slots for clients are in use, or the disk is too slow or has no space for the next "
	"file\n"
	"error Busy (reason: string)\n";

START_TEST(clients_read_the_description_that_they_know)
{
	char *text = interface_describe(), *expected;
	size_t same = 0;

	ck_assert_int_gt(
		asprintf(&expected, description_format, counter_fields, counter_fields + 1), 0);
	while (text[same] && text[same] == expected[same])
		same++;
	ck_assert_msg(strcmp(text, expected) == 0, "differs at: %.60s", text + same);
	free(expected);
	free(text);
}
END_TEST

static void members_check(const char *line)
{
	for (const char *colon = strchr(line, ':'); colon; colon = strchr(colon + 1, ':')) {
		const char *name = colon;

		while (name > line && (isalnum((unsigned char)name[-1]) || name[-1] == '_'))
			name--;
		ck_assert_msg(islower((unsigned char)*name), "a member begins with %c: %s", *name,
			      line);
	}
}

/* One line of it; `depth` is of parentheses, before and after it. */
static void line_check(const char *line, int *depth)
{
	const char *comment = strchr(line, '#');

	if (comment) {
		ck_assert_msg(comment == line && *depth == 0, "a comment in a list: %s", line);
		ck_assert_msg(strlen(line) > 2 && !isspace((unsigned char)line[2]),
			      "an empty comment: %s", line);
		return;
	}
	ck_assert_msg(!strstr(line, "[]?"), "an optional element: %s", line);
	members_check(line);
	for (const char *c = line; *c; c++)
		*depth += (*c == '(') - (*c == ')');
}

/* The contract with readers of descriptions, see interface.def. */
START_TEST(every_reader_can_read_the_description)
{
	char *text = interface_describe(), *rest = text, *line;
	int depth = 0;

	while ((line = strsep(&rest, "\n"))) {
		line_check(line, &depth);
		ck_assert_int_ge(depth, 0);
	}
	ck_assert_int_eq(depth, 0);
	free(text);
}
END_TEST

/* In place: all counters as one member, "each counter". */
static void counters_fold(char *text)
{
	static const char folded[] = "each counter: int";
	static const char counters[] =
#define COUNTER(name, unit, family, reason, help) ", " #name ": int"
#include "../../daemon/base/counters.def"
#undef COUNTER
		;
	char *at = strstr(text, counters + 2);
	size_t length = strlen(counters + 2);

	if (!at)
		return;
	memmove(at + strlen(folded), at + length, strlen(at + length) + 1);
	memcpy(at, folded, strlen(folded));
}

/* In place: each declaration on one line. */
static void lines_join(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++) {
		bool within = *from == '\n' && (from[1] == ' ' || from[1] == ')');

		if (!within)
			*to++ = *from;
		else if (from[1] == ' ')
			from += 2; /* two spaces */
		if (within && to[-1] == ',')
			*to++ = ' ';
	}
	*to = '\0';
}

/* A declaration as the page has it: a method on one line, others on two. */
static void declaration_of(char *to, const char *line)
{
	const char *name = strchr(line, ' ') + 1, *arrow = strstr(name, "->"),
		   *members = strstr(name, " (");

	if (strncmp(line, "method", 6) == 0)
		snprintf(to, LINE_MAX_BYTES, "\n.B %.*s\\%s\n", (int)(arrow - name), name, arrow);
	else
		snprintf(to, LINE_MAX_BYTES, "\n.B %.*s\n%s\n", (int)(members - name), name,
			 members + 1);
	counters_fold(to);
}

/* The one of this build: the tests are in its tests/unit/check. */
static char *page_read(void)
{
	static char page[PAGE_BYTES];
	char path[PATH_BYTES] = "";
	ssize_t length =
		readlink("/proc/self/exe", path, sizeof(path) - sizeof("/afcap-control.7"));
	FILE *file;

	ck_assert_int_gt(length, 0);
	for (unsigned i = 0; i < 3; i++)
		*strrchr(path, '/') = '\0';
	strcat(path, "/afcap-control.7");
	file = fopen(path, "r");
	ck_assert_msg(file != NULL, "no %s", path);
	page[fread(page, 1, sizeof(page) - 1, file)] = '\0';
	fclose(file);
	return page;
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	while ((text = strstr(text, what))) {
		text += strlen(what);
		n++;
	}
	return n;
}

static bool declares(const char *line)
{
	return strncmp(line, "method ", 7) == 0 || strncmp(line, "error ", 6) == 0 ||
	       strncmp(line, "type ", 5) == 0;
}

START_TEST(the_manual_page_has_every_declaration)
{
	char *text = interface_describe(), *rest = text, *page = page_read(), *line,
	     declaration[LINE_MAX_BYTES];
	unsigned declared = 0;

	lines_join(text);
	while ((line = strsep(&rest, "\n")))
		if (declares(line)) {
			declaration_of(declaration, line);
			ck_assert_msg(strstr(page, declaration), "not in the page:%s", declaration);
			declared++;
		}
	ck_assert_uint_eq(declared, count(page, "\n.TP\n"));
	free(text);
}
END_TEST

Suite *suite_interface(void)
{
	Suite *suite = suite_create("interface");
	TCase *tests = tcase_create("interface");

	tcase_add_test(tests, clients_read_the_description_that_they_know);
	tcase_add_test(tests, every_reader_can_read_the_description);
	tcase_add_test(tests, the_manual_page_has_every_declaration);
	suite_add_tcase(suite, tests);
	return suite;
}
