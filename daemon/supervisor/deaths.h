/* The deaths of a place's workers: how soon the next one may start, whether they only die, and of
 * which block they die. Pure: times and numbers come from the caller. */
#ifndef DEATHS_H
#define DEATHS_H

#include <stdbool.h>
#include <stdint.h>

#ifndef DEATHS_LOOP   /* another one: tests, whose workers die at random */
#define DEATHS_LOOP 5 /* in a row without progress, within ten seconds: a crash loop */
#endif

struct deaths {
	unsigned in_a_row;	     /* without progress between them */
	uint64_t at_ns[DEATHS_LOOP]; /* monotonic: the last ones, the latest last; 0: none */
	uint64_t suspect;    /* sequence of the block that the last worker died of; 0: none */
	uint64_t quarantine; /* ... that two died of, one after the other: no worker reads it; 0 */
};

/* A worker has died; `progress`: it had read something, or lived for a second. Returns how long to
 * wait before the next one, in ms. */
unsigned deaths_add(struct deaths *deaths, uint64_t now_ns, bool progress);

/* Whether the next one would only die, too. */
bool deaths_loop(const struct deaths *deaths, uint64_t now_ns);

/* The last one died of the block with this sequence; 0: of none. True: so did the one before, and
 * the block is in quarantine from now on. */
bool deaths_suspect(struct deaths *deaths, uint64_t sequence);

/* Another ring: what was died of is gone. When workers died stays. */
void deaths_forget(struct deaths *deaths);

#endif
