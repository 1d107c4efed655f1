/* The table of counters.def, and sums over it. */
#include "counters.h"

#include <string.h>

const struct counter_info counter_infos[] = {
#define COUNTER(name, unit, family, reason, help)                                                  \
	{ #name, unit, family, reason, help, offsetof(struct counters, name) },
#include "counters.def"
#undef COUNTER
};

const unsigned counter_count = sizeof(counter_infos) / sizeof(*counter_infos);

uint64_t counters_get(const struct counters *counters, const struct counter_info *info)
{
	uint64_t value;

	memcpy(&value, (const char *)counters + info->offset, sizeof(value));
	return value;
}

void counters_set(struct counters *counters, const struct counter_info *info, uint64_t value)
{
	memcpy((char *)counters + info->offset, &value, sizeof(value));
}

void counters_add(struct counters *sum, const struct counters *counters)
{
	for (unsigned i = 0; i < counter_count; i++)
		counters_set(sum, &counter_infos[i],
			     counters_get(sum, &counter_infos[i]) +
				     counters_get(counters, &counter_infos[i]));
}

bool counters_fell(const struct counters *now, const struct counters *before)
{
	for (unsigned i = 0; i < counter_count; i++)
		if (counters_get(now, &counter_infos[i]) < counters_get(before, &counter_infos[i]))
			return true;
	return false;
}

bool counters_beyond(const struct counters *counters)
{
	for (unsigned i = 0; i < counter_count; i++)
		if (counters_get(counters, &counter_infos[i]) > COUNTER_MAX)
			return true;
	return false;
}

uint64_t counters_discarded(const struct counters *counters)
{
	return counters->discarded_no_space + counters->discarded_io_error +
	       counters->discarded_abandoned + counters->discarded_file_lost;
}
