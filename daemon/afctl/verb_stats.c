/* afctl stats: all counters, once or repeatedly. */
#include "client.h"
#include "verbs.h"

#include <stdlib.h>

#define HEADER_EVERY 20
#define SECONDS	     1.0
#define SECONDS_MIN  0.1
#define SECONDS_MAX  86400.0

struct settings {
	double watch; /* seconds; 0: once */
};
_Static_assert(sizeof(struct settings) <= COMMAND_SETTINGS_BYTES, "no space in struct command");

static const char *watch_parse(void *settings, const char *argument)
{
	double *seconds = &((struct settings *)settings)->watch;
	char *end = NULL;

	*seconds = argument ? strtod(argument, &end) : SECONDS;
	if ((end && (*end || end == argument)) ||
	    !(*seconds >= SECONDS_MIN && *seconds <= SECONDS_MAX))
		return "seconds, 0.1 to 86400";
	return NULL;
}

/* Prints each answer until the daemon or the user ends it. */
static int watch(const struct common *common, double seconds, json_t *parameters)
{
	struct client *client;
	json_t *answer, *before = NULL;
	bool continues = true;
	int rc = client_open(&client, common->socket);

	if (rc) {
		json_decref(parameters);
		return rc;
	}
	json_object_set_new(parameters, "interval", json_real(seconds));
	rc = client_call(client, CLIENT_INTERFACE ".Stats", parameters, true);
	for (unsigned line = 0; rc == 0 && continues; line++) {
		rc = client_answer(client, &answer, &continues);
		if (rc)
			break;
		if (!common->json && line % HEADER_EVERY == 0)
			output_watch_header();
		if (common->json)
			output_json(answer);
		else if (before)
			output_watch(answer, before, seconds);
		json_decref(before);
		before = answer;
	}
	json_decref(before);
	client_close(client);
	return rc;
}

static int run(const struct common *common, const void *settings, char *const *arguments)
{
	double seconds = ((const struct settings *)settings)->watch;
	json_t *parameters = client_capture(arguments[0]), *answer;
	int rc;

	if (!parameters)
		return AFCTL_USAGE;
	if (seconds > 0)
		return watch(common, seconds, parameters);
	rc = client_ask(common->socket, CLIENT_INTERFACE ".Stats", parameters, &answer);
	if (rc)
		return rc;
	if (common->json)
		output_json(answer);
	else
		output_stats(answer, output_colored(common->color));
	json_decref(answer);
	return AFCTL_OK;
}

static const struct command_option options[] = {
	{ "watch", 0, "S", true, "one line every S seconds (1)", watch_parse },
	{ NULL, 0, NULL, false, NULL, NULL },
};

const struct verb verb_stats = {
	.name = "stats",
	.arguments = "[CAPTURE]",
	.help = "all counters",
	.arguments_max = 1,
	.options = options,
	.run = run,
};
