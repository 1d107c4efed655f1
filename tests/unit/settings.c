/* Settings, one after the other. */
#include "settings.h"
#include "suites.h"

#include "../../daemon/base/config_reader.h"
#include "../../daemon/base/config_rules.h"

#include <stdio.h>
#include <string.h>

void settings_begin(struct config *config)
{
	config_init(config);
	config->source = "test.conf";
}

struct config_capture *settings_capture(struct config *config, const char *name,
					const char *settings)
{
	struct config_capture *capture;
	struct config_error error;
	char copy[512], one[600], *next;

	capture = config_add(config, name, 7, "test", &error);
	ck_assert_msg(capture != NULL, "%s", error.text);
	snprintf(copy, sizeof(copy), "%s", settings);
	for (char *key = strtok_r(copy, " ", &next); key; key = strtok_r(NULL, " ", &next)) {
		snprintf(one, sizeof(one), "%s.%s", name, key);
		ck_assert_msg(config_override(config, one, &error) == 0, "%s", error.text);
	}
	memset(capture->lines, 0, sizeof(capture->lines)); /* as a file has them */
	return capture;
}

void settings_finish(struct config *config)
{
	struct config_error error;

	ck_assert_msg(config_finish(config, &error) == 0, "%s", error.text);
}
