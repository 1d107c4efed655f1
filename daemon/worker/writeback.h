/* What the ring thread has put into the page cache and the disk does not have yet: a thread of its
 * own starts the write-back at once and waits for it, oldest first, two pieces at a time, and lets
 * the cache forget them. So a burst takes as much memory as the disk is behind, and no more stays.
 *
 *   ring thread --piece--> queue --> write-back thread: sync_file_range(2), posix_fadvise(2)
 *
 * A failed write-back is told once on a file's open description, which the archive process shares
 * and which it asks when it finishes the file: this thread may be told instead. So a file ends when
 * nothing of it waits any more (writer.c), unless it may not grow, and its error is in the ledger
 * by then; and the archive process asks by a description of its own, too (archive/openfiles.h).
 *
 * The ring thread alone calls what is not marked otherwise. */
#ifndef WRITEBACK_H
#define WRITEBACK_H

#include "../../lib/afcap.h"

#include <stdbool.h>
#include <stdint.h>

struct writeback;

/* For at most `bytes` that wait at a time. NULL: out of memory. */
struct writeback *writeback_new(uint64_t bytes);

/* Main thread, before the process is confined: makes the thread, which has made all calls then that
 * a confined one may not. `ring`, which is borrowed, is woken when nothing waits any more, and
 * after a failure. Returns 0 or -errno. */
int writeback_start(struct writeback *writeback, struct afcap *ring);

/* Whether so many bytes more may be put into the page cache. */
bool writeback_room(const struct writeback *writeback, uint64_t bytes);

/* These bytes of the file are in the page cache; there was room for them. */
void writeback_add(struct writeback *writeback, int fd, uint64_t offset, uint32_t bytes);

/* Closes the file, now or, where pieces wait, behind the last of them. */
void writeback_close(struct writeback *writeback, int fd);

/* The errno of a failed write-back, once; 0: none. *current: of the file that was not closed yet.
 */
int writeback_error(struct writeback *writeback, bool *current);

/* Bytes that wait. Any thread. */
uint64_t writeback_waiting(const struct writeback *writeback);

/* Joins the thread, which waits for the two pieces in the disk's hands; what else waits is written
 * back by the kernel. No other call may follow but writeback_error() and writeback_free(). */
void writeback_stop(struct writeback *writeback);
void writeback_free(struct writeback *writeback);

#endif
