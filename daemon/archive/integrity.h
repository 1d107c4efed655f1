/* Whether a file is still what was written to it, as other programs may remove, move, empty or
 * replace it. Called by the archive process alone. */
#ifndef INTEGRITY_H
#define INTEGRITY_H

#include "file.h"

/* What another program did to an open file that should have this name and at least `end` bytes:
 * "was removed" and the like, NULL: nothing. Changes nothing, also no access time. */
const char *integrity_fault(const struct directory *dir, const char *name, int fd, uint64_t end);

/* Fills in result->lost and text, where there is something. */
void integrity_check(const struct directory *dir, const struct message_archive *request, int fd,
		     struct message_result *result);

/* Reads head and first chunk back, and all of a file that has a hole. Returns 0, EBADMSG where what
 * was written is not there any more, with *kept the packets up to there, or errno of reading. */
int integrity_verify(int fd, const struct ledger_file *record, uint64_t *kept);

#endif
