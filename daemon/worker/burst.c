/* Into the page cache and around it. */
#include "burst.h"

#include "../base/crash.h"

#include <errno.h>
#include <unistd.h>

int burst_init(struct burst *b, uint64_t bytes, struct crossing *crossing)
{
	*b = (struct burst){ .crossing = crossing, .bytes_max = bytes };
	if (!bytes)
		return 0;
	b->writeback = writeback_new(bytes);
	return b->writeback ? 0 : -ENOMEM;
}

int burst_start(struct burst *b, struct afcap *ring)
{
	return b->writeback ? writeback_start(b->writeback, ring) : 0;
}

uint64_t burst_waiting(const struct burst *b)
{
	return b->writeback ? writeback_waiting(b->writeback) : 0;
}

bool burst_wanted(const struct burst *b, const struct outfile *file, uint64_t end, uint64_t bytes)
{
	return b->writeback && !b->distrusted && file->align > OUTFILE_ALIGN_MIN &&
	       (b->ring_fills || burst_waiting(b)) && writeback_room(b->writeback, bytes) &&
	       (!b->late_end || end + bytes <= b->late_end);
}

int burst_write(struct burst *b, struct outfile *file, struct iovec *pieces, int count,
		uint64_t end)
{
	uint64_t bytes = 0;
	int error;

	if (!b->on) {
		atomic_store(&b->crossing->burst, true);
		crossing_notify(b->crossing);
	}
	b->on = true;
	for (int i = 0; i < count; i++)
		bytes += pieces[i].iov_len;
	error = outfile_cached(file, pieces, count, end);
	crash_step(CRASH_CACHED);
	if (!error)
		writeback_add(b->writeback, file->fd, end, (uint32_t)bytes);
	return error;
}

void burst_passed(struct burst *b)
{
	if (b->on)
		crash_step(CRASH_CAUGHT_UP);
	b->on = false;
}

void burst_disk_works(struct burst *b)
{
	b->distrusted = false;
}

bool burst_waits(struct burst *b, uint64_t end)
{
	if (!burst_waiting(b)) {
		b->late_end = 0;
		return false;
	}
	if (!b->late_end)
		b->late_end = end + b->bytes_max;
	return true;
}

void burst_next_file(struct burst *b, int previous_fd)
{
	b->late_end = 0;
	if (b->writeback)
		writeback_close(b->writeback, previous_fd);
	else
		close(previous_fd);
}

bool burst_blames(struct burst *b)
{
	b->distrusted |= b->writeback != NULL;
	return b->writeback != NULL;
}

int burst_error(struct burst *b)
{
	bool current = false;
	int error = b->writeback ? writeback_error(b->writeback, &current) : 0;

	b->distrusted |= error != 0;
	return current ? error : 0;
}

void burst_stop(struct burst *b)
{
	if (b->writeback)
		writeback_stop(b->writeback);
}
