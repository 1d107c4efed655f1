/* The output files of a slot: the current one and the one ahead. */
#ifndef SLOTFILES_H
#define SLOTFILES_H

#include "slot.h"

extern const struct files_events slotfiles_events;

/* Asks for the first two, where the capture writes. Returns 0 or -ENOMEM. */
int slotfiles_init(struct slot *slot);

/* Finds the files again that a daemon before left, of all slots; then, slot by slot, goes on in
 * another one where there is none. The worker comes when its current file is there. */
void slotfiles_resume(struct slot *slot);
void slotfiles_resumed(struct slot *slot);

/* Whether any of them is still looked for: nothing may be repaired until then. */
bool slotfiles_awaited(const struct capture *capture);

/* Whether there is such a file: a worker may tell anything. */
bool slotfiles_known(const struct slot *slot, const struct ledger_file *record);

/* The worker gets its file, then the one ahead, as soon as they are there and it can take them. */
void slotfiles_offer(struct slot *slot);

/* A new worker has none of them yet. */
void slotfiles_forget(struct slot *slot);

/* Which file is current, as the worker or its ledger says. Never more than one step ahead of what
 * is known here, since the next file is handed out only after that step. */
void slotfiles_follow(struct slot *slot, const struct ledger_file *current,
		      const struct ledger_file *previous);

/* Now and then: a file that could not be made is tried again. */
void slotfiles_tick(struct slot *slot);

/* What is written so far goes to the disk for sure. */
void slotfiles_sync(struct slot *slot);

/* The worker is to go on in the next file, if the current one has packets. */
void slotfiles_rotate(struct slot *slot);

/* Whether it has gone on, as far as is known. */
bool slotfiles_left(const struct slot *slot);

/* Whether it has not yet, or files before that are not finished. */
bool slotfiles_rotating(const struct slot *slot);

/* Its file cannot end: there is no room for the next one. */
bool slotfiles_stuck(const struct slot *slot);

/* For want of what a write or the next file was refused. */
enum slot_lack { SLOT_LACKS_NOTHING, SLOT_LACKS_SPACE, SLOT_LACKS_INODES, SLOT_LACKS_QUOTA };
enum slot_lack slotfiles_lack(const struct slot *slot);

/* Whether packets are to be discarded for want of room; tells the worker, if that has changed. */
bool slotfiles_suspended(const struct slot *slot);
void slotfiles_suspend(struct slot *slot);

/* Nobody writes any more: `record` is the current file's. */
void slotfiles_close(struct slot *slot, const struct ledger_file *record);

#endif
