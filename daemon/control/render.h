/* The captures as JSON: what `afctl --json stats` and `status` print. */
#ifndef RENDER_H
#define RENDER_H

#include <jansson.h>

struct supervisor;

/* {"captures":[...]} with all counters; of one capture only unless `capture` is NULL. NULL: no such
 * capture. */
json_t *render_stats(const struct supervisor *supervisor, const char *capture);

/* The same objects without counters, with rates, loss, files and times. */
json_t *render_status(const struct supervisor *supervisor);

#endif
