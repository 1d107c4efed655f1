/* Counts deaths. */
#include "deaths.h"
#include "process.h"

#include <string.h>

#define LOOP_NS UINT64_C(10000000000)

unsigned deaths_add(struct deaths *d, uint64_t now_ns, bool progress)
{
	if (progress)
		d->in_a_row = 0;
	memmove(d->at_ns, d->at_ns + 1, sizeof(d->at_ns[0]) * (DEATHS_LOOP - 1));
	d->at_ns[DEATHS_LOOP - 1] = now_ns;
	return process_backoff_ms(++d->in_a_row);
}

bool deaths_loop(const struct deaths *d, uint64_t now_ns)
{
	return d->in_a_row >= DEATHS_LOOP && now_ns - d->at_ns[0] <= LOOP_NS;
}

bool deaths_suspect(struct deaths *d, uint64_t sequence)
{
	bool again = sequence && sequence == d->suspect;

	if (again)
		d->quarantine = sequence;
	d->suspect = sequence;
	return again;
}

void deaths_forget(struct deaths *d)
{
	d->in_a_row = 0;
	d->suspect = d->quarantine = 0;
}
