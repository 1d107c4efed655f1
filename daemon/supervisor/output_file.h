/* An output file as the supervisor knows it: a descriptor that is passed on and never written to,
 * and what was asked of the archive process about it. */
#ifndef OUTPUT_FILE_H
#define OUTPUT_FILE_H

#include "../base/message.h"

#include <stdbool.h>
#include <stdint.h>

struct archive_request;

/* For whom something is asked: the capture's number, its worker, and to what the answer goes. */
struct archive_target {
	uint32_t capture, worker;
	void *owner; /* borrowed until the answer; NULL: no answer is wanted */
};

struct output_file {
	struct archive_target target;
	uint64_t serial;
	int fd; /* a socket in which it is in flight; -1: not made yet */
	uint32_t align;
	char name[FILE_NAME_BYTES];
	bool named;   /* in use: the request to name it is made */
	bool offered; /* the slot's worker has it */
	bool failed;  /* could not be made: files_retry() */
	bool syncing;
	bool ending;		/* the client's again: what finishes or discards it is queued */
	bool reopen;		/* it is the previous instance's: found again by the next two */
	uint64_t device, inode; /* once it is made */
	int spoiled;		/* errno of a failed sync: it ends as a suspect; 0: none */
	bool looking;		/* files_look() is asked for */
	bool naming;		/* files_name() is asked for */
	int name_error;		/* errno of its naming, which is tried again; 0: none */
	bool astray;		/* another program removed, moved or changed it */
	struct archive_request *end; /* what will finish or discard it; NULL: asked for */
};

/* Not made yet, with the request that will end it. NULL without memory. */
struct output_file *output_file_new(const struct archive_target *target, uint64_t serial);

/* Whether it has the name that users see: hidden files, and no others, begin with a dot. */
bool output_file_visible(const struct output_file *file);

/* Closes and frees it; NULL: nothing. */
void output_file_free(struct output_file *file);

#endif
