/* What the two threads of a worker pass to each other: the main thread (channel, timers, kernel
 * statistics) and the ring thread (blocks, files). Everything else in the ring loop and the writer
 * is the ring thread's own once it runs. Two more things are read across, by their own rules: the
 * ledger's records (base/ledger.h) and its words `in_hand`, `polls`, `poll_timeouts`, each a
 * relaxed store by the ring thread.
 *
 *   main thread --stopping, draining, suspended, rotate, spare, late--> ring thread
 *   main thread <--link, fatal, error, refused, no_space--------------- ring thread
 *   main thread <--------------statistics_wanted----------------------> ring thread
 *
 * A word is followed by a call where the other side may be asleep: afcap_wake() or afcap_stop() to
 * the ring thread, crossing_notify() to the main thread. Each writes to an eventfd, and the side
 * that wakes by it sees all stores before that write: where loads are relaxed below, the look after
 * the wake-up is the one that counts. */
#ifndef CROSSING_H
#define CROSSING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* An output file on its way to the ring thread, which owns the descriptor then. */
struct crossing_file {
	uint64_t serial;
	int fd;
	uint32_t align; /* of O_DIRECT; 4 where there is none */
};

struct crossing {
	/* Eventfd of the main thread; -1: none. Set before the ring thread is made. */
	int notify;

	/* ---- written by the main thread, read by the ring thread ---- */

	/* The thread ends. Once true, it stays. Read relaxed at each turn; afcap_stop() follows. */
	atomic_bool stopping;
	/* Every block is written as soon as it comes. Once true, it stays. Read relaxed;
	 * afcap_wake() follows. */
	atomic_bool draining;
	/* Packets are discarded instead of written. Read relaxed before each write, which may miss
	 * it by one chunk. */
	atomic_bool suspended;
	/* The next file is to be taken into use. Written by both: set by the main thread, which
	 * wakes; cleared by the ring thread where it is done or there is nothing to be done. Read
	 * relaxed. */
	atomic_bool rotate;

	/* The next file. The main thread's while spare_ready is false, the ring thread's while it
	 * is true. crossing_spare_give() stores true by release, which pairs with the acquire in
	 * crossing_spare_take(): the file is there before the flag. That one stores false by
	 * release, which pairs with the acquire in crossing_spare_give(): the file was copied
	 * before it is overwritten. */
	struct crossing_file spare;
	atomic_bool spare_ready;

	/* The first file, where the ring thread had to begin without. As above, but it is given
	 * once only: crossing_late_give() by release pairs with the acquire in
	 * crossing_late_take(). */
	struct crossing_file late;
	atomic_bool late_ready;

	/* ---- written by the ring thread, read by the main thread (ringthread_news()) ---- */

	/* AFCAP_DOWN or AFCAP_GONE; exchanged for 0 by the main thread, so that it is new once. */
	atomic_int link;
	/* errno that ended the thread; 0: none. Its last store. */
	atomic_int fatal;
	/* errno of the last write that failed; exchanged for 0 by the main thread. */
	atomic_int error;
	/* errno: a write found no room just now, and is tried again; 0: no longer. */
	atomic_int refused;
	/* errno: the last write found no room, and none was seen since; 0: there is room. Stored
	 * relaxed, the ring thread itself reads it most; where it changes for the worse,
	 * crossing_notify() follows, else the next report is early enough. */
	atomic_int no_space;

	/* ---- written by both ---- */

	/* The ring thread asks for the kernel's statistics by true; the main thread, which loads it
	 * before it reads them, answers by false when they are in the ledger. Sequentially
	 * consistent: the ring thread's load of false acquires the ledger's record that the main
	 * thread published before it stored false. */
	atomic_bool statistics_wanted;
};

/* Ring thread: the main thread is to look. Never blocks; a full counter means that it will. */
void crossing_notify(const struct crossing *crossing);

/* Main thread: hands over the next file, or the first one late. False: the one before was not taken
 * yet; the descriptor is still the caller's. */
bool crossing_spare_give(struct crossing *crossing, const struct crossing_file *file);
void crossing_late_give(struct crossing *crossing, const struct crossing_file *file);

/* Ring thread: takes the next file if it is there and has this serial number; the late one if it is
 * there. */
bool crossing_spare_take(struct crossing *crossing, uint64_t serial, struct crossing_file *file);
bool crossing_late_take(struct crossing *crossing, struct crossing_file *file);

#endif
