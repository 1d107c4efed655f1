/* afctl version: its own version, and the daemon's if one runs. */
#include "client.h"
#include "verbs.h"

static int run(const struct common *common, const void *settings, char *const *arguments)
{
	json_t *answer = NULL;
	const char *daemon;

	(void)settings;
	(void)arguments;
	client_ask(common->socket, "org.varlink.service.GetInfo", NULL, &answer);
	daemon = json_string_value(json_object_get(answer, "version"));
	if (common->json) {
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

const struct verb verb_version = {
	.name = "version",
	.arguments = "",
	.help = "of afctl and of the daemon",
	.run = run,
};
