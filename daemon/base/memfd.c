/* Seals. */
#include "memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

int memfd_seal(int fd)
{
	return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) ? -errno : 0;
}

/* The seal comes first: what is sealed has the size that it is looked at with. */
int memfd_check(int fd, size_t bytes)
{
	int seals = fcntl(fd, F_GET_SEALS); /* EINVAL: no memory, or of no such file system */
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	return seals >= 0 && seals & F_SEAL_SHRINK && st.st_size == (off_t)bytes ? 0 : -EPROTO;
}
