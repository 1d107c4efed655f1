/* A capture begins: its filter, its files, its workers and their rings, until all are armed; and
 * what happens to it, and to the daemon, if that fails. */
#ifndef CAPTURE_START_H
#define CAPTURE_START_H

#include "capture_error.h"

#include <stdbool.h>

struct capture;
struct link;

/* Whether it can begin, on *link; if not, its reason says why. */
bool start_ready(struct capture *capture, struct link *link);

/* Asks for files and starts workers, on an interface that exists and is up (NULL: all are
 * recorded). start_advance() does the remainder. Returns 0, or -1 with *error. */
int start_begin(struct capture *capture, const struct link *link, struct capture_error *error);

/* It could not begin: retries later, unless that cannot help. */
void start_retry(struct capture *capture, const struct capture_error *error);

/* Something that it needs to begin is unavailable: it is retried, or fails, or the daemon ends,
 * depending on on_fault. */
void start_fault(struct capture *capture, int exit_code, const char *text);

/* Likewise for its directory or its first file; `error` is an errno. */
void start_files_fault(struct capture *capture, int error, const char *text);

/* In each step: the faults of its slots. */
void start_slot_faults(struct capture *capture);

/* Compiling its filter has ended: the start may have waited for that. */
void start_filtered(struct capture *capture);

/* In each step: asks the next worker in order; arms the group when all are ready. */
void start_advance(struct capture *capture);

#endif
