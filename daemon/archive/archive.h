/* The archive process owns the output directories. If a disk is slow or hangs, this process waits,
 * and no other. Between requests it has no state that cannot be found again, except the open
 * directories and what is known of failed write-backs (openfiles.h): after its death a new process
 * serves the next request. */
#ifndef ARCHIVE_H
#define ARCHIVE_H

/* Serves CHANNEL_FD until the supervisor closes it. Returns the exit code of the process. */
int archive_main(void);

#endif
