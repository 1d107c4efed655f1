/* afctl: asks a running afcapd. Verbs as a table, which makes dispatch and usage. */
#include "client.h"
#include "output.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONTROL_DEFAULT	 "/run/afcap/control.sock"
#define CONTROL		 "org.afcap.control"
#define WATCH_HEAD_EVERY 20
#define WATCH_MIN	 0.1
#define WATCH_MAX	 86400.0

struct options {
	const char *socket;
	enum color color;
	bool json;
	double watch; /* seconds; 0: once */
};

struct verb {
	const char *name, *arguments, *help;
	int (*run)(const struct options *options, int argc, char **argv);
};

static int usage_error(const char *format, const char *what)
{
	fputs("afctl: ", stderr);
	fprintf(stderr, format, what);
	fputs(" (afctl --help)\n", stderr);
	return AFCTL_USAGE;
}

/* One call with one answer. Returns 0 or the exit code. */
static int ask(const struct options *o, const char *method, json_t *parameters, json_t **answer)
{
	struct client *client;
	bool continues;
	int rc = client_open(&client, o->socket);

	if (rc) {
		json_decref(parameters);
		return rc;
	}
	rc = client_call(client, method, parameters, false);
	if (rc == 0)
		rc = client_answer(client, answer, &continues);
	client_close(client);
	return rc;
}

static int run_status(const struct options *o, int argc, char **argv)
{
	json_t *answer, *capture;
	bool good = true;
	size_t i;
	int rc;

	if (argc > 1)
		return usage_error("status takes no argument: %s", argv[1]);
	rc = ask(o, CONTROL ".Status", NULL, &answer);
	if (rc)
		return rc;
	json_array_foreach (json_object_get(answer, "captures"), i, capture)
		good &= output_good(capture);
	if (o->json)
		output_json(answer);
	else
		output_status(answer, output_colored(o->color));
	json_decref(answer);
	return good ? AFCTL_OK : AFCTL_DEGRADED;
}

/* Prints each answer until the daemon or the user ends it. */
static int stats_watch(const struct options *o, json_t *parameters)
{
	struct client *client;
	json_t *answer, *before = NULL;
	bool continues = true;
	int rc = client_open(&client, o->socket);

	if (rc) {
		json_decref(parameters);
		return rc;
	}
	json_object_set_new(parameters, "interval", json_real(o->watch));
	rc = client_call(client, CONTROL ".Stats", parameters, true);
	for (unsigned line = 0; rc == 0 && continues; line++) {
		rc = client_answer(client, &answer, &continues);
		if (rc)
			break;
		if (!o->json && line % WATCH_HEAD_EVERY == 0)
			output_watch_head();
		if (o->json)
			output_json(answer);
		else if (before)
			output_watch(answer, before, o->watch);
		json_decref(before);
		before = answer;
	}
	json_decref(before);
	client_close(client);
	return rc;
}

static int run_stats(const struct options *o, int argc, char **argv)
{
	json_t *parameters = json_object(), *answer;
	int rc;

	if (argc > 2) {
		json_decref(parameters);
		return usage_error("stats takes one capture: %s", argv[2]);
	}
	if (argc == 2 && json_object_set_new(parameters, "capture", json_string(argv[1]))) {
		json_decref(parameters);
		return usage_error("a capture's name is ASCII: %s", argv[1]);
	}
	if (o->watch > 0)
		return stats_watch(o, parameters);
	rc = ask(o, CONTROL ".Stats", parameters, &answer);
	if (rc)
		return rc;
	if (o->json)
		output_json(answer);
	else
		output_stats(answer, output_colored(o->color));
	json_decref(answer);
	return AFCTL_OK;
}

static int run_rotate(const struct options *o, int argc, char **argv)
{
	json_t *parameters = json_object(), *answer;
	int rc;

	if (argc > 2) {
		json_decref(parameters);
		return usage_error("rotate takes one capture: %s", argv[2]);
	}
	if (argc == 2 && json_object_set_new(parameters, "capture", json_string(argv[1]))) {
		json_decref(parameters);
		return usage_error("a capture's name is ASCII: %s", argv[1]);
	}
	rc = ask(o, CONTROL ".Rotate", parameters, &answer);
	if (rc)
		return rc;
	if (o->json)
		output_json(answer);
	json_decref(answer);
	return AFCTL_OK;
}

