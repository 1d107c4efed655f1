/* A rotation of a slot: asked for of its worker, and of the next one where that dies first, until
 * the last of the old files is finished. */
#include "slotfiles.h"

/* Which files are old ones: those below the serial that is returned. The ledger knows better than
 * the last report: the worker may have packets in a file, or be in the next one, and have reported
 * neither yet. `used`: so is its current one. */
static uint64_t rotation_until(const struct slot *slot, bool *used)
{
	struct ledger_totals totals;

	if (!ledger_look(slot->ledger, &totals) || !slotfiles_known(slot, &totals.current)) {
		*used = slot->current->named;
		return slot->current->serial + *used;
	}
	*used = totals.current.since_ns != 0;
	return totals.current.serial + *used;
}

void slotfiles_rotate(struct slot *slot)
{
	uint64_t until;
	bool used;

	if (!slot->current || slot->state == SLOT_ENDED || slotfiles_stuck(slot))
		return; /* a later one may be for it, nobody waits for this one */
	until = rotation_until(slot, &used);
	if (until == slot->current->serial || until <= slot->rotating)
		return; /* nothing is in use, or it is asked for */
	slot->rotating = until;
	if (used)
		slot_say(slot, MESSAGE_ROTATE);
}

bool slotfiles_left(const struct slot *slot)
{
	return !slot->current || slot->current->serial >= slot->rotating;
}

bool slotfiles_rotating(const struct slot *slot)
{
	return slot->rotating && (slot->finishing || !slotfiles_left(slot));
}
