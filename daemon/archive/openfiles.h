/* The files that this daemon has in use, according to its requests. Trying their locks would show
 * that, too, but visibly to other programs: it opens the files and takes a lock. */
#ifndef OPENFILES_H
#define OPENFILES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/* Zeros: no files. The list is the process's until openfiles_free(). */
struct openfiles {
	struct openfile {
		dev_t device;
		ino_t inode;
	} * list;
	size_t count, capacity;
};

void openfiles_free(struct openfiles *open);

/* Marks the open file as in use, until openfiles_remove(). Idempotent. */
void openfiles_add(struct openfiles *open, int fd);

void openfiles_remove(struct openfiles *open, int fd);

/* False: unknown; another process may use the file, or it was in use before this process
 * started. */
bool openfiles_has(const struct openfiles *open, const struct stat *file);

#endif
