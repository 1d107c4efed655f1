/* A list of inodes. */
#include "inuse.h"

#include <stdlib.h>

#define LIST_FIRST 64u

static struct inuse {
	dev_t device;
	ino_t inode;
} * list;

static size_t count, room;

static struct inuse *find(const struct stat *file)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].device == file->st_dev && list[i].inode == file->st_ino)
			return &list[i];
	return NULL;
}

void inuse_begin(int fd)
{
	struct stat st;

	if (fstat(fd, &st) || find(&st))
		return;
	if (count == room) {
		size_t more = room ? 2 * room : LIST_FIRST;
		struct inuse *larger = reallocarray(list, more, sizeof(*list));

		if (!larger)
			return; /* its lock tells as well */
		list = larger;
		room = more;
	}
	list[count++] = (struct inuse){ st.st_dev, st.st_ino };
}

void inuse_end(int fd)
{
	struct inuse *found;
	struct stat st;

	if (fstat(fd, &st))
		return;
	found = find(&st);
	if (found)
		*found = list[--count];
}

bool inuse_is(const struct stat *file)
{
	return find(file) != NULL;
}
