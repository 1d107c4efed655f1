/* A list of inodes. */
#include "openfiles.h"

#include <stdlib.h>

#define LIST_FIRST 64u

static struct openfile *find(const struct openfiles *open, const struct stat *file)
{
	for (size_t i = 0; i < open->count; i++)
		if (open->list[i].device == file->st_dev && open->list[i].inode == file->st_ino)
			return &open->list[i];
	return NULL;
}

void openfiles_free(struct openfiles *open)
{
	free(open->list);
	*open = (struct openfiles){ 0 };
}

void openfiles_add(struct openfiles *open, int fd)
{
	struct stat st;

	if (fstat(fd, &st) || find(open, &st))
		return;
	if (open->count == open->capacity) {
		size_t capacity = open->capacity ? 2 * open->capacity : LIST_FIRST;
		struct openfile *larger = reallocarray(open->list, capacity, sizeof(*larger));

		if (!larger)
			return; /* its lock shows it, too */
		open->list = larger;
		open->capacity = capacity;
	}
	open->list[open->count++] = (struct openfile){ st.st_dev, st.st_ino };
}

void openfiles_remove(struct openfiles *open, int fd)
{
	struct openfile *found;
	struct stat st;

	if (fstat(fd, &st))
		return;
	found = find(open, &st);
	if (found)
		*found = open->list[--open->count];
}

bool openfiles_has(const struct openfiles *open, const struct stat *file)
{
	return find(open, file) != NULL;
}
