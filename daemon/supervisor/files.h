/* Output files as the supervisor knows them, and its side of the archive process: requests are sent
 * one after the other and repeated to a new archive process when one dies. Nothing here waits for a
 * disk. */
#ifndef FILES_H
#define FILES_H

#include "../base/message.h"

#include <event2/event.h>
#include <stdbool.h>
#include <sys/types.h>

struct files; /* the client */

/* A file of a slot. Owned by the slot from files_open() on; by the client again from files_finish()
 * or files_discard() on, which free it. */
struct output_file {
	uint64_t serial;
	int fd; /* a socket in which it is in flight; -1: not made yet */
	uint32_t align;
	char name[FILE_NAME_BYTES];
	bool named;   /* in use: the request to name it is made */
	bool offered; /* the slot's worker has it */
	bool failed;  /* could not be made: files_retry() */
	bool syncing;
	bool ending;		/* the client's again: what finishes or discards it is queued */
	bool reopen;		/* it is of a daemon before: found again by the next two */
	uint64_t device, inode; /* once it is made */
	int spoiled;		/* errno of a failed sync: it ends as a suspect; 0: none */
	bool looking;		/* files_look() is asked for */
	bool naming;		/* files_name() is asked for */
	int name_error;		/* errno of its naming, which is tried again; 0: none */
	bool astray;		/* another program removed, moved or changed it */
	struct request *end;	/* what will finish or discard it; NULL: asked for */
};

/* What the answers are told to. `owner` is what the request was made with. */
struct files_events {
	void (*placed)(void *owner);			       /* the capture's directory is open */
	void (*opened)(void *owner, struct output_file *file); /* file->fd is there */
	/* `spoiled`: by a write or sync before that, which is counted already. NULL: it is
	 * delayed, as files_delayed() says, and told again when it is done. */
	void (*finished)(void *owner, const struct ledger_file *record, bool spoiled,
			 const struct message_result *result);
	/* Another program removed, moved or changed it: `what` it did. */
	void (*astray)(void *owner, struct output_file *file, const char *what);
	void (*synced)(void *owner, struct output_file *file, int error);
	/* What the archive removed and repaired, what room there is; `last`: files_keep() is done.
	 */
	void (*cared)(void *owner, const struct message_result *result, bool last);
	/* The directory cannot be used, or a file cannot be made (file->failed). `error` is an
	 * errno. */
	void (*failed)(void *owner, struct output_file *file, int error, const char *text);
	void (*idle)(void *context); /* the last request was answered */
};

/* Starts the archive process. Returns 0 or -errno. */
int files_new(struct files **out, struct event_base *base, const struct files_events *events,
	      void *context);

/* Looks at the clock, as to be done now and then; that it was set is logged. Returns by how much
 * since the last call, 0: it was not. */
int64_t files_clock(struct files *files);

/* Tells the archive about a capture; before its other requests. `owner` is for failed() with file
 * NULL. */
void files_capture(struct files *files, const struct message_capture *capture, void *owner);

/* Has a file made ahead. NULL without memory. */
struct output_file *files_open(struct files *files, uint32_t capture, uint32_t worker,
			       uint64_t serial, void *owner);

/* Has the file of a daemon before found and opened again. NULL without memory. */
struct output_file *files_reopen(struct files *files, uint32_t capture, uint32_t worker,
				 uint64_t serial, uint64_t device, uint64_t inode, void *owner);

/* A file that was never made, or not found again. */
void files_forget(struct output_file *file);

/* Tries again to make a file that failed. */
void files_retry(struct files *files, uint32_t capture, uint32_t worker, struct output_file *file,
		 void *owner);

/* The file came into use at since_ns: it gets its name. */
void files_name(struct files *files, uint32_t capture, uint32_t worker, struct output_file *file,
		const struct ledger_file *record, void *owner);

/* Whether it is still what was written so far. */
void files_look(struct files *files, uint32_t capture, uint32_t worker, struct output_file *file,
		const struct ledger_file *record, void *owner);

/* Nobody writes to it any more: cut, statistics, sync, its final name. Where the file system does
 * not take the name it is tried again by files_tick(). */
void files_finish(struct files *files, uint32_t capture, uint32_t worker, struct output_file *file,
		  const struct ledger_file *record, void *owner);

/* It was never used. */
void files_discard(struct files *files, uint32_t capture, uint32_t worker, struct output_file *file,
		   void *owner);

/* What is written so far goes to the disk for sure. */
void files_sync(struct files *files, uint32_t capture, uint32_t worker, struct output_file *file,
		void *owner);

/* Has old files removed, as the capture's budget, age and reserve say, and one repaired that a dead
 * daemon left. `refused`: errno of a worker's write that found no room; 0: none. False without
 * memory: cared() will not be told. */
bool files_keep(struct files *files, uint32_t capture, int refused, void *owner);

/* Whether nothing of the capture is left to be done where it records, files_keep() aside: its
 * directory may change. What its file system refuses is given up after some tries: finished() is
 * told with an error. */
bool files_left(struct files *files, uint32_t capture);

/* Tries again what is delayed. Twice a second or so. */
void files_tick(struct files *files);

/* Errno of why files of a capture cannot be finished just now; 0: none waits for that. */
int files_delayed(const struct files *files, uint32_t capture);

/* Logs which files were not finished. Returns how many. */
unsigned files_unfinished(const struct files *files);

/* True when no request is waiting for its answer; what is delayed is not waited for. */
bool files_idle(const struct files *files);

/* The same when all captures have stopped: from the first call on, what is delayed is tried some
 * more times, by files_tick(). */
bool files_settled(struct files *files);

/* True when one archive process after the other died without an answer. */
bool files_hopeless(const struct files *files);

/* To be called on SIGCHLD: true if this pid was the archive's; a new one is started. */
bool files_reaped(struct files *files, pid_t pid, int status);

pid_t files_pid(const struct files *files);

/* Whether an answer is one to the request that was sent, with a descriptor where there has to be
 * one and nowhere else; its strings end then. The archive reads files that others wrote: nothing of
 * it is believed that cannot be. */
bool files_answer_fits(const struct message *request, struct message *answer, int fd);

/* Closes the channel, which ends the archive process, and waits for it, a few seconds, unless
 * requests are unanswered. Frees all. */
void files_free(struct files *files);

#endif
