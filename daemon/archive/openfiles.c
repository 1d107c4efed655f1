/* A list of inodes. */
#include "openfiles.h"

#include <stdlib.h>

#define LIST_FIRST 64u

static struct openfile {
	dev_t device;
	ino_t inode;
} * list;

static size_t count, room;

static struct openfile *find(const struct stat *file)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].device == file->st_dev && list[i].inode == file->st_ino)
			return &list[i];
	return NULL;
}

void openfiles_add(int fd)
{
	struct stat st;

	if (fstat(fd, &st) || find(&st))
		return;
	if (count == room) {
		size_t more = room ? 2 * room : LIST_FIRST;
		struct openfile *larger = reallocarray(list, more, sizeof(*list));

		if (!larger)
			return; /* its lock shows it, too */
		list = larger;
		room = more;
	}
	list[count++] = (struct openfile){ st.st_dev, st.st_ino };
}

void openfiles_remove(int fd)
{
	struct openfile *found;
	struct stat st;

	if (fstat(fd, &st))
		return;
	found = find(&st);
	if (found)
		*found = list[--count];
}

bool openfiles_has(const struct stat *file)
{
	return find(file) != NULL;
}
