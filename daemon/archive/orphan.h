/* Files that a dead daemon left of captures that this one does not have: their sections were
 * removed or renamed, or they are another daemon's, of this directory as well, that does not come
 * back. They are repaired as those of the captures are, and keep their names. */
#ifndef ORPHAN_H
#define ORPHAN_H

#include "file.h"

/* Removes the spares, and repairs one file, of the directory. Only what has a name of ours,
 * for a capture that is none of `directories` (CAPTURES_MAX, an empty name: none), and a
 * head that afcapd made for that capture; what nobody holds or changes since FOREIGN_LEFT_NS, and
 * longer where foreign_busy() says so; and nothing before all captures of this daemon are known.
 * `now_ns` is monotonic. No capture counts it. Returns whether a file was repaired or removed. */
bool orphan_step(struct directory *dir, const struct directory *directories, uint64_t now_ns);

#endif
