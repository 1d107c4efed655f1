/* Blocks put by hand, writes that fail. */
#include "handring.h"

#include "../library/handblock.h"

#include "../../daemon/base/ledger.h"
#include "../../daemon/format/chunk.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define STATUS_AT  offsetof(struct tpacket_block_desc, hdr.bh1.block_status)
#define EPB_TYPE   6u
#define MAC_OFFSET 84 /* as a ring with a reserve of 2 has it: packets may be made in place */

struct handring_failing failing;
struct handring_counters handring_counters = { .socket = -1 };

ssize_t __real_pwrite(int fd, const void *data, size_t bytes, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *data, size_t bytes, off_t offset);
ssize_t __real_pwritev(int fd, const struct iovec *pieces, int count, off_t offset);
ssize_t __wrap_pwritev(int fd, const struct iovec *pieces, int count, off_t offset);
int __real_fallocate(int fd, int mode, off_t offset, off_t bytes);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t bytes);
int __real_sync_file_range(int fd, off64_t offset, off64_t bytes, unsigned flags);
int __wrap_sync_file_range(int fd, off64_t offset, off64_t bytes, unsigned flags);
int __real_posix_fadvise(int fd, off_t offset, off_t bytes, int advice);
int __wrap_posix_fadvise(int fd, off_t offset, off_t bytes, int advice);
int __real_pthread_setname_np(pthread_t thread, const char *name);
int __wrap_pthread_setname_np(pthread_t thread, const char *name);
int __real_ftruncate(int fd, off_t bytes);
int __wrap_ftruncate(int fd, off_t bytes);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);

/* Whether the write fails; `result` is what it returns then. */
static bool write_fails(int fd, ssize_t *result)
{
	failing.calls++;
	*(__real_fcntl(fd, F_GETFL) & O_DIRECT ? &failing.direct : &failing.cached) += 1;
	if (failing.interrupts) {
		failing.interrupts--;
		errno = EINTR;
		*result = -1;
		return true;
	}
	if (failing.count && !failing.after) {
		failing.count--;
		errno = failing.error;
		*result = failing.error ? -1 : 0;
		return true;
	}
	failing.after -= failing.after > 0;
	return false;
}

ssize_t __wrap_pwrite(int fd, const void *data, size_t bytes, off_t offset)
{
	ssize_t result;

	if (write_fails(fd, &result))
		return result;
	if (failing.shorts && bytes > 1) {
		failing.shorts--;
		bytes /= 2;
	}
	return __real_pwrite(fd, data, bytes, offset);
}

/* A short one writes all pieces but the last, and half of that. */
ssize_t __wrap_pwritev(int fd, const struct iovec *pieces, int count, off_t offset)
{
	ssize_t result, last;

	if (write_fails(fd, &result))
		return result;
	failing.together++;
	if (!failing.shorts)
		return __real_pwritev(fd, pieces, count, offset);
	failing.shorts--;
	result = __real_pwritev(fd, pieces, count - 1, offset);
	if (result < 0)
		return result;
	last = __real_pwrite(fd, pieces[count - 1].iov_base, pieces[count - 1].iov_len / 2,
			     offset + result);
	return last < 0 ? last : result + last;
}

static int refused(bool refuse, int error)
{
	if (refuse)
		errno = error;
	return refuse;
}

int __wrap_fallocate(int fd, int mode, off_t offset, off_t bytes)
{
	return refused(failing.no_space, ENOSPC) ? -1 : __real_fallocate(fd, mode, offset, bytes);
}

int __wrap_sync_file_range(int fd, off64_t offset, off64_t bytes, unsigned flags)
{
	atomic_fetch_add(flags & SYNC_FILE_RANGE_WAIT_AFTER ? &failing.waits : &failing.starts, 1);
	while (atomic_load(&failing.held_back))
		usleep(1000);
	return refused(failing.unsynced, failing.error)
		       ? -1
		       : __real_sync_file_range(fd, offset, bytes, flags);
}

int __wrap_posix_fadvise(int fd, off_t offset, off_t bytes, int advice)
{
	atomic_fetch_add(&failing.forgotten, advice == POSIX_FADV_DONTNEED);
	return __real_posix_fadvise(fd, offset, bytes, advice);
}

int __wrap_pthread_setname_np(pthread_t thread, const char *name)
{
	int rc = __real_pthread_setname_np(thread, name);

	if (failing.named_late)
		usleep(50000);
	atomic_fetch_add(&failing.named, 1);
	return rc;
}

/* As the kernel tells it: each open description is told once. */
int __wrap_fdatasync(int fd)
{
	if (!failing.disk || fd != failing.disk)
		return __real_fdatasync(fd);
	failing.disk = 0;
	errno = failing.error;
	return -1;
}

int __wrap_ftruncate(int fd, off_t bytes)
{
	return refused(failing.cut, failing.error) ? -1 : __real_ftruncate(fd, bytes);
}

