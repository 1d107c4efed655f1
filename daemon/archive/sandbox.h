/* Confines the archive process to files beneath its directories and to its channel. */
#ifndef ARCHIVE_SANDBOX_H
#define ARCHIVE_SANDBOX_H

/* No capabilities, not dumpable, no network, no execve, no new process: applies the list of system
 * calls. Returns 0 or -errno. */
int archive_sandbox(void);

/* Called when all directories (descriptors) are open: restricts access to regular files in them, if
 * Landlock is available. */
void archive_sandbox_beneath(const int *directories, unsigned count);

#endif
