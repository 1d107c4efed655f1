/* Sections that are not configured any more, of which there are rings and files of the previous
 * instance. */
#ifndef FORMER_H
#define FORMER_H

#include "../base/config.h"

#include <stdbool.h>

struct capture;
struct fdstore;

/* Adds a section for each inherited checkpoint whose name is not in the configuration, restored as
 * far as the checkpoint has it. Those that cannot be added are left to fdstore_end(). */
void former_add(struct config *config, struct fdstore *store);

/* Whether rings of such a section, or of what one was before it was changed, are in this fanout
 * group: their own, or the store's duplicates, which are members until the manager has closed them.
 * Of all captures. */
bool former_group_held(struct capture *const *captures, unsigned count, struct fdstore *store,
		       int64_t fanout_id);

#endif
