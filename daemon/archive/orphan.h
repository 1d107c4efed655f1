/* Files left by a dead daemon for captures that this one does not have: their sections were removed
 * or renamed, or they belong to another daemon of the same directory that does not restart. They
 * are repaired like the captures' own files and keep their capture's name. */
#ifndef ORPHAN_H
#define ORPHAN_H

#include "file.h"

/* Removes orphaned spare files of the directory and repairs one other orphan. Only files with a
 * name that afcapd makes, for a capture that is not in `directories` (CAPTURES_MAX; an empty name:
 * unused), and with a header that afcapd made for that capture; only if unlocked and unchanged
 * since FOREIGN_LEFT_NS, or longer if foreign_busy() says so; and nothing before all captures of
 * this daemon are known. `now_ns` is monotonic. Not counted for any capture. Returns whether a file
 * was repaired or removed. */
bool orphan_step(struct directory *dir, const struct directory *directories, uint64_t now_ns);

#endif
