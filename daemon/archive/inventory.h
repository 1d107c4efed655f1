/* A capture's files as its directory holds them at one moment: those that are finished, in the
 * order in which they were, and what those in use may grow to. Nothing is remembered between two
 * calls, the directory is what counts: files of an earlier daemon are adopted, and those that
 * another program took away are not missed. Files that are no capture's, or another's, are not in
 * it. */
#ifndef INVENTORY_H
#define INVENTORY_H

#include "directory.h"

/* A finished or suspect one. */
struct inventory_file {
	struct name name;
	uint64_t finished_ns; /* its modification time */
	uint64_t bytes;
	uint64_t freed; /* what its removal gives back to the file system */
	bool alone;	/* it has no other name */
	bool gone;
};

struct inventory {
	struct directory *dir;
	struct inventory_file *files;
	size_t count, room;
	uint64_t bytes;	 /* of all files, with what those in use may grow to */
	uint64_t growth; /* what files in use may still take of the file system */
	uint64_t unused; /* what was preallocated for them and is not written yet */
	int failed;	 /* errno of what could not be removed */
};

/* Adds what the directory `list->dir` holds; inventory_free() is the caller's in any case. Returns
 * 0 or -errno: then what was read until that is in it. */
int inventory_take(struct inventory *list);

/* The file that was finished first comes first. */
void inventory_sort(struct inventory *list);

void inventory_free(struct inventory *list);

/* Removes a finished file; `why` is for the log. Adds to result->removed. False where it cannot be
 * removed, list->failed says why. Another program may have been faster: then it is gone all the
 * same. */
bool inventory_remove(struct inventory *list, const struct inventory_file *file, const char *why,
		      struct message_result *result);

/* A file is about to be finished: where its modification time is not later than that of the one
 * finished before, since the clock was set back, it becomes so. Thus they are in the order in which
 * files were finished, whatever becomes of clocks and processes. Before the directory is synced. */
void inventory_stamp(struct directory *dir, int fd);

#endif
