/* LD_PRELOAD: a quota that is used up. AFCAP_QUOTA is a file of two int64: as long as the first one
 * is above 0, whatever takes room is refused with the errno that is the second one; each file that
 * the program removes makes it one less. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

static int64_t *quota;
static ssize_t (*pwrite_next)(int, const void *, size_t, off_t);
static ssize_t (*pwritev_next)(int, const struct iovec *, int, off_t);
static int (*fallocate_next)(int, int, off_t, off_t);
static int (*unlinkat_next)(int, const char *, int);

/* Before the program confines itself */
__attribute__((constructor)) static void quota_begin(void)
{
	const char *path = getenv("AFCAP_QUOTA");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *map = MAP_FAILED;

	*(void **)&pwrite_next = dlsym(RTLD_NEXT, "pwrite64");
	*(void **)&pwritev_next = dlsym(RTLD_NEXT, "pwritev64");
	*(void **)&fallocate_next = dlsym(RTLD_NEXT, "fallocate64");
	*(void **)&unlinkat_next = dlsym(RTLD_NEXT, "unlinkat");
	if (fd >= 0) {
		map = mmap(NULL, 2 * sizeof(*quota), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		close(fd);
	}
	if (map != MAP_FAILED)
		quota = map;
}

static int refused(void)
{
	if (!quota || __atomic_load_n(&quota[0], __ATOMIC_SEQ_CST) <= 0)
		return 0;
	errno = (int)quota[1];
	return -1;
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset)
{
	return refused() ? -1 : pwrite_next(fd, bytes, count, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t offset)
{
	return pwrite(fd, bytes, count, offset);
}

ssize_t pwritev(int fd, const struct iovec *pieces, int count, off_t offset)
{
	return refused() ? -1 : pwritev_next(fd, pieces, count, offset);
}

ssize_t pwritev64(int fd, const struct iovec *pieces, int count, off_t offset)
{
	return pwritev(fd, pieces, count, offset);
}

int fallocate(int fd, int mode, off_t offset, off_t length)
{
	return refused() ? -1 : fallocate_next(fd, mode, offset, length);
}

int fallocate64(int fd, int mode, off_t offset, off_t length)
{
	return fallocate(fd, mode, offset, length);
}

int unlinkat(int directory, const char *name, int flags)
{
	int rc = unlinkat_next(directory, name, flags);

	if (rc == 0 && quota && strstr(name, ".pcapng") && quota[0] > 0)
		__atomic_fetch_sub(&quota[0], 1, __ATOMIC_SEQ_CST);
	return rc;
}
