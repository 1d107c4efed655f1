/* The counters of a worker, from counters.def. */
#ifndef COUNTERS_H
#define COUNTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct counters {
#define COUNTER(name, unit, family, reason, help) uint64_t name;
#include "counters.def"
#undef COUNTER
};

/* One row of counters.def. `reason` is "" where the metric has no such label. */
struct counter_info {
	const char *name, *unit, *family, *reason, *help;
	size_t offset;
};

extern const struct counter_info counter_infos[];
extern const unsigned counter_count;

uint64_t counters_get(const struct counters *counters, const struct counter_info *info);
void counters_set(struct counters *counters, const struct counter_info *info, uint64_t value);
void counters_add(struct counters *sum, const struct counters *counters);

/* Whether any counter is below its value in `before`. */
bool counters_fell(const struct counters *now, const struct counters *before);

/* The maximum of a counter: no worker runs long enough for more. A few such numbers can be added
 * without wrapping around. */
#define COUNTER_MAX (UINT64_C(1) << 60)

/* Whether any counter is above that maximum. */
bool counters_beyond(const struct counters *counters);

/* Packets received and not written, all reasons together. */
uint64_t counters_discarded(const struct counters *counters);

#endif
