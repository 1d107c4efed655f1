/* Finds the file of a previous instance by its inode, as its current name may be unknown. */
#ifndef REOPEN_H
#define REOPEN_H

#include "file.h"

/* Opens and locks it. Returns its descriptor, owned by the caller, or -1 with result->error: ENOENT
 * (not found), EEXIST (finished), ESTALE (suspect), EWOULDBLOCK (locked by another process); fills
 * in result->name, device, inode and align. */
int file_reopen(struct directory *dir, const struct message_archive *request,
		struct message_result *result);

#endif
