/* The state shared by the two threads of a worker: the main thread (channel, timers, kernel
 * statistics) and the ring thread (blocks, files). Everything else in the ring loop and the writer
 * belongs to the ring thread alone once it runs. Two more things are shared by their own rules: the
 * ledger's records (base/ledger.h) and its fields `in_progress`, `polls`, `poll_timeouts`, each
 * stored relaxed by the ring thread.
 *
 *   main thread --stopping, draining, suspended, rotate, spare, late--> ring thread
 *   main thread <--link, fatal, error, refused, no_space, burst-------- ring thread
 *   main thread <--------------statistics_wanted----------------------> ring thread
 *
 * A store is followed by a wake-up where the other side may be asleep: afcap_wake() or afcap_stop()
 * for the ring thread, crossing_notify() for the main thread. Each writes to an eventfd, and the
 * side that it wakes sees all stores before that write: where loads are relaxed below, the load
 * after the wake-up is the one that counts. */
#ifndef CROSSING_H
#define CROSSING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* An output file handed to the ring thread, which then owns the descriptor. */
struct crossing_file {
	uint64_t serial;
	int fd;
	uint32_t align; /* of O_DIRECT; 4 without it */
};

struct crossing {
	/* Eventfd of the main thread; -1: none. Set before the ring thread is made. */
	int notify;

	/* ---- written by the main thread, read by the ring thread ---- */

	/* The ring thread must end. Never reset. Read relaxed in each iteration; afcap_stop()
	 * follows. */
	atomic_bool stopping;
	/* Every block is written as soon as it arrives. Never reset. Read relaxed; afcap_wake()
	 * follows. */
	atomic_bool draining;
	/* Packets are discarded instead of written. Read relaxed before each write, which may miss
	 * it by one chunk. */
	atomic_bool suspended;
	/* A rotation is requested. Written by both: set by the main thread, which then wakes the
	 * ring thread; cleared by the ring thread when the rotation is done or not needed. Read
	 * relaxed. */
	atomic_bool rotate;

	/* The spare file. Belongs to the main thread while spare_ready is false, to the ring thread
	 * while it is true. crossing_spare_give() stores true with release, which pairs with the
	 * acquire in crossing_spare_take(): the file is visible before the flag.
	 * crossing_spare_take() stores false with release, which pairs with the acquire in
	 * crossing_spare_give(): the file is copied before it is overwritten. */
	struct crossing_file spare;
	atomic_bool spare_ready;

	/* The first file, if the ring thread had to start without it. As above, but it is given
	 * only once: the release in crossing_late_give() pairs with the acquire in
	 * crossing_late_take(). */
	struct crossing_file late;
	atomic_bool late_ready;

	/* ---- written by the ring thread, read by the main thread (ringthread_news()) ---- */

	/* AFCAP_DOWN or AFCAP_GONE; exchanged for 0 by the main thread, so that it is reported
	 * once. */
	atomic_int link;
	/* errno that ended the thread; 0: none. Its last store. */
	atomic_int fatal;
	/* A burst has begun; exchanged for false by the main thread. */
	atomic_bool burst;
	/* errno of the last write that failed; exchanged for 0 by the main thread. */
	atomic_int error;
	/* errno: a write found no space and is being retried; 0: not any more. */
	atomic_int refused;
	/* errno: the last write found no space, and none was found since; 0: there is space. Stored
	 * relaxed, as the ring thread itself is the main reader; when space runs out,
	 * crossing_notify() follows, otherwise the next report is early enough. */
	atomic_int no_space;

	/* ---- written by both ---- */

	/* The ring thread requests the kernel's statistics by storing true; the main thread, which
	 * loads it before it reads them, stores false once they are in the ledger. Sequentially
	 * consistent: the ring thread's load of false acquires the ledger's record that the main
	 * thread published before it stored false. */
	atomic_bool statistics_wanted;
};

/* Ring thread: wakes the main thread. Never blocks; a full counter means that a wake-up is
 * pending. */
void crossing_notify(const struct crossing *crossing);

/* Main thread: hands over the spare file, or the first file late. False: the previous spare file
 * was not taken yet; the caller keeps the descriptor. */
bool crossing_spare_give(struct crossing *crossing, const struct crossing_file *file);
void crossing_late_give(struct crossing *crossing, const struct crossing_file *file);

/* Ring thread: takes the spare file if there is one with this serial number; the late file if there
 * is one. */
bool crossing_spare_take(struct crossing *crossing, uint64_t serial, struct crossing_file *file);
bool crossing_late_take(struct crossing *crossing, struct crossing_file *file);

#endif
