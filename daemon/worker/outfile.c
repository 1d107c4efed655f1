/* Writing at an offset. */
#include "outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>

/* Returns 0 or errno. */
static int write_all(int fd, struct iovec *pieces, int count, uint64_t offset)
{
	while (count) {
		ssize_t n = count == 1
				    ? pwrite(fd, pieces->iov_base, pieces->iov_len, (off_t)offset)
				    : pwritev(fd, pieces, count, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		if (n == 0)
			return EIO;
		offset += (uint64_t)n;
		for (; count && (size_t)n >= pieces->iov_len; pieces++, count--)
			n -= (ssize_t)pieces->iov_len;
		if (count) {
			pieces->iov_base = (uint8_t *)pieces->iov_base + n;
			pieces->iov_len -= (size_t)n;
		}
	}
	return 0;
}

/* Sets or clears O_DIRECT, the only flag that F_SETFL changes here. If the file system accepts it
 * only in open(), the remainder of the file is written without. Returns 0 or errno. */
static int mode_set(struct outfile *f, bool direct)
{
	enum outfile_mode mode = direct ? OUTFILE_DIRECT : OUTFILE_PLAIN;

	if (f->align <= OUTFILE_ALIGN_MIN || f->mode == mode)
		return 0;
	if (fcntl(f->fd, F_SETFL, direct ? O_DIRECT : 0)) {
		if (errno != EINVAL || !direct)
			return errno;
		f->align = OUTFILE_ALIGN_MIN;
		mode = OUTFILE_PLAIN;
	}
	f->mode = mode;
	return 0;
}

int outfile_direct(struct outfile *f, struct iovec *pieces, int count, uint64_t offset)
{
	int error = mode_set(f, true);

	return error ? error : write_all(f->fd, pieces, count, offset);
}

int outfile_cached(struct outfile *f, struct iovec *pieces, int count, uint64_t offset)
{
	int error = mode_set(f, false);

	return error ? error : write_all(f->fd, pieces, count, offset);
}

/* Writes the range to the disk, as O_DIRECT does, so that an error is noticed here. Returns 0 or
 * errno; 0 also if the kernel or a system call filter does not have the call: the kernel then
 * writes it back later. */
static int written_sync(int fd, uint32_t bytes, uint64_t offset)
{
	if (sync_file_range(fd, (off_t)offset, bytes,
			    SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER) == 0)
		return 0;
	return errno == ENOSYS || errno == EPERM || errno == EINVAL ? 0 : errno;
}

int outfile_plain(struct outfile *f, const uint8_t *data, uint32_t bytes, uint64_t offset)
{
	struct iovec piece = { .iov_base = (void *)(uintptr_t)data, .iov_len = bytes };
	bool sync = f->align > OUTFILE_ALIGN_MIN;
	int error = mode_set(f, false);

	if (!error)
		error = write_all(f->fd, &piece, 1, offset);
	if (!error && sync) {
		error = written_sync(f->fd, bytes, offset);
		f->unsynced = error != 0;
	}
	return error;
}
