/* Options, verb, arguments; and the usage, from the same tables. */
#include "command.h"
#include "client.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define SOCKET_DEFAULT "/run/afcap/control.sock"
#define LONG_FIRST                                                                                 \
	256 /* what getopt_long() returns for the first long option; letters are below             \
	     */

static const char *socket_parse(void *settings, const char *argument)
{
	((struct common *)settings)->socket = argument;
	return NULL;
}

static const char *json_parse(void *settings, const char *argument)
{
	(void)argument;
	((struct common *)settings)->json = true;
	return NULL;
}

static const char *color_parse(void *settings, const char *argument)
{
	static const char *const names[] = {
		[COLOR_AUTO] = "auto", [COLOR_ALWAYS] = "always", [COLOR_NEVER] = "never"
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(argument, names[i]) == 0) {
			((struct common *)settings)->color = (enum color)i;
			return NULL;
		}
	return "auto, always or never";
}

static const struct command_option common_options[] = {
	{ "socket", 's', "SOCKET", false, "the daemon's control socket (" SOCKET_DEFAULT ")",
	  socket_parse },
	{ "json", 'j', NULL, false, "JSON, one object per line", json_parse },
	{ "color", 0, "auto|always|never", false, "auto: where standard output is a terminal",
	  color_parse },
	{ NULL, 0, NULL, false, NULL, NULL },
};

static const struct command_option help_option = { "help", 'h', NULL, false, "this", NULL };

/* In place of a verb, as afcapd(8) has it. */
static const struct command_option version_option = {
	"version", 'V', NULL, false, "the verb of that name", NULL
};

/* Options as getopt_long(3) has them, and the rows they are from. */
struct readable {
	const struct command_option *rows[2 * COMMAND_OPTIONS];
	struct option longs[2 * COMMAND_OPTIONS + 1];
	char letters[2 + 4 * COMMAND_OPTIONS + 1];
	unsigned count, common; /* the first ones are common to all verbs */
};

static void readable_add(struct readable *r, const struct command_option *row)
{
	const int has = !row->argument	? no_argument
			: row->optional ? optional_argument
					: required_argument;
	char letter[] = { row->letter, has != no_argument ? ':' : '\0', '\0' };

	r->rows[r->count] = row;
	r->longs[r->count] = (struct option){ row->name, has, NULL, LONG_FIRST + (int)r->count };
	r->count++;
	if (row->letter)
		strcat(r->letters, letter);
}

/* Collects the options allowed before the verb (NULL) or after it. */
static void readable_make(struct readable *r, const struct verb *verb)
{
	*r = (struct readable){ .count = 0 };
	strcpy(r->letters, verb ? ":" : "+:"); /* +: stop at the verb */
	readable_add(r, &help_option);
	for (const struct command_option *o = common_options; o->name; o++)
		readable_add(r, o);
	r->common = r->count;
	if (!verb)
		readable_add(r, &version_option);
	for (const struct command_option *o = verb ? verb->options : NULL; o && o->name; o++)
		readable_add(r, o);
}

/* The row for what getopt_long() returned; `count`: none. */
static unsigned readable_find(const struct readable *r, int got)
{
	unsigned i = 0;

	if (got >= LONG_FIRST)
		return (unsigned)(got - LONG_FIRST);
	while (i < r->count && (!got || r->rows[i]->letter != got))
		i++;
	return i;
}

static void option_usage(FILE *to, const struct command_option *o)
{
	if (o->letter && o->argument)
		fprintf(to, "-%c %s", o->letter, o->argument);
	else if (o->letter)
		fprintf(to, "-%c|--%s", o->letter, o->name);
	else if (o->optional)
		fprintf(to, "--%s[=%s]", o->name, o->argument);
	else
		fprintf(to, "--%s%s%s", o->name, o->argument ? "=" : "",
			o->argument ? o->argument : "");
}

/* VERB ARGUMENTS [OPTION]... */
static void verb_usage(FILE *to, const struct verb *verb)
{
	fprintf(to, "%s%s%s", verb->name, *verb->arguments ? " " : "", verb->arguments);
	for (const struct command_option *o = verb->options; o && o->name; o++) {
		fputs(" [", to);
		option_usage(to, o);
		fputc(']', to);
	}
}

__attribute__((format(printf, 2, 3))) static int usage_error(const struct verb *verb,
							     const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("afctl: ", stderr);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	if (verb) {
		fputs("\nusage: afctl ", stderr);
		verb_usage(stderr, verb);
		fputc('\n', stderr);
	} else {
		fputs(" (afctl --help)\n", stderr);
	}
	return AFCTL_USAGE;
}

/* The verb that has an option of that name; NULL: none. */
static const struct verb *option_owner(const struct verb *const *verbs, const char *name)
{
	size_t length = strcspn(name, "=");

	for (; *verbs; verbs++)
		for (const struct command_option *o = (*verbs)->options; o && o->name; o++)
			if (strlen(o->name) == length && strncmp(o->name, name, length) == 0)
				return *verbs;
	return NULL;
}

/* `text` is the argument in argv if it is a long option, and `letter` is 0; else `letter` was
 * read. */
