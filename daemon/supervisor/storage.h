/* A capture as the archive process knows it: announced, with its directory open, kept within its
 * limits, short of room or not. What the archive answers are facts (storage_news()), which the
 * capture acts upon once in each turn of the event loop.
 *
 *   UNKNOWN -> ANNOUNCED <-> PLACED        the directory is open
 *                 ^  \
 *                 |   +----> REFUSED       it cannot be used: announced again some time */
#ifndef STORAGE_H
#define STORAGE_H

#include "slot.h"

enum storage_state { STORAGE_UNKNOWN, STORAGE_ANNOUNCED, STORAGE_PLACED, STORAGE_REFUSED };

/* What the archive is asked for of its files: removal by the limits, and repair. */
enum storage_maintenance { MAINTENANCE_NONE, MAINTENANCE_ASKED, MAINTENANCE_ASK_AGAIN };

/* News, as bits. */
#define STORAGE_OPEN	   1u /* the directory is open, which it was not */
#define STORAGE_CLOSED	   2u /* it cannot be used: error, text */
#define STORAGE_MAINTAINED 4u /* maintenance is done: the next five members are of it */

struct storage {
	struct slots *slots; /* borrowed */
	enum storage_state state;
	enum storage_maintenance maintenance;
	unsigned news;
	int error;		 /* errno, why it is REFUSED ... */
	char text[MESSAGE_TEXT]; /* ... in words */
	bool more;		 /* there is more to repair */
	bool held;		 /* another process holds unfinished files, for some seconds yet */
	bool wanted;		 /* a write was refused meanwhile */
	enum output_lack
		reserve; /* for want of what disk_reserve is not kept, as is acted upon ... */
	enum output_lack reserve_next; /* ... and as is known */
	uint64_t available;	       /* bytes of the file system; UINT64_MAX: not known */
	uint64_t sync_at_ns;	       /* monotonic: when files are synced next */
	struct gap *gap;	       /* borrowed: gets what repaired files say */
	char reason[REASON_BYTES];     /* what is wrong with files in use; "": nothing */
};

/* The next state, which is logged at debug level. One that cannot follow on the present one is not
 * entered, which is logged as an error. */
void storage_enter(struct storage *storage, enum storage_state state);

void storage_init(struct storage *storage, struct slots *slots, struct gap *gap);

/* What files are called and where they are. Where none are written the directory counts as open. */
void storage_announce(struct storage *storage, const struct message_capture *capture, bool writes);

/* The directory is to be opened again by the next announcement: it may be another one. */
void storage_forget(struct storage *storage);

bool storage_placed(const struct storage *storage);

/* Has old files removed, also for a refused write, and one repaired; at most one such request is
 * under way. No effect where nothing is written. */
void storage_maintain(struct storage *storage);

/* For workers whose writes were refused, if there are any. */
void storage_relieve(struct storage *storage);

/* Acts upon whether disk_reserve is kept: where it is not, nothing is written. True: that has
 * changed. */
bool storage_reserve(struct storage *storage);

/* What is new since the last call; 0: nothing. */
unsigned storage_news(struct storage *storage);

/* Twice a second or so: maintenance; every `sync_ns` (0: never) what is written is synced. */
void storage_tick(struct storage *storage, uint64_t now_ns, int64_t sync_ns);

/* Whether any file of the previous instance is still sought. */
bool storage_seeks(const struct storage *storage);

/* Asks for spare files where there are none, when nothing is sought any more. */
void storage_spares(struct storage *storage);

/* Writes into `reason` what is true of files that were lost, or cannot be named. */
void storage_review(struct storage *storage);

/* What the answers of the archive lead to; the owner of each request is a slot. */
extern const struct files_events storage_events;

#endif
