/* When chunks go through the page cache: the disk does not keep up with the ring, or has not caught
 * up since. What waits then is writeback.h's. Without a burst in the configuration nothing ever
 * does, and no thread is made. */
#ifndef BURST_H
#define BURST_H

#include "crossing.h"
#include "outfile.h"
#include "writeback.h"

struct burst {
	struct writeback *writeback; /* NULL: there are no bursts */
	struct crossing *crossing;   /* borrowed */
	uint64_t bytes_max;
	uint64_t late_end; /* the file should have ended, and waits: not beyond by a burst; 0: no */
	bool on;	   /* what was written last went through the page cache */
	bool distrusted;   /* a write-back failed; until the disk has taken something since */
	bool ring_fills;   /* set by the caller: the disk does not keep up with the ring */
};

/* `bytes` may wait for the disk at a time; 0: none. Returns 0 or -ENOMEM. */
int burst_init(struct burst *burst, uint64_t bytes, struct crossing *crossing);

/* Before the process is confined: makes the thread, which wakes the ring's reader when nothing
 * waits any more. Returns 0 or -errno. */
int burst_start(struct burst *burst, struct afcap *ring);

/* Whether so many bytes at the file's end go into the page cache. A file that should have ended
 * takes as much as a burst more that way, or it would never end. */
bool burst_wanted(const struct burst *burst, const struct outfile *file, uint64_t end,
		  uint64_t bytes);

/* Puts them there, at `end`, and has them written back; tells the main thread of a burst that
 * begins. Returns 0 or errno. */
int burst_write(struct burst *burst, struct outfile *file, struct iovec *pieces, int count,
		uint64_t end);

/* A chunk goes around the page cache; the disk has taken it. */
void burst_passed(struct burst *burst);
void burst_disk_works(struct burst *burst);

/* Whether the file, which should end, must wait: what the disk does not have yet may still fail. */
bool burst_waits(struct burst *burst, uint64_t end);

/* Another file is the current one. */
void burst_next_file(struct burst *burst, int previous_fd);

/* Whether an error that a sync has found, even a lack of space, is the file's and not the write's:
 * it may be of what waited, and space that comes does not bring that back. After one there is no
 * burst, as below. */
bool burst_blames(struct burst *burst);

/* The errno of a failed write-back of this file, once; 0: none. After one there is no burst until
 * the disk works: an error would be known too late again, file after file. */
int burst_error(struct burst *burst);

/* Bytes that wait. Any thread. */
uint64_t burst_waiting(const struct burst *burst);

/* No write follows. */
void burst_stop(struct burst *burst);

#endif
