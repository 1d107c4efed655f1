/* Files that another machine may be writing: their header has another machine's id, or they are on
 * a file system whose locks may not reach other machines. That no local process has them locked
 * proves nothing. Also files of another daemon on this machine, which are not locked while it
 * restarts. */
#ifndef FOREIGN_H
#define FOREIGN_H

#include "directory.h"

#define FOREIGN_SEEN_MAX 256u

/* The files that were checked. Zeros: none. */
struct foreign {
	struct foreign_file {
		dev_t device;
		ino_t inode;
		off_t size;
		uint64_t since_ns; /* monotonic: since when it has this size; 0: unused */
		uint64_t looked_ns;
	} files[FOREIGN_SEEN_MAX];
};

#define FOREIGN_QUIET_NS                                                                           \
	UINT64_C(600000000000) /* unchanged for so long: it is not being written                   \
				*/
#define FOREIGN_SPARE_NS UINT64_C(86400000000000) /* ... without a packet: it need not grow */
#define FOREIGN_LEFT_NS	 UINT64_C(60000000000)	  /* ... and not locked: no restart takes so long */

/* Whether a file that was found, open as `fd`, must be left alone for now. `now_ns` is monotonic;
 * the time of a file that is new or whose size has changed counts from now. */
bool foreign_busy(struct foreign *seen, const struct directory *dir, int fd, uint64_t now_ns);

/* Whether an unlocked file, which may be another daemon's on this machine, is unchanged since
 * FOREIGN_LEFT_NS. The caller calls foreign_forget() when it finds the file locked. */
bool foreign_left(struct foreign *seen, const struct stat *file, uint64_t now_ns);

/* The file's time counts from the next check. */
void foreign_forget(struct foreign *seen, const struct stat *file);

#endif
