/* Which machine made a file, and since when it has not changed. */
#include "foreign.h"

#include "../format/header.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define SEEN_STALE_NS UINT64_C(300000000000) /* checked once a minute: gone */

/* The file's entry, or a new one; NULL: all entries are of files that are still being checked. */
static struct foreign_file *seen_of(struct foreign *seen, const struct stat *st, uint64_t now_ns)
{
	struct foreign_file *oldest = &seen->files[0];

	for (unsigned i = 0; i < FOREIGN_SEEN_MAX; i++) {
		struct foreign_file *s = &seen->files[i];

		if (s->since_ns && s->device == st->st_dev && s->inode == st->st_ino)
			return s;
		if (s->looked_ns < oldest->looked_ns)
			oldest = s;
	}
	if (oldest->since_ns && now_ns - oldest->looked_ns < SEEN_STALE_NS)
		return NULL;
	*oldest = (struct foreign_file){ st->st_dev, st->st_ino, -1, 0, 0 };
	return oldest;
}

static bool unchanged(struct foreign *seen, const struct stat *st, uint64_t now_ns, uint64_t for_ns)
{
	struct foreign_file *s = seen_of(seen, st, now_ns);

	if (!s)
		return false;
	s->looked_ns = now_ns;
	if (s->size == st->st_size)
		return now_ns - s->since_ns >= for_ns;
	s->size = st->st_size;
	s->since_ns = now_ns;
	return false;
}

static bool made_elsewhere(const struct directory *dir, int fd)
{
	static const uint8_t none[ID_BYTES];
	uint8_t page[FILE_HEADER_BYTES];
	const uint8_t *machine;

	if (memcmp(dir->capture.machine, none, sizeof(none)) == 0 ||
	    pread(fd, page, sizeof(page), 0) != (ssize_t)sizeof(page) || !header_valid(page))
		return false;
	machine = header_machine(page);
	return machine && memcmp(machine, none, sizeof(none)) != 0 &&
	       memcmp(machine, dir->capture.machine, ID_BYTES) != 0;
}

bool foreign_busy(struct foreign *seen, const struct directory *dir, int fd, uint64_t now_ns)
{
	struct stat st;

	if (fstat(fd, &st) || (!directory_shared(dir) && !made_elsewhere(dir, fd)))
		return false;
	return !unchanged(seen, &st, now_ns,
			  st.st_size > FILE_HEADER_BYTES ? FOREIGN_QUIET_NS : FOREIGN_SPARE_NS);
}

bool foreign_left(struct foreign *seen, const struct stat *file, uint64_t now_ns)
{
	return unchanged(seen, file, now_ns, FOREIGN_LEFT_NS);
}

void foreign_forget(struct foreign *seen, const struct stat *file)
{
	for (unsigned i = 0; i < FOREIGN_SEEN_MAX; i++)
		if (seen->files[i].device == file->st_dev && seen->files[i].inode == file->st_ino)
			seen->files[i] = (struct foreign_file){ 0 };
}
