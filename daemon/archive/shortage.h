/* Room that the file system refuses: which of a capture's finished files goes for that, whatever
 * there is too little of: bytes, inodes, a quota. */
#ifndef SHORTAGE_H
#define SHORTAGE_H

#include "directory.h"

#define SHORTAGE_FILES 8 /* that go beyond as much as was wanted */

/* Something was refused for want of room (`error`: ENOSPC or EDQUOT; whatever there is too little
 * of: bytes, inodes, a quota): removes the file that was finished first of those whose removal
 * gives something back, unless all of them together would not give `bytes`. Where as much went as
 * was wanted, and it is refused all the same, SHORTAGE_FILES more go until shortage_end(). Adds to
 * result->removed. Returns whether it is worth trying again. */
bool shortage_yield(struct directory *dir, uint64_t bytes, int error,
		    struct message_result *result);

/* What was refused went well since. */
void shortage_end(struct directory *dir);

/* A worker's write was refused with `error`, 0: no more: as long as this process is refused room,
 * too, one after the other goes; where it is not, one a second of them, at most SHORTAGE_FILES. */
void shortage_note(struct directory *dir, int error, struct message_result *result);

#endif
