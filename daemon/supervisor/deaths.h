/* The deaths of a slot's workers: how soon the next one may start, whether they die in a loop, and
 * in which block they die. Pure: the caller passes in times and numbers. */
#ifndef DEATHS_H
#define DEATHS_H

#include <stdbool.h>
#include <stdint.h>

#ifndef DEATHS_LOOP   /* tests whose workers die at random define another one */
#define DEATHS_LOOP 5 /* in a row without progress, within ten seconds: a crash loop */
#endif

struct deaths {
	unsigned in_a_row;	     /* without progress between them */
	uint64_t at_ns[DEATHS_LOOP]; /* monotonic: the last ones, the latest last; 0: none */
	uint64_t suspect;    /* sequence of the block that the last worker died in; 0: none */
	uint64_t quarantine; /* ... that two in a row died in: no worker reads it; 0: none */
};

/* A worker has died; `progress`: it had read something, or lived for a second. Returns the backoff
 * before the next one, in ms. */
unsigned deaths_add(struct deaths *deaths, uint64_t now_ns, bool progress);

/* Whether the workers are in a crash loop. */
bool deaths_loop(const struct deaths *deaths, uint64_t now_ns);

/* The last worker died in the block with this sequence; 0: in none. Returns whether the previous
 * one did, too: the block is in quarantine from now on. */
bool deaths_suspect(struct deaths *deaths, uint64_t sequence);

/* The slot has another ring: forgets the blocks, but not when workers died. */
void deaths_forget(struct deaths *deaths);

#endif
