/* Files that could not be repaired and are left alone until they change. */
#ifndef GIVENUP_H
#define GIVENUP_H

#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>

#define GIVENUP_MAX 256u

/* Zeros: none. */
struct givenup {
	struct givenup_file {
		dev_t device;
		ino_t inode;
		struct timespec
			changed; /* its change time then, which differs once it was changed */
	} files[GIVENUP_MAX];
	unsigned count;
};

/* False if the table is full: the file is tried again, and nothing is logged of it. */
bool givenup_add(struct givenup *list, const struct stat *file);

/* Whether the file was added, and has not changed since. */
bool givenup_has(const struct givenup *list, const struct stat *file);

#endif
