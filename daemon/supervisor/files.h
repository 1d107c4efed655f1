/* Output files: what is asked of the archive process about them, and what its answers lead to.
 *
 * A file is the slot's from files_open() on, and this one's again, which frees it, from
 * files_finish() or files_discard() on. */
#ifndef FILES_H
#define FILES_H

#include "archive_client.h"

struct files;

/* What answers lead to. `owner` is the target's. */
struct files_events {
	void (*placed)(void *owner); /* the capture's directory is open */
	/* file->fd is there; its state is still what was asked for, and is the callee's to set. */
	void (*opened)(void *owner, struct output_file *file);
	/* `spoiled`: by a write or sync before that, which is counted already. `result` is NULL
	 * where it is delayed, as files_delayed() says; another call follows when it is
	 * done. */
	void (*finished)(void *owner, const struct ledger_file *record, bool spoiled,
			 const struct message_result *result);
	/* Another program removed, moved or changed it: `what` it did. */
	void (*astray)(void *owner, struct output_file *file, const char *what);
	/* A sync has failed: it is to end, as a suspect. */
	void (*spoiled)(void *owner, struct output_file *file);
	/* What the archive removed and repaired, and the space there is; `last`:
	 * files_retain() is done. */
	void (*retained)(void *owner, const struct message_result *result, bool last);
	/* The directory cannot be used (`file` is NULL), or the file cannot be made or found, which
	 * is MISSING: result->error, result->text. */
	void (*failed)(void *owner, struct output_file *file, const struct message_result *result);
};

/* Starts the archive process. Returns 0 or -errno. */
int files_new(struct files **out, struct event_base *base, const struct files_events *events);

/* The connection, through which captures are announced. Borrowed. */
struct archive_client *files_client(struct files *files);

/* Has a file made ahead. NULL without memory. */
struct output_file *files_open(struct files *files, const struct archive_target *target,
			       uint64_t serial);

/* Has a file of the previous instance found and opened again. NULL without memory. */
struct output_file *files_reopen(struct files *files, const struct archive_target *target,
				 uint64_t serial, uint64_t device, uint64_t inode);

/* Tries again to make a file that failed. */
void files_retry(struct files *files, struct output_file *file);

/* The file came into use: it gets its name, by record->first_ns. */
void files_name(struct files *files, struct output_file *file, const struct ledger_file *record);

/* Whether it is still what was written so far. */
void files_look(struct files *files, struct output_file *file, const struct ledger_file *record);

/* No process writes to it any more: cut, statistics, sync, its final name. Where the file system
 * refuses the name it is tried again by files_tick(). */
void files_finish(struct files *files, struct output_file *file, const struct ledger_file *record);

/* It was never used. */
void files_discard(struct files *files, struct output_file *file);

/* What is written so far is synced. */
void files_sync(struct files *files, struct output_file *file);

/* Has old files removed, as the capture's budget, age and reserve say, and one repaired that the
 * previous instance left. `refused`: errno of a worker's write that found no space; 0: none. False
 * without memory: retained() will not be called. */
bool files_retain(struct files *files, const struct archive_target *target, int refused);

/* Whether nothing of the capture is left to be done in its directory, files_retain()
 * aside: the directory may change. What the file system refuses is given up after some tries:
 * finished() is called with an error. */
bool files_done(struct files *files, uint32_t capture);

/* The errno for which files of a capture cannot be finished just now; 0: none waits for that. */
int files_delayed(const struct files *files, uint32_t capture);

/* Logs which files were not finished. Returns how many. */
unsigned files_unfinished(struct files *files);

/* True when all captures have stopped and no request waits for its answer; from the first call on,
 * what is delayed is repeated some times, by files_tick(). */
bool files_settled(struct files *files);

/* Frees the connection, as archive_client_free() says. */
void files_free(struct files *files);

#endif
