/* A capture begins: its filter, its files, its workers and their rings, until all are armed; and
 * what becomes of it, and of the daemon, where that fails. */
#ifndef CAPTURE_START_H
#define CAPTURE_START_H

#include "capture_error.h"

#include <stdbool.h>

struct capture;
struct link;

/* Whether it can begin, on *link; if not, its reason says why. */
bool start_ready(struct capture *capture, struct link *link);

/* The interface is there and up (NULL: all are recorded): files, processes. start_advance() does
 * the remainder. Returns 0 or -1. */
int start_begin(struct capture *capture, const struct link *link, struct capture_error *error);

/* It could not: it is tried again later, unless that cannot help. */
void start_retry(struct capture *capture, const struct capture_error *error);

/* Something that it needs to begin is not to be had: it is tried again, or fails, or the daemon
 * ends, as on_fault says. */
void start_fault(struct capture *capture, int exit_code, const char *text);

/* Likewise, of its directory or its first file: errno, and its text. */
void start_files_fault(struct capture *capture, int error, const char *text);

/* In each step: the faults of its slots. */
void start_slot_faults(struct capture *capture);

/* Its filter is compiled, or cannot be: it may be what the start waits for. */
void start_filtered(struct capture *capture);

/* In each step: workers got further: the next in order is asked; when all are ready, the group is
 * armed. */
void start_advance(struct capture *capture);

#endif
