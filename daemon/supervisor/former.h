/* Sections that are no longer configured, of which the previous instance left rings and files. */
#ifndef FORMER_H
#define FORMER_H

#include "../base/config.h"

#include <stdbool.h>

struct capture;
struct fdstore;

/* Adds a section for each inherited checkpoint whose name is not in the configuration, restored as
 * far as the checkpoint describes it. Those that cannot be added are left to fdstore_end(). */
void former_add(struct config *config, struct fdstore *store);

/* Whether rings of a former section, or of an earlier configuration of a section, are in this
 * fanout group: their own, or the store's duplicates, which are members until the service manager
 * has closed them. `captures` are all of the daemon. */
bool former_group_held(struct capture *const *captures, unsigned count, struct fdstore *store,
		       int64_t fanout_id);

#endif
