/* Space that the file system refuses: removes a capture's oldest finished files for it, whichever
 * resource is exhausted: bytes, inodes, a quota. */
#ifndef SHORTAGE_H
#define SHORTAGE_H

#include "directory.h"

#define SHORTAGE_FILES 8 /* removed beyond the bytes wanted */

/* An operation was refused with `error` (ENOSPC or EDQUOT, whichever resource is exhausted; with
 * any other nothing is done): removes the oldest finished file whose removal frees something,
 * unless all of them together would free less than `bytes`. Once the bytes wanted were freed and
 * operations are still refused, at most SHORTAGE_FILES more are removed until shortage_end(). Adds
 * to result->removed. Returns whether the operation is worth trying again. */
bool shortage_yield(struct directory *dir, uint64_t bytes, int error,
		    struct message_result *result);

/* The refused operation has succeeded since. */
void shortage_end(struct directory *dir);

/* A worker's write was refused with `error`; 0: not any more. Removes files as long as this process
 * is refused space, too; if it is not, one file a second, at most SHORTAGE_FILES. */
void shortage_note(struct directory *dir, int error, struct message_result *result);

#endif
