/* The file of a daemon before, found again by its inode: what it is called now may not be known. */
#ifndef REOPEN_H
#define REOPEN_H

#include "file.h"

/* Opens and locks it. Returns its descriptor, owned by the caller, or -1 with result->error: ENOENT
 * (it is not there), EEXIST (it is finished), ESTALE (it is a suspect), EWOULDBLOCK (somebody has
 * it locked); result->name, device, inode and align are filled in. */
int file_reopen(struct directory *dir, const struct message_archive *request,
		struct message_result *result);

#endif
