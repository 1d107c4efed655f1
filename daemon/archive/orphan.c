/* Repairs files of no capture of this daemon. Their name and their header must agree on capture and
 * worker. */
#include "orphan.h"
#include "beneath.h"
#include "common.h"
#include "repair.h"

#include "../base/sizes.h"
#include "../format/header.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct orphan {
	const char *text;
	const char *capture;
	struct name name;
	struct stat st;
};

/* Whether all captures are announced: files of one that is not announced yet are no orphans. */
static bool all_known(const struct directory *dir, const struct directory *directories)
{
	uint32_t known = 0;

	for (unsigned i = 0; i < CAPTURES_MAX; i++)
		known += *directories[i].capture.name != '\0';
	return known >= dir->capture.together;
}

static bool is_known(const struct directory *directories, const char *capture)
{
	for (unsigned i = 0; i < CAPTURES_MAX; i++)
		if (strcmp(directories[i].capture.name, capture) == 0)
			return true;
	return false;
}

static bool is_made_here(int fd, const struct orphan *orphan)
{
	uint8_t page[FILE_HEADER_BYTES];

	return file_read(&fd, page, sizeof(page), 0) == FILE_HEADER_BYTES && header_valid(page) &&
	       header_is_of(page, orphan->capture, orphan->name.worker);
}

/* Takes a reader's lock, which does not disturb other readers. Files of other programs are not
 * logged. */
static bool is_left(const struct directory *dir, struct orphan *orphan, uint64_t now_ns)
{
	struct foreign *seen = &dir->common->seen;
	bool left;
	int fd;

	if (fstatat(dir->fd, orphan->text, &orphan->st, AT_SYMLINK_NOFOLLOW) ||
	    !directory_owns(dir, &orphan->st) || orphan->st.st_nlink != 1)
		return false;
	fd = file_lock(dir, orphan->text, O_RDONLY);
	if (fd == -EWOULDBLOCK)
		foreign_forget(seen, &orphan->st);
	if (fd < 0)
		return false;
	left = is_made_here(fd, orphan) && !foreign_busy(seen, dir, fd, now_ns) &&
	       foreign_left(seen, &orphan->st, now_ns);
	close(fd);
	return left;
}

bool orphan_step(struct directory *dir, const struct directory *directories, uint64_t now_ns)
{
	struct directory other; /* as the orphan's capture would have it */
	struct message_result ignored = { 0 };
	DIR *list = all_known(dir, directories) ? beneath_list(dir->fd) : NULL;
	struct dirent *entry;
	bool done = false, repaired = false;

	if (!list)
		return false;
	other = *dir;
	while ((entry = readdir(list))) {
		struct orphan orphan = { .text = entry->d_name, .capture = other.capture.name };

		if (!name_read(&orphan.name, entry->d_name, other.capture.name) ||
		    !(orphan.name.kind == NAME_SPARE ||
		      (orphan.name.kind == NAME_PARTIAL && !repaired)) ||
		    is_known(directories, orphan.capture) || !is_left(dir, &orphan, now_ns))
			continue;
		other.newest_ns = 0;
		if (repair_leftover(&other, entry->d_name, orphan.name, &ignored) <= 0)
			continue;
		foreign_forget(&dir->common->seen, &orphan.st);
		done = true;
		repaired |= orphan.name.kind == NAME_PARTIAL;
	}
	closedir(list);
	dir->repair_logged = other.repair_logged;
	return done;
}
