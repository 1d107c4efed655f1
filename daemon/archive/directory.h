/* A capture's directory: opened once and used from then on, wherever its path leads later. Other
 * users may write to it; their files are not mistaken for afcapd's. */
#ifndef DIRECTORY_H
#define DIRECTORY_H

#include "../base/message.h"
#include "../format/name.h"

#include <stdbool.h>
#include <sys/stat.h>

struct common;

/* The directory of one capture. */
struct directory {
	struct common *common; /* of all directories of this process; borrowed */
	struct message_capture capture;
	int fd;	     /* -1: none */
	uid_t user;  /* owner of afcapd's files: this process's user, as the file system maps it */
	uid_t owner; /* owner of the directory */
	bool tried;  /* trial_run() has completed */
	bool moved;  /* the path leads elsewhere; this was logged */
	int plain_logged;		/* logged once that O_DIRECT is not used */
	int repair_logged;		/* errno last logged of a repair, perhaps temporary */
	int scan_logged, remove_logged; /* errno last logged of reading it, of removing files */
	struct clock_now clock;		/* of the current request */
	uint64_t newest_ns;	/* modification time of the file finished last; 0: unknown */
	uint64_t refused_ns;	/* monotonic: when a worker's write was refused; 0: not */
	unsigned yields;	/* files removed for that since */
	uint64_t yielded;	/* bytes freed since space was refused */
	unsigned in_vain;	/* files removed beyond the bytes wanted */
	uint64_t maintained_ns; /* monotonic: when retention_enforce() last ran; 0: never */
	bool over_budget;	/* then */
	bool removed;		/* a file, since the file system was synced for that */
	uint64_t opened_ns;	/* monotonic */
	uint64_t repaired_ns;	/* monotonic: when there was last nothing to repair; 0: never */
};

/* The free space of a file system. */
struct directory_space {
	uint64_t available; /* bytes available to this user */
	uint64_t reserve;   /* bytes of them that must stay available */
	uint64_t inodes;    /* likewise; UINT64_MAX if the file system does not count them */
	uint64_t inode_reserve;
};

/* Opens the directory by its configured path; logs a warning if others may change its contents. On
 * failure fills in result->error and text. */
void directory_open(struct directory *dir, struct message_result *result);

/* Uses a duplicate of `fd`, a directory that a previous archive process opened; the caller keeps
 * `fd`. Returns 0 or -errno. */
int directory_adopt(struct directory *dir, int fd);

void directory_close(struct directory *dir);

/* Whether it was removed since it was opened, not only moved. */
bool directory_removed(const struct directory *dir);

/* The type of the file system, such as "NFS", if locks on it may not reach other machines; NULL if
 * it is local. */
const char *directory_shared(const struct directory *dir);

/* Logs once if the path leads elsewhere now. */
void directory_path_check(struct directory *dir);

struct statvfs;

/* Applies the capture's disk_reserve to a file system: a percentage applies to its bytes and its
 * inodes. Pure. */
struct directory_space directory_space_of(const struct message_capture *capture,
					  const struct statvfs *fs);

/* Returns 0 or -errno. */
int directory_space(const struct directory *dir, struct directory_space *space);

/* Whether an error means that a resource is exhausted: bytes, inodes, a quota. */
bool directory_is_refusal(int error);

/* Whether the file system is out of inodes. */
bool directory_inodes_out(const struct directory *dir);

#define DIRECTORY_TRY_BYTES (UINT64_C(1) << 20)

/* Tries to allocate what a file may need, at most DIRECTORY_TRY_BYTES, in a file without a name,
 * and frees it again. Returns 0, also if that cannot be tried, ENOSPC or EDQUOT. */
int directory_space_try(const struct directory *dir);

/* Whether a file found there may be one that afcapd made: a regular file owned by this user, by
 * root (from a previous instance), or by the directory's owner, who can change its contents
 * anyway. */
bool directory_owns(const struct directory *dir, const struct stat *file);

/* Whether the file has this name in the directory. */
bool directory_has(const struct directory *dir, const char *name, const struct stat *file);

/* Searches the directory for the file of the capture's worker with the device and inode of `file`.
 * `text` has FILE_NAME_BYTES. Returns 0 with *name and `text` filled in, -ENOENT, or another
 * -errno. */
int directory_find(const struct directory *dir, uint32_t worker, const struct stat *file,
		   struct name *name, char *text);

/* Logs a line about the capture whose directory it is. */
#define directory_log(dir, level, ...)                                                             \
	log_about(level, &(struct log_subject){ (dir)->capture.name, -1, NULL }, __VA_ARGS__)

#endif
