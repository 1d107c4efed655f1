/* Who the supervisor has to do with: workers and the archive process, as chance has them act. */
#ifndef PLAYERS_H
#define PLAYERS_H

#include "world.h"

#include "../../daemon/supervisor/slot.h"

/* One of a slot's worker; it acts as its protocol says, or, where `wild`, as it may not. `joins` is
 * called when it joins a group that others may be in. */
void player_worker(struct slot *slot, bool wild,
		   void (*joins)(const struct slot *slot, uint32_t group));

/* What the worker has in its ring is written, and it has nothing more to do: it may exit with 0. */
bool player_worker_done(const struct slot *slot);

/* A worker that is compromised writes what cannot be into its ledger. */
void player_ledger(struct slot *slot);

/* The archive process answers what it was asked for, if anything; `wild`: with an error. */
void player_archive(struct world_process *process, bool wild);

/* Whether the archive process has this directory open for the capture of this name, as it said
 * last. */
bool player_placed(const char *capture, const char *directory);

/* How many files of the capture of this name it has said are lost; of how many of the previous
 * instance, that they are not there: they are lost if something was written to them. */
struct player_losses {
	unsigned lost, missing;
};
struct player_losses *player_losses(const char *capture);

/* What they have sent is read: a turn of the event loop begins. */
void players_heard(void);

/* The instance whose processes they were is gone. */
void players_forget(void);

/* ... and all of before. */
void players_reset(void);

#endif
