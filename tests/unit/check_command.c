/* Command lines of afctl: which are right, and what is said of others. */
#include "suites.h"

#include "../../daemon/afctl/client.h"
#include "../../daemon/afctl/command.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARGUMENTS 12

struct settings {
	unsigned count;
	bool follow;
	char from[16];
};

static const char *count_parse(void *settings, const char *argument)
{
	unsigned *count = &((struct settings *)settings)->count;

	*count = argument ? (unsigned)atoi(argument) : 1;
	return *count ? NULL : "more than 0";
}

static const char *follow_parse(void *settings, const char *argument)
{
	ck_assert_ptr_null(argument);
	((struct settings *)settings)->follow = true;
	return NULL;
}

static const char *from_parse(void *settings, const char *argument)
{
	strncpy(((struct settings *)settings)->from, argument, 15);
	return NULL;
}

static int run(const struct common *common, const void *settings, char *const *arguments)
{
	(void)common;
	(void)settings;
	(void)arguments;
	return 0;
}

static const struct command_option options[] = {
	{ "count", 0, "N", true, "so many (1)", count_parse },
	{ "follow", 'f', NULL, false, "more of them", follow_parse },
	{ "from", 0, "TIME", false, "since then", from_parse },
	{ NULL, 0, NULL, false, NULL, NULL },
};
static const struct verb list = { "list", "[CAPTURE]", "what there is", 0, 1, options, run };
static const struct verb set = { "set", "CAPTURE VALUE", "a value", 2, 2, NULL, run };
static const struct verb show = { "show", "", "all", 0, 0, NULL, run };
static const struct verb version = { "version", "", "which one", 0, 0, NULL, run };
static const struct verb *const verbs[] = { &list, &set, &show, &version, NULL };

/* What is printed to stderr meanwhile, and the result in *rc. */
static const char *parsed(struct command *command, const char *line, int *rc)
{
	static char text[1024], words[256], *argv[ARGUMENTS + 1];
	char *rest = words;
	FILE *said = tmpfile();
	int argc = 1, saved = dup(STDERR_FILENO);

	argv[0] = "afctl";
	snprintf(words, sizeof(words), "%s", line);
	while (rest && *rest && argc < ARGUMENTS)
		argv[argc++] = strsep(&rest, " ");
	argv[argc] = NULL;
	fflush(stderr);
	dup2(fileno(said), STDERR_FILENO);
	*rc = command_parse(command, verbs, argc, argv);
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(said);
	text[fread(text, 1, sizeof(text) - 1, said)] = '\0';
	fclose(said);
	return text;
}

static struct command right(const char *line)
{
	struct command command;
	int rc;
	const char *said = parsed(&command, line, &rc);

	ck_assert_msg(rc == 0 && !*said, "%s: %d, %s", line, rc, said);
	return command;
}

static void wrong(const char *line, const char *expected)
{
	struct command command;
	int rc;
	const char *said = parsed(&command, line, &rc);

	ck_assert_msg(rc == AFCTL_USAGE, "%s: %d", line, rc);
	ck_assert_msg(strcmp(said, expected) == 0, "%s: %s", line, said);
}

#define LIST "\nusage: afctl list [CAPTURE] [--count[=N]] [-f|--follow] [--from=TIME]\n"

START_TEST(common_options_may_be_anywhere)
{
	static const char *const lines[] = {
		"-s a.sock --json --color=never list va",
		"list -s a.sock --json --color=never va",
		"list va --socket=a.sock -j --color never",
		"-j list va --color=never -sa.sock",
		"list -js a.sock va --color=never",
	};

	for (unsigned i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		struct command c = right(lines[i]);

		ck_assert_ptr_eq(c.verb, &list);
		ck_assert_str_eq(c.common.socket, "a.sock");
		ck_assert(c.common.json && c.common.color == COLOR_NEVER);
		ck_assert_str_eq(c.arguments[0], "va");
		ck_assert_ptr_null(c.arguments[1]);
	}
	ck_assert_str_eq(right("show").common.socket, "/run/afcap/control.sock");
	ck_assert(!right("show").common.json && right("show").common.color == COLOR_AUTO);
}
END_TEST

START_TEST(options_of_a_verb_set_its_own)
{
	struct command c = right("list --count=7 va -f --from 14:00");
	const struct settings *s = (const void *)c.settings;

	ck_assert_uint_eq(s->count, 7);
	ck_assert(s->follow);
	ck_assert_str_eq(s->from, "14:00");
	ck_assert_str_eq(c.arguments[0], "va");
	c = right("list --count -- -f");
	ck_assert_uint_eq(s->count, 1);
	ck_assert(!s->follow);
	ck_assert_str_eq(c.arguments[0], "-f");
	c = right("list");
	ck_assert_uint_eq(s->count, 0);
	ck_assert_ptr_null(c.arguments[0]);
}
END_TEST

