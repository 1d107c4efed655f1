/* afctl rotate: begins the next files. */
#include "client.h"
#include "verbs.h"

static int run(const struct common *common, const void *settings, char *const *arguments)
{
	json_t *parameters = client_capture(arguments[0]), *answer;
	int rc;

	(void)settings;
	if (!parameters)
		return AFCTL_USAGE;
	rc = client_ask(common->socket, CLIENT_INTERFACE ".Rotate", parameters, &answer);
	if (rc)
		return rc;
	if (common->json)
		output_json(answer);
	json_decref(answer);
	return AFCTL_OK;
}

const struct verb verb_rotate = {
	.name = "rotate",
	.arguments = "[CAPTURE]",
	.help = "begins the next files; waits until the previous ones are finished",
	.arguments_max = 1,
	.run = run,
};
