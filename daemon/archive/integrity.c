/* Checks open files and reads them back. */
#include "integrity.h"
#include "common.h"

#include "../format/chunk.h"
#include "../format/header.h"
#include "../format/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *integrity_fault(const struct directory *dir, const char *name, int fd, uint64_t end)
{
	struct stat st, named;

	if (fstat(fd, &st))
		return NULL;
	if (fstatat(dir->fd, name, &named, AT_SYMLINK_NOFOLLOW)) {
		if (errno != ENOENT)
			return NULL; /* cannot be determined now */
		return st.st_nlink ? "was moved away" : "was removed";
	}
	if (named.st_dev != st.st_dev || named.st_ino != st.st_ino)
		return "was replaced by another file";
	if ((uint64_t)st.st_size < end)
		return "was truncated";
	/* Emptied, and written further since. Not found by reading, which others would see */
	return lseek(fd, 0, SEEK_DATA) > 0 ? "was emptied" : NULL;
}

void integrity_check(const struct directory *dir, const struct message_archive *request, int fd,
		     struct message_result *result)
{
	const char *what = integrity_fault(dir, request->name, fd, request->file.end);

	snprintf(result->name, sizeof(result->name), "%s", request->name);
	result->lost = what != NULL;
	snprintf(result->text, sizeof(result->text), "%s", what ? what : "");
}

static int chunks_read(const struct directory *dir, int fd, uint64_t size, struct walk *chunks)
{
	const struct walk_source source = { .read = file_read,
					    .context = &fd,
					    .size = size,
					    .buffer = dir->common->buffer,
					    .buffer_bytes = sizeof(dir->common->buffer) };

	*chunks = (struct walk){ 0 };
	return walk_chunks(&source, chunks);
}

/* The end of the first chunk, according to its header. */
static uint64_t first_end(int fd, uint64_t end)
{
	uint64_t at = FILE_HEADER_BYTES + CHUNK_AT_LENGTH;
	uint32_t length;

	if (end < at + sizeof(length) ||
	    file_read(&fd, &length, sizeof(length), at) != (ssize_t)sizeof(length))
		return end;
	return length < end - FILE_HEADER_BYTES ? FILE_HEADER_BYTES + length : end;
}

/* Lost data shows as a hole; but a file system may also have made one of zeros that were
 * written. */
static bool has_hole(int fd, uint64_t end)
{
	off_t hole = lseek(fd, 0, SEEK_HOLE);

	return hole >= 0 && (uint64_t)hole < end;
}

/* Walks the whole file and counts the packets that are still there. */
static int walk_back(const struct directory *dir, int fd, uint64_t size,
		     const struct ledger_file *record, uint64_t *readable)
{
	struct walk chunks;
	int rc = chunks_read(dir, fd, record->end < size ? record->end : size, &chunks);

	if (rc)
		return -rc;
	*readable = chunks.packets;
	return size < record->end || chunks.end != record->end ? EBADMSG : 0;
}

int integrity_verify(const struct directory *dir, int fd, const struct ledger_file *record,
		     uint64_t *readable)
{
	struct walk chunks;
	struct stat st;
	uint64_t end;
	int rc;

	*readable = 0;
	if (file_end_begin(fd) || fstat(fd, &st))
		return errno;
	rc = file_header_check(fd, (uint64_t)st.st_size);
	if (rc)
		return -rc;
	if ((uint64_t)st.st_size < record->end || has_hole(fd, record->end))
		return walk_back(dir, fd, (uint64_t)st.st_size, record, readable);
	if (record->end <= FILE_HEADER_BYTES)
		return 0; /* no packets, only counted losses */
	end = first_end(fd, record->end);
	rc = chunks_read(dir, fd, end, &chunks);
	if (rc)
		return -rc;
	return chunks.count && chunks.end == end ? 0 : EBADMSG; /* zeros end the walk early */
}
