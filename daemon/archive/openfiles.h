/* The files that this daemon has in use, according to its requests. Trying their locks would show
 * that, too, but visibly to other programs: it opens the files and takes a lock. */
#ifndef OPENFILES_H
#define OPENFILES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/* The lowest number of errors_fd, above the files that this process may write to. */
#define OPENFILES_FROM 512

struct directory;

/* Zeros: no files. The list is the process's until openfiles_free(). */
struct openfiles {
	struct openfile {
		dev_t device;
		ino_t inode;
		/* An open description of its own, or -1. A failed write-back is told once on each
		 * (file_check_and_advance_wb_err() of mm/filemap.c), and the worker's, which comes
		 * with the requests, may have been told already, in a burst, to a worker that has
		 * died since. Owned. */
		int errors_fd;
		int error; /* of a sync, for good: the kernel does not repeat it */
	} * list;
	size_t count, capacity;
};

void openfiles_free(struct openfiles *open);

/* Marks the open file as in use, until openfiles_remove(). Idempotent. Takes `errors_fd`, which may
 * be -1. */
void openfiles_add(struct openfiles *open, int fd, int errors_fd);

/* Opens a file in use, which is called `name`, once more, for that. Returns the descriptor or -1.
 */
int openfiles_errors(const struct directory *dir, const char *name, int fd);

/* Syncs the file. Returns 0 or errno, which stays: of this sync, of one before, or of a write-back
 * that failed since errors_fd was opened. Waits for the disk. */
int openfiles_sync(struct openfiles *open, int fd);

void openfiles_remove(struct openfiles *open, int fd);

/* False: unknown; another process may use the file, or it was in use before this process
 * started. */
bool openfiles_has(const struct openfiles *open, const struct stat *file);

#endif