START_TEST(unknown_and_misplaced_options_are_usage_errors)
{
	wrong("list --nonsense", "afctl: unknown option --nonsense" LIST);
	wrong("list --nonsense=1 va", "afctl: unknown option --nonsense" LIST);
	wrong("list -x", "afctl: unknown option -x" LIST);
	wrong("list -jx", "afctl: unknown option -x" LIST);
	wrong("list --json -xj", "afctl: unknown option -x" LIST);
	wrong("--nonsense list", "afctl: unknown option --nonsense (afctl --help)\n");
	wrong("-x list", "afctl: unknown option -x (afctl --help)\n");
	wrong("show --count=2",
	      "afctl: --count is an option of list, not of show\nusage: afctl show\n");
	wrong("--count list", "afctl: --count is an option of list, and must follow it" LIST);
}
END_TEST

START_TEST(arguments_of_options_are_checked)
{
	wrong("list --count=0", "afctl: --count=0: must be more than 0" LIST);
	wrong("list --follow=1", "afctl: --follow takes no argument" LIST);
	wrong("list --from", "afctl: --from needs an argument" LIST);
	wrong("list -s", "afctl: --socket needs an argument" LIST);
	wrong("--json=1 show", "afctl: --json takes no argument (afctl --help)\n");
	wrong("--color=red show",
	      "afctl: --color=red: must be auto, always or never (afctl --help)\n");
}
END_TEST

START_TEST(verbs_have_as_many_arguments_as_they_take)
{
	wrong("lis", "afctl: unknown verb lis (afctl --help)\n");
	wrong("list a b", "afctl: list does not take that many arguments: b" LIST);
	wrong("show a", "afctl: show takes no argument: a\nusage: afctl show\n");
	wrong("set a", "afctl: set needs CAPTURE VALUE\nusage: afctl set CAPTURE VALUE\n");
	wrong("set a b c",
	      "afctl: set does not take that many arguments: c\nusage: afctl set CAPTURE VALUE\n");
	ck_assert_str_eq(right("set a b").arguments[1], "b");
}
END_TEST

START_TEST(without_a_verb_it_is_the_first_one)
{
	static const char *const lines[] = { "", "--json", "-s a.sock", "--" };

	for (unsigned i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		struct command c = right(lines[i]);

		ck_assert_ptr_eq(c.verb, &list);
		ck_assert_ptr_null(c.arguments[0]);
		ck_assert_int_eq(c.common.json, i == 1);
		ck_assert_str_eq(c.common.socket, i == 2 ? "a.sock" : "/run/afcap/control.sock");
	}
}
END_TEST

START_TEST(the_option_version_is_the_verb)
{
	static const char *const lines[] = { "-V", "--version", "-j --version -s a.sock", "-Vj" };

	for (unsigned i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		struct command c = right(lines[i]);

		ck_assert_ptr_eq(c.verb, &version);
		ck_assert_ptr_null(c.arguments[0]);
		ck_assert_int_eq(c.common.json, i >= 2);
	}
	wrong("-V list", "afctl: version takes no argument: list\nusage: afctl version\n");
	wrong("--version=1", "afctl: --version takes no argument (afctl --help)\n");
	wrong("list -V", "afctl: unknown option -V" LIST);
	ck_assert(right("-Vh").help);
}
END_TEST

static const char *help(const struct verb *verb)
{
	static char text[2048];
	FILE *to = fmemopen(text, sizeof(text), "w");

	command_help(to, verbs, verb);
	fclose(to);
	return text;
}

START_TEST(help_is_what_the_tables_have)
{
	ck_assert(right("-h").help && right("--help").help && !right("show").help);
	ck_assert_ptr_null(right("--help list").verb);
	ck_assert(right("list -h").help);
	ck_assert_ptr_eq(right("list --help --nonsense a b").verb, &list);
	ck_assert_ptr_nonnull(strstr(help(NULL),
				     "usage: afctl [-s SOCKET] [-j|--json] "
				     "[--color=auto|always|never] [-V|--version] [VERB]\n\n"
				     "Without a verb: list.\n\n"
				     "  list [CAPTURE] [--count[=N]] [-f|--follow] [--from=TIME] "
				     "what there is; --count: so many (1); --follow: more of them; "
				     "--from: since then\n"
				     "  set CAPTURE VALUE                a value\n"
				     "  show                             all\n"
				     "  version                          which one\n"));
	ck_assert_ptr_nonnull(strstr(help(&list),
				     "usage: afctl list [CAPTURE] [--count[=N]] [-f|--follow] "
				     "[--from=TIME]\n\nwhat there is\n\n"
				     "  --count[=N]\n      so many (1)\n"
				     "  -f, --follow\n      more of them\n"
				     "  --from=TIME\n      since then\n"
				     "  -s, --socket=SOCKET\n"));
	ck_assert_ptr_null(strstr(help(&show), "--count"));
}
END_TEST

Suite *suite_command(void)
{
	Suite *suite = suite_create("command");
	TCase *tests = tcase_create("command");

	tcase_add_test(tests, common_options_may_be_anywhere);
	tcase_add_test(tests, options_of_a_verb_set_its_own);
	tcase_add_test(tests, unknown_and_misplaced_options_are_usage_errors);
	tcase_add_test(tests, arguments_of_options_are_checked);
	tcase_add_test(tests, verbs_have_as_many_arguments_as_they_take);
	tcase_add_test(tests, without_a_verb_it_is_the_first_one);
	tcase_add_test(tests, the_option_version_is_the_verb);
	tcase_add_test(tests, help_is_what_the_tables_have);
	suite_add_tcase(suite, tests);
	return suite;
}
