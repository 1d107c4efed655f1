/* Output files: the requests to the archive process about them, and the effects of its answers.
 *
 * A file is the slot's from files_open() on, and this module's, which frees it, from files_finish()
 * or files_discard() on. */
#ifndef FILES_H
#define FILES_H

#include "archive_client.h"

struct files;

/* The effects of answers. `owner` is the target's. */
struct files_events {
	void (*placed)(void *owner); /* the capture's directory is open */
	/* file->fd is set; its state is still that of the request, and the callee sets it. */
	void (*opened)(void *owner, struct output_file *file);
	/* `spoiled`: by an earlier write or sync, which is already counted. `result` is NULL if
	 * finishing is delayed (files_delayed()); another call follows when it is done. */
	void (*finished)(void *owner, const struct ledger_file *record, bool spoiled,
			 const struct message_result *result);
	/* Another program removed, moved or changed the file; `what` describes it. */
	void (*astray)(void *owner, struct output_file *file, const char *what);
	/* A sync has failed: the file must end, as a suspect. */
	void (*spoiled)(void *owner, struct output_file *file);
	/* The files that the archive removed and repaired, and the available space; `last`:
	 * files_retain() is done. */
	void (*retained)(void *owner, const struct message_result *result, bool last);
	/* The directory is unusable (`file` is NULL), or the file cannot be made or found: it is
	 * MISSING: result->error, result->text. */
	void (*failed)(void *owner, struct output_file *file, const struct message_result *result);
};

/* Starts the archive process. Returns 0 or -errno. */
int files_new(struct files **out, struct event_base *base, const struct files_events *events);

/* The connection, through which captures are announced. Borrowed. */
struct archive_client *files_client(struct files *files);

/* Requests a spare file. NULL: no memory. */
struct output_file *files_open(struct files *files, const struct archive_target *target,
			       uint64_t serial);

/* Requests that a file of the previous instance be found and opened again. NULL: no memory. */
struct output_file *files_reopen(struct files *files, const struct archive_target *target,
				 uint64_t serial, uint64_t device, uint64_t inode);

/* Retries to make a file after a failure. */
void files_retry(struct files *files, struct output_file *file);

/* The file came into use: it gets its name, by record->first_ns. */
void files_name(struct files *files, struct output_file *file, const struct ledger_file *record);

/* Requests a check whether the file still has what was written. */
void files_look(struct files *files, struct output_file *file, const struct ledger_file *record);

/* Finishes a file that no process writes any more: cut, statistics, sync, final name. If the file
 * system refuses the name, files_tick() retries it. */
void files_finish(struct files *files, struct output_file *file, const struct ledger_file *record);

/* Discards a file that was never used. */
void files_discard(struct files *files, struct output_file *file);

/* Syncs the data written so far. */
void files_sync(struct files *files, struct output_file *file);

/* Requests the removal of old files by the capture's budget, age and reserve, and the repair of one
 * file of the previous instance. `refused`: errno of a worker's write that found no space; 0: none.
 * False without memory: retained() will not be called. */
bool files_retain(struct files *files, const struct archive_target *target, int refused);

/* Whether requests of a capture are not answered yet, or were refused and are to be tried again. */
bool files_left(const struct files *files, uint32_t capture);

/* Whether no request for the capture's directory is left, except files_retain(): the directory may
 * change. Requests that the file system refuses are given up after some tries: finished() is called
 * with an error. */
bool files_done(struct files *files, uint32_t capture);

/* The errno with which finishing files of a capture is delayed; 0: none is. */
int files_delayed(const struct files *files, uint32_t capture);

/* Logs the files that were not finished. Returns their number. */
unsigned files_unfinished(struct files *files);

/* True when all captures have stopped and no request waits for its answer; from the first call on,
 * files_tick() retries delayed requests a few times. */
bool files_settled(struct files *files);

/* Frees the connection (archive_client_free()). */
void files_free(struct files *files);

#endif
