/* One output file's way: hidden, named, finished. Called by the archive process alone; every call
 * may wait for the disk. */
#ifndef FILE_H
#define FILE_H

#include "directory.h"

/* What offsets and lengths of writes must be multiples of. */
uint32_t file_align(int fd, bool direct);

/* Makes a hidden, locked file with its head. Returns its descriptor, owned by the caller, or -1
 * with result->error; result->name and align are filled in. */
int file_open(struct file_place *place, const struct message_archive *request,
	      struct message_result *result);

/* Writes its head again, where nothing came behind it yet: made by a daemon before, it may tell of
 * another filter. Returns 0 or -errno. */
int file_head_renew(const struct file_place *place, uint32_t worker, int fd);

/* Takes the room that the file may need, where there is so much beyond the reserve; what it does
 * not need is freed when it is cut. Without it the file grows as it is written. */
void file_preallocate(const struct file_place *place, int fd);

/* Gives a hidden file in use its name, "NAME-wW-TIME.pcapng.partial". Repeating it is harmless. */
void file_name(struct file_place *place, const struct message_archive *request, int fd,
	       struct message_result *result);

/* Cuts a file behind its last chunk, adds the statistics, syncs (unless told not to), takes
 * ".partial" away, syncs the directory. Where the file cannot be synced, or a write to it failed,
 * its name ends in ".suspect.pcapng" and result->error says so. Repeating it is harmless. */
void file_finish(struct file_place *place, const struct message_archive *request, int fd,
		 struct message_result *result);

/* Removes a hidden file that never came into use. */
void file_discard(struct file_place *place, const struct message_archive *request,
		  struct message_result *result);

/* Brings what is written so far to the disk. */
void file_sync(const struct file_place *place, const struct message_archive *request, int fd,
	       struct message_result *result);

/* Opens a file that was found and that somebody may be writing, and locks it: a regular file by
 * this very name, nothing that could block; with O_RDWR one that is nobody else's and has no other
 * name. Returns the descriptor, closing which unlocks it, or -errno: -EWOULDBLOCK where it is held,
 * -EINVAL where it is no regular file, -EREMOTE another user's, -EMLINK one with another name. */
int file_lock(const struct file_place *place, const char *name, int flags);

/* Cuts at record->end, adds the statistics, syncs if told to. `name` is for the log. Returns 0 or
 * errno. */
int file_seal(int fd, const char *name, const struct ledger_file *record, bool sync);

/* Gives an open file a name of another kind, never one that is taken: then the next microsecond's.
 * `to` has FILE_NAME_BYTES. Returns 0, -ENOENT where it is not called `from` (any more), or another
 * -errno. */
int file_rename(const struct file_place *place, int fd, const char *from, struct name as, char *to);

#endif
