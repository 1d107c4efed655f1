/* Repairs files left by a dead daemon: `.partial` and spare files that no process has locked. A
 * file is valid up to its last complete chunk at any moment; it is cut there and gets its
 * statistics block and its final name. */
#ifndef REPAIR_H
#define REPAIR_H

#include "file.h"

#include "../format/walk.h"

enum repair_outcome {
	REPAIR_FINISHED, /* ends in its statistics block: nothing to do */
	REPAIR_CUT,	 /* cut after the last complete chunk, statistics added */
	REPAIR_EMPTY,	 /* no complete chunk; not changed */
};

/* Repairs an open file (O_RDWR, not being written) and syncs it. `name` is for the log. Returns an
 * enum repair_outcome with *chunks filled in, -EBADMSG if the header is not one that afcapd writes,
 * or another -errno. */
int repair_file(const struct directory *dir, int fd, const char *name, struct walk *chunks);

/* Repairs a file that was found if no process has it locked: adds to result->repaired, or removes
 * it if it has no packet. A file that cannot be repaired is logged once and left alone until it
 * changes. Returns 1 if it was repaired or removed, 0 if there was nothing to do, or -errno,
 * logged. */
int repair_leftover(struct directory *dir, const char *text, struct name name,
		    struct message_result *result);

/* Removes unlocked spare files and repairs one file, as that may take long: adds to
 * result->repaired, or removes it if it has no packet. result->again: there may be more. A file
 * that cannot be repaired is logged once and left alone until it changes. result->held: another
 * process has a file locked. result->until_ns: where the repaired files end. Returns whether a file
 * was repaired or removed. */
bool repair_step(struct directory *dir, struct message_result *result);

#endif
