/* The files that this daemon has in use, as its requests tell: they are known to be held. Trying
 * their locks would tell it, too, and others would see that: it opens them, and takes a lock. */
#ifndef INUSE_H
#define INUSE_H

#include <stdbool.h>
#include <sys/stat.h>

/* The open file is in use, until inuse_end(). Repeating it is harmless. */
void inuse_begin(int fd);

void inuse_end(int fd);

/* False: perhaps another process's; this process may be younger than the file's use. */
bool inuse_is(const struct stat *file);

#endif
