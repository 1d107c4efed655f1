/* A capture's directory: opened once, and the same from then on, whatever its path leads to later.
 * Others may write to it; what they put there is not taken for ours. */
#ifndef DIRECTORY_H
#define DIRECTORY_H

#include "../base/message.h"
#include "../format/name.h"

#include <stdbool.h>
#include <sys/stat.h>

/* One capture's. */
struct directory {
	struct message_capture capture;
	int fd;		   /* -1: none */
	uid_t user;	   /* whose our files are: this process's, as the file system says */
	uid_t owner;	   /* the directory's */
	bool tried;	   /* trial_run() went to its end */
	bool moved;	   /* the path leads elsewhere, which is logged */
	int plain_logged;  /* said once that O_DIRECT is not used */
	int repair_logged; /* errno last logged of repairing there, which may pass */
	int scan_logged, remove_logged; /* errno last logged of reading it, of removing there */
	struct clock_now clock;		/* of the request that is served */
	uint64_t newest_ns;   /* modification time of the file finished last; 0: not known */
	uint64_t refused_ns;  /* monotonic: a worker's write was refused; 0: it is not */
	unsigned yields;      /* files that went for that since */
	uint64_t yielded;     /* bytes of what went since something was refused */
	unsigned in_vain;     /* files of it beyond as much as was wanted */
	uint64_t kept_ns;     /* monotonic: retention_enforce() was last run; 0: never */
	bool over_budget;     /* then */
	bool removed;	      /* something, since the file system was synced for that */
	uint64_t opened_ns;   /* monotonic */
	uint64_t repaired_ns; /* monotonic: there was last nothing to repair; 0: never */
};

/* What the file system has left. */
struct directory_room {
	uint64_t available; /* bytes of the file system, for this user */
	uint64_t reserve;   /* what must stay of them */
	uint64_t inodes;    /* likewise; as many as there can be where it has no number of them */
	uint64_t inode_reserve;
};

/* Opens the directory by its configured path; logs where others may change what is in it. On
 * failure result->error and text say why. */
void directory_open(struct directory *dir, struct message_result *result);

/* Takes a directory that an earlier archive process opened; `fd` stays the caller's. Returns
 * 0 or -errno. */
int directory_adopt(struct directory *dir, int fd);

void directory_close(struct directory *dir);

/* Whether it was removed since it was opened, not only moved. */
bool directory_removed(const struct directory *dir);

/* What locks may not reach other machines through: "NFS" and the like; NULL where the file system
 * is this machine's own. */
const char *directory_shared(const struct directory *dir);

/* Logs once that the path leads elsewhere by now. */
void directory_path_check(struct directory *dir);

struct statvfs;

/* What the capture's disk_reserve makes of a file system: a share is one of its bytes and of its
 * inodes. Pure. */
struct directory_room directory_room_of(const struct message_capture *capture,
					const struct statvfs *fs);

/* Returns 0 or -errno. */
int directory_room(const struct directory *dir, struct directory_room *room);

/* Whether an error says that there is too little of something: bytes, inodes, a quota. */
bool directory_is_refusal(int error);

/* Whether the file system is out of inodes. */
bool directory_inodes_out(const struct directory *dir);

#define DIRECTORY_TRY_BYTES (UINT64_C(1) << 20)

/* Tries to take as much as a file may need, at most DIRECTORY_TRY_BYTES, in a file without a name,
 * and gives it back. Returns 0, also where that cannot be tried; ENOSPC or EDQUOT. */
int directory_room_try(const struct directory *dir);

/* Whether a file found there may be one that afcapd made: a regular one of this user, of root (an
 * earlier daemon's), or of the directory's owner, who may do there what he likes anyway. */
bool directory_owns(const struct directory *dir, const struct stat *file);

/* Whether the file has this name in the directory. */
bool directory_has(const struct directory *dir, const char *name, const struct stat *file);

/* Looks the directory through for a file of the capture's worker, which is known by the device and
 * inode of `file`. `text` has FILE_NAME_BYTES. Returns 0 with *name and `text` filled in, -ENOENT,
 * or another -errno. */
int directory_find(const struct directory *dir, uint32_t worker, const struct stat *file,
		   struct name *name, char *text);

/* A line about the capture whose directory it is. */
#define directory_log(dir, level, ...)                                                             \
	log_about(level, &(struct log_subject){ (dir)->capture.name, -1, NULL }, __VA_ARGS__)

#endif
