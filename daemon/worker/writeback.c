/* The queue and the thread behind it. */
#include "writeback.h"

#include "../base/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define QUEUE_PIECES 4096u /* a power of two */
#define CLOSES_MAX   8u	   /* files that wait to be closed; a worker may have 64 descriptors */

struct piece {
	int fd;
	bool close; /* the file has no further piece */
	uint32_t bytes;
	uint64_t offset, serial;
};

struct writeback {
	uint64_t bytes_max;
	pthread_t thread;
	bool running;
	sem_t filled; /* posted for each piece, and at the end */

	/* The current file, of the ring thread. */
	int fd;
	bool dirty; /* pieces of it were added */

	struct piece queue[QUEUE_PIECES];
	/* Pieces ever put and taken. The ring thread stores `put` with release, which pairs with
	 * the acquire in the thread: the piece is visible before it is counted. The thread stores
	 * `taken` with release, which pairs with the acquire in queue_space(): the piece was copied
	 * before it is overwritten. */
	atomic_uint_least64_t put, taken;
	/* Bytes ever put and written back; files ever put to be closed, and closed: each has one
	 * writer and is read relaxed. */
	atomic_uint_least64_t put_bytes, done_bytes, put_closes, done_closes;
	/* Of the current file: pieces of others are not waited for. Relaxed: one piece may be taken
	 * for the current file's that no longer is. */
	atomic_uint_least64_t serial;
	/* The first failure that was not asked for. `failed_serial` belongs to the thread while
	 * `failed` is 0, to the ring thread otherwise; release and acquire as above. */
	uint64_t failed_serial;
	atomic_int failed;
	atomic_bool stopping; /* relaxed; sem_post() follows */
};

struct writeback *writeback_new(uint64_t bytes)
{
	struct writeback *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->bytes_max = bytes;
	w->fd = -1;
	sem_init(&w->filled, 0, 0);
	return w;
}

