/* An output file as the supervisor knows it: a descriptor that is passed on and never written to,
 * and the requests to the archive process about it.
 *
 *   SOUGHT <-> MISSING <-> ASKED     SOUGHT: it is the previous instance's, found by its inode
 *     |  \                   |
 *     |   +----> READY <-----+       there is a descriptor
 *     v            v
 *    USED <--------+                 a worker writes to it; it has its name, or gets it
 *     v
 *   ASTRAY                           another program removed, moved or changed it
 *
 *   each -> ENDING                   the archive finishes or discards it
 *
 * Invariant: fd < 0 while it is SOUGHT, ASKED or MISSING, and fd >= 0 from READY on, except that
 * one which is ENDING may never have been made. */
#ifndef OUTPUT_FILE_H
#define OUTPUT_FILE_H

#include "../base/message.h"

#include <stdbool.h>
#include <stdint.h>

struct archive_request;

/* The target of a request: the capture's number, its worker, and the owner of the answer. */
struct archive_target {
	uint32_t capture, worker;
	void *owner; /* borrowed until the answer; NULL: no answer is wanted */
};

enum output_file_state {
	FILE_NEW, /* not requested */
	FILE_SOUGHT,
	FILE_ASKED,
	FILE_MISSING, /* could not be made or found: files_retry() */
	FILE_READY,
	FILE_USED,
	FILE_ASTRAY,
	FILE_ENDING,
};

/* Pending requests about a file in use, each at most once at a time. */
#define FILE_SYNCING 1u
#define FILE_LOOKING 2u
#define FILE_NAMING  4u

struct output_file {
	struct archive_target target;
	uint64_t serial;
	enum output_file_state state;
	unsigned pending; /* FILE_SYNCING | ... */
	int fd;		  /* a socket in which it is in flight; -1: not made yet */
	uint32_t align;
	char name[FILE_NAME_BYTES];
	uint64_t device, inode;	     /* once it is made, or while it is sought; 0 */
	int spoiled;		     /* errno of a failed sync: it ends as a suspect; 0: none */
	int name_error;		     /* errno of its naming, which is retried; 0: none */
	struct archive_request *end; /* the request that will finish or discard it; NULL: made */
};

/* A file not made yet, with the request that will end it, from malloc(3), which it owns (NULL: no
 * memory). Returns NULL without memory. */
struct output_file *output_file_new(const struct archive_target *target, uint64_t serial,
				    struct archive_request *end);

/* Enters the next state, which is logged at debug level. An invalid transition is refused and
 * logged as an error. */
void output_file_enter(struct output_file *file, enum output_file_state state);

/* Whether it is the previous instance's and not found yet. NULL: false. */
bool output_file_sought(const struct output_file *file);

/* Whether a worker writes to it. NULL: false. */
bool output_file_used(const struct output_file *file);

/* Whether it has its visible name: only the names of hidden files begin with a dot. */
bool output_file_visible(const struct output_file *file);

/* Closes and frees it. NULL is safe. */
void output_file_free(struct output_file *file);

#endif
