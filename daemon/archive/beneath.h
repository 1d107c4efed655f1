/* The only way in which the archive opens files: by a single name relative to a directory's
 * descriptor, whatever that name refers to. No state. */
#ifndef BENEATH_H
#define BENEATH_H

#include <dirent.h>
#include <stdbool.h>
#include <sys/types.h>

/* Opens `name`, a single component: no '/', not "." or "..". Follows no link of any kind and
 * reaches nothing outside the directory: openat2(2) with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
 * RESOLVE_NO_MAGICLINKS or, if that is not available, openat(2), which does the same for a single
 * name with O_NOFOLLOW. `mode` applies with O_CREAT. O_NOATIME, not to be combined with O_CREAT, is
 * dropped if it is not permitted. Returns the descriptor (close-on-exec), -EINVAL for an invalid
 * name, -ELOOP for a link, or another -errno. */
int beneath_open(int directory, const char *name, int flags, mode_t mode);

/* Opens a new file without a name in the directory, for reading and writing. Returns the descriptor
 * (close-on-exec) or -errno: EOPNOTSUPP, EISDIR or EINVAL if the file system does not support
 * that. */
int beneath_unnamed(int directory);

/* Opens the directory itself for readdir(), at its beginning. NULL with errno. The caller calls
 * closedir(). */
DIR *beneath_list(int directory);

/* Opens a configured path, which is trusted: a configuration may use links. Returns the
 * directory's descriptor or -errno. */
int beneath_start(const char *path);

#endif
