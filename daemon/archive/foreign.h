/* Files that another machine may be writing: of one whose id is in their head, or on a file system
 * through which locks do not reach. That nobody here has them locked proves nothing. And files of
 * another daemon of this machine: while that is restarted nobody has them locked either. */
#ifndef FOREIGN_H
#define FOREIGN_H

#include "directory.h"

#define FOREIGN_QUIET_NS UINT64_C(600000000000) /* without growing: nobody writes it */
#define FOREIGN_SPARE_NS                                                                           \
	UINT64_C(86400000000000)	      /* ... where no packet is in it: it need not grow */
#define FOREIGN_LEFT_NS UINT64_C(60000000000) /* ... nor being locked: no restart takes so long */

/* Whether a file that was found, open as `fd`, is to be left alone for now. `now_ns` is monotonic;
 * what it has not seen before, or otherwise, counts from now. */
bool foreign_busy(const struct directory *dir, int fd, uint64_t now_ns);

/* Whether a file that nobody has locked, and that may be another daemon's of this machine, has been
 * so since FOREIGN_LEFT_NS. foreign_forget() is called when it was found locked. */
bool foreign_left(const struct stat *file, uint64_t now_ns);

/* The time counts from the next look. */
void foreign_forget(const struct stat *file);

#endif
