/* A snapshot of a capture's files in its directory: the finished ones, in the order in which they
 * were finished, and the sizes that those in use may grow to. Nothing is remembered between two
 * calls, the directory is the only record: files of previous instances are adopted, and files that
 * another program removed are not missed. Files of other captures or of none are not in it. */
#ifndef INVENTORY_H
#define INVENTORY_H

#include "directory.h"

/* A finished or suspect file. */
struct inventory_file {
	struct name name;
	uint64_t finished_ns; /* its modification time */
	uint64_t bytes;
	uint64_t freed; /* bytes that its removal frees */
	bool alone;	/* no other hard link */
	bool gone;
};

struct inventory {
	struct directory *dir;
	struct inventory_file *files;
	size_t count, capacity;
	uint64_t bytes;	 /* of all files, those in use with the size they may grow to */
	uint64_t growth; /* bytes that files in use may still take */
	uint64_t unused; /* bytes preallocated for them and not written yet */
	int failed;	 /* errno of a failed removal */
};

/* Adds the files in the directory `list->dir`; the caller calls inventory_free() in any case.
 * Returns 0, or -errno with the files read until then. */
int inventory_take(struct inventory *list);

/* Sorts by the order of finishing, oldest first. */
void inventory_sort(struct inventory *list);

void inventory_free(struct inventory *list);

/* Removes a finished file; `why` is for the log. Adds to result->removed. False if it cannot be
 * removed, with errno in list->failed. True also if another program has removed it already. */
bool inventory_remove(struct inventory *list, const struct inventory_file *file, const char *why,
		      struct message_result *result);

/* Called when a file is about to be finished, before the directory is synced: if its modification
 * time is not later than that of the file finished before, because the clock was set back, it is
 * set later. Modification times thus have the order in which files were finished, whatever happens
 * to clocks and processes. */
void inventory_stamp(struct directory *dir, int fd);

#endif
