/* One output file's way: hidden, named, finished. Called by the archive process alone; every call
 * may wait for the disk. */
#ifndef FILE_H
#define FILE_H

#include "directory.h"

#include <sys/types.h>

#define FILE_OWNER_MODE 0600 /* until it is finished: a successor must be able to repair it */

/* What offsets and lengths of writes must be multiples of. */
uint32_t file_align(int fd, bool direct);

/* Makes a hidden, locked file with its head. Returns its descriptor, owned by the caller, or -1
 * with result->error; result->name and align are filled in. */
int file_open(struct directory *dir, const struct message_archive *request,
	      struct message_result *result);

/* Gives a file in use the capture's file_mode, with read and write for its owner, and file_group,
 * where it has others. Returns 0 or -errno. */
int file_permit(const struct directory *dir, int fd);

/* Writes its head again, where nothing came behind it yet: made by an earlier daemon, it may name
 * another filter. Returns 0 or -errno. */
int file_header_renew(const struct directory *dir, uint32_t worker, int fd);

/* Writes the head again where it is not there. Returns 0 or errno. */
int file_header_restore(const struct directory *dir, const struct message_archive *request, int fd);

/* Takes the room that the file may need, where there is so much beyond the reserve; what it does
 * not need is freed when it is cut. Without it the file grows as it is written. Returns 0, also
 * where that cannot be, or errno. */
int file_preallocate(const struct directory *dir, int fd);

/* Removes a hidden file that never came into use. */
void file_discard(struct directory *dir, const struct message_archive *request,
		  struct message_result *result);

/* Brings what is written so far to the disk. */
void file_sync(const struct directory *dir, const struct message_archive *request, int fd,
	       struct message_result *result);

/* The first page of a worker's files: FILE_HEADER_BYTES, aligned for O_DIRECT. Borrowed until the
 * next call. */
const uint8_t *file_header(const struct directory *dir, uint32_t worker);

/* A hidden file for plain writes under a name that is no other file's, which it fills in. Returns
 * the descriptor or -errno. */
int file_make_other(const struct directory *dir, const struct message_archive *request, char *name);

/* pread() of the descriptor that `context` points to, as walk_chunks() takes it. */
ssize_t file_read(void *context, void *buffer, size_t bytes, uint64_t offset);

/* Gives back what was preallocated behind the end of a file that nobody writes any more. */
void file_trim(int fd);

/* Whether the first page is a head. One that never came to be whole is no fault: then there is no
 * chunk either. Returns 0, -EBADMSG or another -errno. */
int file_header_check(int fd, uint64_t size);

/* Says in `result` what failed, with errno `error`. */
__attribute__((format(printf, 3, 4))) void file_fail(struct message_result *result, int error,
						     const char *format, ...);

/* Opens a file that was found and that somebody may be writing, and locks it: a regular file by
 * this very name, nothing that could block; with O_RDONLY shared, which is in the way of no other
 * reader's lock; with O_RDWR one that is nobody else's and has no other name. Reading it leaves no
 * access time. Returns the descriptor, closing which unlocks it, or -errno: -EWOULDBLOCK where it
 * is held, -EINVAL where it is no regular file, -EREMOTE another user's, -EMLINK one with another
 * name. */
int file_lock(const struct directory *dir, const char *name, int flags);

/* No worker writes it any more: from now on any offset and length will do, and reading it leaves no
 * access time. Returns 0, or -1 with errno. */
int file_end_begin(int fd);

/* Cuts at record->end, adds the statistics, syncs if `sync`. `name` is for the log. Returns 0 or
 * errno. */
int file_seal(int fd, const char *name, const struct ledger_file *record, bool sync);

/* renameat2(RENAME_NOREPLACE), or what comes to the same where the file system cannot: a second
 * name in place of the first, or, where it has no links either, plain rename(2) to a name that is
 * free. Who else may put something there meanwhile is warned of by directory_open(). Returns 0 or
 * -errno. */
int file_rename_new(int directory, const char *from, const char *to);

/* Gives an open file a name of another kind, never one that is taken: then the next microsecond's.
 * `to` has FILE_NAME_BYTES. Returns 0, -ENOENT where it is not called `from` (any more), or another
 * -errno. */
int file_rename(const struct directory *dir, int fd, const char *from, struct name as, char *to);

#endif
