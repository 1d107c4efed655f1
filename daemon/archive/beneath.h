/* The one way in which the archive opens anything: by one name in a directory's descriptor,
 * whatever stands there. Pure but for the kernel. */
#ifndef BENEATH_H
#define BENEATH_H

#include <dirent.h>
#include <stdbool.h>
#include <sys/types.h>

/* Opens `name`, which is one component: no '/', not "." or "..". No link of any kind is followed,
 * nothing outside the directory is reached: openat2(2), RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
 * RESOLVE_NO_MAGICLINKS; where the kernel has none, openat(2), which does no more with one name
 * and O_NOFOLLOW. `mode` is for O_CREAT. O_NOATIME, not with that, counts where it may be had.
 * Returns the descriptor (close-on-exec), -EINVAL for another name, -ELOOP for a link, or another
 * -errno. */
int beneath_open(int directory, const char *name, int flags, mode_t mode);

/* A file without a name in it, for writing. Returns the descriptor (close-on-exec) or -errno:
 * EOPNOTSUPP, EISDIR or EINVAL where the file system has none. */
int beneath_unnamed(int directory);

/* The directory itself, to be read from its beginning. NULL with errno. closedir() is the
 * caller's. */
DIR *beneath_list(int directory);

/* Opens a configured path, which is trusted: a configuration may use links. Returns the
 * directory's descriptor or -errno. */
int beneath_start(const char *path);

#endif
