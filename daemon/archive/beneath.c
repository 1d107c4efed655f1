/* openat2(2), for which glibc has no wrapper. */
#include "beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define UNNAMED (O_TMPFILE & ~O_DIRECTORY)

static int descriptor_open(int directory, const char *name, struct open_how how)
{
	int fd = (int)syscall(SYS_openat2, directory, name, &how, sizeof(how));

	if (fd < 0 && errno == ENOSYS) /* kernel or sandbox older than the call */
		fd = openat(directory, name, (int)how.flags, (mode_t)how.mode);
	return fd < 0 ? -errno : fd;
}

static int entry_open(int directory, const char *name, int flags, mode_t mode)
{
	struct open_how how = { .flags = (unsigned)(flags | O_NOFOLLOW | O_CLOEXEC),
				.mode = flags & (O_CREAT | UNNAMED) ? mode : 0,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
					   RESOLVE_NO_MAGICLINKS };
	int fd = descriptor_open(directory, name, how);

	if (fd == -EPERM && flags & O_NOATIME) { /* another user's file */
		how.flags &= ~(unsigned)O_NOATIME;
		fd = descriptor_open(directory, name, how);
	}
	return fd;
}

int beneath_open(int directory, const char *name, int flags, mode_t mode)
{
	if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -EINVAL;
	return entry_open(directory, name, flags, mode);
}

int beneath_unnamed(int directory)
{
	return entry_open(directory, ".", O_TMPFILE | O_RDWR, 0600);
}

DIR *beneath_list(int directory)
{
	int fd = entry_open(directory, ".", O_RDONLY | O_DIRECTORY | O_NOATIME, 0);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);

	if (fd < 0) {
		errno = -fd;
	} else if (!list) {
		int saved = errno;

		close(fd);
		errno = saved;
	}
	return list;
}

int beneath_start(const char *path)
{
	return descriptor_open(AT_FDCWD, path,
			       (struct open_how){ .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC });
}