static uint64_t get(const atomic_uint_least64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void add(atomic_uint_least64_t *counter, uint64_t count)
{
	atomic_store_explicit(counter, get(counter) + count, memory_order_relaxed);
}

/* ---- the write-back thread ---- */

static void fail(struct writeback *w, const struct piece *piece, int error)
{
	if (atomic_load_explicit(&w->failed, memory_order_acquire))
		return;
	w->failed_serial = piece->serial;
	atomic_store_explicit(&w->failed, error, memory_order_release);
}

static bool is_current(const struct writeback *w, const struct piece *piece)
{
	return piece->serial == get(&w->serial);
}

/* Only where the kernel or a system call filter does not have the call does it fail otherwise: the
 * kernel then writes back later. */
static int range_sync(const struct piece *piece, unsigned flags)
{
	if (sync_file_range(piece->fd, (off_t)piece->offset, piece->bytes, flags) == 0)
		return 0;
	return errno == ENOSYS || errno == EPERM || errno == EINVAL ? 0 : errno;
}

static void piece_begin(const struct piece *piece)
{
	if (piece->bytes)
		range_sync(piece, SYNC_FILE_RANGE_WRITE);
}

/* Whoever wrote it back, the kernel itself or this thread: it is on the disk, or has failed. */
static void piece_end(struct writeback *w, const struct piece *piece)
{
	int error = 0;

	if (piece->bytes && is_current(w, piece))
		error = range_sync(piece, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
						  SYNC_FILE_RANGE_WAIT_AFTER);
	if (error)
		fail(w, piece, error);
	if (piece->bytes)
		posix_fadvise(piece->fd, (off_t)piece->offset, piece->bytes, POSIX_FADV_DONTNEED);
	add(&w->done_bytes, piece->bytes);
	if (piece->close) {
		close(piece->fd);
		add(&w->done_closes, 1);
	}
}

static bool piece_take(struct writeback *w, struct piece *piece)
{
	uint64_t taken = get(&w->taken);

	/* Pairs with the release in piece_put(). */
	if (atomic_load_explicit(&w->put, memory_order_acquire) == taken)
		return false;
	*piece = w->queue[taken % QUEUE_PIECES];
	/* Pairs with the acquire in queue_space(). */
	atomic_store_explicit(&w->taken, taken + 1, memory_order_release);
	return true;
}

/* One piece is being written while the next one is begun. */
static void *thread_run(void *arg)
{
	struct writeback *w = arg;
	struct piece begun, next;
	bool busy = false;

	pthread_setname_np(pthread_self(), "afcap-writeback");
	trace_thread();
	while (!atomic_load_explicit(&w->stopping, memory_order_relaxed)) {
		bool more = piece_take(w, &next);

		if (more)
			piece_begin(&next);
		if (busy)
			piece_end(w, &begun);
		if (more)
			begun = next;
		if (!more && !busy)
			while (sem_wait(&w->filled) && errno == EINTR)
				;
		busy = more;
	}
	if (busy)
		piece_end(w, &begun);
	return NULL;
}

/* ---- the ring thread ---- */

static uint64_t queue_space(const struct writeback *w)
{
	/* Pairs with the release in piece_take(). */
	return QUEUE_PIECES -
	       (get(&w->put) - atomic_load_explicit(&w->taken, memory_order_acquire));
}

static void piece_put(struct writeback *w, const struct piece *piece)
{
	uint64_t put = get(&w->put);

	w->queue[put % QUEUE_PIECES] = *piece;
	add(&w->put_bytes, piece->bytes);
	/* Pairs with the acquire in piece_take(). */
	atomic_store_explicit(&w->put, put + 1, memory_order_release);
	sem_post(&w->filled);
}

bool writeback_room(const struct writeback *w, uint64_t bytes)
{
	return bytes <= w->bytes_max && writeback_waiting(w) <= w->bytes_max - bytes &&
	       queue_space(w) > CLOSES_MAX + 1 &&
	       get(&w->put_closes) - get(&w->done_closes) < CLOSES_MAX;
}

void writeback_add(struct writeback *w, uint64_t offset, uint32_t bytes)
{
	w->dirty = true;
	piece_put(w, &(struct piece){ .fd = w->fd,
				      .bytes = bytes,
				      .offset = offset,
				      .serial = get(&w->serial) });
}

void writeback_file(struct writeback *w, int fd, uint64_t serial)
{
	w->fd = fd;
	w->dirty = false;
	atomic_store_explicit(&w->serial, serial, memory_order_relaxed);
}

void writeback_close(struct writeback *w)
{
	if (w->dirty) {
		add(&w->put_closes, 1);
		piece_put(w, &(struct piece){ .fd = w->fd, .close = true });
	} else if (w->fd >= 0) {
		close(w->fd);
	}
	w->fd = -1;
	w->dirty = false;
}

int writeback_error(struct writeback *w, uint64_t *serial)
{
	/* Pairs with the release in fail(). */
	int error = atomic_load_explicit(&w->failed, memory_order_acquire);

	if (!error)
		return 0;
	*serial = w->failed_serial;
	/* Pairs with the acquire in fail(). */
	atomic_store_explicit(&w->failed, 0, memory_order_release);
	return error;
}

/* ---- any thread ---- */

uint64_t writeback_waiting(const struct writeback *w)
{
	uint64_t done = get(&w->done_bytes); /* first: it is never ahead */

	return get(&w->put_bytes) - done;
}

int writeback_start(struct writeback *w)
{
	int rc = pthread_create(&w->thread, NULL, thread_run, w);

	w->running = rc == 0;
	return -rc;
}

void writeback_stop(struct writeback *w)
{
	if (!w->running)
		return;
	atomic_store_explicit(&w->stopping, true, memory_order_relaxed);
	sem_post(&w->filled);
	pthread_join(w->thread, NULL);
	w->running = false;
}

void writeback_free(struct writeback *w)
{
	struct piece piece;

	while (piece_take(w, &piece))
		if (piece.close)
			close(piece.fd);
	sem_destroy(&w->filled);
	free(w);
}