int __wrap_fcntl(int fd, int command, ...)
{
	void *argument;
	va_list ap;

	va_start(ap, command);
	argument = va_arg(ap, void *);
	va_end(ap);
	return refused(failing.set && command == F_SETFL, failing.error)
		       ? -1
		       : __real_fcntl(fd, command, argument);
}

int __real_afcap_stats_take(int socket, struct afcap_kernel_stats *stats);
int __wrap_afcap_stats_take(int socket, struct afcap_kernel_stats *stats);

int __wrap_afcap_stats_take(int socket, struct afcap_kernel_stats *stats)
{
	if (socket != handring_counters.socket)
		return __real_afcap_stats_take(socket, stats);
	if (handring_counters.error)
		return -handring_counters.error;
	if (handring_counters.late) {
		handring_counters.late--;
		handring_counters.counts.packets++;
		handring_counters.counts.drops++;
	}
	*stats = handring_counters.counts;
	handring_counters.counts = (struct afcap_kernel_stats){ 0 };
	return 0;
}

void handring_open(struct handring *r)
{
	struct afcap_error error;

	*r = (struct handring){ 0 };
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, r->pair), 0);
	r->handle.fd = r->pair[0];
	r->handle.rx.geometry = (struct afcap_geometry){ .version = AFCAP_TPACKET_V3,
							 .block_bytes = HANDRING_BLOCK_BYTES,
							 .blocks = HANDRING_BLOCKS,
							 .block_timeout_ms = 1 };
	r->handle.map_bytes = (size_t)HANDRING_BLOCKS * HANDRING_BLOCK_BYTES;
	r->handle.rx.map = r->handle.map = aligned_alloc(4096, r->handle.map_bytes);
	ck_assert_ptr_nonnull(r->handle.map);
	memset(r->handle.map, 0, r->handle.map_bytes);
	ck_assert_int_eq(wait_init(&r->handle, &error), 0);
}

void handring_close(struct handring *r)
{
	wait_free(&r->handle);
	close(r->pair[0]);
	close(r->pair[1]);
	free(r->handle.map);
}

static struct tpacket_block_desc *block_at(const struct handring *r, uint32_t index)
{
	return (void *)(r->handle.map + (size_t)index * HANDRING_BLOCK_BYTES);
}

void handring_put(struct handring *r, unsigned packets, uint32_t captured, bool by_timeout)
{
	struct tpacket_block_desc *desc = block_at(r, r->put++ % HANDRING_BLOCKS);
	struct handblock b = handblock_new(HANDRING_BLOCK_BYTES, ++r->sequence);
	uint32_t status = TP_STATUS_USER | (by_timeout ? TP_STATUS_BLK_TMO : 0);

	ck_assert_uint_eq(desc->hdr.bh1.block_status, TP_STATUS_KERNEL);
	for (unsigned i = 0; i < packets; i++) {
		ck_assert_uint_lt(b.used + MAC_OFFSET + captured, HANDRING_BLOCK_BYTES);
		handblock_add(&b, captured, MAC_OFFSET, (uint8_t)i);
	}
	/* All but the status, which the reader looks at meanwhile */
	memcpy(desc, b.desc, STATUS_AT);
	memcpy((uint8_t *)desc + STATUS_AT + sizeof(status),
	       (uint8_t *)b.desc + STATUS_AT + sizeof(status),
	       HANDRING_BLOCK_BYTES - STATUS_AT - sizeof(status));
	free(b.desc);
	/* Pairs with the acquire in block_status(), lib/block.c. */
	__atomic_store_n(&desc->hdr.bh1.block_status, status, __ATOMIC_RELEASE);
	ck_assert_int_eq(send(r->pair[1], "", 1, 0), 1);
}

unsigned handring_used(const struct handring *r)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < HANDRING_BLOCKS; i++)
		n += __atomic_load_n(&block_at(r, i)->hdr.bh1.block_status, __ATOMIC_ACQUIRE) !=
		     TP_STATUS_KERNEL;
	return n;
}

int handring_file(void)
{
	char path[] = "/var/tmp/afcap-check-XXXXXX";
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	unlink(path);
	ck_assert_int_eq(ftruncate(fd, LEDGER_FILE_BEGIN), 0);
	return fd;
}

unsigned handring_packets(int fd, uint64_t end)
{
	uint64_t at = LEDGER_FILE_BEGIN, sequence, last = 0;
	unsigned n = 0;
	struct stat st;

	fcntl(fd, F_SETFL, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_uint_eq((uint64_t)st.st_size, end);
	while (at < end) {
		uint32_t words[2];

		ck_assert_int_eq(pread(fd, words, sizeof(words), (off_t)at), sizeof(words));
		ck_assert_uint_ge(words[1], 12);
		n += words[0] == EPB_TYPE;
		if (words[0] == CHUNK_TYPE) {
			ck_assert_int_eq(pread(fd, &sequence, sizeof(sequence),
					       (off_t)(at + CHUNK_AT_SEQUENCE)),
					 sizeof(sequence));
			ck_assert_uint_gt(sequence, last);
			last = sequence;
		}
		at += words[1];
	}
	ck_assert_uint_eq(at, end);
	return n;
}
