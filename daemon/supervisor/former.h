/* Sections that are not configured any more, of which the previous instance left rings and files.
 */
#ifndef FORMER_H
#define FORMER_H

#include "../base/config.h"

#include <stdbool.h>

struct capture;
struct fdstore;

/* Adds a section for each record that was left and whose name is none of the configuration's: as it
 * was, where that is in the record. What cannot be added is left to fdstore_end(). */
void former_add(struct config *config, struct fdstore *store);

/* Whether rings of such a section, or of what one was before it was changed, are in this fanout
 * group: their own, or the store's copies, which are members as well until the manager has closed
 * them. Of all captures. */
bool former_group_held(struct capture *const *captures, unsigned count, struct fdstore *store,
		       int64_t fanout_id);

#endif