static int run_version(const struct options *o, int argc, char **argv)
{
	json_t *answer = NULL;
	const char *daemon;

	if (argc > 1)
		return usage_error("version takes no argument: %s", argv[1]);
	ask(o, "org.varlink.service.GetInfo", NULL,
	    &answer); /* without a daemon there is still our own */
	daemon = json_string_value(json_object_get(answer, "version"));
	if (o->json) {
		json_t *out = json_pack("{s:s,s:s?}", "afctl", AFCAP_VERSION, "afcapd", daemon);

		output_json(out);
		json_decref(out);
	} else {
		printf("afctl %s\n", AFCAP_VERSION);
		if (daemon)
			printf("afcapd %s\n", daemon);
	}
	json_decref(answer);
	return AFCTL_OK;
}

static const struct verb verbs[] = {
	{ "status", "", "captures, workers, state, fanout, files, rates, loss", run_status },
	{ "stats", "[CAPTURE] [--watch[=S]]", "all counters; --watch: a line every S seconds (1)",
	  run_stats },
	{ "rotate", "[CAPTURE]", "goes on in the next files; waits until the last are finished",
	  run_rotate },
	{ "version", "", "of afctl and of the daemon", run_version },
};
#define VERBS (sizeof(verbs) / sizeof(*verbs))

static void help_print(void)
{
	fputs("usage: afctl [-s SOCKET] [-j|--json] [--color=auto|always|never] VERB\n\n", stdout);
	for (size_t i = 0; i < VERBS; i++) {
		char left[64];

		snprintf(left, sizeof(left), "%s %s", verbs[i].name, verbs[i].arguments);
		printf("  %-32s %s\n", left, verbs[i].help);
	}
	fputs("\nExit codes: 0 ok, 1 failed, 2 usage, 3 no daemon, 4 denied, 5 degraded "
	      "(status).\n",
	      stdout);
}

static const struct option long_options[] = {
	{ "socket", required_argument, NULL, 's' }, { "json", no_argument, NULL, 'j' },
	{ "color", required_argument, NULL, 'C' },  { "watch", optional_argument, NULL, 'w' },
	{ "help", no_argument, NULL, 'h' },	    { NULL, 0, NULL, 0 },
};

static int color_parse(const char *text, enum color *color)
{
	static const char *const names[] = {
		[COLOR_AUTO] = "auto", [COLOR_ALWAYS] = "always", [COLOR_NEVER] = "never"
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(text, names[i]) == 0) {
			*color = (enum color)i;
			return 0;
		}
	return usage_error("--color=%s: must be auto, always or never", text);
}

static int watch_parse(const char *text, double *seconds)
{
	char *end = NULL;

	*seconds = text ? strtod(text, &end) : 1.0;
	if ((end && (*end || end == text)) || !(*seconds >= WATCH_MIN && *seconds <= WATCH_MAX))
		return usage_error("--watch=%s: must be seconds, 0.1 to 86400", text);
	return 0;
}

int main(int argc, char **argv)
{
	struct options o = { .socket = CONTROL_DEFAULT };
	int option, rc = 0;

	while ((option = getopt_long(argc, argv, "s:jh", long_options, NULL)) != -1 && rc == 0) {
		if (option == 's')
			o.socket = optarg;
		else if (option == 'j')
			o.json = true;
		else if (option == 'C')
			rc = color_parse(optarg, &o.color);
		else if (option == 'w')
			rc = watch_parse(optarg, &o.watch);
		else if (option == 'h')
			return help_print(), AFCTL_OK;
		else
			return AFCTL_USAGE;
	}
	if (rc)
		return rc;
	if (optind == argc)
		return usage_error("no verb%s", "");
	for (size_t i = 0; i < VERBS; i++)
		if (strcmp(verbs[i].name, argv[optind]) == 0) {
			if (o.watch > 0 && verbs[i].run != run_stats)
				return usage_error("--watch is for stats, not for %s",
						   argv[optind]);
			rc = verbs[i].run(&o, argc - optind, argv + optind);
			if (rc == 0 && (fflush(stdout) || ferror(stdout))) {
				perror("afctl: standard output");
				rc = AFCTL_FAILED;
			}
			return rc;
		}
	return usage_error("unknown verb %s", argv[optind]);
}
