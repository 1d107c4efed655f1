/* A file in use, "NAME-TIME-wW.pcapng.partial": how it comes to its name, and how it ends. Called
 * by the archive process alone; every call may wait for the disk. */
#ifndef PARTIAL_H
#define PARTIAL_H

#include "file.h"

/* Gives a hidden file in use its name, "NAME-TIME-wW.pcapng.partial". Repeating it is harmless.
 * Where another program has taken its name, result->lost and text say so. */
void partial_name(struct directory *dir, const struct message_archive *request, int fd,
		  struct message_result *result);

/* Reads a file's head and first chunk back, cuts it behind its last chunk, adds the statistics,
 * syncs (unless the capture does not), takes ".partial" away, syncs the directory. Where the file
 * cannot be synced, a write to it failed, or it is not what was written, its name ends in
 * ".suspect.pcapng" and result->error says so. Repeating it is harmless; result->later: it may go
 * well later. */
void partial_finish(struct directory *dir, const struct message_archive *request, int fd,
		    struct message_result *result);

#endif
