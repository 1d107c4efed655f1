/* An output file as the ring thread writes it: by O_DIRECT, or through the page cache.
 *
 * The file is append-only; the caller knows its end. O_DIRECT writes whole units at a multiple of
 * the alignment. What is written without it is then synced, so that it is on the disk as the rest
 * is, unless the file is written without O_DIRECT altogether: by configuration, or since its file
 * system refuses it. Calls wait for the disk. */
#ifndef OUTFILE_H
#define OUTFILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

/* Alignment of O_DIRECT in bytes, powers of two; the minimum means no O_DIRECT, the maximum is the
 * largest page of a 64-bit Linux. */
#define OUTFILE_ALIGN_MIN 4u
#define OUTFILE_ALIGN_MAX 65536u

enum outfile_mode { OUTFILE_UNKNOWN, OUTFILE_PLAIN, OUTFILE_DIRECT };

struct outfile {
	uint64_t serial;
	int fd;			/* -1: none */
	uint32_t align;		/* of O_DIRECT; 4 without it */
	enum outfile_mode mode; /* of the descriptor, as set last */
	bool unsynced;		/* the last write failed only when it was synced */
};

/* Each writes at `offset` and returns 0 or errno; after an error, what lies behind `offset` is
 * undefined. `pieces` are used up. */

/* Pieces of whole units each, at a multiple of the alignment, in one call if the kernel takes
 * them. */
int outfile_direct(struct outfile *file, struct iovec *pieces, int count, uint64_t offset);

/* The same through the page cache, and not synced: the caller has it written back. */
int outfile_cached(struct outfile *file, struct iovec *pieces, int count, uint64_t offset);

/* Any number of bytes anywhere. `file->unsynced`: the page cache has them, and the error may be of
 * what was put there before. */
int outfile_plain(struct outfile *file, const uint8_t *data, uint32_t bytes, uint64_t offset);

#endif
