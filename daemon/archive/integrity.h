/* Checks that a file still has what was written to it, as other programs may remove, move, empty or
 * replace it. Called only by the archive process. */
#ifndef INTEGRITY_H
#define INTEGRITY_H

#include "file.h"

/* What another program did to an open file that should have this name and at least `end` bytes:
 * "was removed" and the like; NULL: nothing. Changes nothing, not even the access time. */
const char *integrity_fault(const struct directory *dir, const char *name, int fd, uint64_t end);

/* Fills in result->name, and result->lost and text if integrity_fault() finds something. */
void integrity_check(const struct directory *dir, const struct message_archive *request, int fd,
		     struct message_result *result);

/* Reads back the header and the first chunk, or the whole file if it has a hole or is too short.
 * Returns 0, EBADMSG if written data are missing, with the number of packets before them in
 * *readable, or errno of reading. */
int integrity_verify(const struct directory *dir, int fd, const struct ledger_file *record,
		     uint64_t *readable);

#endif
