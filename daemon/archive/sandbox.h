/* What the archive process may do: files beneath directories, its channel. */
#ifndef ARCHIVE_SANDBOX_H
#define ARCHIVE_SANDBOX_H

/* No capability, not dumpable, no network, no program, no process: the list of system calls.
 * Returns 0 or -errno. */
int archive_sandbox(void);

/* When all directories (descriptors) are open: nothing beyond regular files in them, if there is
 * Landlock. */
void archive_sandbox_beneath(const int *directories, unsigned count);

#endif
