/* Files that a dead daemon left: `.partial`, and held by nobody. They are valid up to their last
 * whole chunk at any moment; there they are cut, get their statistics and their name. */
#ifndef REPAIR_H
#define REPAIR_H

#include "file.h"

#include "../format/walk.h"

enum repair_outcome {
	REPAIR_FINISHED, /* it ends in its statistics: nothing was to be done */
	REPAIR_CUT,	 /* cut behind the last whole chunk, statistics added */
	REPAIR_EMPTY,	 /* there is no whole chunk; left as it is */
};

/* Repairs an open file (O_RDWR, nobody writes to it), and syncs it. `name` is for the log. Returns
 * an enum repair_outcome with *chunks filled in, -EBADMSG where the header is none of afcap's, or
 * another -errno. */
int repair_file(int fd, const char *name, struct walk *chunks);

/* Repairs a file that was found, where nobody holds it: adds to result->repaired, or removes it
 * where it held no packet. What cannot be repaired is logged once and left alone until it changes.
 * Returns 1 where it was repaired or removed, 0 where there is nothing to do, or -errno, logged. */
int repair_leftover(struct directory *dir, const char *text, struct name name,
		    struct message_result *result);

/* Removes the spares that nobody holds, and repairs one file, as that may take long: adds to
 * result->repaired, or removes it where it held no packet. result->again: there may be more. What
 * cannot be repaired is logged once and left alone until it changes. result->held: somebody holds
 * another one. result->until_ns says where the repaired ones end. Returns whether a file was
 * repaired or removed. */
bool repair_step(struct directory *dir, struct message_result *result);

#endif
