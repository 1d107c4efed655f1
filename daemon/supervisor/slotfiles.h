/* The output files of a slot: the current one and the one ahead. */
#ifndef SLOTFILES_H
#define SLOTFILES_H

#include "slot.h"

extern const struct files_events slotfiles_events;

/* Asks for the first two, where the capture writes. Returns 0 or -ENOMEM. */
int slotfiles_init(struct slot *slot);

/* The worker gets its file, then the one ahead, as soon as they are there and it can take them. */
void slotfiles_offer(struct slot *slot);

/* A new worker has none of them yet. */
void slotfiles_forget(struct slot *slot);

/* Which file is current, as the worker or its ledger says. Never more than one step ahead of what
 * is known here, since the next file is handed out only after that step. */
void slotfiles_follow(struct slot *slot, const struct ledger_file *current,
		      const struct ledger_file *previous);

/* Once a second: a file that could not be made is tried again. */
void slotfiles_tick(struct slot *slot);

/* Nobody writes any more: `record` is the current file's. */
void slotfiles_close(struct slot *slot, const struct ledger_file *record);

#endif
