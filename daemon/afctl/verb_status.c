/* afctl status: captures and their workers. */
#include "client.h"
#include "verbs.h"

static int run(const struct common *common, const void *settings, char *const *arguments)
{
	json_t *answer, *capture;
	bool good = true;
	size_t i;
	int rc = client_ask(common->socket, CLIENT_INTERFACE ".Status", NULL, &answer);

	(void)settings;
	(void)arguments;
	if (rc)
		return rc;
	json_array_foreach (json_object_get(answer, "captures"), i, capture)
		good &= output_good(capture);
	if (common->json)
		output_json(answer);
	else
		output_status(answer, output_colored(common->color));
	json_decref(answer);
	return good ? AFCTL_OK : AFCTL_DEGRADED;
}

const struct verb verb_status = {
	.name = "status",
	.arguments = "",
	.help = "captures, workers, state, fanout, files, rates, loss",
	.run = run,
};
