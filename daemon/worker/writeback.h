/* What the ring thread has put into the page cache and the disk does not have yet: a thread of its
 * own starts the write-back at once and waits for it, oldest first, two pieces at a time, and lets
 * the cache forget them. So a burst takes as much memory as the disk is behind, and no more stays.
 *
 *   ring thread --piece--> queue --> write-back thread: sync_file_range(2), posix_fadvise(2)
 *
 * A failed write-back is told to whoever asks for it first on a file's open description, which the
 * archive process shares. So the thread waits for pieces of the current file only, whose failure
 * the ring thread then puts into the ledger. Those of earlier files it only starts: the archive
 * process, which syncs these files, must hear of it.
 *
 * The ring thread alone calls what is not marked otherwise. */
#ifndef WRITEBACK_H
#define WRITEBACK_H

#include <stdbool.h>
#include <stdint.h>

struct writeback;

/* For at most `bytes` that wait at a time. NULL: out of memory. */
struct writeback *writeback_new(uint64_t bytes);

/* Main thread, before the process is confined: makes the thread. Returns 0 or -errno. */
int writeback_start(struct writeback *writeback);

/* Whether so many bytes more may be put into the page cache. */
bool writeback_room(const struct writeback *writeback, uint64_t bytes);

/* These bytes of the current file are in the page cache; there was room for them. */
void writeback_add(struct writeback *writeback, uint64_t offset, uint32_t bytes);

/* This file is the current one from now on; the one before was closed. */
void writeback_file(struct writeback *writeback, int fd, uint64_t serial);

/* Closes the current file, now or when the last of its pieces was written back. */
void writeback_close(struct writeback *writeback);

/* The errno of the first failed write-back that was not asked for yet, and the file's serial; 0:
 * none. */
int writeback_error(struct writeback *writeback, uint64_t *serial);

/* Bytes that wait. Any thread. */
uint64_t writeback_waiting(const struct writeback *writeback);

/* Joins the thread, which waits for the two pieces in the disk's hands; what else waits is written
 * back by the kernel. No other call may follow but writeback_error() and writeback_free(). */
void writeback_stop(struct writeback *writeback);
void writeback_free(struct writeback *writeback);

#endif
