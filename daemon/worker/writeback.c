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

#define PIECE_BYTES (256u << 10) /* pieces are larger, but for some */
#define PIECES_MIN  64u

struct piece {
	int fd;
	bool close; /* the file has no further piece */
	uint32_t bytes;
	uint64_t offset;
	uint32_t file; /* files that were closed before it was the current one */
	int error;     /* of its start */
};

struct writeback {
	uint64_t bytes_max;
	struct afcap *ring; /* borrowed */
	pthread_t thread;
	bool running;
	sem_t made;   /* posted by the thread when it may be confined */
	sem_t filled; /* posted for each piece, and at the end */

	struct piece *queue;
	uint64_t pieces; /* of the queue, a power of two */
	/* Pieces ever put and taken. The ring thread stores `put` with release, which pairs with
	 * the acquire in piece_take(): the piece is visible before it is counted. The thread stores
	 * `taken` with release, which pairs with the acquire in queue_space(): the piece was copied
	 * before it is overwritten. */
	atomic_uint_least64_t put, taken;
	/* Bytes ever put and written back. The thread stores `done_bytes` with release, which pairs
	 * with the acquire in writeback_waiting(): it is never seen ahead of `put_bytes`. */
	atomic_uint_least64_t put_bytes, done_bytes;
	uint32_t file; /* the ring thread's: see above */
	/* The first failure that was not asked for: the piece's file and errno; exchanged for 0. */
	atomic_uint_least64_t failed;
	atomic_bool stopping; /* relaxed; sem_post() follows */
};

struct writeback *writeback_new(uint64_t bytes)
{
	struct writeback *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->bytes_max = bytes;
	for (w->pieces = PIECES_MIN; w->pieces < bytes / PIECE_BYTES;)
		w->pieces *= 2;
	w->queue = calloc(w->pieces, sizeof(*w->queue));
	if (!w->queue) {
		free(w);
		return NULL;
	}
	sem_init(&w->made, 0, 0);
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

static void wait_for(sem_t *semaphore)
{
	while (sem_wait(semaphore) && errno == EINTR)
		;
}

/* Only where the kernel or a system call filter does not have the call does it fail otherwise: the
 * kernel then writes back later. */
static int range_sync(const struct piece *piece, unsigned flags)
{
	if (sync_file_range(piece->fd, (off_t)piece->offset, piece->bytes, flags) == 0)
		return 0;
	return errno == ENOSYS || errno == EPERM || errno == EINVAL ? 0 : errno;
}

/* A file system that finds no place for it may tell so here alone. */
static void piece_begin(struct piece *piece)
{
	if (piece->bytes)
		piece->error = range_sync(piece, SYNC_FILE_RANGE_WRITE);
}

/* Whoever wrote it back, the kernel itself or this thread: it is on the disk, or has failed. */
static void piece_end(struct writeback *w, const struct piece *piece)
{
	uint64_t failed = get(&w->failed);
	int error = piece->error;

	if (piece->bytes) {
		int ended = range_sync(piece, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
						      SYNC_FILE_RANGE_WAIT_AFTER);

		error = error ? error : ended;
		posix_fadvise(piece->fd, (off_t)piece->offset, piece->bytes, POSIX_FADV_DONTNEED);
	}
	if (error && (!failed || failed >> 32 != piece->file)) /* that one was closed */
		atomic_store(&w->failed, (uint64_t)piece->file << 32 | (uint32_t)error);
	/* Pairs with the acquire in writeback_waiting(). */
	atomic_store_explicit(&w->done_bytes, get(&w->done_bytes) + piece->bytes,
			      memory_order_release);
	if (piece->close)
		close(piece->fd);
	if (error || !writeback_waiting(w))
		afcap_wake(w->ring);
}

static bool piece_take(struct writeback *w, struct piece *piece)
{
	uint64_t taken = get(&w->taken);

	/* Pairs with the release in piece_put(). */
	if (atomic_load_explicit(&w->put, memory_order_acquire) == taken)
		return false;
	*piece = w->queue[taken % w->pieces];
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
	sem_post(&w->made);
	while (!atomic_load_explicit(&w->stopping, memory_order_relaxed)) {
		bool more = piece_take(w, &next);

		if (more)
			piece_begin(&next);
		if (busy)
			piece_end(w, &begun);
		if (more)
			begun = next;
		if (!more && !busy)
			wait_for(&w->filled);
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
	return w->pieces - (get(&w->put) - atomic_load_explicit(&w->taken, memory_order_acquire));
}

static void piece_put(struct writeback *w, const struct piece *piece)
{
	uint64_t put = get(&w->put);

	w->queue[put % w->pieces] = *piece;
	add(&w->put_bytes, piece->bytes);
	/* Pairs with the acquire in piece_take(). */
	atomic_store_explicit(&w->put, put + 1, memory_order_release);
	sem_post(&w->filled);
}

/* One place is for a close. */
bool writeback_room(const struct writeback *w, uint64_t bytes)
{
	return bytes <= w->bytes_max && writeback_waiting(w) <= w->bytes_max - bytes &&
	       queue_space(w) > 1;
}

void writeback_add(struct writeback *w, int fd, uint64_t offset, uint32_t bytes)
{
	piece_put(w,
		  &(struct piece){ .fd = fd, .bytes = bytes, .offset = offset, .file = w->file });
}

void writeback_close(struct writeback *w, int fd)
{
	/* Without a place in the queue the pieces of another file may be synced: no harm */
	if (writeback_waiting(w) && queue_space(w))
		piece_put(w, &(struct piece){ .fd = fd, .close = true });
	else
		close(fd);
	w->file++;
}

int writeback_error(struct writeback *w, bool *current)
{
	uint64_t failed = get(&w->failed) ? atomic_exchange(&w->failed, 0) : 0;

	*current = failed >> 32 == w->file;
	return (int)(uint32_t)failed;
}

/* ---- any thread ---- */

uint64_t writeback_waiting(const struct writeback *w)
{
	/* Pairs with the release in piece_end(). */
	uint64_t done = atomic_load_explicit(&w->done_bytes, memory_order_acquire);

	return get(&w->put_bytes) - done;
}

int writeback_start(struct writeback *w, struct afcap *ring)
{
	int rc;

	w->ring = ring;
	rc = pthread_create(&w->thread, NULL, thread_run, w);

	if (rc)
		return -rc;
	w->running = true;
	wait_for(&w->made);
	return 0;
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
	sem_destroy(&w->made);
	sem_destroy(&w->filled);
	free(w->queue);
	free(w);
}
