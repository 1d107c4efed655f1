/* Restores sections from checkpoints. */
#include "former.h"
#include "capture.h"
#include "fdstore.h"
#include "plan.h"

#include "../base/config_reader.h"
#include "../base/log.h"

#include <stdio.h>
#include <string.h>

static bool configured(const struct config *config, const char *name)
{
	for (unsigned i = 0; i < config->captures; i++)
		if (strcmp(config->capture[i].name, name) == 0)
			return true;
	return false;
}

/* False: it recorded nothing. Its descriptors are dropped then. */
static bool section_add(struct config *config, const char *name, const struct checkpoint *saved)
{
	struct config_capture *capture;
	struct config_error error;

	if (!saved->since_ns)
		return false;
	if (!plan_fingerprint_valid(&saved->fingerprint)) /* unusable */
		return true;
	capture = config_add(config, name, 0, "the previous instance", &error);
	if (capture)
		plan_configure(capture, &saved->fingerprint);
	else
		log_error("%s", error.text);
	return true;
}

void former_add(struct config *config, struct fdstore *store)
{
	const char *name;
	int fd;

	for (unsigned i = 0; (name = fdstore_capture(store, i, &fd)); i++) {
		char copy[CAPTURE_NAME_BYTES];
		uint64_t ignored;
		struct checkpoint *saved;
		bool recorded;

		if (!*name || fd < 0 || configured(config, name))
			continue;
		saved = checkpoint_map(fd, &ignored);
		recorded = !saved || section_add(config, name, saved);
		checkpoint_unmap(saved);
		snprintf(copy, sizeof(copy), "%s", name);
		if (!recorded)
			fdstore_discard(store, copy);
	}
}

bool former_group_held(struct capture *const *captures, unsigned count, struct fdstore *store,
		       int64_t fanout_id)
{
	bool any = false;

	for (unsigned i = 0; i < count; i++) {
		if (!capture_earlier(captures[i]))
			continue;
		any = true;
		if (!capture_ended(captures[i]) && capture_fanout_id(captures[i]) == fanout_id)
			return true;
	}
	return any && !fdstore_settled(store);
}
