/* A file in use, "NAME-TIME-wW.pcapng.partial": how it is named and how it is finished. Called only
 * by the archive process; every call may block on the disk. */
#ifndef PARTIAL_H
#define PARTIAL_H

#include "file.h"

/* Gives a hidden file in use its name, "NAME-TIME-wW.pcapng.partial", with the time of its first
 * packet; if that is taken, the next free microsecond. Idempotent. If another
 * program took its hidden name away, fills in result->lost and text. */
void partial_name(struct directory *dir, const struct message_archive *request, int fd,
		  struct message_result *result);

/* Verifies a file (integrity_verify()), cuts it after its last chunk, appends the statistics block,
 * syncs (unless the capture does not), removes ".partial" from its name, syncs the directory. If
 * the file cannot be synced, a write to it failed, or its contents are not what was written, its
 * name ends in ".suspect.pcapng" and result->error is set. Idempotent; result->later: to be tried
 * again later. */
void partial_finish(struct directory *dir, const struct message_archive *request, int fd,
		    struct message_result *result);

#endif
