/* The archive process: it owns the output directories. Disks may be slow or frozen; then this
 * process waits, and no other. It keeps nothing between two requests but the directories: after its
 * death another one serves the next request. */
#ifndef ARCHIVE_H
#define ARCHIVE_H

/* Serves CHANNEL_FD until the supervisor closes it. Returns the exit code of the process. */
int archive_main(void);

#endif
