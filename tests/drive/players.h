/* Who the supervisor has to do with: workers and the archive process, as chance has them act. */
#ifndef PLAYERS_H
#define PLAYERS_H

#include "world.h"

#include "../../daemon/supervisor/slot.h"

/* One of a slot's worker; it acts as its protocol says, or, where `wild`, as it may not. */
void player_worker(struct slot *slot, bool wild);

/* What the worker has in its ring is written, and it has nothing more to do: it may exit with 0. */
bool player_worker_done(const struct slot *slot);

/* The archive process answers what it was asked for, if anything; `wild`: with an error. */
void player_archive(struct world_process *process, bool wild);

/* How many files it has said are lost; of how many of the previous instance, that they are not
 * there: they are lost if something was written to them. */
unsigned players_lost(void);
unsigned players_missing(void);

/* A worker that is compromised writes what cannot be into its ledger. */
void player_ledger(struct slot *slot);

/* Forgets what players of processes that are gone knew. */
void players_reset(void);

#endif
