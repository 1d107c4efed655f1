/* The files that this daemon has in use, according to its requests. Trying their locks would show
 * that, too, but visibly to other programs: it opens the files and takes a lock. */
#ifndef OPENFILES_H
#define OPENFILES_H

#include <stdbool.h>
#include <sys/stat.h>

/* Marks the open file as in use, until openfiles_remove(). Idempotent. */
void openfiles_add(int fd);

void openfiles_remove(int fd);

/* False: unknown; another process may use the file, or it was in use before this process
 * started. */
bool openfiles_has(const struct stat *file);

#endif
