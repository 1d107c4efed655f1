/* The files that this daemon has in use, as its requests say: they are known to be held. Trying
 * their locks would show it, too, but other programs would see that: it opens them and takes a
 * lock. */
#ifndef OPENFILES_H
#define OPENFILES_H

#include <stdbool.h>
#include <sys/stat.h>

/* The open file is in use, until openfiles_remove(). Repeating it is harmless. */
void openfiles_add(int fd);

void openfiles_remove(int fd);

/* False: perhaps another process's; this process may be younger than the file's use. */
bool openfiles_has(const struct stat *file);

#endif
