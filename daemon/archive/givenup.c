/* A table of inodes with their change times. */
#include "givenup.h"

bool givenup_add(struct givenup *list, const struct stat *file)
{
	if (list->count == GIVENUP_MAX)
		return false;
	list->files[list->count++] =
		(struct givenup_file){ file->st_dev, file->st_ino, file->st_ctim };
	return true;
}

bool givenup_has(const struct givenup *list, const struct stat *file)
{
	for (unsigned i = 0; i < list->count; i++) {
		const struct givenup_file *f = &list->files[i];

		if (f->device == file->st_dev && f->inode == file->st_ino &&
		    f->changed.tv_sec == file->st_ctim.tv_sec &&
		    f->changed.tv_nsec == file->st_ctim.tv_nsec)
			return true;
	}
	return false;
}
