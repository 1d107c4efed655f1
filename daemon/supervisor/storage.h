/* A capture as the archive process knows it: announced, with its directory open, maintained within
 * its limits, short of space or not. The archive's answers become facts (storage_news()), which the
 * capture handles once in each turn of the event loop.
 *
 *   UNKNOWN -> ANNOUNCED <-> PLACED        the directory is open
 *                 ^  \
 *                 |   +----> REFUSED       it cannot be used: announced again some time */
#ifndef STORAGE_H
#define STORAGE_H

#include "slot.h"

enum storage_state { STORAGE_UNKNOWN, STORAGE_ANNOUNCED, STORAGE_PLACED, STORAGE_REFUSED };

/* Maintenance of its files by the archive: removal by the limits, and repair. */
enum storage_maintenance { MAINTENANCE_NONE, MAINTENANCE_ASKED, MAINTENANCE_ASK_AGAIN };

/* News, as bits. */
#define STORAGE_OPEN	   1u /* the directory was opened */
#define STORAGE_CLOSED	   2u /* it cannot be used: error, text */
#define STORAGE_MAINTAINED 4u /* maintenance is done: the next five members are its result */

struct storage {
	struct slots *slots; /* borrowed */
	enum storage_state state;
	enum storage_maintenance maintenance;
	unsigned news;
	int error;		 /* errno, why it is REFUSED ... */
	char text[MESSAGE_TEXT]; /* ... as text */
	bool more;		 /* there is more to repair */
	bool held;   /* another process has unfinished files locked, for some more seconds */
	bool wanted; /* a write was refused meanwhile */
	enum output_lack reserve; /* the lack for which disk_reserve is not met, as handled ... */
	enum output_lack reserve_next; /* ... and as known */
	uint64_t available;	       /* bytes of the file system; UINT64_MAX: not known */
	uint64_t sync_at_ns;	       /* monotonic: when files are synced next */
	struct gap *gap;	       /* borrowed: gets the times of repaired files */
	char reason[REASON_BYTES];     /* the problem with files in use; "": none */
};

/* The next state, which is logged at debug level. One that cannot follow on the present one is not
 * entered, which is logged as an error. */
void storage_enter(struct storage *storage, enum storage_state state);

void storage_init(struct storage *storage, struct slots *slots, struct gap *gap);

/* Announces the names and the directory of files. If none are written the directory counts as
 * open. */
void storage_announce(struct storage *storage, const struct message_capture *capture, bool writes);

/* The next announcement opens the directory again: it may be another one. */
void storage_forget(struct storage *storage);

bool storage_placed(const struct storage *storage);

/* Requests maintenance: removal of old files, also for a refused write, and repair of one; at most
 * one such request is in progress. No effect if nothing is written. */
void storage_maintain(struct storage *storage);

/* Requests maintenance for workers whose writes were refused, if any. */
void storage_relieve(struct storage *storage);

/* Handles whether disk_reserve is met: if it is not, nothing is written. True: that has changed. */
bool storage_reserve(struct storage *storage);

/* The news since the last call; 0: none. */
unsigned storage_news(struct storage *storage);

/* To be called about twice a second: maintenance; every `sync_ns` (0: never) a sync of written
 * data. */
void storage_tick(struct storage *storage, uint64_t now_ns, int64_t sync_ns);

/* Whether any file of the previous instance is still sought. */
bool storage_seeks(const struct storage *storage);

/* Requests missing spare files, once no file is sought any more. */
void storage_spares(struct storage *storage);

/* Writes into `reason` whether files were lost, or cannot be named. */
void storage_review(struct storage *storage);

/* The effects of the archive's answers; the owner of each request is a slot. */
extern const struct files_events storage_events;

#endif