static int option_unknown(const struct verb *const *verbs, const struct verb *verb,
			  const char *text, int letter)
{
	int length = (int)strcspn(text, "=");
	const struct verb *owner;

	if (letter || strncmp(text, "--", 2) != 0)
		return usage_error(verb, "unknown option -%c", letter);
	owner = option_owner(verbs, text + 2);
	if (owner && verb)
		return usage_error(verb, "%.*s is an option of %s, not of %s", length, text,
				   owner->name, verb->name);
	if (owner)
		return usage_error(owner, "%.*s is an option of %s, and must follow it", length,
				   text, owner->name);
	return usage_error(verb, "unknown option %.*s", length, text);
}

static const struct verb *verb_find(const struct verb *const *verbs, const char *name)
{
	while (*verbs && strcmp((*verbs)->name, name) != 0)
		verbs++;
	return *verbs;
}

/* Reads the options before the verb if out->verb is NULL, else those after it. */
static int options_read(struct command *out, const struct verb *const *verbs, int argc, char **argv)
{
	struct readable r;
	int got;

	readable_make(&r, out->verb);
	opterr = 0;
	optind = 0; /* restarts getopt_long() */
	while (!out->help && (got = getopt_long(argc, argv, r.letters, r.longs, NULL)) != -1) {
		bool wrong = got == '?' || got == ':';
		unsigned i = readable_find(&r, wrong ? optopt : got);
		const struct command_option *o = i < r.count ? r.rows[i] : NULL;
		const char *must = NULL;

		if (!o)
			return option_unknown(verbs, out->verb, argv[optind - 1], optopt);
		if (wrong)
			return usage_error(out->verb, "--%s %s", o->name,
					   got == ':' ? "needs an argument" : "takes no argument");
		if (o == &help_option)
			out->help = true;
		else if (o == &version_option)
			out->version = true;
		else
			must = o->parse(i < r.common ? (void *)&out->common : out->settings,
					optarg);
		if (must)
			return usage_error(out->verb, "--%s=%s: must be %s", o->name,
					   optarg ? optarg : "", must);
	}
	return 0;
}

static int arguments_check(const struct verb *verb, char *const *arguments)
{
	unsigned count = 0;

	while (arguments[count])
		count++;
	if (count < verb->arguments_min)
		return usage_error(verb, "%s needs %s", verb->name, verb->arguments);
	if (count <= verb->arguments_max)
		return 0;
	if (verb->arguments_max == 0)
		return usage_error(verb, "%s takes no argument: %s", verb->name, arguments[0]);
	return usage_error(verb, "%s does not take that many arguments: %s", verb->name,
			   arguments[verb->arguments_max]);
}

int command_parse(struct command *out, const struct verb *const *verbs, int argc, char **argv)
{
	int rc;

	*out = (struct command){ .common = { .socket = SOCKET_DEFAULT } };
	rc = options_read(out, verbs, argc, argv);
	if (rc || out->help)
		return rc;
	out->arguments = argv + optind;
	if (out->version || optind == argc) {
		out->verb = out->version ? verb_find(verbs, version_option.name) : verbs[0];
		return arguments_check(out->verb, out->arguments);
	}
	argc -= optind;
	argv += optind;
	out->verb = verb_find(verbs, argv[0]);
	if (!out->verb)
		return usage_error(NULL, "unknown verb %s", argv[0]);
	rc = options_read(out, verbs, argc, argv);
	if (rc || out->help)
		return rc;
	out->arguments = argv + optind;
	return arguments_check(out->verb, out->arguments);
}

static void all_help(FILE *to, const struct verb *const *verbs)
{
	fputs("usage: afctl", to);
	for (const struct command_option *o = common_options; o->name; o++) {
		fputs(" [", to);
		option_usage(to, o);
		fputc(']', to);
	}
	fputs(" [", to);
	option_usage(to, &version_option);
	fprintf(to, "] [VERB]\n\nWithout a verb: %s.\n\n", verbs[0]->name);
	for (; *verbs; verbs++) {
		char *left = NULL;
		size_t bytes;
		FILE *text = open_memstream(&left, &bytes);

		if (!text)
			return;
		verb_usage(text, *verbs);
		fclose(text);
		fprintf(to, "  %-32s %s", left, (*verbs)->help);
		for (const struct command_option *o = (*verbs)->options; o && o->name; o++)
			fprintf(to, "; --%s: %s", o->name, o->help);
		fputc('\n', to);
		free(left);
	}
	fputs("\nExit codes: 0 ok, 1 failed, 2 usage, 3 no daemon, 4 denied, 5 degraded "
	      "(status).\n",
	      to);
}

static void option_help(FILE *to, const struct command_option *o)
{
	char letter[] = { '-', o->letter, ',', ' ', '\0' };

	fprintf(to, "  %s--%s%s%s%s\n      %s\n", o->letter ? letter : "", o->name,
		o->optional   ? "[="
		: o->argument ? "="
			      : "",
		o->argument ? o->argument : "", o->optional ? "]" : "", o->help);
}

void command_help(FILE *to, const struct verb *const *verbs, const struct verb *verb)
{
	if (!verb) {
		all_help(to, verbs);
		return;
	}
	fputs("usage: afctl ", to);
	verb_usage(to, verb);
	fprintf(to, "\n\n%s\n\n", verb->help);
	for (const struct command_option *o = verb->options; o && o->name; o++)
		option_help(to, o);
	for (const struct command_option *o = common_options; o->name; o++)
		option_help(to, o);
}
