/* The life of one output file: hidden, named, finished. Called only by the archive process; every
 * call may block on the disk. */
#ifndef FILE_H
#define FILE_H

#include "directory.h"

#include <sys/types.h>

#define FILE_OWNER_MODE 0600 /* until it is finished: the next instance may repair it */

/* Alignment of the offsets and lengths of writes, in bytes. With O_DIRECT at least a page, for the
 * programs that follow the file: i_size grows before the kernel drops what the page cache has of
 * the range (fs/iomap/direct-io.c, iomap_dio_complete()), so a program that reads the page in which
 * the file ended meanwhile sees zeros after the old end. */
uint32_t file_align(int fd, bool direct);

/* Creates a hidden, locked file with its header. Returns its descriptor, owned by the caller, or -1
 * with result->error; fills in result->name, device, inode and align. */
int file_open(struct directory *dir, const struct message_archive *request,
	      struct message_result *result);

/* Sets the capture's file_mode, plus read and write for the owner, and its file_group on a file in
 * use, unless it has them. Returns 0 or -errno. */
int file_permit(const struct directory *dir, int fd);

/* Rewrites the header if nothing follows it yet: made by a previous instance, it may name another
 * filter. Returns 0 or -errno. */
int file_header_renew(const struct directory *dir, uint32_t worker, int fd);

/* Rewrites the header if it is missing. Returns 0 or errno. */
int file_header_restore(const struct directory *dir, const struct message_archive *request, int fd);

/* Preallocates the space that the file may need, if that much is available beyond the reserve; the
 * remainder is freed when the file is cut. Without it the file grows as it is written. Returns 0,
 * also if too little is available, or errno. */
int file_preallocate(const struct directory *dir, int fd);

/* Removes a hidden file that was never used. */
void file_discard(struct directory *dir, const struct message_archive *request,
		  struct message_result *result);

/* Syncs the data written so far. */
void file_sync(const struct directory *dir, const struct message_archive *request, int fd,
	       struct message_result *result);

/* The first page of a worker's files: FILE_HEADER_BYTES, aligned for O_DIRECT. In dir->common:
 * borrowed until the next call. */
const uint8_t *file_header(const struct directory *dir, uint32_t worker);

/* Creates a hidden file for plain writes under a unique name, which is stored in `name`. Returns
 * the descriptor or -errno. */
int file_make_other(const struct directory *dir, const struct message_archive *request, char *name);

/* pread() of the descriptor that `context` points to, as walk_chunks() takes it. */
ssize_t file_read(void *context, void *buffer, size_t bytes, uint64_t offset);

/* Frees space preallocated past the end of a file that is no longer written. */
void file_trim(int fd);

/* Checks that the first page is a valid header. A partly written header is no error: then there is
 * no chunk either. Returns 0, -EBADMSG or another -errno. */
int file_header_check(int fd, uint64_t size);

/* Stores in `result` a text about what failed and errno `error`. */
__attribute__((format(printf, 3, 4))) void file_fail(struct message_result *result, int error,
						     const char *format, ...);

/* Opens and locks a file that was found and that another process may be writing: only a regular
 * file by exactly this name, nothing that could block. O_RDONLY takes a shared lock, which does not
 * conflict with other readers' locks; O_RDWR an exclusive one, and only on a file of afcapd's
 * without another name. Reading does not change the access time. Returns the descriptor, which
 * unlocks the file when closed, or -errno: -EWOULDBLOCK if it is locked, -EINVAL if it is no
 * regular file, -EREMOTE if it is another user's, -EMLINK if it has another name. */
int file_lock(const struct directory *dir, const char *name, int flags);

/* Prepares a file that no worker writes any more: clears O_DIRECT, so that any offset and length
 * will do, and sets O_NOATIME if permitted. Returns 0, or -1 with errno. */
int file_end_begin(int fd);

/* Cuts the file at record->end, appends the statistics block, syncs if `sync`. `name` is for the
 * log. Returns 0 or errno. */
int file_seal(int fd, const char *name, const struct ledger_file *record, bool sync);

/* Renames without replacing: renameat2(RENAME_NOREPLACE); if the file system does not support it,
 * link(2) and unlink(2); without hard links, plain rename(2) to a name that is free.
 * directory_open() warns if others may create that name meanwhile. Returns 0 or -errno. */
int file_rename_new(int directory, const char *from, const char *to);

/* Renames an open file to a name of another kind; if the name is taken, to that of the next free
 * microsecond. `to` has FILE_NAME_BYTES. Returns 0, -ENOENT if the file is not (or no longer)
 * called `from`, or another -errno. */
int file_rename(const struct directory *dir, int fd, const char *from, struct name as, char *to);

#endif
