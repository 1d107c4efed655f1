/* Who made a file, and since when it has not changed. */
#include "foreign.h"
#include "head.h"
#include "trial.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define SEEN_MAX 256u

static struct seen {
	dev_t device;
	ino_t inode;
	off_t size;
	uint64_t since_ns; /* monotonic: the size is this one */
} seen[SEEN_MAX];

static unsigned seen_next; /* the oldest, when there is no room */

static bool made_elsewhere(const struct file_place *place, int fd)
{
	static const uint8_t none[HEAD_ID_BYTES];
	uint8_t page[HEAD_BYTES];
	const uint8_t *machine;

	if (memcmp(place->capture.machine, none, sizeof(none)) == 0 ||
	    pread(fd, page, sizeof(page), 0) != (ssize_t)sizeof(page) || !head_valid(page))
		return false;
	machine = head_machine(page);
	return machine && memcmp(machine, none, sizeof(none)) != 0 &&
	       memcmp(machine, place->capture.machine, HEAD_ID_BYTES) != 0;
}

bool foreign_busy(const struct file_place *place, int fd, uint64_t now_ns)
{
	struct seen *found = NULL;
	struct stat st;

	if (fstat(fd, &st) || (!trial_shared(place) && !made_elsewhere(place, fd)))
		return false;
	for (unsigned i = 0; i < SEEN_MAX && !found; i++)
		if (seen[i].device == st.st_dev && seen[i].inode == st.st_ino && seen[i].since_ns)
			found = &seen[i];
	if (found && found->size == st.st_size)
		return now_ns - found->since_ns <
		       (st.st_size > HEAD_BYTES ? FOREIGN_QUIET_NS : FOREIGN_SPARE_NS);
	if (!found)
		found = &seen[seen_next++ % SEEN_MAX];
	*found = (struct seen){ st.st_dev, st.st_ino, st.st_size, now_ns };
	return true;
}
